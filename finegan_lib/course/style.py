"""How the lessons' figures look: small, and readable without telling red from green."""

import matplotlib.pyplot as plt
from cycler import cycler

from ..figures import PALETTE

REAL, FAKE, GREEN, PURPLE, ORANGE, SKY, GREY = PALETTE


def use_style() -> None:
    """Set matplotlib's defaults for the course."""
    plt.rcParams.update(
        {
            "figure.dpi": 80,
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 11,
            "figure.titlesize": 12,
            "legend.frameon": False,
        }
    )
