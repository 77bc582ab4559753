"""Our networks against the plain implementation, and the authors' files in both directions."""

import json
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from finegan_lib.base.errors import InputError
from finegan_lib.models import FineGANConfig, FineGANGenerator
from finegan_lib.models.finegan import build_discriminators
from finegan_lib.models.official import (
    load_official_discriminators,
    load_official_generator,
    to_official_discriminator,
    to_official_generator,
)
from tests.reference.finegan_plain import (
    PlainBackgroundDiscriminator,
    PlainCodeDiscriminator,
    PlainGenerator,
)

LISTED = Path(__file__).parents[1] / "reference" / "official_state_dict.json"
SMALL = {"n_parents": 3, "n_children": 7, "z_dim": 5}


def randomise(network, seed):
    """Every tensor of a network drawn anew, BatchNorm's running statistics too."""
    rng = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(seed)
            continue
        noise = torch.randn(tensor.shape, generator=rng)
        if tensor.ndim > 1:
            tensor.copy_(noise / tensor[0].numel() ** 0.5)
        elif name.endswith("running_var"):
            tensor.copy_(1 + noise.abs())
        elif name.endswith("weight"):
            tensor.copy_(1 + 0.2 * noise)
        else:
            tensor.copy_(0.2 * noise)
    return network


def small_plain_generator(seed=1, g=8):
    return randomise(PlainGenerator(SMALL["n_parents"], SMALL["n_children"], 5, g), seed)


def small_plain_discriminators(d=4):
    return (
        randomise(PlainBackgroundDiscriminator(d), 2),
        randomise(PlainCodeDiscriminator(SMALL["n_parents"], d), 3),
        randomise(PlainCodeDiscriminator(SMALL["n_children"], d), 4),
    )


def stages(output):
    """Our generator's output under the plain one's names."""
    _, parent, child = output
    return {
        "B": output.background.image,
        "F_p": parent.foreground,
        "M_p": parent.mask,
        "M_p F_p": parent.masked_foreground,
        "P": parent.image,
        "F_c": child.foreground,
        "M_c": child.mask,
        "M_c F_c": child.masked_foreground,
        "C": child.image,
    }


def assert_same(ours, plain, tolerance):
    """Equal within ``tolerance`` of the largest entry."""
    assert ours.shape == plain.shape
    scale = plain.abs().max().item()
    torch.testing.assert_close(ours, plain, rtol=0, atol=tolerance * max(scale, 1e-6))


def assert_same_gradients(ours, plain, names, tolerance):
    """Compare the gradients, and BatchNorm's running statistics after the step."""
    plain_parameters = dict(plain.named_parameters())
    named = list(zip(names(ours), ours.state_dict(keep_vars=True).values(), strict=True))
    assert {name for name, tensor in named if tensor.requires_grad} == plain_parameters.keys()
    plain_state = plain.state_dict()
    for name, tensor in named:
        if tensor.requires_grad:
            assert_same(tensor.grad, plain_parameters[name].grad, tolerance)
        elif tensor.is_floating_point():
            assert_same(tensor, plain_state[name], tolerance)
        else:
            assert tensor == plain_state[name]


def random_sum(tensors):
    """One scalar that depends on every entry of some tensors, each with a weight of its own."""
    rng = torch.Generator().manual_seed(9)
    return sum(
        (torch.randn(tensor.shape, generator=rng).to(tensor) * tensor).sum() for tensor in tensors
    )


def compare_generators(ours, plain, n, tolerance):
    codes = ours.config.hierarchy().sample(
        n, ours.config.z_dim, tied=False, rng=torch.Generator().manual_seed(5)
    )
    codes = codes.to(next(plain.parameters()).dtype)
    expected = plain(*codes)
    got = stages(ours(codes))
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        assert_same(got[name], tensor, tolerance)
    random_sum(expected.values()).backward()
    random_sum(got.values()).backward()
    assert_same_gradients(ours, plain, to_official_generator, tolerance)


def compare_discriminators(ours, plain, images, tolerance):
    mine, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    a, b = plain(theirs)
    got_a, got_b = ours(mine)
    if isinstance(plain, PlainBackgroundDiscriminator):
        got = torch.sigmoid(got_a), torch.sigmoid(got_b)
    else:
        got = torch.sigmoid(got_a), got_b
    assert_same(got[0], a, tolerance)
    assert_same(got[1], b, tolerance)
    random_sum([a, b]).backward()
    random_sum(got).backward()
    assert_same(mine.grad, theirs.grad, tolerance)
    assert_same_gradients(ours, plain, to_official_discriminator, tolerance)


def test_generator_equals_the_plain_one():
    plain = small_plain_generator()
    ours = load_official_generator(plain.state_dict()).double()
    compare_generators(ours, plain.double(), n=3, tolerance=1e-9)


def test_generator_equals_the_plain_one_in_evaluation_mode():
    plain = small_plain_generator().eval()
    ours = load_official_generator(plain.state_dict()).eval()
    compare_generators(ours, plain, n=1, tolerance=1e-4)


def test_discriminators_equal_the_plain_ones():
    plain = small_plain_discriminators()
    ours = load_official_discriminators(*(network.state_dict() for network in plain))
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(6)) * 2 - 1
    for mine, theirs in zip(ours, plain, strict=True):
        compare_discriminators(mine.double(), theirs.double(), images.double(), 1e-9)


def test_background_discriminator_takes_real_images_as_they_are():
    plain, *others = small_plain_discriminators()
    states = [network.state_dict() for network in (plain, *others)]
    ours = load_official_discriminators(*states)[0].double()
    images = torch.rand(2, 3, 126, 126, generator=torch.Generator().manual_seed(7)) * 2 - 1
    compare_discriminators(ours, plain.double(), images.double(), 1e-9)


def test_cub_sizes_equal_the_plain_ones():
    """In float32 with the paper's widths. Two images: the BatchNorms of the stems are then almost
    signs, whose gradients are rounding noise; so this one runs on the running statistics."""
    plain = randomise(PlainGenerator(20, 200, 100, 64), 1).eval()
    ours = load_official_generator(plain.state_dict()).eval()
    assert ours.config == FineGANConfig()
    compare_generators(ours, plain, n=2, tolerance=1e-4)


@pytest.fixture(scope="module")
def cub_networks():
    """G, D_b, D_p, D_c at the paper's sizes, without memory."""
    with torch.device("meta"):
        config = FineGANConfig()
        return {
            "G": FineGANGenerator(config),
            **dict(zip(("D_b", "D_p", "D_c"), build_discriminators(config), strict=True)),
        }


def test_parameter_counts(cub_networks):
    counts = {
        name: sum(parameter.numel() for parameter in network.parameters())
        for name, network in cub_networks.items()
    }
    assert counts == {"G": 39_674_944, "D_b": 666_626, "D_p": 18_400_021, "D_c": 19_874_761}


@pytest.mark.parametrize("name", ["G", "D_b", "D_p", "D_c"])
def test_names_and_shapes_are_the_authors(cub_networks, name):
    write = to_official_generator if name == "G" else to_official_discriminator
    official = write(cub_networks[name])
    listed = json.loads(LISTED.read_text())[name]
    assert {key: list(tensor.shape) for key, tensor in official.items()} == listed


def test_plain_networks_have_the_authors_names_and_shapes():
    with torch.device("meta"):
        plain = {
            "G": PlainGenerator(20, 200, 100, 64),
            "D_b": PlainBackgroundDiscriminator(64),
            "D_p": PlainCodeDiscriminator(20, 64),
            "D_c": PlainCodeDiscriminator(200, 64),
        }
    listed = json.loads(LISTED.read_text())
    for name, network in plain.items():
        shapes = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}
        assert shapes == listed[name]


def assert_equal_states(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize("image_size", [32, 64, 128])
@pytest.mark.parametrize("min_head_channels", [0, 3, 8])
def test_sizes_are_read_from_the_tensors(image_size, min_head_channels):
    torch.manual_seed(0)
    config = FineGANConfig(
        image_size=image_size,
        n_parents=2,
        n_children=5,
        z_dim=3,
        g_dim=8,
        residual_blocks=1,
        min_head_channels=min_head_channels,
    )
    generator = FineGANGenerator(config)
    official = to_official_generator(generator)
    read = load_official_generator(official)
    assert_equal_states(read.state_dict(), generator.state_dict())
    assert_equal_states(to_official_generator(read), official)
    codes = config.hierarchy().sample(4, 3, rng=torch.Generator().manual_seed(0))
    assert read(codes).child.image.equal(generator(codes).child.image)
    assert read.config.image_size == image_size
    for field in ("n_parents", "n_children", "z_dim", "g_dim", "residual_blocks"):
        assert getattr(read.config, field) == getattr(config, field)


def test_discriminators_there_and_back():
    plain = small_plain_discriminators()
    states = [network.state_dict() for network in plain]
    ours = load_official_discriminators(*states)
    for network, state in zip(ours, states, strict=True):
        assert_equal_states(to_official_discriminator(network), dict(state))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_with_prefix(tmp_path, suffix):
    state = small_plain_generator(g=4).state_dict()
    prefixed = {f"module.{name}": tensor for name, tensor in state.items()}
    path = tmp_path / f"netG{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(prefixed, path)
    assert_equal_states(to_official_generator(load_official_generator(path)), dict(state))
    assert_equal_states(to_official_generator(load_official_generator(str(path))), dict(state))


@pytest.mark.parametrize("zipped", [False, True], ids=["torch before 1.6", "torch since"])
def test_files_as_the_authors_save_them(tmp_path, zipped):
    """``torch.save(DataParallel(network).state_dict(), "netG_0.pth")``, and netD0 to netD2, under
    their names and in their order: read, written back, and read by such networks, to the last bit.
    """
    networks = [small_plain_generator(), *small_plain_discriminators()]
    plain = dict(zip(("G", "D_b", "D_p", "D_c"), networks, strict=True))
    files = {"G": "netG_0.pth", "D_b": "netD0.pth", "D_p": "netD1.pth", "D_c": "netD2.pth"}
    listed = json.loads(LISTED.read_text())
    for name, network in plain.items():
        state = torch.nn.DataParallel(network).state_dict()
        names = [f"module.{key}" for key in listed[name]]
        assert state.keys() == set(names)
        state = OrderedDict((key, state[key]) for key in names)
        torch.save(state, tmp_path / files[name], _use_new_zipfile_serialization=zipped)
    ours = {"G": load_official_generator(tmp_path / files["G"])}
    d = load_official_discriminators(*(tmp_path / files[k] for k in ("D_b", "D_p", "D_c")))
    ours |= dict(zip(("D_b", "D_p", "D_c"), d, strict=True))
    fresh = [
        PlainGenerator(SMALL["n_parents"], SMALL["n_children"], 5, 8),
        PlainBackgroundDiscriminator(4),
    ]
    fresh += [PlainCodeDiscriminator(SMALL[n], 4) for n in ("n_parents", "n_children")]
    for (name, network), theirs in zip(ours.items(), fresh, strict=True):
        write = to_official_generator if name == "G" else to_official_discriminator
        back = {f"module.{key}": tensor for key, tensor in write(network).items()}
        torch.save(back, tmp_path / "back.pth", _use_new_zipfile_serialization=zipped)
        parallel = torch.nn.DataParallel(theirs)
        parallel.load_state_dict(torch.load(tmp_path / "back.pth", weights_only=True))
        assert_equal_states(theirs.state_dict(), plain[name].state_dict())


def test_half_precision_files_become_float32():
    state = {k: v.half() if v.is_floating_point() else v for k, v in official_state().items()}
    generator = load_official_generator(state)
    assert {p.dtype for p in generator.parameters()} == {torch.float32}
    assert all(p.requires_grad for p in generator.parameters())


def test_loading_copies():
    state = official_state()
    before = state["img_net1_bg.img.0.weight"].clone()
    with torch.no_grad():
        load_official_generator(state).background_image.weight.zero_()
    assert torch.equal(state["img_net1_bg.img.0.weight"], before)


def official_state():
    return dict(small_plain_generator(g=4).state_dict())


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no such file.*netG\.pth"):
        load_official_generator(tmp_path / "netG.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"netG{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(official_state(), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="netG"):
        load_official_generator(path)


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "netG.pth").touch()
    with pytest.raises(InputError, match="cannot be read"):
        load_official_generator(tmp_path / "netG.pth")


class Trap:
    """Pickles into a call that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x, 2))])
def test_pickled_code_is_refused_and_not_run(tmp_path, save):
    path, sprung = tmp_path / "netG.pth", tmp_path / "sprung"
    save({"img_net1_bg.img.0.weight": Trap(sprung)}, path)
    with pytest.raises(InputError, match=r"Pickled code is refused"):
        load_official_generator(path)
    assert not sprung.exists()


@pytest.mark.parametrize("state", [{"a": 1}, {3: torch.ones(1)}])
def test_values_that_are_no_tensors_are_refused(state):
    with pytest.raises(InputError, match="must map names to tensors"):
        load_official_generator(state)


def test_saved_list_is_refused(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "netG.pth")
    with pytest.raises(InputError, match="must map names to tensors; got list"):
        load_official_generator(tmp_path / "netG.pth")


@pytest.mark.parametrize(
    "name", ["img_net1_bg.img.0.weight", "h_net3.residual.1.block.4.running_var"]
)
def test_missing_tensor_is_named(name):
    state = official_state()
    del state[name]
    with pytest.raises(InputError, match=f"missing; got {name}"):
        load_official_generator(state)


def test_unexpected_tensor_is_named():
    with pytest.raises(InputError, match=r"does not have; got img_net4\.img\.0\.weight"):
        load_official_generator(official_state() | {"img_net4.img.0.weight": torch.ones(1)})


def test_wrong_shape_is_named_with_both_shapes():
    state = official_state() | {"h_net3.samesample.1.bias": torch.zeros(9)}
    with pytest.raises(InputError, match=r"samesample\.1\.bias must have shape \(2,\); got \(9,\)"):
        load_official_generator(state)


def test_values_of_another_kind_are_named():
    name = "h_net1.fc.0.weight"
    state = official_state()
    state[name] = state[name].long()
    with pytest.raises(
        InputError, match=rf"{name} must have values like torch.float32; got.*int64"
    ):
        load_official_generator(state)


def test_tensors_that_take_no_room_in_their_file_are_refused(tmp_path):
    """A file of some bytes can hold a tensor of any size, all of it one number."""
    huge = torch.ones(1).expand(10**9, 10**9)
    torch.save({"module.h_net1.fc.0.weight": huge}, tmp_path / "netG.pth")
    assert (tmp_path / "netG.pth").stat().st_size < 5000
    for source in (tmp_path / "netG.pth", {"a": torch.eye(2).to_sparse()}):
        with pytest.raises(InputError, match=r"is not stored number by number"):
            load_official_generator(source)


def test_impossible_sizes_are_refused():
    state = official_state() | {"h_net2.jointConv.0.weight": torch.zeros(8, 4, 3, 3)}
    with pytest.raises(InputError, match=r"h_net2\.jointConv\.0\.weight does not fit"):
        load_official_generator(state)
    with pytest.raises(InputError, match=r"img_net1_bg\.img\.0\.weight does not fit"):
        load_official_generator(official_state() | {"img_net1_bg.img.0.weight": torch.zeros(())})


def test_network_of_another_kind_is_refused():
    d_b, d_p, _ = (network.state_dict() for network in small_plain_discriminators())
    with pytest.raises(InputError, match="of the network asked for"):
        load_official_generator(d_b)
    with pytest.raises(InputError, match="of the network asked for"):
        load_official_discriminators(d_p, d_p, d_p)


def test_discriminators_of_different_widths_are_refused():
    _, d_p, d_c = (network.state_dict() for network in small_plain_discriminators())
    wide = PlainBackgroundDiscriminator(6).state_dict()
    with pytest.raises(InputError, match=r"6 \(D_b\), 4 \(D_p\), 4 \(D_c\)"):
        load_official_discriminators(wide, d_p, d_c)


@pytest.mark.parametrize("change", [{"image_size": 64}, {"child_norm": "spectral"}])
def test_discriminators_without_official_form(change):
    d_child = build_discriminators(FineGANConfig(**(SMALL | {"d_dim": 2} | change)))[2]
    with pytest.raises(InputError, match="128-pixel images, with BatchNorm"):
        to_official_discriminator(d_child)


def test_networks_that_the_authors_have_no_name_for():
    d_background = build_discriminators(FineGANConfig(**SMALL, image_size=32, d_dim=2))[0]
    with pytest.raises(InputError, match="128-pixel"):
        to_official_discriminator(d_background)
    for name in ("mask_bias", "background_gain", "parent_gain"):
        config = FineGANConfig(**SMALL, image_size=32, g_dim=4, **{name: -0.5})
        with pytest.raises(InputError, match=rf"no {name}; got -0\.5"):
            to_official_generator(FineGANGenerator(config))
    config = FineGANConfig(**SMALL, image_size=32, g_dim=4, view=True)
    with pytest.raises(InputError, match="no view; got True"):
        to_official_generator(FineGANGenerator(config))
