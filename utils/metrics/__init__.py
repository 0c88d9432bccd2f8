"""How good a reconstruction is: against photos, against masks, against a known surface."""
