"""Errors, options, files and checkpoints. This part imports no other part of the library."""
