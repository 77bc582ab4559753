"""How fast things are, measured as ratios within one run."""
