"""Many frames: what they share, poses smoothed over time, and what is written of a sequence."""
