"""The tables as text: ours, mean ± standard deviation over the seeds, beside the paper's."""

from dataclasses import asdict

import numpy as np

from ..metrics.image_quality import METRICS, further_metrics
from .paper import clustering_elsewhere, dice_at_the_papers_sizes, paper_tables
from .table_systems import DATA, DICE, MATCHED, PAPER_PARENTS, Settings, hierarchy_systems

CHILD = {"child AMI": "real_child_ami", "child NMI": "real_child_nmi"}
SORTED = {"NMI": "nmi_arithmetic", "AMI": "ami", "accuracy": "accuracy", "ARI": "ari"}
COLUMNS = {"IS": "inception_score", "FID": "fid", **CHILD}
# On photographs KID first, for it does not depend on how many there are.
PHOTO_COLUMNS = {
    "KID": "kid",
    "FID": "fid",
    "IS, own classifier": "inception_score",
    **CHILD,
    "accuracy": "real_child_accuracy",
    "AMI, kept out (as many trained)": ("kept_out_ami", "trained_as_many_ami"),
    "category kept with another b": "kept_code_generated",
    "category kept in other surroundings": "kept_surroundings_generated",
    "children that differ": "children_differ",
}
# What a verdict is given on: name, score, and whether more (1) or less (-1) is better.
VERDICT = (("FID", "fid", -1), ("Child NMI", "real_child_nmi", 1))
PHOTO_VERDICT = (("KID", "kid", -1), ("Child AMI", "real_child_ami", 1))


def table_text(summary: dict) -> str:
    """A table as Markdown: ours, mean ± standard deviation over the seeds, beside the paper's.

    Where rows have different numbers of seeds, a column says how many.
    """
    number, systems = summary["table"], summary["systems"]
    settings = Settings(**{name: summary[name] for name in asdict(Settings())})
    columns = dict(PHOTO_COLUMNS if settings.photographs else COLUMNS)
    known = {name for scores in systems.values() for name in scores}
    columns |= {metric.title: metric.key for metric in further_metrics() if metric.key in known}
    columns, printed = SORTED if number == 3 else columns, paper_columns(number, settings)
    weights = {"weights of G": "parameters", "of all D": "discriminator_parameters"}
    weights = weights if number < 3 else {}
    counts = {name: len(scores.get("seed", ())) for name, scores in systems.items()}
    seeds = ["seeds"] if len(set(counts.values())) > 1 else []  # the command names all of them
    header = ["N_p" if number == 2 else "", *seeds, *weights, *columns, *printed]
    lines = [" | ".join(header), " | ".join(["---"] * len(header))]
    for name, scores in systems.items():
        cells = [name, *([str(counts[name])] if seeds else [])]
        cells += [f"{scores[n]:,}" if n in scores else "–" for n in weights.values()]
        cells += [_cell(scores, score) for score in columns.values()]
        cells += [column.get(name, "") for column in printed.values()]
        lines.append(" | ".join(cells))
    real = next((s for s in systems.values() if "real_inception_score" in s), None)
    if real:
        names = {m.key: m.control_key for m in METRICS if m.control_key in real}
        cells = ["real images (FID: two halves)", *[""] * len(seeds + list(weights))]
        cells += [mean_and_sd(real[names[s]]) if s in names else "" for s in columns.values()]
        lines.append(" | ".join([*cells, *[""] * len(printed)]))
    text = "\n".join(f"| {line} |" for line in lines)
    if number == 1:
        text += f"\n\n{budget(summary)}\n{verdict(systems, settings.photographs)}"
    if number == 3:
        text += f"\n\n{chance_note(DATA[settings.data])}"
    return text


def chance_note(column: str) -> str:
    """What chance gives at the sizes of the paper's Table 3, for one of its sets of data."""
    fair, unequal = (dice_at_the_papers_sizes(flag)[column] for flag in (False, True))
    return (
        f"At the paper's sizes ({column}) labels by dice score NMI {fair['nmi_arithmetic']:.3f} "
        f"and accuracy {fair['accuracy']:.3f}; shuffled clusters as unequal as JULE's are on "
        f"photographs of birds, {unequal['nmi_arithmetic']:.3f} and {unequal['accuracy']:.3f}. AMI "
        "and ARI are 0 for either."
    )


def _cell(scores: dict, name) -> str:
    """A score's cell; of a pair of names the first score and, in brackets, the second."""
    if isinstance(name, str):
        return mean_and_sd(scores.get(name))
    one, other = (mean_and_sd(scores.get(part)) for part in name)
    return "–" if one == other == "–" else f"{one} ({other})"


def budget(summary: dict) -> str:
    """What the generators of a table have in common, and in what they differ."""
    matched = summary["data"] in MATCHED
    equal = "as many weights to within a tenth" if matched else "authors' widths"
    return (
        f"Every generator: {summary['steps']:,} steps of the preset's batches, {equal}. A judge of "
        "finished images is equally wide everywhere; FineGAN's D_b and D_p, which judge backgrounds"
        " and read p, and StackGAN's judges of coarser scales come on top."
    )


def mean_and_sd(values: list[float] | None) -> str:
    """Mean ± standard deviation (n − 1) of one value a seed."""
    if not values:
        return "–"
    mean = float(np.mean(values))
    digits = 4 if abs(mean) < 0.05 else 3 if abs(mean) < 2 else 2
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def paper_columns(number: int, settings: Settings) -> dict[str, dict[str, str]]:
    """The paper's numbers as text: {column: {row: cell}}; of its birds, if ours are ToyBirds."""
    tables, column = paper_tables(), DATA[settings.data]
    of = f"paper ({column})"
    if number == 1:
        scores, fids = tables["table1_inception_score"], tables["table1_fid"]
        return {
            f"IS, {of}": {n: f"{v[column][0]:.2f} ± {v[column][1]:.2f}" for n, v in scores.items()},
            f"FID, {of}": {n: f"{v[column]:.2f}" for n, v in fids.items()},
        }
    if number == 2:
        scores, pairs = tables["table2_inception_score_cub"], paper_rows(settings)
        cells = {ours: f"{scores[paper]:.2f} ({paper})" for ours, paper in pairs.items()}
        return {"IS, paper (its N_p, of 200 children)": cells}
    pairs = {"NMI": tables["table3_nmi"], "accuracy": tables["table3_accuracy"]}
    printed = {
        f"{name}, {of}": {n: f"{v[column]:.3f}" for n, v in values.items()}
        for name, values in pairs.items()
    }
    for name, dice in zip(printed, ("nmi_arithmetic", "accuracy"), strict=True):
        printed[name][DICE] = f"{dice_at_the_papers_sizes()[column][dice]:.3f} (ours)"
    later = clustering_elsewhere()["nmi"]
    own = {"FineGAN": "FineGAN", "FineGAN, contrastive": "C3-GAN"}
    cells = {row: f"{later[name][column]:.2f} ({name})" for row, name in own.items()}
    return printed | {f"NMI, C3-GAN's paper ({column})": cells}


def paper_rows(settings: Settings) -> dict[str, str]:
    """{our row of table 2: the paper's with as many children a parent}, where it has one."""
    ours = hierarchy_systems(settings)
    if len(ours) == len(PAPER_PARENTS):
        return dict(zip(ours, PAPER_PARENTS, strict=True))
    alike = {200 // int(paper): paper for paper in PAPER_PARENTS[:-1]}
    share = {n: c.model.n_children // c.model.n_parents for n, c in ours.items() if n != "mixed"}
    return {n: alike[k] for n, k in share.items() if k in alike} | {"mixed": "mixed"}


def verdict(systems: dict, photographs: bool = False) -> str:
    """How far FineGAN is ahead in quality and in what its child code finds; whether seeds matter.

    One sentence a score: the distance to the best other system, in the score's unit and in
    standard deviations of one training (n − 1, both systems pooled).
    """
    lines = []
    for title, score, sign in PHOTO_VERDICT if photographs else VERDICT:
        values = {name: s[score] for name, s in systems.items() if score in s and name != DICE}
        ours = values.pop("FineGAN", None)
        if ours is None or not values:
            continue
        best = max(values, key=lambda name: sign * np.mean(values[name]))
        margin = sign * float(np.mean(ours) - np.mean(values[best]))
        line = f"{title}: FineGAN is {'ahead of' if margin > 0 else 'behind'} {best}, "
        line += f"the best other, by {abs(margin):.3g}"
        if min(len(ours), len(values[best])) > 1:
            noise = np.sqrt((np.var(ours, ddof=1) + np.var(values[best], ddof=1)) / 2)
            line += f", {abs(margin) / max(noise, 1e-12):.1f} standard deviations of a training"
        lines.append(line + ".")
    return "\n".join(lines)
