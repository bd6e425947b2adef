"""Questions about figures over time."""
