"""Questions about spans and traces."""
