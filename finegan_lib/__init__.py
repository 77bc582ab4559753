"""FineGAN, the course: an image generator that separates background, shape and appearance.

Singh, Ojha, Lee, "FineGAN: Unsupervised Hierarchical Disentanglement for Fine-Grained Object
Generation and Discovery", CVPR 2019 (arXiv 1811.11155).
"""

__version__ = "0.1.0"
