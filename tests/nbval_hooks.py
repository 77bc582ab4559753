"""For nbval, which runs the notebooks: what it compares, one thread a kernel, and no widgets."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ["FINEGAN_STATIC"] = "1"  # as when they were rendered


def pytest_collectstart(collector):
    """Progress bars and warnings differ from run to run: nbval shall not compare stderr."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)
