"""The mean over several runs of the same scores."""

import numpy as np


def mean_scores(runs: list):
    """The mean over dictionaries of the same form, number by number.

    Args:
        runs: dictionaries of numbers and of such dictionaries, one for each run.
    """
    if isinstance(runs[0], dict):
        return {name: mean_scores([run[name] for run in runs]) for name in runs[0]}
    return float(np.mean(runs))
