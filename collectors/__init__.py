"""Sources of telemetry. Each brings rows into the lake through its one Writer: `otlp` live, `files` from files."""
