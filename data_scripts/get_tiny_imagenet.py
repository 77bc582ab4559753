"""Tiny ImageNet, or a part, in CUB's layout: ``get_tiny_imagenet.py --root data --group dogs``."""

import sys

from finegan_lib.data.obtain import main

if __name__ == "__main__":
    sys.exit(main("tiny_imagenet"))
