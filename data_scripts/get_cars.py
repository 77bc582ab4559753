"""Stanford Cars in CUB's layout: ``python data_scripts/get_cars.py --root data``."""

import sys

from finegan_lib.data.obtain import main

if __name__ == "__main__":
    sys.exit(main("cars"))
