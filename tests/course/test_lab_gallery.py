import re

import pytest
import torch

from finegan_lib import course
from finegan_lib.base.files import RESULTS, read_json
from finegan_lib.codes import CodeHierarchy
from finegan_lib.course.engine.folders import LESSONS, lesson_names
from finegan_lib.figures import generate, noise
from finegan_lib.metrics import Judges
from finegan_lib.metrics.judges import JudgesConfig
from finegan_lib.models import (
    FineGANConfig,
    FineGANGenerator,
    InfoGANConfig,
    InfoGANGenerator,
)

lab = course.lab("gallery")

CONFIG = FineGANConfig(image_size=32, n_parents=2, n_children=4, z_dim=4, g_dim=4)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return FineGANGenerator(CONFIG).eval()


def test_the_recap_of_the_journey_leaves_no_lesson_out():
    source = (LESSONS / "12_gallery" / "lesson.py").read_text(encoding="utf-8")
    named = re.findall(r"^# \* \*\*\{\{(\w+)\}\}\*\*", source.split("## Recap")[1], re.M)
    assert named == [name[3:] for name in lesson_names() if name <= "12_gallery"]


def test_the_proposed_numbers_of_children_are_the_measured_ones(lesson_text):
    worlds = read_json(RESULTS / "choose_n_children.json")["worlds"].values()
    true, found = ([world[key] for world in worlds] for key in ("true_children", "n_children"))
    text = "with {}, {} and {} species it proposed {}, {} and {}.".format(*true, *found)
    assert text in lesson_text("gallery")


def test_counts_and_guesses_by_hand():
    codes, seen = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([2, 2, 0, 1, 2])
    counts = lab.counts_of(codes, seen, n_codes=3, n_seen=3)
    assert counts.tolist() == [[1, 0, 2], [0, 1, 1], [0, 0, 0]]
    assert float(lab.guessed_share(counts)) == pytest.approx(3 / 5)


def test_a_code_that_says_nothing_and_one_that_says_all():
    assert float(lab.guessed_share(torch.ones(20, 4))) == pytest.approx(1 / 4)
    assert float(lab.guessed_share(torch.eye(5) * 7)) == 1


def test_every_category_of_an_infogan_is_drawn_in_turn():
    config = InfoGANConfig(image_size=32, z_dim=4, g_dim=4, n_categories=3, n_continuous=2)
    torch.manual_seed(0)
    images, index = lab.infogan_pictures(InfoGANGenerator(config).eval(), per_code=2)
    assert images.shape == (6, 3, 32, 32) and index.tolist() == [0, 0, 1, 1, 2, 2]
    assert not torch.allclose(images[0], images[1])


def test_the_backgrounds_of_a_child_are_drawn_freely(generator, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        lab, "generate", lambda generator, codes: drawn.append(codes) or generate(generator, codes)
    )
    images, index = lab.finegan_pictures(generator, per_code=30)
    assert images.shape == (120, 3, 32, 32)
    (codes,) = drawn
    assert torch.equal(codes.c_index, index)
    assert torch.equal(codes.p_index, CONFIG.hierarchy().parent_of[index])
    assert len({(int(b), int(c)) for b, c in zip(codes.b_index, index, strict=True)}) == 16


def test_luck_is_in_every_best_guess():
    assert lab.luck(3, 1, 4) == 1  # one picture a code: its guess is always right
    assert 0.27 < lab.luck(20, 20, 6) < 0.34
    assert lab.luck(2, 5000, 4, repeats=2) == pytest.approx(0.25, abs=0.02)


def test_the_backgrounds_of_a_child_can_be_tied(generator):
    tied, index = lab.finegan_pictures(generator, per_code=1, tied=True)
    codes = CONFIG.hierarchy().codes(noise(generator, 4, 0), index, b_index=index)
    assert torch.equal(tied, generate(generator, codes).child.image)


def test_a_search_goes_downhill(generator):
    losses = lab.error_on_the_way(lab.descent, generator, moments=(0, 3), rate=0.1)
    assert losses[3] < losses[0]


def test_a_figure_of_mixtures_has_the_givers_above(generator):
    rows = lab.mixtures(generator, n=2)
    assert list(rows)[-1] == "mixture" and {len(row) for row in rows.values()} == {2}


def test_another_child_and_nothing_else():
    hierarchy = CodeHierarchy.equal(2, 4)
    codes = hierarchy.sample(5, 3, tied=False)
    dressed = lab.with_child(codes, torch.tensor([3, 2, 1, 0, 3]), hierarchy)
    assert dressed.c_index.tolist() == [3, 2, 1, 0, 3]
    for name in ("z", "b", "p"):
        assert torch.equal(getattr(dressed, name), getattr(codes, name))


def test_mixtures_are_compared_with_their_givers(generator, monkeypatch):
    """With judges that take the mixture for the first giver, only the shape is transferred."""
    torch.manual_seed(0)
    judges = Judges(JudgesConfig(n_parents=2, n_children=4)).eval()
    givers = []

    def seen(_, images):
        givers.append(images)
        # The mixture is judged first, then the three givers.
        labels = torch.arange(len(images)) + (len(givers) > 2)
        return dict.fromkeys(("shape", "appearance", "background"), labels)

    monkeypatch.setattr(lab, "seen_in", seen)
    scores = lab.mixture_scores(generator, judges, n=6)
    assert [scores[name] for name in ("shape", "appearance", "background")] == [1, 0, 0]
    assert scores["chance"]["shape"] == 0


@pytest.mark.parametrize(
    ("walk", "problem"),
    [
        ([(0, 0, 0), (0, 0, 2), (1, 0, 2), (1, 1, 2)], None),
        ([(0, 0, 0), (0, 0, 1), (0, 1, 1)], "at least four"),
        ([(0, 0), (0, 1), (1, 1), (1, 0)], "triples"),
        ([(0, 0, 0), (0, 2, 0), (0, 2, 1), (1, 2, 1)], "p must lie between 0 and 1, not 2"),
        ([(0, 0, 0), (0, 1, 1), (1, 1, 1), (1, 1, 2)], "from bird 1 to 2 p and c changes"),
        ([(0, 0, 0), (0, 0, 1), (0, 0, 1), (1, 0, 1)], "from bird 2 to 3 nothing changes"),
        ([(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 2)], "still has the first one's b"),
        ([(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)], "the last bird is a hybrid"),
        ([(0, 0, 0), (1, 0, 0), (1, 0, 2), (1, 1, 2)], "two hybrids"),
    ],
)
def test_walks(generator, walk, problem):
    found = lab.walk_problem(walk, generator, least=0)
    assert found == problem if problem is None else problem in found


def test_a_step_must_be_seen(generator):
    walk = [(0, 0, 0), (0, 0, 2), (1, 0, 2), (1, 1, 2)]
    assert "look the same" in lab.walk_problem(walk, generator, least=1)
    assert lab.walk_pictures(walk, generator).shape == (4, 3, 32, 32)
