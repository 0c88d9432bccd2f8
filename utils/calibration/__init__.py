"""Cameras from photos: frames of a video, structure from motion, boards that give the scale."""
