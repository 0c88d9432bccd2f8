"""Photos as the optimising stages see them: crops, masks, which views to trust."""
