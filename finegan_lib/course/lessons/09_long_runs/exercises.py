"""The exercises of this lesson, with right answers and typical mistakes."""

from functools import lru_cache

import torch

from ...engine.exercises import Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong


@lru_cache(maxsize=64)
def _hours(g_dim: int, d_dim: int) -> float:
    return lab.night_hours({"g_dim": g_dim, "d_dim": d_dim})


def _night(widths):
    if not isinstance(widths, dict) or set(widths) != {"g_dim", "d_dim"}:
        return "answer with a dictionary that has the keys g_dim and d_dim"
    for name, width in widths.items():
        if width not in range(8, 129, 8):
            return f"{name} is a multiple of 8 from 8 to 128"
    hours = _hours(int(widths["g_dim"]), int(widths["d_dim"]))
    if hours > 12:
        return f"this takes {hours:.1f} hours: the run does not end in one night of 12 hours"
    if hours < 9:
        return f"this takes {hours:.1f} hours: the night is long enough for wider networks"
    return None


EXERCISES = (
    Choice(
        "1",
        "predict: what a checkpoint must hold",
        "my_checkpoint",
        "b",
        mistakes=(
            Mistake("a", "Adam's step depends on two running means of every weight"),
            Mistake(
                "c", "step i makes a new rng with the seed (seed, i), so it needs no older state"
            ),
        ),
        alternative="(B)",
        praise="Adam's moments and the average depend on all earlier steps; random numbers do not.",
    ),
    Debug(
        "2",
        "find the mistake: a run that does not resume",
        "my_train",
        lab.train_by_step,
        broken=lab.train_with_one_stream,
        probe="probe_train",
        inputs=lambda: [(torch.tensor([0.5, -1.0, 2.0]),)],
        mistakes=wrong.TRAININGS,
        alternative=wrong.train_forward,
        praise="No step depends on earlier random numbers, so a run can begin at any step.",
    ),
    Debug(
        "3",
        "find the mistake: an average that does not change",
        "my_long_average",
        lab.average_in_float32,
        broken=lab.average_as_it_comes,
        inputs=wrong.live_weights,
        tolerance=2e-3,  # the new values may stay in bfloat16: only the sum needs more
        mistakes=wrong.LONG_AVERAGES,
        alternative=lambda live, decay: lab.average_as_it_comes(live.double(), decay),
        praise="A step of 0.002 is less than half of bfloat16's 0.0078: each one was rounded away.",
    ),
    Fill(
        "4",
        "fill in: a mean over different numbers",
        "my_shared_mean",
        lab.shared_mean,
        mistakes=wrong.SHARED_MEANS,
        alternative=lambda means, counts: means @ (counts / counts.sum()),
        praise="Every patch has the same weight, in every process.",
        inputs=wrong.shares,
    ),
    Exploration(
        "5",
        "explore: a night on a T4",
        "my_plan",
        {"g_dim": 40, "d_dim": 40},
        mistakes=(
            Mistake({"g_dim": 64, "d_dim": 40}, "does not end in one night"),
            Mistake({"g_dim": 48, "d_dim": 48}, "does not end in one night"),
            Mistake({"g_dim": 8, "d_dim": 64}, "long enough for wider networks"),
            Mistake({"g_dim": 42, "d_dim": 42}, "a multiple of 8"),
            Mistake({"g_dim": 0, "d_dim": 40}, "a multiple of 8"),
            Mistake({"g_dim": "40", "d_dim": 40}, "a multiple of 8"),
            Mistake({"g_dim": 40}, "the keys g_dim and d_dim"),
            Mistake({"g_dim": 40, "d_dim": 40, "steps": 1}, "the keys g_dim and d_dim"),
            Mistake((40, 40), "a dictionary"),
        ),
        alternative={"g_dim": torch.tensor([32]), "d_dim": 64},
        praise=(
            "Half the width saves three quarters of the time; half the pixels' side saves three "
            "fifths."
        ),
        grade=_night,
        starts=({"g_dim": 64, "d_dim": 64}, {"g_dim": 32, "d_dim": 32}),
    ),
)
