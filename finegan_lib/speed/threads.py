"""How threads wait for each other. Imports no torch: what is said here must be said before it."""

import os

SPIN = "3000"  # turns; the Makefile gives the same to ``make lab``


def share_processors(environment=os.environ) -> None:
    """Let threads that wait for each other soon go to sleep. To be called before torch is loaded.

    GNU's OpenMP has them spin by default. Beside another busy program that is a waste: one thread
    spins on the core that the other would need. How much a training step gains by sleeping after
    some thousand turns depends on the system's scheduler (1.1 to 3.4 times were seen); alone it
    loses some per cent (``bench crowd``), and a third by sleeping at once (``GOMP_SPINCOUNT=0``
    before ``bench step``). Whoever has chosen a way of waiting keeps it.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPIN)
