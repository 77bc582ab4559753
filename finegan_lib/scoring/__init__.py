"""A trained network scored, with the trainings of the networks that judge it."""
