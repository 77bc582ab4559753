"""The hierarchy's properties, for any map; sampling; and errors that name the value."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy, one_hot

quick = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def surjections(draw):
    """A child→parent map in any order in which every parent has a child."""
    n_parents = draw(st.integers(1, 8))
    extra = draw(st.lists(st.integers(0, n_parents - 1), max_size=20))
    return draw(st.permutations([*range(n_parents), *extra]))


def noise(n, z_dim=3, seed=0):
    return torch.randn(n, z_dim, generator=torch.Generator().manual_seed(seed))


@quick
@given(surjections())
def test_any_surjective_map_is_a_hierarchy(parent_of):
    hierarchy = CodeHierarchy(parent_of)
    assert hierarchy.n_children == len(parent_of)
    assert hierarchy.n_parents == len(set(parent_of))
    counts = hierarchy.children_count
    assert sum(counts) == hierarchy.n_children
    assert min(counts) >= 1
    families = [hierarchy.children_of(parent) for parent in range(hierarchy.n_parents)]
    assert [len(family) for family in families] == counts
    assert sorted(child for family in families for child in family) == [*range(len(parent_of))]
    assert all(parent_of[c] == p for p, family in enumerate(families) for c in family)


@quick
@given(st.integers(1, 60), st.integers(0, 300))
def test_equal_shares(n_parents, more):
    n_children = n_parents + more
    hierarchy = CodeHierarchy.equal(n_parents, n_children)
    counts = hierarchy.children_count
    assert (hierarchy.n_parents, hierarchy.n_children) == (n_parents, n_children)
    assert max(counts) - min(counts) <= 1
    assert counts == sorted(counts, reverse=True)
    parents = hierarchy.parent_of.tolist()
    assert parents == sorted(parents)


def test_remainder_of_the_cars():
    assert CodeHierarchy.equal(20, 196).children_count == [10] * 16 + [9] * 4


def test_mixed_hierarchy_of_the_paper():
    hierarchy = CodeHierarchy.mixed()
    assert (hierarchy.n_parents, hierarchy.n_children) == (20, 200)
    counts = hierarchy.children_count
    assert [counts.count(size) for size in (5, 20, 10)] == [6, 3, 11]
    assert CodeHierarchy.of_sizes(counts) == hierarchy


@quick
@given(surjections(), st.integers(0, 1000))
def test_tied_codes_obey_the_map(parent_of, seed):
    hierarchy = CodeHierarchy(parent_of)
    codes = hierarchy.sample(16, 4, rng=torch.Generator().manual_seed(seed))
    assert [code.shape for code in codes] == [
        (16, 4),
        (16, hierarchy.n_children),
        (16, hierarchy.n_parents),
        (16, hierarchy.n_children),
    ]
    assert torch.equal(codes.b, codes.c)
    assert codes.p_index.tolist() == [parent_of[c] for c in codes.c_index]
    for code in (codes.b, codes.p, codes.c):
        assert code.sum(1).eq(1).all()
        assert code.max(1).values.eq(1).all()


def test_tied_sampling_is_uniform_over_children():
    """4,000 draws of 4 unequal children: 1,000 each, sd 27."""
    hierarchy = CodeHierarchy([0, 1, 1, 1])
    codes = hierarchy.sample(4000, 1, rng=torch.Generator().manual_seed(0))
    assert (codes.c.sum(0) - 1000).abs().max() < 110
    assert abs(codes.p[:, 1].sum() - 3000) < 110


def test_free_sampling_covers_every_combination():
    hierarchy = CodeHierarchy.equal(2, 4)
    codes = hierarchy.sample(2000, 1, tied=False, rng=torch.Generator().manual_seed(0))
    seen = set(
        zip(codes.b_index.tolist(), codes.p_index.tolist(), codes.c_index.tolist(), strict=True)
    )
    assert len(seen) == 4 * 2 * 4


@pytest.mark.parametrize("tied", [True, False])
def test_sampling_is_determined_by_the_generator(tied):
    hierarchy = CodeHierarchy.equal(3, 7)

    def sample(seed):
        return hierarchy.sample(20, 2, tied=tied, rng=torch.Generator().manual_seed(seed))

    assert all(torch.equal(a, b) for a, b in zip(sample(1), sample(1), strict=True))
    assert not torch.equal(sample(1).c, sample(2).c)
    assert not torch.equal(sample(1).z, sample(2).z)


def test_chosen_codes():
    hierarchy = CodeHierarchy([0, 0, 1])
    z = noise(3)
    codes = hierarchy.codes(z, torch.tensor([2, 0, 1]))
    assert codes.z is z
    assert codes.p_index.tolist() == [1, 0, 0]
    assert codes.b_index.tolist() == [2, 0, 1]
    free = hierarchy.codes(z, 2, p_index=0, b_index=[0, 1, 2])
    assert free.c_index.tolist() == [2, 2, 2]
    assert free.p_index.tolist() == [0, 0, 0]
    assert free.b_index.tolist() == [0, 1, 2]
    floats = hierarchy.codes(z, torch.tensor([2.0, 0, 1]))
    assert all(torch.equal(a, b) for a, b in zip(floats, codes, strict=True))


def test_codes_take_the_type_of_z():
    codes = CodeHierarchy.equal(2, 4).codes(noise(2).double(), 1)
    assert {code.dtype for code in codes} == {torch.float64}
    assert {code.dtype for code in codes.to(torch.float16)} == {torch.float16}


def test_select_rows():
    codes = CodeHierarchy.equal(2, 4).codes(noise(4), torch.arange(4))
    assert codes.select([3, 1]).c_index.tolist() == [3, 1]
    assert torch.equal(codes.select([3, 1]).z, codes.z[[3, 1]])
    assert codes.select(slice(2)).p_index.tolist() == [0, 0]


def test_one_hot():
    assert one_hot(torch.tensor([1, 0]), 3).tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("index", [-1, 3, float("inf")])
def test_one_hot_names_the_bad_index(index):
    with pytest.raises(InputError, match=rf"colour index must lie in \[0, 2\]; got {index}\."):
        one_hot(torch.tensor([0, index]), 3, "colour")


@pytest.mark.parametrize(
    ("parent_of", "message"),
    [
        ([], r"at least one child; got \[\]"),
        ([0, -2], "cannot be negative; got -2"),
        ([0, 2, 3], "got no child for parent 1"),
    ],
)
def test_bad_maps_are_refused(parent_of, message):
    with pytest.raises(InputError, match=message):
        CodeHierarchy(parent_of)


@pytest.mark.parametrize("sizes", [(0, 5), (6, 5), (-1, 5)])
def test_bad_sizes_are_refused(sizes):
    with pytest.raises(InputError, match=f"n_parents={sizes[0]}, n_children={sizes[1]}"):
        CodeHierarchy.equal(*sizes)


def test_parent_without_children_is_refused():
    with pytest.raises(InputError, match="got no child for parent 1"):
        CodeHierarchy([0, 0, 2, 2, 2])


@pytest.mark.parametrize("sizes", [[2, 0, 3], [3, 2, 0], [3, -1, 2]])
def test_a_size_below_1_is_refused_wherever_it_stands(sizes):
    """A last parent without children would be lost, and a negative size count as none."""
    with pytest.raises(InputError, match=r"needs at least one child; got sizes \["):
        CodeHierarchy.of_sizes(sizes)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"c_index": 4}, r"child \(c\) index must lie in \[0, 3\]; got 4"),
        ({"c_index": -1}, r"child \(c\) index must lie in \[0, 3\]; got -1"),
        ({"c_index": 2.7}, r"child \(c\) index must be a whole number; got 2\.7\."),
        ({"c_index": [0, float("nan")]}, r"child \(c\) index must be a whole number; got nan"),
        ({"c_index": [True, False]}, r"child \(c\) index must be a whole number; got True"),
        ({"c_index": 0, "p_index": 0.5}, r"parent \(p\) index must be a whole number; got 0\.5"),
        ({"c_index": 0, "b_index": 1.5}, r"background \(b\) index must be a whole.*got 1\.5"),
        ({"c_index": 0, "p_index": 2}, r"parent \(p\) index must lie in \[0, 1\]; got 2"),
        ({"c_index": 0, "b_index": 9}, r"background \(b\) index must lie in \[0, 3\]; got 9"),
        ({"c_index": [0, 1, 2]}, r"child \(c\) needs one index per row of z.*got \(3,\)"),
        ({"c_index": 0, "p_index": [0]}, r"parent \(p\) needs one index.*got \(1,\)"),
    ],
)
def test_bad_choices_are_named(choice, message):
    with pytest.raises(InputError, match=message):
        CodeHierarchy.equal(2, 4).codes(noise(2), **choice)


@pytest.mark.parametrize("parent", [-1, 2, 0.5])
def test_children_of_an_unknown_parent(parent):
    with pytest.raises(InputError, match=rf"must lie in \[0, 1\]; got {parent}"):
        CodeHierarchy.equal(2, 4).children_of(parent)


def test_hierarchies_compare_by_their_map():
    assert CodeHierarchy([0, 0, 1]) == CodeHierarchy.of_sizes([2, 1])
    assert CodeHierarchy([0, 0, 1]) != CodeHierarchy([0, 1, 0])
    assert CodeHierarchy([0, 0, 1]) != CodeHierarchy([0, 0, 0, 1])
