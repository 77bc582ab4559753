"""Scores of a trained network, and the trainings of the networks that the scores need.

Against ToyBirds' truth, or on photographs, where there is none (:mod:`.photographs`).
"""
