"""Hands found in the photos of several calibrated cameras."""
