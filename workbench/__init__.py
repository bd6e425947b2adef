"""Telemetry workbench: from the service map down to the line of code."""
