"""Any published data set of the table, in CUB's layout: ``get.py NAME --root data``."""

import sys

from finegan_lib.data.obtain import main

if __name__ == "__main__":
    sys.exit(main())
