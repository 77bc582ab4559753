"""Whole experiments: the demo, the paper's tables, the ablation, digits."""
