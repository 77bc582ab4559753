"""How fast things are, as ratios within one run: ``python -m finegan_lib bench WHAT``.

:data:`BENCHES` has a row for each WHAT.
"""

import inspect
from pathlib import Path

from ..base.errors import InputError
from ..base.files import make_folder
from ..base.options import flag
from .clock import compare, facts
from .data import data
from .gpu import gpu, gpu_model
from .processes import crowd, import_cost, memory
from .quality import quality, quality_figure
from .scaling import scaling, scaling_figure
from .scoring import scoring
from .step import sample, step


def playground(rounds: int = 20, progress: bool = True) -> dict:
    """Seconds from a slider's move to the new picture, of the shipped network (64 pixels)."""
    from ..course.playground import CodePanel, MixPanel
    from ..training.pretrained import load_finegan

    generator = load_finegan("toy")
    ways = {panel.__name__: panel(generator).update for panel in (CodePanel, MixPanel)}
    seconds = compare(ways, rounds, "playground", progress)
    return facts(rounds=rounds, image_size=generator.config.image_size, update_s=seconds)


# By name: a function whose parameters are the options that it has, and ``progress``.
BENCHES = {
    "step": step,
    "sample": sample,
    "data": data,
    "scaling": scaling,
    "gpu": gpu,
    "gpu-model": gpu_model,
    "import": import_cost,
    "memory": memory,
    "crowd": crowd,
    "playground": playground,
    "quality": quality,
    "scoring": scoring,
}
# By name: a function from the result to its matplotlib figure.
FIGURES = {"scaling": scaling_figure, "quality": quality_figure}


def bench(what: str, *, figure=None, progress: bool = True, **options) -> dict:
    """Run one of :data:`BENCHES`.

    Args:
        what: its name.
        figure: PNG file, for one of :data:`FIGURES`.
        progress: show a progress bar.
        **options: parameters of the function; None: the function's own value.

    Raises:
        InputError: for an option that this bench does not have, or less than one round.
    """
    takes = inspect.signature(BENCHES[what]).parameters
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in (given | ({"figure": figure} if figure else {})).items():
        if name not in takes and (name != "figure" or what not in FIGURES):
            raise InputError(
                f"bench {what} has no {flag({'settings': 'set'}.get(name, name))}",
                seen=value,
                cure="Leave the option out.",
            )
    if given.get("rounds", 1) < 1:
        raise InputError(
            "rounds must be at least 1", seen=given["rounds"], cure="Leave it out, or give 3."
        )
    if "progress" in takes:
        given["progress"] = progress
    result = BENCHES[what](**given)
    if figure is not None:
        make_folder(Path(figure).parent)
        FIGURES[what](result).savefig(figure, dpi=100)
    return result


def summary(result: dict) -> str:
    """A few lines to print: everything that is a number, with the path that leads to it."""

    def lines(node, path=""):
        for name, value in node.items():
            here = f"{path}{name}"
            if isinstance(value, dict) and name != "config":
                yield from lines(value, f"{here} ")
            elif isinstance(value, int | float | str) and not isinstance(value, bool):
                yield f"{here:40} {value:.4g}" if isinstance(value, float) else f"{here:40} {value}"

    return "\n".join(lines(result))
