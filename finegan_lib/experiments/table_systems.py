"""The rows of the paper's tables: which systems are trained, with which sizes, for how long.

**Equal budget.** All generators of one table get as many steps of as many images. On ToyBirds and
on ``cub50`` they also get as many weights, to within a tenth (:func:`match_width`), and the same
recipe, except for the parts that only FineGAN has. The discriminators are not matched: the
discriminators of finished images are equally wide in all systems, and FineGAN's D_b and D_p come on
top (the table counts them). With the paper's data, where the paper's numbers are the aim, the
systems have their authors' widths.
"""

import itertools
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from .. import families, models
from ..base.errors import InputError
from ..base.files import slug
from ..training import RunConfig, build_system, presets

# For each set of data: the paper's column to compare with, and the preset that sets the budget.
DATA = {"toy": "birds", "cub50": "birds", "cub": "birds", "dogs": "dogs", "cars": "cars"}
PRESET_OF = {"cub50": "birds32"}
MATCHED = ("toy", "cub50")  # where all generators get as many weights
CLUSTERINGS = {
    "JULE": "jule",
    "JULE-ResNet-50": "jule_resnet50",
    "DEPICT": "depict",
    "DEPICT-Large": "depict_large",
    "k-means on pixels": "kmeans",  # ours: what needs no learning
}
# Ours, too: the same methods told where the bird is. A crop's middle half holds little background;
# on whole crops they sort mostly by the background.
CENTRED = ("JULE", "DEPICT", "k-means on pixels")
DICE = "labels by dice"  # our row: the scores of random labels
# Ours: what one would use today. Its labels of ImageNet hold 59 kinds of bird.
PRETRAINED = "k-means on EfficientNet-lite0 (knows ImageNet's labels)"
# Ours: FineGAN's features before the k-means as in DeepCluster (metrics.clustering.whitening).
WHITENED = "FineGAN, whitened features"
# Ours: further classifiers see the objects cut out (applications.cut_discovery).
CUT = "FineGAN, whitened features, objects cut out as well"
PAPER_PARENTS = ("5", "10", "20", "40", "mixed")  # table 2's rows, of 200 children
PARENTS_OF = {"cub50": (5, 10, 25)}  # of 50 children


@dataclass(frozen=True)
class Settings:
    """What holds for all rows of a table."""

    data: str = "toy"  # a key of DATA
    image_size: int = 32  # pixels, of "toy"; the photographs' is the preset's
    steps: int | None = None  # of each training; None: the preset's
    folder: str = ""  # of the photographs; "": the preset's
    network: str = ""  # of IS and FID; "": "toy" for ToyBirds, "inception" for the paper's data
    n_images: int = 5000  # generated images of IS and FID
    n_real: int = 2000  # ToyBirds to be sorted
    device: str = "auto"

    @property
    def photographs(self) -> bool:
        """Whether the scores are those of :mod:`finegan_lib.scoring.photographs`."""
        return self.data in PRESET_OF


def base_config(settings: Settings) -> RunConfig:
    """FineGAN's own configuration, which sets the budget of all others."""
    if settings.data not in DATA:
        raise InputError(
            "unknown data", seen=settings.data, cure=f"Choose one of {', '.join(DATA)}."
        )
    if settings.photographs and not settings.folder:
        raise InputError(
            "the folder of these photographs must be named",
            seen=f"--data {settings.data} without a folder",
            cure="Add --folder FOLDER, in the layout of CUB-200-2011.",
        )
    base = presets.PRESETS[PRESET_OF.get(settings.data, settings.data)]
    if settings.data == "toy":
        sizes = {c.model.image_size: c for c in (presets.TOY, presets.TOY64)}
        if settings.image_size not in sizes:
            raise InputError(
                "there is no toy preset of this size",
                seen=settings.image_size,
                cure=f"Choose one of {', '.join(map(str, sizes))}.",
            )
        base = sizes[settings.image_size]
    loop = replace(base.loop, minutes=0.0, device=settings.device)
    if settings.data == "toy":  # one world, whatever the codes of a row are
        model = base.model
        loop = replace(loop, world_parents=model.n_parents, world_children=model.n_children)
    if settings.folder:
        loop = replace(loop, data=settings.folder)
    if settings.steps is not None:
        loop = replace(loop, steps=settings.steps)
    return replace(base, loop=loop)


def generation_systems(settings: Settings) -> dict[str, RunConfig]:
    """Table 1: every system's run, by the paper's name."""
    base, toy = base_config(settings), settings.data in MATCHED
    chosen = {row.title: row.presets[0 if toy else 1] for row in families.ROWS}
    named = {title: presets.PRESETS[preset] for title, preset in chosen.items() if preset}
    # Hard negatives are FineGAN's: the others get their steps as ordinary ones.
    loop = replace(base.loop, steps=base.loop.steps + base.loop.hard_steps, hard_steps=0)
    systems = {}
    for name, preset in named.items():
        sizes = {field.name for field in fields(preset.model)}
        shared = sizes & {"image_size", "d_dim", "n_children"}  # the judges', and the data's
        model = replace(preset.model, **{name: getattr(base.model, name) for name in shared})
        if toy and "g_dim" in sizes:
            model = match_width(model, count_parameters(models.FineGANGenerator, base.model))
        recipe = replace(base.recipe, **dict.fromkeys(presets.FINEGANS_OWN, 0.0))
        systems[name] = RunConfig(model, recipe, loop)
    return systems | {"FineGAN": base}


def hierarchy_systems(settings: Settings) -> dict[str, RunConfig]:
    """Table 2: FineGAN with other numbers of parents, by that number; as :data:`PAPER_PARENTS`.

    The paper's 5, 10, 20 and 40 parents are for 200 children, and 20 is its usual number. Other
    data get the same multiples of their own usual number: ToyBirds, with 5 for 20 children, get
    1, 2, 5 and 10; or those of :data:`PARENTS_OF`. "mixed" has as many as usual, of unequal size
    (:func:`mixed_sizes`).
    """
    base = base_config(settings)
    usual, n_children = base.model.n_parents, base.model.n_children
    multiples = [max(1, int(paper) * usual // 20) for paper in PAPER_PARENTS[:-1]]
    systems = {}
    for n_parents in PARENTS_OF.get(settings.data, multiples):
        model = replace(base.model, n_parents=n_parents, children_per_parent=())
        systems[str(n_parents)] = replace(base, model=model)
    sizes = mixed_sizes(usual, n_children)
    model = replace(base.model, n_parents=len(sizes), children_per_parent=sizes)
    return systems | {"mixed": replace(base, model=model)}


def mixed_sizes(n_parents: int, n_children: int) -> tuple[int, ...]:
    """Table 2's unequal hierarchy: some parents have twice the mean, twice as many have half of it.

    "Some" are 3 in 20, as in the paper (:meth:`finegan_lib.codes.CodeHierarchy.mixed`); children
    that are left over when the mean is not even go to the first parents.
    """
    mean, many = n_children // n_parents, round(0.15 * n_parents)
    sizes = [mean // 2] * (2 * many) + [2 * mean] * many + [mean] * (n_parents - 3 * many)
    for i in range(n_children - sum(sizes)):
        sizes[i % n_parents] += 1
    return tuple(sizes)


def count_parameters(network_class, config) -> int:
    """How many weights a network of these sizes has; nothing is allocated."""
    with torch.device("meta"):
        return sum(p.numel() for p in network_class(config).parameters())


def match_width(model, n_parameters: int):
    """A generator's sizes with the ``g_dim`` that brings its weights nearest to a number."""
    generator = families.of(model).generator
    best, best_error = model, float("inf")
    for g_dim in itertools.count(4):
        candidate = replace(model, g_dim=g_dim)
        count = count_parameters(generator, candidate)
        if abs(count - n_parameters) < best_error:
            best, best_error = candidate, abs(count - n_parameters)
        if count >= n_parameters:
            return best


# ------------------------------------------------------------------------------- the rows


@dataclass(frozen=True)
class Row:
    """One row of a table.

    ``name`` as printed; ``files``, what its files are called (a FineGAN of two tables is one run);
    ``config`` of what is trained, if anything; ``method`` that sorts real images, if one does;
    ``centre``, whether it sees their middle only; ``side`` of the images that it sees, in pixels
    (0: as all others); ``whiten``, components of its features' whitening (0: none, as in the
    paper); ``cut``, whether further classifiers see the objects cut out; ``run``, ``files`` of the
    row whose training it uses, too ("": it has its own).
    """

    name: str
    files: str
    config: RunConfig | None = None
    method: str = ""
    centre: bool = False
    side: int = 0
    whiten: int = 0
    cut: bool = False
    run: str = ""


def table_rows(number: int, settings: Settings) -> list[Row]:
    """The rows of a table, in the paper's order."""
    base = base_config(settings)
    dice = Row(DICE, slug(DICE), None, "dice")
    if number == 1:
        systems = generation_systems(settings).items()
        return [*(Row(name, slug(name), config) for name, config in systems), dice]
    if number == 2:
        systems = hierarchy_systems(settings).items()
        files = {n: "finegan" if c == base else f"finegan_{n}_parents" for n, c in systems}
        return [*(Row(name, files[name], config) for name, config in systems), dice]
    if number == 3:
        sorters = [Row(name, slug(name), None, method) for name, method in CLUSTERINGS.items()]
        for name in CENTRED:
            title = f"{name}, middle of the crop"
            sorters.append(Row(title, slug(title), None, CLUSTERINGS[name], centre=True))
        if settings.photographs:
            sorters.append(Row(PRETRAINED, "pretrained", None, "pretrained"))
            larger = f"{PRETRAINED}, crops of 128 px"
            sorters.append(Row(larger, "pretrained_128", None, "pretrained", side=128))
        contrast = replace(base, recipe=replace(base.recipe, contrastive_child=1.0))
        return [
            dice,
            *sorters,
            Row("FineGAN", "finegan", base, "finegan"),
            Row(WHITENED, slug(WHITENED), base, "finegan", whiten=48, run="finegan"),
            Row(CUT, "finegan_cut_out", base, "finegan", whiten=48, cut=True, run="finegan"),
            Row("FineGAN, contrastive", "finegan_contrastive", contrast, "finegan"),
        ]
    raise InputError("the paper has tables 1, 2 and 3", seen=number, cure="Choose one of them.")


def result_path(folder, row: Row, seed: int) -> Path:
    """Where the result of a row lies."""
    kind = "sorting" if row.method else "images"
    return Path(folder) / "results" / f"{kind}_{row.files}_seed{seed}.json"


def parameter_counts(config: RunConfig) -> dict[str, int]:
    """Weights of the generator and of all its discriminators together."""
    system = build_system(config)
    networks = {name: sum(p.numel() for p in n.parameters()) for name, n in system.named_children()}
    networks.pop("average")
    generator = networks.pop("generator")
    return {"generator": generator, "discriminators": sum(networks.values())}
