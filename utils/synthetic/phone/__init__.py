"""Photos that a phone takes on its way around a still hand, with exact ground truth."""
