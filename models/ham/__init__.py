"""HAM: detail, albedo and light of hands by inverse rendering (paper section 3.2)."""
