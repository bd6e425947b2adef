"""Foreign formats: one module each, `read` to lake rows and `write` back. `registry` knows them all."""
