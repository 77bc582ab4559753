"""How threads wait for each other. Imports no torch: what is said here must be said before it."""

import os

SPIN = "3000"  # turns; the Makefile gives the same to ``make lab``


def share_processors(environment=os.environ) -> None:
    """Let threads that wait for each other soon go to sleep. To be called before torch is loaded.

    GNU's OpenMP has them spin by default. Beside another busy program that is fatal: one thread
    spins on the core that the other would need, and a training step takes many times as long. To
    sleep after some thousand turns costs next to nothing where there is no such program (``bench
    crowd``). Whoever has chosen a way of waiting keeps it.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPIN)
