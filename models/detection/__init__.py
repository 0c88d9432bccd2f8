"""Detection as a whole: photos to named keypoints and masks."""
