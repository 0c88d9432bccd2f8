"""How good a reconstruction is: judged in views and against the truth."""
