"""Stanford Dogs in CUB's layout: ``python data_scripts/get_dogs.py --root data``."""

import sys

from finegan_lib.data.obtain import main

if __name__ == "__main__":
    sys.exit(main("dogs"))
