"""Triangle meshes and rotations."""
