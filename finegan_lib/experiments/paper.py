"""The numbers of the FineGAN paper and of the shipped networks, for comparison."""

import json
from functools import lru_cache
from pathlib import Path

from ..base.files import RESULTS
from ..metrics.chance import chance_scores, equal_sizes, resampled, shared_out

TABLES = RESULTS / "tables"  # our own, and the results behind them
PUBLISHED = RESULTS / "published"  # what others printed
# How JULE shared out 2,308 photographs of 50 species, with the command.
JULES_CLUSTERS = RESULTS / "jule_cub50.json"


def paper_tables() -> dict:
    """Tables 1 to 3 of the paper, the data sets, and reproductions by others, with their sources.

    ``table1_inception_score[system][data]`` is (mean, sd); ``table1_fid[system][data]`` a number;
    ``table2_inception_score_cub`` maps "20", "10", "40", "5" and "mixed" parents to the score;
    ``outside_reproductions`` is a list with ``what`` and ``source``.
    """
    return json.loads((PUBLISHED / "paper_tables.json").read_text(encoding="utf-8"))


def clustering_elsewhere() -> dict:
    """What C3-GAN's authors measured of FineGAN and of their own method, with its source.

    ``nmi[system][data]`` and ``accuracy[system][data]`` are numbers; their NMI divides by the
    larger entropy, which makes it smaller than the arithmetic one.
    """
    text = (PUBLISHED / "clustering_elsewhere.json").read_text(encoding="utf-8")
    return json.loads(text)


@lru_cache
def dice_at_the_papers_sizes(unequal: bool = False) -> dict[str, dict[str, float]]:
    """The scores of random labels at the sizes of the paper's Table 3.

    As many images and classes as the paper states (CUB 11,788 of 200, Dogs 12,000 of 120, Cars
    8,144 of 196), classes of equal size. If more images are sorted, random labels score less: for
    all 20,580 dogs, NMI .084.

    Args:
        unequal: clusters as unequal as JULE's on photographs of birds (:data:`JULES_CLUSTERS`), in
            place of a fair die. They carry less information, so chance gives them less NMI.

    Returns:
        ``{"birds": {"nmi_arithmetic": …, "accuracy": …}, "dogs": …, "cars": …}``, means over
        three repeats.
    """
    found = {}
    for name, facts in paper_tables()["datasets"].items():
        n, k = facts.get("images") or facts["train_images"], facts["classes"]
        clusters = None
        if unequal:
            sizes = json.loads(JULES_CLUSTERS.read_text(encoding="utf-8"))["sizes"]
            clusters = shared_out(n, resampled(sizes, k))
        found[name] = chance_scores(equal_sizes(n, k), clusters, repeats=3, full=False)
    return found


def toy_table(number: int, folder=TABLES) -> dict | None:
    """Our own table 1, 2 or 3 on ToyBirds, if it was made: ``table1_toy.json`` and so on.

    The file holds ``command``, and ``systems``: for each row a dictionary of its scores, each one
    number or a list with one for every seed (:func:`finegan_lib.experiments.tables.gather`).

    Returns:
        The file's content, with every score as a list; None if there is no such file.
    """
    path = Path(folder) / f"table{number}_toy.json"
    if not path.is_file():
        return None
    table = json.loads(path.read_text(encoding="utf-8"))
    for scores in table["systems"].values():
        for name, value in scores.items():
            if isinstance(value, int | float):
                scores[name] = [value]
    return table
