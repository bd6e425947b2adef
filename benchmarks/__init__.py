"""What the project claims about speed and memory, one module per claim; `make bench` runs them all."""
