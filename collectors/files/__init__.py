"""Files into the lake: `workbench import`."""
