"""The student's own FineGAN: made of parts, it is the library's, and so are its losses."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch

from finegan_lib import course
from finegan_lib.course.engine.folders import find_lesson
from finegan_lib.course.engine.notebooks import notebook_path
from finegan_lib.course.engine.parts import from_notebook
from finegan_lib.data import ToyBirds
from finegan_lib.models.finegan import FineGANGenerator

lab = course.lab("child")
SMALL = replace(lab.OWN, model=replace(lab.OWN.model, g_dim=4, d_dim=4))
TERMS = ("D_b", "D_c", "background", "parent_info", "child", "child_info", "pull", "area")


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("birds")
    return ToyBirds(40, image_size=32, seed=3, cache_dir=folder, progress=False)


@pytest.fixture(scope="module")
def codes():
    return SMALL.model.hierarchy().codes(torch.randn(2, SMALL.model.z_dim), torch.arange(2))


def test_a_generator_of_parts_draws_what_the_librarys_draws(codes):
    torch.manual_seed(0)
    library, own = FineGANGenerator(SMALL.model), lab.PartsGenerator(SMALL.model)
    lab.own.copy_weights(own, library)
    for one, other in zip(own.eval()(codes), library.eval()(codes), strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_its_losses_are_the_librarys_and_a_faulty_steps_are_not(birds, codes):
    steps, size = 4, SMALL
    library = lab.train_library(birds, steps, codes, [4], size)
    own = lab.train_own(lab.PartsGenerator, lab.step, birds, steps, codes, [2, 4], size)
    faulty = lab.train_own(lab.PartsGenerator, lab.faulty_step, birds, steps, codes, [], size)
    for term in TERMS:  # from the second step on Adam magnifies what rounding decides
        assert own.curves[term][0] == pytest.approx(library.curves[term][0], abs=1e-3), term
        assert own.curves[term] == pytest.approx(library.curves[term], abs=0.1), term
    assert faulty.curves["child_info"][0] == pytest.approx(own.curves["child_info"][0], abs=1e-4)
    assert faulty.curves["child_info"][-1] != pytest.approx(own.curves["child_info"][-1], abs=1e-4)
    titles = [axis.get_title() for axis in lab.own_figure(own, library).axes]
    assert titles[:3] == ["loss of $D_c$", "$L_p$", "$L_{c\\_info}$"]
    plt.close("all")


def of_the_worked_copy(lesson, name):
    """What a student defines under a name in the worked copy of a lesson."""
    part = from_notebook(notebook_path(find_lesson(lesson), solved=True), name)
    assert part is not ..., f"{name} of lesson {lesson} cannot be used by itself"
    return part


def test_the_students_finegan_reaches_the_librarys_losses_from_the_same_seed(birds, codes):
    parts = of_the_worked_copy("background", "MyStem"), of_the_worked_copy("parent", "MyCodeStage")
    parts += (of_the_worked_copy("child", "MyLayer"),)
    whole, step = (of_the_worked_copy("child", name) for name in ("MyGenerator", "my_step"))
    own = lab.train_own(lambda config: whole(config, *parts), step, birds, 4, codes, [], SMALL)
    library = lab.train_library(birds, 4, codes, [], SMALL)
    for term in TERMS:  # from the second step on Adam magnifies what rounding decides
        assert own.curves[term][0] == pytest.approx(library.curves[term][0], abs=1e-3), term
        assert own.curves[term] == pytest.approx(library.curves[term], abs=0.1), term
