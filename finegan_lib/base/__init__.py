"""Errors, options, files and checkpoints. This room imports no other room of the library."""
