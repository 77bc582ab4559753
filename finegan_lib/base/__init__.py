"""What everything stands on: errors, options, files, checkpoints. Imports nothing from above."""
