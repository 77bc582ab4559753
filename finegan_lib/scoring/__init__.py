"""A trained network scored, with the trainings of the networks that judge it.

Against ToyBirds' truth, or on photographs, where there is none (:mod:`.photographs`).
"""
