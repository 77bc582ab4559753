"""Your own photographs in CUB's layout: ``prepare_folder.py photos --root data``."""

import sys

from finegan_lib.data.obtain import prepare_main

if __name__ == "__main__":
    sys.exit(prepare_main())
