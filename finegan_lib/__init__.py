"""FineGAN, the course: an image generator that separates background, shape and appearance.

Singh, Ojha, Lee, "FineGAN: Unsupervised Hierarchical Disentanglement for Fine-Grained Object
Generation and Discovery", CVPR 2019 (arXiv 1811.11155).
"""

import os
import sys

if sys.platform == "darwin":
    # The CPU computes operations that Apple's GPUs do not have. Torch reads this at its import.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

__version__ = "0.1.0"
