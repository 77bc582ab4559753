"""The lessons: sources of the notebooks, and beside each its exercises."""
