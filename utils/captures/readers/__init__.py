"""Readers of captures, one module a layout of files."""
