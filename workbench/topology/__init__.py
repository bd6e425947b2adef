"""Questions about who calls whom."""
