"""Losses against hand-computed values, their gradients, and their signs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from finegan_lib import losses
from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy
from finegan_lib.data.example import background_size
from finegan_lib.models.blocks import PatchGeometry
from finegan_lib.models.finegan import BACKGROUND_LAYERS

LOG3 = math.log(3)  # σ(log 3) = 3/4, σ(−log 3) = 1/4
CUB = PatchGeometry(34, 4, 24)


def slope(loss, *values):
    """(value, gradient) of a loss of one tensor of logits."""
    logits = torch.tensor(values, requires_grad=True)
    value = loss(logits)
    (gradient,) = torch.autograd.grad(value, logits)
    return value.item(), gradient.tolist()


# ------------------------------------------------------------------------------------- GAN


def test_discriminator_loss_by_hand():
    """D(x) = 3/4 and D(G(z)) = 1/4: −log 3/4 − log 3/4."""
    loss = losses.discriminator_loss(torch.tensor([LOG3]), torch.tensor([-LOG3]))
    assert loss.item() == pytest.approx(-2 * math.log(3 / 4))
    fooled = losses.discriminator_loss(torch.tensor([-LOG3, LOG3]), torch.tensor([LOG3]))
    expected = -(math.log(1 / 4) + math.log(3 / 4)) / 2 - math.log(1 / 4)
    assert fooled.item() == pytest.approx(expected)


def test_minimax_loss_and_its_gradient():
    """E[log(1 − D)]; the gradient is −D, divided by the batch."""
    value, gradient = slope(losses.minimax_generator_loss, LOG3, -LOG3)
    assert value == pytest.approx((math.log(1 / 4) + math.log(3 / 4)) / 2)
    assert gradient == pytest.approx([-3 / 4 / 2, -1 / 4 / 2])


def test_non_saturating_loss_and_its_gradient():
    """−E[log D]; the gradient is D − 1, divided by the batch."""
    value, gradient = slope(losses.non_saturating_generator_loss, LOG3, -LOG3)
    assert value == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2)
    assert gradient == pytest.approx([-1 / 4 / 2, -3 / 4 / 2])


def test_gradients_where_the_discriminator_is_sure():
    _, minimax = slope(losses.minimax_generator_loss, -20.0)
    _, non_saturating = slope(losses.non_saturating_generator_loss, -20.0)
    assert minimax == pytest.approx([0], abs=1e-8)
    assert non_saturating == pytest.approx([-1])


def test_hinge_losses_by_hand():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.5])
    loss = losses.hinge_discriminator_loss(real, fake)
    assert loss.item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1.5) / 2)
    assert slope(losses.hinge_generator_loss, 2.0, -1.0) == (-0.5, [-0.5, -0.5])


def test_hinge_discriminator_stops_at_the_margin():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, -0.5])
    real.requires_grad_(), fake.requires_grad_()
    losses.hinge_discriminator_loss(real, fake).backward()
    assert real.grad.tolist() == [0, -0.5]
    assert fake.grad.tolist() == [0, 0.5]


@pytest.mark.parametrize(
    "loss",
    [
        losses.minimax_generator_loss,
        losses.non_saturating_generator_loss,
        losses.hinge_generator_loss,
        *(
            lambda x, kind=kind: losses.background_generator_loss(x, x, adversarial=kind)
            for kind in ("bce", "hinge")
        ),
    ],
)
def test_generator_descends_towards_what_the_discriminator_calls_real(loss):
    logits = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    loss(logits).backward()
    assert (logits.grad < 0).all()


@pytest.mark.parametrize("loss", [losses.discriminator_loss, losses.hinge_discriminator_loss])
def test_discriminator_descends_towards_the_truth(loss):
    real = torch.tensor([0.3, -0.4], requires_grad=True)
    fake = torch.tensor([0.3, -0.4], requires_grad=True)
    loss(real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()


def test_adversarial_losses_by_name():
    bce = losses.discriminator_loss, losses.non_saturating_generator_loss
    assert losses.adversarial_losses("bce") == bce
    hinge = losses.hinge_discriminator_loss, losses.hinge_generator_loss
    assert losses.adversarial_losses("hinge") == hinge
    with pytest.raises(InputError, match='"bce" or "hinge"; got wgan'):
        losses.adversarial_losses("wgan")


# ------------------------------------------------------------------------------------- InfoGAN


def test_information_loss_and_its_gradient():
    """Q = (1/6, 2/6, 3/6): −log Q(c), and the gradient is Q − one-hot(c)."""
    logits = torch.tensor([[1.0, 2.0, 3.0]]).log().requires_grad_()
    loss = losses.information_loss(logits, torch.tensor([1]))
    assert loss.item() == pytest.approx(math.log(3))
    loss.backward()
    assert logits.grad[0].tolist() == pytest.approx([1 / 6, 2 / 6 - 1, 3 / 6])


def test_categorical_bound_runs_from_nothing_to_the_entropy():
    index = torch.arange(5)
    perfect = losses.categorical_information_bound(100 * torch.eye(5), index)
    assert perfect.item() == pytest.approx(math.log(5))
    blind = losses.categorical_information_bound(torch.zeros(5, 5), index)
    assert blind.item() == pytest.approx(0, abs=1e-6)
    wrong = losses.categorical_information_bound(100 * torch.eye(5).roll(1, 0), index)
    assert wrong < -90


def test_categorical_bound_is_the_mutual_information_of_a_noisy_channel():
    """Binary symmetric channel with error 1/4: I = log 2 − H(1/4)."""
    index = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    seen = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])
    posterior = torch.tensor([[0.75, 0.25], [0.25, 0.75]])[seen]
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    bound = losses.categorical_information_bound(posterior.log(), index)
    assert bound.item() == pytest.approx(math.log(2) - entropy)


def test_gaussian_loss_is_the_density():
    rng = torch.Generator().manual_seed(0)
    mean, log_variance, code = torch.randn(3, 4, 2, generator=rng)
    deviation = log_variance.div(2).exp()
    density = norm.logpdf(code.numpy(), mean.numpy(), deviation.numpy())
    loss = losses.gaussian_information_loss(mean, log_variance, code)
    assert loss.item() == pytest.approx(-density.sum(1).mean(), rel=1e-5)
    bound = losses.gaussian_information_bound(mean, log_variance, code)
    assert bound.item() == pytest.approx(2 * math.log(2) + density.sum(1).mean(), rel=1e-5)


def test_gaussian_loss_pulls_the_mean_to_the_code():
    """The gradient by the mean is (mean − code)/σ²."""
    mean = torch.tensor([[0.5]], requires_grad=True)
    log_variance = torch.tensor([[math.log(2.0)]])
    losses.gaussian_information_loss(mean, log_variance, torch.tensor([[-1.0]])).backward()
    assert mean.grad.item() == pytest.approx(1.5 / 2)


# ------------------------------------------------------------------------------------- C3-GAN


def test_code_contrast_by_hand():
    """Two codes at right angles, an image on the first: logits (1/τ, 0), whatever the lengths."""
    centroids, feature = torch.eye(2), torch.tensor([[3.0, 0.0]])
    assert losses.code_contrast_logits(feature, 5 * centroids, 0.5).tolist() == [[2, 0]]
    right = losses.code_contrast_loss(feature, centroids, torch.tensor([0]), 0.5)
    wrong = losses.code_contrast_loss(feature, centroids, torch.tensor([1]), 0.5)
    assert right.item() == pytest.approx(math.log(1 + math.exp(-2)))
    assert wrong.item() == pytest.approx(math.log(1 + math.exp(2)))


def test_code_contrast_pulls_to_its_own_code_and_away_from_others():
    features = torch.tensor([[1.0, 1.0, 0.2]], requires_grad=True)
    loss = losses.code_contrast_loss(features, torch.eye(3)[:2], torch.tensor([0]))
    (gradient,) = torch.autograd.grad(loss, features)
    assert gradient[0, 0] < 0 < gradient[0, 1]  # a step down the slope goes to code 0
    assert (gradient * features.detach()).sum().item() == pytest.approx(0, abs=1e-5)  # no outwards


def test_instance_contrast_by_hand():
    """Two images at right angles, views alike: a view has its partner at 1, two others at 0."""
    views = torch.eye(2)
    alike = losses.instance_contrast_loss(views, 2 * views, 0.5)
    assert alike.item() == pytest.approx(math.log(1 + 2 * math.exp(-2)))
    swapped = losses.instance_contrast_loss(views, views.flip(0), 0.5)
    assert swapped.item() == pytest.approx(math.log(2 + math.exp(2)))


def test_instance_contrast_brings_partners_together():
    views = torch.tensor([[1.0, 0.3], [0.0, 1.0]], requires_grad=True)
    loss = losses.instance_contrast_loss(views, torch.eye(2))
    (gradient,) = torch.autograd.grad(loss, views)
    assert gradient[0, 1] > 0  # the first view turns towards (1, 0)


def test_assignment_loss_by_hand():
    sure = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
    assert losses.assignment_loss(sure).item() == pytest.approx(-math.log(2))
    assert losses.assignment_loss(torch.zeros(3, 2)).item() == pytest.approx(0, abs=1e-6)
    all_the_same = torch.tensor([[50.0, 0.0]]).repeat(3, 1)
    assert losses.assignment_loss(all_the_same).item() == pytest.approx(0, abs=1e-6)
    unsure = torch.tensor([[LOG3, 0.0], [0.0, LOG3]])  # (3/4, 1/4) and the reverse
    each = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert losses.assignment_loss(unsure).item() == pytest.approx(each - math.log(2))


# ------------------------------------------------------------------------------------- background


def covered_by_definition(box, geometry):
    """Cells whose field [i·s, i·s + f] meets or touches the box, one by one."""
    x1, y1, x2, y2 = box
    field, stride, cells = geometry

    def meets(i, low, high):
        return i * stride <= high and i * stride + field >= low

    return torch.tensor(
        [
            [x1 < x2 and y1 < y2 and meets(i, x1, x2) and meets(j, y1, y2) for i in range(cells)]
            for j in range(cells)
        ]
    )


coordinate = st.one_of(
    st.integers(-20, 150).map(float), st.floats(-20, 150, width=32), st.floats(0, 126, width=32)
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.tuples(*[coordinate] * 4), st.sampled_from([32, 64, 128]))
def test_patch_weights_against_brute_force(box, image_size):
    """Any box: inside, outside, empty and upside down."""
    geometry = PatchGeometry.of(BACKGROUND_LAYERS[image_size], background_size(image_size))
    weights = losses.background_patch_weights(torch.tensor([box]), geometry)
    assert weights.shape == (1, geometry.cells, geometry.cells)
    assert torch.equal(weights[0], 1 - covered_by_definition(box, geometry).float())


@settings(max_examples=80, deadline=None, derandomize=True)
@given(*[st.integers(0, 126)] * 4)
def test_patch_weights_are_the_arithmetic_of_the_paper(x1, y1, x2, y2):
    """The formula as the authors have it, 126 pixels, 24 × 24 cells."""
    weights = losses.background_patch_weights(torch.tensor([[x1, y1, x2, y2]]).float(), CUB)[0]
    expected = torch.ones(24, 24)
    if x1 < x2 and y1 < y2:
        first_x, first_y = max(0, math.ceil((x1 - 34) / 4)), max(0, math.ceil((y1 - 34) / 4))
        last_x = min(23, math.floor(23 - ((126 - 34) - x2) / 4))
        last_y = min(23, math.floor(23 - ((126 - 34) - y2) / 4))
        expected[first_y : last_y + 1, first_x : last_x + 1] = 0
    assert torch.equal(weights, expected)


def test_weights_against_pixels():
    """A free patch sees no pixel of the box; a covered one sees it, or a pixel beside it."""
    rng = torch.Generator().manual_seed(0)
    corners = torch.randint(0, 127, (20, 2, 2), generator=rng)
    boxes = torch.cat([corners.amin(1), corners.amax(1) + 1], 1)
    weights = losses.background_patch_weights(boxes.float(), CUB)

    def seen(x1, y1, x2, y2):
        image = torch.zeros(1, 126, 126)
        image[:, max(y1, 0) : y2, max(x1, 0) : x2] = 1
        return torch.nn.functional.max_pool2d(image, 34, stride=4)[0] > 0

    for (x1, y1, x2, y2), weight in zip(boxes.tolist(), weights, strict=True):
        covered = weight == 0
        assert (covered | ~seen(x1, y1, x2, y2)).all()
        assert (~covered | seen(x1 - 1, y1 - 1, x2 + 1, y2 + 1)).all()


def test_patch_weights_by_hand():
    """x from 40 to 50: cells ⌈6/4⌉ = 2 to ⌊50/4⌋ = 12; y from 100 to 126: ⌈66/4⌉ = 17 to 23."""
    weights = losses.background_patch_weights(torch.tensor([[40.0, 100.0, 50.0, 126.0]]), CUB)[0]
    rows, columns = torch.nonzero(weights == 0, as_tuple=True)
    assert (rows.min(), rows.max()) == (17, 23)
    assert (columns.min(), columns.max()) == (2, 12)
    assert (weights == 0).sum() == 7 * 11


def logits_of(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("adversarial", ["bce", "hinge"])
def test_background_discriminator_loss_cell_by_cell(adversarial):
    aux, real, fake = (logits_of(2, 3, 3, seed=seed) for seed in (1, 2, 3))
    weights = (logits_of(2, 3, 3, seed=4) > 0).float()
    real_term = fake_term = aux_term = 0.0
    for a, r, f, w in zip(*(t.flatten().tolist() for t in (aux, real, fake, weights)), strict=True):
        p = 1 / (1 + math.exp(-a))
        aux_term += -math.log(p if w else 1 - p) / 18
        if adversarial == "bce":
            real_term += w * math.log(1 + math.exp(-r)) / weights.sum().item()
            fake_term += math.log(1 + math.exp(f)) / 18
        else:
            real_term += w * max(0, 1 - r) / weights.sum().item()
            fake_term += max(0, 1 + f) / 18
    loss = losses.background_discriminator_loss(
        aux, real, fake, weights, adversarial=adversarial, background_weight=7.0
    )
    assert loss.item() == pytest.approx(7 * (real_term + fake_term) + aux_term, rel=1e-5)


def test_background_discriminator_loss_knows_two_words():
    with pytest.raises(InputError, match='"bce" or "hinge"; got wasserstein'):
        losses.background_discriminator_loss(*torch.zeros(4, 1, 2, 2), adversarial="wasserstein")


def test_covered_patches_teach_nothing_about_real():
    aux, fake = torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)
    real = torch.zeros(1, 2, 2, requires_grad=True)
    weights = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    losses.background_discriminator_loss(aux, real, fake, weights).backward()
    assert real.grad.flatten().tolist() == pytest.approx([-5, 0, 0, 0])  # 10 · (σ(0) − 1) / 1


def test_background_discriminator_without_a_free_patch():
    """The masked loss is 0 everywhere, and so is its mean; fakes and aux go on."""
    aux, fake = torch.zeros(2, 3, 3), torch.zeros(2, 3, 3)
    real = torch.full((2, 3, 3), -4.0, requires_grad=True)
    loss = losses.background_discriminator_loss(aux, real, fake, torch.zeros(2, 3, 3))
    assert loss.item() == pytest.approx(10 * math.log(2) + math.log(2))
    loss.backward()
    assert not real.grad.any()


@pytest.mark.parametrize("adversarial", ["bce", "hinge"])
def test_background_discriminator_descends_towards_the_truth(adversarial):
    weights = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    aux, real, fake = (torch.zeros(1, 2, 2, requires_grad=True) for _ in range(3))
    losses.background_discriminator_loss(
        aux, real, fake, weights, adversarial=adversarial
    ).backward()
    assert (aux.grad.sign() == 1 - 2 * weights).all()  # up where background, down elsewhere
    assert (real.grad.sign() == -weights).all()
    assert (fake.grad > 0).all()


def test_background_generator_loss_by_hand():
    aux, real_fake = torch.full((1, 2, 2), LOG3), torch.full((1, 2, 2), -LOG3)
    bce = losses.background_generator_loss(aux, real_fake)
    assert bce.item() == pytest.approx(-10 * math.log(1 / 4) - math.log(3 / 4))
    hinge = losses.background_generator_loss(
        aux, real_fake, adversarial="hinge", background_weight=2.0
    )
    assert hinge.item() == pytest.approx(2 * LOG3 - math.log(3 / 4))


# ------------------------------------------------------------------------------------- FineGAN


def test_finegan_generator_loss_by_hand():
    codes = CodeHierarchy.equal(2, 4).codes(torch.zeros(2, 3), torch.tensor([0, 3]))
    terms = losses.finegan_generator_loss(
        torch.full((2, 3, 3), LOG3),
        torch.full((2, 3, 3), -LOG3),
        torch.tensor([LOG3, -LOG3]),
        torch.tensor([[1.0, 3.0], [1.0, 3.0]]).log(),
        torch.tensor([[1.0, 2.0, 3.0, 4.0]] * 2).log(),
        codes,
    )
    assert list(terms) == ["background", "parent_info", "child", "child_info"]
    log = math.log
    assert terms["background"].item() == pytest.approx(-10 * log(1 / 4) - log(3 / 4))
    assert terms["parent_info"].item() == pytest.approx(-(log(1 / 4) + log(3 / 4)) / 2)
    assert terms["child"].item() == pytest.approx(-(log(3 / 4) + log(1 / 4)) / 2)
    assert terms["child_info"].item() == pytest.approx(-(log(0.1) + log(0.4)) / 2)


@pytest.mark.parametrize("adversarial", ["bce", "hinge"])
def test_finegan_generator_loss_weights_and_signs(adversarial):
    codes = CodeHierarchy.equal(2, 4).codes(torch.zeros(2, 3), torch.tensor([0, 3]))
    shapes = [(2, 3, 3), (2, 3, 3), (2,), (2, 2), (2, 4)]
    logits = [logits_of(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]
    options = {"adversarial": adversarial}
    plain = losses.finegan_generator_loss(*logits, codes, **options)
    heavy = losses.finegan_generator_loss(
        *logits, codes, **options, information_weight=3.0, background_weight=0.0
    )
    for name in ("parent_info", "child_info"):
        assert heavy[name].item() == pytest.approx(3 * plain[name].item())
    assert heavy["child"].item() == plain["child"].item()
    aux = torch.nn.functional.softplus(-logits[0]).mean().item()
    assert heavy["background"].item() == pytest.approx(aux)
    sum(plain.values()).backward()
    for tensor in logits[:3]:
        assert (tensor.grad < 0).all()
    assert (logits[3].grad.sign() == 1 - 2 * codes.p).all()
    assert (logits[4].grad.sign() == 1 - 2 * codes.c).all()


# ------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("low", [-60000.0, 60000.0])
@pytest.mark.parametrize("high", [-60000.0, 60000.0])
def test_extreme_half_precision_logits_stay_finite(low, high):
    """Values and gradients of every loss of logits, near the ends of fp16."""
    a = torch.tensor([[low, high]], dtype=torch.float16, requires_grad=True)
    b = torch.tensor([[high, low]], dtype=torch.float16, requires_grad=True)
    cells = a[..., None].expand(-1, -1, 2)
    weights = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    every = [
        losses.discriminator_loss(a, b),
        losses.minimax_generator_loss(a),
        losses.non_saturating_generator_loss(a),
        losses.hinge_discriminator_loss(a, b),
        losses.hinge_generator_loss(a),
        losses.information_loss(a, torch.tensor([0])),
        losses.categorical_information_bound(a, torch.tensor([1])),
        losses.background_generator_loss(cells, cells),
        losses.background_discriminator_loss(cells, cells, cells, weights),
        losses.background_discriminator_loss(cells, cells, cells, weights, adversarial="hinge"),
    ]
    for loss in every:
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        for gradient in torch.autograd.grad(loss, (a, b), retain_graph=True, allow_unused=True):
            assert gradient is None or torch.isfinite(gradient).all()


# ------------------------------------------------------------------------------------- masks


def test_mask_pull_moves_the_child_only():
    child = torch.tensor([0.2, 0.9]).view(1, 1, 1, 2).requires_grad_()
    parent = torch.tensor([0.5, 0.5]).view(1, 1, 1, 2).requires_grad_()
    loss = losses.mask_pull_loss(child, parent)
    assert loss.item() == pytest.approx((0.3 + 0.4) / 2)
    loss.backward()
    assert child.grad.flatten().tolist() == [-0.5, 0.5]
    assert parent.grad is None


def test_mask_binary_loss():
    mask = torch.tensor([0.0, 1.0, 0.5, 0.2]).view(1, 1, 2, 2).requires_grad_()
    loss = losses.mask_binary_loss(mask)
    assert loss.item() == pytest.approx((0.25 + 0.16) / 4)
    loss.backward()  # (1 − 2M)/4: away from one half on either side
    assert mask.grad.flatten().tolist() == pytest.approx([0.25, -0.25, 0, 0.15])


def test_mask_area_loss_is_of_each_image():
    """Areas 0.05, 0.3 and 0.9 against [0.1, 0.5]: only the first and last lie outside."""
    areas = torch.tensor([0.05, 0.3, 0.9])
    mask = areas.view(3, 1, 1, 1).expand(3, 1, 4, 4).clone().requires_grad_()
    loss = losses.mask_area_loss(mask, 0.1, 0.5)
    assert loss.item() == pytest.approx((0.05 + 0 + 0.4) / 3)
    loss.backward()
    assert mask.grad.sum((1, 2, 3)).tolist() == pytest.approx([-1 / 3, 0, 1 / 3])


def test_mask_lean_by_hand():
    rising, falling = torch.zeros(2, 1, 1, 8, 8)
    rows = torch.arange(8)
    rising[..., 7 - rows, rows] = 1.0  # the upper end is on the right
    falling[..., rows, rows] = 1.0
    both = torch.cat([rising, falling, (rising + falling).clamp(max=1)])
    assert losses.mask_lean(both).tolist() == pytest.approx([1, -1, 0], abs=1e-5)
    torch.testing.assert_close(losses.mask_lean(both.flip(3)), -losses.mask_lean(both))
    moved = torch.zeros(1, 1, 16, 16)
    moved[..., 2:10, 7:15] = rising  # where it is does not matter
    assert losses.mask_lean(moved).item() == pytest.approx(1, abs=1e-5)
    ell = torch.zeros(1, 1, 3, 3)
    ell[..., :, 0] = ell[..., 2, :] = 1.0
    x, y = [0, 0, 0, 1, 2], [0, 1, 2, 2, 2]
    assert losses.mask_lean(ell).item() == pytest.approx(-np.corrcoef(x, y)[0, 1], abs=1e-5)


def test_mask_lean_loss_asks_for_a_side():
    rising = torch.eye(8).flip(1)[None, None]
    right, left = torch.tensor([1.0]), torch.tensor([-1.0])
    assert losses.mask_lean_loss(rising, right).item() == 0
    assert losses.mask_lean_loss(rising, left).item() == pytest.approx(1.05, abs=1e-5)
    assert losses.mask_lean_loss(rising.flip(3), left).item() == 0
    blob = torch.ones(1, 1, 8, 8)
    assert losses.mask_lean_loss(blob, right, least=0.2).item() == pytest.approx(0.2, abs=1e-5)


def test_an_empty_mask_leans_nowhere():
    mask = torch.zeros(1, 1, 8, 8, requires_grad=True)
    losses.mask_lean_loss(mask, torch.ones(1)).backward()
    assert mask.grad.isfinite().all()
