"""The lessons on child and codes: routes of gradients, hiding places of codes, bits, drawings."""

import math
import re
from functools import reduce
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from finegan_lib import course, losses
from finegan_lib.base.files import RESULTS, read_json
from finegan_lib.codes import CodeHierarchy
from finegan_lib.course.engine import notebooks
from finegan_lib.course.engine.folders import lesson_module
from finegan_lib.data import ToyBirds
from finegan_lib.data.example import TrainingExample, background_size
from finegan_lib.figures import ABLATION_PANELS as PANELS
from finegan_lib.figures import generate
from finegan_lib.metrics.code_classifiers import DiscoveryConfig, training_sets
from finegan_lib.metrics.factors import factor_matrix
from finegan_lib.models.finegan import FineGANConfig, FineGANGenerator, stitch
from finegan_lib.systems import FineGANSystem, Recipe
from finegan_lib.training.presets import TOY

child_lab, codes_lab = course.lab("child"), course.lab("codes")
LEARNS, NO_PATH, PASSES = child_lab.LEARNS, child_lab.NO_PATH, child_lab.PASSES
TINY = child_lab.TINY


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return FineGANGenerator(TINY).eval().requires_grad_(False)


@pytest.fixture
def system():
    torch.manual_seed(0)
    return FineGANSystem(TINY, Recipe())


def a_batch(n=4):
    rng = torch.Generator().manual_seed(0)
    side = background_size(TINY.image_size)
    return TrainingExample(
        torch.rand(n, 3, TINY.image_size, TINY.image_size, generator=rng) * 2 - 1,
        torch.rand(n, 3, side, side, generator=rng) * 2 - 1,
        torch.tensor([[8.0, 8.0, 20.0, 20.0]]).expand(n, 4),
        torch.arange(n),
    )


# ------------------------------------------------------------------------------- 05


def test_the_text_on_the_ablation_agrees_with_its_results(lesson_text):
    """Mean scores: what is worse than the paper's recipe, and the names of the four panels."""
    results = read_json(RESULTS / "ablation.json", "steps", "results")["results"]
    mean = {name: {key: np.mean(row[key]) for key in row} for name, row in results.items()}
    papers = mean.pop("all of them (the paper's recipe)")
    worse = {key: [name for name, row in mean.items() if row[key] < papers[key]] for key in PANELS}
    short = "average that starts short"
    assert worse["nmi_parent"] == worse["nmi_child"] == []
    assert worse["mask_iou"] == worse["real_child_nmi"] == [short]
    text = lesson_text("child")
    assert "For shape and appearance, no single omission is as bad. For the mask and the" in text
    for panel in PANELS.values():
        assert f"* **{panel.label.split(':')[0]}**: " in text


def test_the_losses_of_a_faulty_step_are_those_of_the_text(lesson_text):
    birds = ToyBirds(400, image_size=TOY.model.image_size, seed=0, progress=False)
    family = TOY.model.hierarchy()
    watched = family.sample(4, TOY.model.z_dim)
    run = child_lab.train_own(child_lab.PartsGenerator, child_lab.faulty_step, birds, 60, watched)
    curve = run.curves["child_info"]
    said = re.search(r"falls only from (\S+) to about (\S+)\. ", lesson_text("child")).groups()
    measured = [np.mean(part) for part in (curve[:10], curve[-10:])]
    assert measured == pytest.approx([float(number) for number in said], abs=0.25)


def test_what_is_printed_of_your_own_finegan_is_true_in_both_notebooks():
    """With the library's parts and with the student's, whose trainings differ in the last digit."""
    for solved in (False, True):
        cells = notebooks.read(notebooks.notebook_path("06_child", solved)).cells
        (said,) = [
            output.text
            for cell in cells
            if cell.cell_type == "code"
            for output in cell.outputs
            if "the losses of the first step" in output.get("text", "")
        ]
        assert "both readers know much of the code: True" in said and "False" not in said


def test_shares_are_the_weights_of_the_layers_in_the_stitched_image():
    rng = torch.Generator().manual_seed(0)
    parent_mask, child_mask = torch.rand(2, 2, 1, 5, 5, generator=rng)
    layers = torch.randn(3, 2, 3, 5, 5, generator=rng)
    parent = stitch(layers[1], parent_mask, layers[0])
    child = stitch(layers[2], child_mask, parent.image)
    shares = child_lab.layer_shares(parent_mask, child_mask)
    mean = sum(shares[:, i : i + 1] * layers[i] for i in range(3))
    torch.testing.assert_close(mean, child.image)
    one = child_lab.layer_shares(torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.2))
    torch.testing.assert_close(one.flatten(), torch.tensor([0.4, 0.4, 0.2]))


def test_parameter_counts_are_the_papers():
    counts = child_lab.parameter_counts(FineGANConfig())
    assert sum(counts[stage] for stage in ("background", "parent", "child")) == 39_674_944
    assert (counts["D_b"], counts["D_p"], counts["D_c"]) == (666_626, 18_400_021, 19_874_761)


def test_the_stages_hold_all_of_the_generator(generator):
    stages = child_lab.stages_of(generator)
    held = [id(p) for stage in stages.values() for p in stage.parameters()]
    assert sorted(held) == sorted(id(p) for p in generator.parameters())


def test_the_parts_hold_all_of_the_system_once(system):
    held = [id(p) for part in child_lab.parts_of(system).values() for p in part.parameters()]
    networks = (system.generator, system.d_background, system.d_parent, system.d_child)
    assert sorted(held) == sorted(id(p) for n in networks for p in n.parameters())


def test_routes_follow_the_equations():
    terms, parts, table = child_lab.tiny_routes()
    state = {t: dict(zip(parts, row, strict=True)) for t, row in zip(terms, table, strict=True)}
    stages = ["G: background", "G: parent", "G: child"]
    reached = {t: [state[t][s] for s in stages] for t in terms}
    assert reached == {
        "D_b": [NO_PATH, NO_PATH, NO_PATH],
        "D_c": [NO_PATH, NO_PATH, NO_PATH],
        "background": [LEARNS, NO_PATH, NO_PATH],
        "parent_info": [NO_PATH, LEARNS, NO_PATH],
        "child": [LEARNS, LEARNS, LEARNS],
        "child_info": [NO_PATH, LEARNS, LEARNS],
    }
    assert state["child_info"]["D_c: trunk"] == PASSES
    assert state["child_info"]["D_c: code"] == LEARNS
    assert state["child"]["D_c: real_fake"] == PASSES
    assert state["D_c"]["D_c: code"] == NO_PATH
    assert state["parent_info"]["D_p: trunk, code"] == LEARNS
    assert not any(row["D_p: real_fake"] for row in state.values())
    assert child_lab.stages_reached()["child_info"] == "pc"
    assert child_lab.stages_reached("image")["child_info"] == "bpc"


def test_the_routes_say_what_a_real_update_moves(system):
    """The table is made of losses that are written again; the system's own updates must agree."""
    terms, _, table = child_lab.tiny_routes()
    parts = child_lab.parts_of(system)
    learns = dict(zip(terms, table == LEARNS, strict=True))
    together = reduce(
        np.logical_or, [learns[t] for t in ("background", "parent_info", "child", "child_info")]
    )
    batch, rng = a_batch(), torch.Generator().manual_seed(0)
    codes = system.sample_codes(4, rng)
    fake = system.generator(codes)

    def moved_by(update):
        before = {k: [p.clone() for p in part.parameters()] for k, part in parts.items()}
        update()
        return [
            any(not p.equal(q) for p, q in zip(parts[k].parameters(), before[k], strict=True))
            for k in parts
        ]

    assert moved_by(lambda: system.update_d_background(batch, fake)) == learns["D_b"].tolist()
    assert moved_by(lambda: system.update_d_child(batch, fake, rng)) == learns["D_c"].tolist()
    assert moved_by(lambda: system.update_generator(fake, codes, rng)) == together.tolist()


def test_the_losses_written_down_are_those_of_the_systems_step(system):
    batch, rng = a_batch(), torch.Generator().manual_seed(0)
    codes = system.sample_codes(4, rng)
    found = child_lab.all_losses(system, batch, codes)
    fake = system.generator(codes)
    for optimiser in system.optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = 0.0
    step = {
        "D_b": system.update_d_background(batch, fake),
        "D_c": system.update_d_child(batch, fake, rng),
        **system.update_generator(fake, codes, rng),
    }
    for term, loss in found.items():
        torch.testing.assert_close(loss, step[term], atol=1e-4, rtol=1e-4)


def test_the_routes_figure_has_a_disc_or_a_ring_for_every_entry():
    terms, parts, table = child_lab.tiny_routes()
    axes = child_lab.routes_figure(terms, parts, table).axes[0]
    assert [t.get_text().replace("\n", " ") for t in axes.get_xticklabels()] == parts
    assert len(axes.get_yticklabels()) == len(terms)
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["learns from it", "lets its gradient pass, stands still"]
    filled = [c for c in axes.collections[: table.size] if len(c.get_facecolors())]
    assert len(filled) == (table == LEARNS).sum()


def test_the_architecture_bears_the_names_of_the_code(system):
    figure = child_lab.architecture_figure()
    texts = {text.get_text().replace("\n", "") for text in figure.axes[0].texts}
    for name in child_lab.BOXES:
        reduce(getattr, name.split("."), system)  # raises if there is no such part
        assert name.removeprefix("generator.") in texts
    children = {f"generator.{name}" for name, _ in system.generator.named_children()}
    assert children <= set(child_lab.BOXES)
    assert {"$z$", "$b$", "$p$", "$c$", "$B$", "$P$", "$C$"} <= texts


def test_nothing_of_the_architecture_lies_outside_or_on_another_box():
    places = list(child_lab.BOXES.values())
    assert len(set(places)) == len(places)
    for i, (x, y) in enumerate(places):
        for u, v in places[:i]:
            assert abs(x - u) >= 13.6 or abs(y - v) >= 5.4


def test_train_briefly_is_the_real_step_and_looks_when_told():
    torch.manual_seed(5)
    birds = ToyBirds(32, image_size=32, seed=0, progress=False)
    codes = TOY.model.hierarchy().codes(torch.zeros(2, TOY.model.z_dim), [0, 7])
    system, looks = child_lab.train_briefly(TOY, birds, 2, codes, [0, 1, 2])
    again, _ = child_lab.train_briefly(TOY, birds, 2, codes, [])
    assert list(looks) == [0, 1, 2]
    assert system.updates.item() == 2
    assert not torch.equal(looks[0].child.image, looks[2].child.image)
    last = generate(system.average, codes).child.image
    assert torch.equal(looks[2].child.image, last)
    assert torch.equal(last, generate(again.average, codes).child.image)
    assert system.noise_sd == pytest.approx(TOY.recipe.d_noise / 2)  # annealed in step 1 of 2


def test_a_reader_of_the_whole_image_reads_the_tied_background():
    """A masked reader cannot, whatever it learns: b has no way to M_c·F_c."""
    pair = child_lab.write_code_somewhere("image", tied=True)
    c, b = child_lab.whom_the_reader_follows(*pair, "image")
    assert b > 0.5 > c
    pair = child_lab.write_code_somewhere("masked", tied=True)
    c, b = child_lab.whom_the_reader_follows(*pair, "masked")
    assert c > 0.6 and b < 0.2


def test_the_readers_view(generator):
    codes = TINY.hierarchy().codes(torch.zeros(3, 4), [0, 4, 9])
    stage = generator(codes).child
    assert child_lab.reader_view(stage, "masked") is stage.masked_foreground
    assert child_lab.reader_view(stage, "image") is stage.image
    with pytest.raises(KeyError):
        child_lab.reader_view(stage, "mask")


# ------------------------------------------------------------------------------- 06


@pytest.mark.parametrize(
    ("sizes", "parent", "child"),
    [
        ([4, 4, 4, 4], 2.0, 2.0),
        ([8], 0.0, 3.0),
        ([1, 1], 1.0, 0.0),
        ([2, 1, 1], 1.5, 0.5),
    ],
)
def test_bits_by_hand(sizes, parent, child):
    assert codes_lab.code_bits(sizes) == pytest.approx((parent, child))


def test_bits_add_up_to_those_of_the_child():
    sizes = CodeHierarchy.mixed().children_count
    assert sum(codes_lab.code_bits(sizes)) == pytest.approx(math.log2(200))
    assert codes_lab.code_bits(sizes)[0] < math.log2(20)


def test_the_hierarchy_figure_has_a_point_for_everybody():
    families = {"a": CodeHierarchy.of_sizes([1, 3]), "b": CodeHierarchy.equal(3, 50)}
    figure = codes_lab.hierarchy_figure(families)
    for axes, family in zip(figure.axes, families.values(), strict=True):
        points = np.concatenate([c.get_offsets() for c in axes.collections])
        assert (points[:, 1] == 0).sum() == family.n_children
        assert (points[:, 1] == 1).sum() == family.n_parents
    assert figure.axes[0].get_title() == "a: H(p) = 0.81 bits, H(c | p) = 1.19 bits"


def test_no_text_before_the_prediction_says_what_a_hybrid_is(lesson_text):
    before = lesson_text("codes").split("### Exercise 07.3")[0]
    assert "heron" not in before and "free_child" not in before
    assert "free_child" in lesson_text("codes")


def test_only_the_parents_classifier_gets_a_free_p(lesson_text):
    """As the lessons on codes and on discovery say of the library's two training sets."""
    family, tied = CodeHierarchy.equal(5, 20), []

    def paint(codes):
        tied.append(family.parent_of[codes.c_index].equal(codes.p_index))
        return SimpleNamespace(child=SimpleNamespace(image=torch.zeros(len(codes.z), 3, 8, 8)))

    one_batch = DiscoveryConfig(n_images=50, image_size=8)
    sets = training_sets(paint, family, 1, one_batch)
    assert [(level, tied.pop()) for level, *_ in sets] == [("child", True), ("parent", False)]
    assert "only a classifier of $p$ may get a free $p$" in lesson_text("codes")


def test_occupancy_of_tied_and_free_codes():
    family = CodeHierarchy.of_sizes([1, 3])
    p, b = codes_lab.occupancy(family, tied=True, n=400)
    assert p.shape == (2, 4) and b.shape == (4, 4)
    assert (p > 0).tolist() == [[True, False, False, False], [False, True, True, True]]
    assert torch.equal(b > 0, torch.eye(4, dtype=torch.bool))
    p, b = codes_lab.occupancy(family, tied=False, n=400)
    assert (p > 0).all() and (b > 0).all() and p.sum() == b.sum() == 400


def test_total_effect_is_the_factor_matrix_entry():
    before = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    after = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    changed = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert codes_lab.total_effect(before, changed, after) == pytest.approx(0.5)
    assert codes_lab.total_effect(before, before, after) == 0
    assert codes_lab.total_effect(before, after, after) == pytest.approx(1)

    family = CodeHierarchy.equal(5, 20)
    birds = codes_lab.PaperBirds(family, mirrored=True)
    n, rng = 100, torch.Generator().manual_seed(3)
    found = factor_matrix(birds, family, birds, z_dim=2, n_images=n, seed=3, batch_size=n)
    a, b = (family.sample(n, 2, tied=False, rng=rng) for _ in range(2))
    reads = [birds.readings(birds(x).child.image)["pose"] for x in (a, a._replace(p=b.p), b)]
    assert found["matrix"][1, 3] == pytest.approx(codes_lab.total_effect(*reads))


def test_paper_birds_are_ideal_or_mirrored():
    family = CodeHierarchy.equal(5, 20)
    matrices = []
    for mirrored in (False, True):
        birds = codes_lab.PaperBirds(family, mirrored)
        found = factor_matrix(birds, family, birds, z_dim=2, n_images=1000)
        matrices.append(found["matrix"])
    np.testing.assert_allclose(matrices[0], np.eye(4), atol=0.15)
    flaw = matrices[1] - np.eye(4)
    assert flaw[1, 3] > 0.8 and np.abs(flaw[[0, 2, 3], 3]).max() < 0.15
    np.testing.assert_allclose(matrices[1][:, :3], np.eye(4)[:, :3], atol=0.15)


def test_codes_between_two_images():
    family = CodeHierarchy.equal(2, 4)
    start = family.codes(torch.zeros(1, 2), 0)
    end = family.codes(torch.ones(1, 2), 3, b_index=1)
    path = codes_lab.between(start, end, "cz", 3)
    assert path.c.tolist() == [[1, 0, 0, 0], [0.5, 0, 0, 0.5], [0, 0, 0, 1]]
    assert path.z.tolist() == [[0, 0], [0.5, 0.5], [1, 1]]
    assert path.p.equal(start.p.expand(3, -1)) and path.b.equal(start.b.expand(3, -1))


# ------------------------------------------------------------------------------- the riddle


@pytest.fixture(scope="module")
def large():
    torch.manual_seed(0)
    config = FineGANConfig(
        image_size=32, n_parents=5, n_children=20, z_dim=3, g_dim=4, residual_blocks=0
    )
    return FineGANGenerator(config).eval().requires_grad_(False)


def test_the_riddle_shows_every_value_and_the_bird(large):
    figure = codes_lab.riddle_figure(large)
    shown = [axes for axes in figure.axes if axes.get_images()]
    assert len(shown) == 20 + 5 + 20 + 1
    target = generate(large, codes_lab.riddle_codes(large, **codes_lab.HIDDEN)).child.image[0]
    picture = shown[-1].get_images()[0].get_array()
    wanted = (target / 2 + 0.5).clamp(0, 1).permute(1, 2, 0)
    np.testing.assert_allclose(picture, wanted, atol=1e-6)


def test_riddle_differences_are_0_where_the_guess_is_right(large):
    hidden = codes_lab.HIDDEN
    assert codes_lab.riddle_differences(large, hidden) == {"b": 0.0, "p": 0.0, "c": 0.0}
    found = codes_lab.riddle_differences(large, hidden | {"p": (hidden["p"] + 1) % 5})
    assert found["b"] == found["c"] == 0 and found["p"] > 0.3


def test_the_hidden_bird_is_a_hybrid():
    hidden, family = codes_lab.HIDDEN, TOY.model.hierarchy()
    assert family.parent_of[hidden["c"]] != hidden["p"] and hidden["b"] != hidden["c"]


def test_the_whole_loss_of_the_exercise_is_the_librarys():
    generator_loss = lesson_module("child", "exercises").generator_loss

    zeros = torch.zeros(2, 1, 1), torch.zeros(2, 1, 1), torch.zeros(2)
    index = torch.tensor([0, 1])
    loss = generator_loss(*zeros, torch.zeros(2, 4), torch.zeros(2, 8), index, index)
    # Eleven times log 2 for D_b, once for D_c; log 4 and log 8 for the codes: 17 log 2.
    assert loss.item() == pytest.approx(17 * math.log(2), rel=1e-5)
    assert losses.information_loss(torch.zeros(2, 8), index).item() == pytest.approx(math.log(8))
