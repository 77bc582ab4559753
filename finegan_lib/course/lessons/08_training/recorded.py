"""What this lesson records: a healthy training and five that fail, until birds are seen."""

import dataclasses
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ....codes import Codes
from ....figures import generate
from ....systems import FineGANSystem
from ....training import RunConfig
from ....training.presets import TOY
from ...engine.recordings import Plan, Recording, rgb, thin
from . import lab

# A healthy training: the recipe of the preset `toy`, in a world of three shapes and six species.
HEALTHY = replace(
    TOY,
    model=replace(TOY.model, n_parents=3, n_children=6, d_dim=24),
    loop=replace(TOY.loop, n_images=1000, device="cpu", minutes=0.0),
)
# A failure is recorded until it looks like what it is.
STEPS = {
    "healthy": 3000,
    "masks full": 200,
    "masks empty": 100,
    "D too strong": 200,
    "mode collapse": 400,
    "code ignored": 300,
}
SIZES = {"g_dim": 8, "d_dim": 16}
TERMS = ("area_c", "D_c", "child", "parent_info", "child_info")
STAGES = ["$B$", "$M_p$", "$P$", "$M_c$", "$C$"]
COLUMNS = ["B", "$M_p$", "P", "$M_c$", *(f"C, p={p}" for p in (0, 0, 1, 1, 2, 2))]


class Strip:
    """A ``watch`` for `lab.play`: an album of the child images, and all stages of two birds."""

    def __init__(self, steps: list[int], codes: Codes):
        self.album, self.codes, self.looks = lab.Album(steps, codes), codes, {}

    def __call__(self, step: int, system: FineGANSystem) -> None:
        self.album(step, system)
        if step in self.album.steps:
            out = generate(system.average, self.codes.select(slice(2)))
            stages = (out.background.image, out.parent.mask, out.parent.image)
            stages += (out.child.mask, out.child.image)
            self.looks[step] = torch.stack([rgb(stage) for stage in stages], 1).flatten(0, 1)


def moments(steps: int) -> list[int]:
    """When to look: ever later, and at the last steps, four apart."""
    early = [round(steps * share) for share in (0.03, 0.1, 0.25, 0.5)]
    late = [steps - 12, steps - 8, steps - 4, steps]
    return sorted({max(1, step) for step in early + late})


def codes_of(config: RunConfig, n: int = 3) -> Codes:
    """A child of every parent, each with its own z."""
    hierarchy = config.model.hierarchy()
    z = torch.randn(n, config.model.z_dim, generator=torch.Generator().manual_seed(3))
    return hierarchy.codes(z, [hierarchy.children_of(p)[0] for p in range(n)])


def healthy(steps: int) -> dict[str, Recording]:
    """The healthy training.

    Returns:
        ``healthy``: its row of the gallery. ``stages``: all stages of two birds, a row a moment.
        ``album``: live and averaged pictures. ``kept``: what an average without BatchNorm's
        statistics generates. ``hard``: the codes that D_c reads worst.
    """
    config = replace(HEALTHY, loop=replace(HEALTHY.loop, steps=steps))
    strip = Strip(moments(steps), codes_of(config))
    system, history = lab.play(config, strip)
    facts = {"steps": steps} | _facts(config, history)
    shown = [step for step in moments(steps) if step <= steps // 2 or step == steps]
    stages = torch.stack([strip.looks[step] for step in shown])
    return {
        "healthy": Recording(_portrait(system), ["healthy"], COLUMNS, **facts),
        "stages": Recording(stages, [f"step {step:,}" for step in shown], STAGES * 2, **facts),
        "album": Recording(*_album(strip.album), **facts),
        "kept": Recording(*_kept(system, strip.codes), **facts),
        "hard": _hard(system, facts),
    }


def failing(failure: lab.Failure, steps: int) -> dict[str, Recording]:
    """One failure, wider than the lesson's live one and with larger batches: its gallery's row."""
    recipe = {"final_decay": 0.0} | failure.recipe
    config = lab.tiny_run(steps, model=SIZES | failure.model, recipe=recipe, batch_size=16)
    system, history = lab.play(config)
    facts = {"steps": steps} | _facts(config, history)
    return {slug(failure.name): Recording(_portrait(system), [failure.name], COLUMNS, **facts)}


def _portrait(system: FineGANSystem) -> Tensor:
    return torch.cat([rgb(image[None]) for image in lab.portrait(system.average)])[None]


def slug(name: str) -> str:
    """The name of a failure as that of a file."""
    return name.lower().replace(" ", "_")


def _facts(config, history) -> dict:
    settings = {
        part: dataclasses.asdict(getattr(config, part)) for part in ("model", "recipe", "loop")
    }
    return {
        "settings": settings,
        "start": {name: values[0] for name, values in history.items()},
        "curves": {name: thin(history[name]) for name in TERMS},
    }


def _album(album: lab.Album) -> tuple[Tensor, list[str], list[str]]:
    """Rows: the live and the averaged generator, for two codes. Columns: moments."""
    when = sorted(album.live)
    sources = {"live $\\theta$": album.live, "average $\\bar\\theta$": album.average}
    rows = [
        torch.stack([shots[step][i] for step in when])
        for i in range(2)
        for shots in sources.values()
    ]
    return torch.stack(rows), [*sources] * 2, [f"step {step:,}" for step in when]


def _kept(system: FineGANSystem, codes) -> tuple[Tensor, list[str], list[str]]:
    """Rows: the live generator, and its average with BatchNorm's statistics of the start."""
    networks = {"live": system.generator, "its average": lab.forgetful(system)}
    rows = [generate(network, codes).child.image for network in networks.values()]
    return torch.stack(rows), list(networks), [f"code {i + 1}" for i in range(len(rows[0]))]


def _hard(system: FineGANSystem, facts: dict, n: int = 16) -> Recording:
    """Rows: the hardest and the easiest of a pool. Curves: −log Q of all, and of the hardest."""
    pool = lab.hard_pool(system, n)
    easiest = pool.log_q.argsort(descending=True)[:n]
    shown = {"hardest": pool.picked, "easiest": easiest}
    pictures = torch.stack([pool.images[rows] for rows in shown.values()])
    names = list(shown), [str(i + 1) for i in range(n)]
    curves = {"all": -pool.log_q, "picked": -pool.log_q[pool.picked]}
    facts = facts | {"curves": {k: v.tolist() for k, v in curves.items()}}
    return Recording(pictures, *names, **facts)


RECORDINGS = (
    Plan(("healthy", "stages", "album", "kept", "hard"), healthy, STEPS["healthy"]),
    *(
        Plan((slug(failure.name),), partial(failing, failure), STEPS[failure.name])
        for failure in lab.FAILURES
    ),
)
