"""Files, read with clear errors and written whole or not at all."""
