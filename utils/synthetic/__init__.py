"""Synthetic captures with exact ground truth: hands, skin, cameras, light, detections."""
