"""Does the course notice a broken library?

``python tests/mutations.py [--only NAME] [--json FILE]``

Each mutation is one deliberate mistake in a copy of finegan_lib. The worked notebooks that should
catch it are run against the copy, as ``make test`` runs them; a mutation that none of them catches
survives. First they run against an unchanged copy, where they must pass.

Exit status: 0 if every mutation was caught, 1 if one survived, 2 if there was nothing to measure
(the text to replace is not there, a notebook fails without any mutation, or has no outputs yet).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
NBVAL = ["-p", "nbval_hooks", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300"]


class Mutation(NamedTuple):
    """Replace ``old``, which stands once in ``file``, by ``new``; ``lessons`` should notice."""

    name: str
    file: str
    old: str
    new: str
    lessons: tuple[str, ...]


LOSSES, CODES = "losses.py", "codes.py"
INFOGAN, VIEWS, PARTS = "systems/infogan.py", "systems/views.py", "systems/parts.py"
HARD, ADDITIONS = "systems/hard_negatives.py", "systems/additions.py"
GENERATOR, BLOCKS, TRAINING = "models/finegan.py", "models/blocks.py", "training/loop.py"
CLUSTERING, FACTORS = "metrics/clustering.py", "metrics/factors.py"
QUALITY = "metrics/image_quality.py"

MUTATIONS = (
    # start_here, gan: two networks play
    Mutation(
        "nmi-of-the-larger-entropy",
        CLUSTERING,
        "normalized_mutual_info_score(labels_a, labels_b, average_method=average_method))",
        'normalized_mutual_info_score(labels_a, labels_b, average_method="max"))',
        ("start_here",),
    ),
    Mutation(
        "discriminator-loss-sign",
        LOSSES,
        "F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()",
        "F.softplus(-real_logits.float()).mean() - F.softplus(fake_logits.float()).mean()",
        ("gan",),
    ),
    Mutation(
        "discriminator-loss-real-and-fake-swapped",
        LOSSES,
        "F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()",
        "F.softplus(real_logits.float()).mean() + F.softplus(-fake_logits.float()).mean()",
        ("gan",),
    ),
    Mutation(
        "minimax-generator-loss-sign",
        LOSSES,
        "return -F.softplus(fake_logits.float()).mean()",
        "return F.softplus(fake_logits.float()).mean()",
        ("gan",),
    ),
    Mutation(
        "non-saturating-loss-softplus-swapped",
        LOSSES,
        "return F.softplus(-fake_logits.float()).mean()",
        "return F.softplus(fake_logits.float()).mean()",
        ("gan",),
    ),
    # infogan: information
    Mutation(
        "information-loss-sign",
        LOSSES,
        "return F.cross_entropy(logits.float(), index)",
        "return -F.cross_entropy(logits.float(), index)",
        ("infogan",),
    ),
    Mutation(
        "information-loss-without-log-softmax",
        LOSSES,
        "return F.cross_entropy(logits.float(), index)",
        "return F.nll_loss(logits.float(), index)",
        ("infogan",),
    ),
    Mutation(
        "information-bound-without-log-k",
        LOSSES,
        "return math.log(logits.shape[1]) - information_loss(logits, index)",
        "return -information_loss(logits, index)",
        ("infogan",),
    ),
    Mutation(
        "gaussian-information-loss-sign-of-log-variance",
        LOSSES,
        "(squared + log_variance + math.log(2 * math.pi))",
        "(squared - log_variance + math.log(2 * math.pi))",
        ("infogan",),
    ),
    Mutation(
        "one-entropy-for-several-codes",
        LOSSES,
        "return code.shape[1] * math.log(2) -",
        "return math.log(2) -",
        ("infogan",),
    ),
    Mutation(
        "infogan-q-head-never-learns",
        INFOGAN,
        "adam([*self.generator.parameters(), *head.parameters()], recipe)",
        "adam(self.generator.parameters(), recipe)",
        ("infogan",),
    ),
    # background: background
    Mutation(
        "patch-weights-inverted",
        LOSSES,
        "return 1 - (covered & ~empty[:, None, None]).float()",
        "return (covered & ~empty[:, None, None]).float()",
        ("background",),
    ),
    Mutation(
        "patch-weights-off-by-one-field",
        LOSSES,
        "((box[:, :2] - field) / stride).ceil()",
        "(box[:, :2] / stride).ceil()",
        ("background",),
    ),
    Mutation(
        "background-loss-on-the-bird-too",
        LOSSES,
        "real = (weights * real).sum() / n_background.clamp(min=1)",
        "real = real.mean()",
        ("background",),
    ),
    Mutation(
        "receptive-field-without-strides",
        "data/example.py",
        "field += (kernel - 1) * jump",
        "field += kernel - 1",
        ("background",),
    ),
    # parent, child: parent and child
    Mutation(
        "stitch-mask-swapped",
        GENERATOR,
        "masked_foreground + (1 - mask) * behind)",
        "masked_foreground + mask * behind)",
        ("parent", "child"),
    ),
    Mutation(
        "masked-foreground-without-mask",
        GENERATOR,
        "Stage(foreground, mask, masked_foreground, masked_foreground +",
        "Stage(foreground, mask, foreground, masked_foreground +",
        ("parent", "child"),
    ),
    Mutation(
        "codes-read-from-the-whole-image",
        VIEWS,
        "images, n = stage.masked_foreground, len(stage.mask)",
        "images, n = stage.image, len(stage.mask)",
        ("parent", "child"),
    ),
    Mutation(
        "silhouettes-teach-the-mask-nothing",
        VIEWS,
        "stage.mask * colour, images)",
        "stage.mask.detach() * colour, images)",
        ("parent",),
    ),
    Mutation(
        "views-are-never-mirrored",
        VIEWS,
        "mirror = sample_signs(n, rng=",
        "mirror = 1 + 0 * sample_signs(n, rng=",
        ("parent",),
    ),
    Mutation(
        "view-mirrors-the-other-way",
        GENERATOR,
        "torch.where(z[:, :1] < 0, -1.0, 1.0)",
        "torch.where(z[:, :1] < 0, 1.0, -1.0)",
        ("parent",),
    ),
    Mutation(
        "pull-back-pulls-the-child-as-well",
        ADDITIONS,
        "recipe.mask_pull_back * losses.mask_pull_loss(*masks)",
        "recipe.mask_pull_back * losses.mask_pull_loss(masks[1], masks[0])",
        ("child",),
    ),
    Mutation(
        "free-children-are-seen-as-real-or-fake",
        ADDITIONS,
        "torch.cat([codes.p[:first], any_p])",
        "torch.cat([any_p, codes.p[n - first :]])",
        ("child",),
    ),
    Mutation(
        "child-information-forgotten",
        LOSSES,
        "information_weight * information_loss(child_code_logits, codes.c_index)",
        "0 * information_loss(child_code_logits, codes.c_index)",
        ("child",),
    ),
    Mutation(
        "mask-pull-moves-both-masks",
        LOSSES,
        "(mask - target.detach()).float()",
        "(mask - target).float()",
        ("child",),
    ),
    Mutation(
        "background-need-not-look-like-background",
        LOSSES,
        "return background_weight * real_fake + aux",
        "return background_weight * real_fake",
        ("child",),
    ),
    Mutation(
        "child-need-not-look-real",
        LOSSES,
        '"child": adversarial_losses(adversarial)[1](child_logits)',
        '"child": 0 * adversarial_losses(adversarial)[1](child_logits)',
        ("child",),
    ),
    # codes: codes
    Mutation(
        "surplus-children-go-to-the-last-parents",
        CODES,
        "(parent < remainder)",
        "(parent >= n_parents - remainder)",
        ("codes",),
    ),
    Mutation(
        "free-codes-with-tied-backgrounds",
        CODES,
        "        b_index = torch.randint(self.n_children, (n,), generator=rng)",
        "        b_index = c_index",
        ("codes",),
    ),
    Mutation(
        "parent-of-another-child",
        CODES,
        "p_index = self.parent_of[c_index.cpu().long()]",
        "p_index = self.parent_of.flip(0)[c_index.cpu().long()]",
        ("codes",),
    ),
    Mutation(
        "background-not-tied",
        CODES,
        "b_index = c_index if b_index is None",
        "b_index = c_index.roll(1) if b_index is None",
        ("codes",),
    ),
    Mutation(
        "factor-matrix-changes-the-other-codes",
        FACTORS,
        "before._replace(**{name: getattr(after, name)})",
        "after._replace(**{name: getattr(before, name)})",
        ("codes",),
    ),
    Mutation(
        "labelled-images-with-tied-backgrounds",
        "metrics/code_classifiers.py",
        "b_index=None if config.tied_background else free.b_index",
        "b_index=None",
        ("codes",),
    ),
    # training, long_runs: training
    Mutation(
        "average-decay-swapped",
        PARTS,
        "[new for _, new in pairs], 1 - decay)",
        "[new for _, new in pairs], decay)",
        ("training",),
    ),
    Mutation(
        "average-never-warms-up",
        PARTS,
        "min(recipe.ema_decay, (1 + n) / (10 + n)) if recipe.ema_warmup",
        "recipe.ema_decay if recipe.ema_warmup",
        ("training",),
    ),
    Mutation(
        "average-without-the-live-statistics",
        PARTS,
        "    if copied:",
        "    if copied and buffers:",
        ("training",),
    ),
    Mutation(
        "loss-in-half-precision",
        LOSSES,
        "return -fake_logits.float().mean()",
        "return -fake_logits.mean()",
        ("long_runs",),
    ),
    Mutation(
        "resume-begins-the-random-stream-again",
        TRAINING,
        "hash_seed(loop.seed, run.step, 2)",
        "hash_seed(loop.seed, run.step - run.sampler.start, 2)",
        ("long_runs",),
    ),
    Mutation(
        "hard-codes-are-the-easy-ones",
        HARD,
        "torch.cat(confidence).argsort(stable=True)",
        "torch.cat(confidence).argsort(stable=True, descending=True)",
        ("training",),
    ),
    # image_quality: image quality
    Mutation(
        "fid-without-covariances",
        QUALITY,
        'features_cov_sum", sums.outer)',
        'features_cov_sum", sums.count * torch.outer(sums.mean, sums.mean))',
        ("image_quality",),
    ),
    Mutation(
        "fid-without-means",
        QUALITY,
        '_features_sum", sums.total)',
        '_features_sum", torch.zeros_like(sums.total))',
        ("image_quality",),
    ),
    Mutation(
        "inception-score-of-softened-answers",
        QUALITY,
        "metric.update(logits.double())",
        "metric.update(logits.double() / 2)",
        ("image_quality",),
    ),
    # discovery: discovery
    Mutation(
        "hungarian-worst-mapping",
        CLUSTERING,
        "linear_sum_assignment(counts, maximize=True)",
        "linear_sum_assignment(counts)",
        ("discovery",),
    ),
    Mutation(
        "hungarian-surplus-clusters-not-counted",
        CLUSTERING,
        "counts[rows, columns].sum() / counts.sum())",
        "counts[rows, columns].sum() / counts[:, columns].sum())",
        ("discovery",),
    ),
    Mutation(
        "depict-targets-too-fair",
        "discovery/depict.py",
        "q = p / sizes.sqrt()",
        "q = p / sizes",
        ("discovery",),
    ),
    Mutation(
        "labelled-pictures-with-tied-backgrounds",
        "metrics/code_classifiers.py",
        "b_index=None if config.tied_background else free.b_index",
        "b_index=None",
        ("discovery",),
    ),
    Mutation(
        "ami-without-subtracting-chance",
        CLUSTERING,
        "adjusted_mutual_info_score(labels_a, labels_b, average_method=average_method))",
        "normalized_mutual_info_score(labels_a, labels_b, average_method=average_method))",
        ("discovery",),
    ),
    # gallery, real_birds: what the networks are good for
    Mutation(
        "mixture-keeps-the-background-of-the-shape",
        "applications/mixing.py",
        "generate(generator, background))",
        "generate(generator, shape))",
        ("gallery",),
    ),
    Mutation(
        "inversion-without-the-prior",
        "applications/inversion.py",
        ".mean((1, 2, 3)) + prior * z.square().mean(1)",
        ".mean((1, 2, 3)) + 0 * z.square().mean(1)",
        ("gallery",),
    ),
    Mutation(
        "layers-let-the-background-through-the-parent",
        "applications/mixing.py",
        "gap = (1 - child.mask) * (1 - parent.mask)",
        "gap = 1 - child.mask",
        ("real_birds",),
    ),
    Mutation(
        "arc-with-swapped-ends",
        "applications/interpolate.py",
        "((1 - t) * omega).sin() * a + (t * omega).sin() * b",
        "((1 - t) * omega).sin() * b + (t * omega).sin() * a",
        ("real_birds",),
    ),
    Mutation(
        "iou-over-the-sum-of-the-areas",
        "metrics/masks.py",
        "(masks | others).sum((1, 2, 3))",
        "masks.sum((1, 2, 3)) + others.sum((1, 2, 3))",
        ("real_birds",),
    ),
)


class Failed(Exception):
    """What was to be measured could not be."""


def mutated(mutation: Mutation) -> str:
    """The text of the file with the mistake in it.

    Raises:
        Failed: unless the text to be replaced stands in it exactly once.
    """
    text = (ROOT / "finegan_lib" / mutation.file).read_text(encoding="utf-8")
    if (seen := text.count(mutation.old)) != 1:
        raise Failed(f"{mutation.name}: {mutation.file} has {seen} times: {mutation.old}")
    return text.replace(mutation.old, mutation.new)


def worked_notebook(lesson: str) -> Path | None:
    """The worked notebook of lesson "gan", if it is there and has outputs to compare with."""
    for path in (ROOT / "solutions").glob(f"[0-9][0-9]_{lesson}.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        checked = [c for c in cells if "nbval-check-output" in c["metadata"].get("tags", [])]
        if checked and all(cell["outputs"] for cell in checked):
            return path
    return None


@contextmanager
def library_copy(mutation: Mutation | None = None, cache: Path | None = None):
    """A folder with finegan_lib, changed or not, that notes when it is imported.

    The pictures and statistics that a broken library keeps must not meet those of a sound one, so
    its cache is its own; it begins as a copy of ``cache``.
    """
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        folder = Path(folder)
        package = folder / "finegan_lib"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "finegan_lib", package, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)
        if mutation:
            (package / mutation.file).write_text(mutated(mutation), encoding="utf-8")
        with (package / "__init__.py").open("a", encoding="utf-8") as file:
            file.write(f"\nopen({str(folder / 'imported')!r}, 'w').close()\n")
        if cache and cache.exists():
            shutil.copytree(cache, folder / "cache")
        yield folder


def run_notebook(notebook: Path, copy: Path, cache: Path | None = None) -> str:
    """The first cell of a notebook that fails against a copy of the library; "" if none does.

    Raises:
        Failed: if nothing was tested, or not that copy.
    """
    (copy / "imported").unlink(missing_ok=True)
    (copy / "solutions").mkdir(exist_ok=True)
    for path in notebook.parent.glob("*.ipynb"):  # a lesson may go on with another's parts
        shutil.copy(path, copy / "solutions")
    target = copy / "solutions" / notebook.name
    python_path = os.pathsep.join([str(copy), str(ROOT / "tests")])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    own = {"PYTHONPATH": python_path, "FINEGAN_CACHE": str(cache or copy / "cache")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *NBVAL]
    command += [f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval.cfg'}", target]
    done = subprocess.run(
        command, cwd=copy, env=os.environ | threads | own, capture_output=True, text=True
    )
    if done.returncode not in (0, 1):
        raise Failed(f"{notebook.name}: pytest could not run it\n{done.stdout}{done.stderr}")
    if not (copy / "imported").exists():
        raise Failed(f"{notebook.name} did not import the copy of the library")
    if done.returncode == 0:
        return ""
    cell = re.search(r"::Cell (\d+)", done.stdout)
    return f"cell {cell[1]}" if cell else "a cell"


def check_control(lessons, cache: Path) -> dict[str, Path]:
    """The notebooks of some lessons, all of which pass against an unchanged copy.

    Raises:
        Failed: if one is missing, was not rendered or does not pass.
    """
    notebooks = {}
    with library_copy() as copy:
        for lesson in sorted(lessons):
            notebooks[lesson] = worked_notebook(lesson)
            if notebooks[lesson] is None:
                raise Failed(f"lesson {lesson} has no worked notebook with outputs")
            began = time.monotonic()
            if cell := run_notebook(notebooks[lesson], copy, cache):
                raise Failed(f"{notebooks[lesson].name} fails without any mutation: {cell}")
            print(f"{lesson} passes unchanged ({time.monotonic() - began:.0f} s)", flush=True)
    return notebooks


def try_mutation(mutation: Mutation, notebooks: dict[str, Path], cache: Path) -> dict:
    """Run its notebooks until one fails. ``caught_by`` is None if it survives."""
    began, caught = time.monotonic(), None
    with library_copy(mutation, cache) as copy:
        for lesson in mutation.lessons:
            if lesson in notebooks and (cell := run_notebook(notebooks[lesson], copy)):
                caught = f"{notebooks[lesson].stem}, {cell}"
                break
    seconds = round(time.monotonic() - began)
    return {"name": mutation.name, "caught_by": caught, "seconds": seconds}


def main(arguments=None) -> int:
    """Try the mutations, print one line for each, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [mutation.name for mutation in MUTATIONS]
    parser.add_argument("--only", action="append", metavar="NAME", choices=names, help="repeatable")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parsed = parser.parse_args(arguments)
    chosen = [m for m in MUTATIONS if not parsed.only or m.name in parsed.only]
    results = []
    with tempfile.TemporaryDirectory(prefix="mutation-cache-") as cache:
        try:
            for mutation in chosen:
                mutated(mutation)
            notebooks = check_control({x for m in chosen for x in m.lessons}, Path(cache))
            for mutation in chosen:
                results.append(try_mutation(mutation, notebooks, Path(cache)))
                verdict = results[-1]["caught_by"] or "SURVIVES"
                print(f"{mutation.name:50} {verdict} ({results[-1]['seconds']} s)", flush=True)
        except Failed as failure:
            print(f"error: {failure}", file=sys.stderr)
            return 2
    survivors = sum(result["caught_by"] is None for result in results)
    print(f"{len(results) - survivors} of {len(results)} mutations caught")
    if parsed.json:
        Path(parsed.json).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
