"""How threads wait for each other. This must be set before torch is imported."""

import os

SPIN = "3000"  # turns; the Makefile gives the same to ``make lab``


def share_processors(environment=os.environ) -> None:
    """Let threads that wait for each other soon go to sleep. Call it before torch is imported.

    By default, GNU's OpenMP lets them spin. This is a waste while another program is busy: one
    thread spins on the core that the other one needs. A training step whose threads sleep after
    some thousand turns is then faster; how much depends on the system's scheduler (1.1 to 3.4 times
    were measured). On an idle machine the step loses some per cent (``bench crowd``), and a third
    if its threads sleep at once (``GOMP_SPINCOUNT=0`` before ``bench step``). Settings that the
    environment already has stay as they are.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPIN)
