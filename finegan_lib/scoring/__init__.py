"""Trained networks scored: against ToyBirds' truth, and on photographs, where there is none."""
