"""The OTLP receiver: gRPC and HTTP in, a write-ahead log, rows in the lake."""
