"""Cameras from hands: where they stand, how long their lenses are, and how large the world is."""
