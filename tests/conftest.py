"""Settings that hold for every test, made before torch and matplotlib are first imported."""

import os

# Tests run side by side, one worker per core: one thread each. Commands that a test starts inherit
# both settings.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
