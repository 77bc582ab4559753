"""The exercises of this lesson, with right answers and typical mistakes."""

import itertools

import torch
import torch.nn.functional as F

from ....losses import discriminator_loss, minimax_generator_loss, non_saturating_generator_loss
from ...engine.exercises import Build, Choice, Debug, Exploration, Fill, Mistake
from . import lab

SETTINGS = {"g_rate", "d_rate", "d_steps"}
HANDICAP = {"g_steps": 5, "steps": 600}


def _two_logits():
    return [
        (torch.tensor([2.0, -0.5, 0.3]), torch.tensor([-1.0, 0.7, 0.2, 1.5])),
        (torch.tensor([[0.1], [-3.0]]), torch.tensor([[-0.4], [2.5]])),
        (torch.tensor([-200.0, 1.0]), torch.tensor([200.0, -1.0])),
    ]


def _logits():
    return [(fake,) for _, fake in _two_logits()] + [(torch.tensor([-200.0, 0.5]),)]


def _densities():
    return [
        (torch.tensor([0.1, 0.4, 0.2]), torch.tensor([0.3, 0.1, 0.2])),
        (torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.0]])),
    ]


def _modes(settings):
    if not isinstance(settings, dict) or set(settings) - SETTINGS:
        return f"answer with a dictionary that has only the keys {', '.join(sorted(SETTINGS))}"
    if settings.get("d_steps", 1) not in range(1, 6):
        return "d_steps is a whole number from 1 to 5"
    snapshots, _, _ = lab.ring_gan(**HANDICAP, **settings)
    points = list(snapshots.values())[-1]
    found, fullest = lab.modes_found(points), lab.mode_shares(points).max().item()
    if found >= 7 and fullest <= 1 / 3:
        return None
    if found >= 7:
        return f"it finds {found} modes, but {fullest:.0%} of the points lie in one of them"
    return (
        f"after {HANDICAP['steps']} rounds it generates {found} of the 8 modes, and 7 are wanted. "
        "Which network learns too fast?"
    )


def _step(d_loss=discriminator_loss, g_loss=non_saturating_generator_loss, **changes):
    """A training step with named changes. Without changes it is right."""

    def step(generator, discriminator, move_g, move_d, real, z):
        if changes.get("swapped"):
            move_g, move_d = move_d, move_g
        fake = generator(z)
        if not changes.get("keeps_d"):
            move_d.zero_grad()
        shown = fake if changes.get("attached") else fake.detach()
        d_loss(discriminator(real), discriminator(shown)).backward(retain_graph=True)
        if not changes.get("d_rests"):
            move_d.step()
        if changes.get("both_move"):
            move_g.step()
        if not changes.get("keeps_g"):
            move_g.zero_grad()
        shown = fake.detach() if changes.get("cut") else fake
        g_loss(discriminator(shown)).backward()
        if not changes.get("g_rests"):
            move_g.step()
        if changes.get("d_again"):
            move_d.step()

    return step


def _separate_fakes(generator, discriminator, move_g, move_d, real, z):
    with torch.no_grad():
        fake = generator(z)
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(z), 1)
    loss = F.binary_cross_entropy_with_logits(discriminator(real), ones)
    loss = loss + F.binary_cross_entropy_with_logits(discriminator(fake), zeros)
    move_d.zero_grad(set_to_none=False)
    loss.backward()
    move_d.step()
    move_g.zero_grad()
    F.binary_cross_entropy_with_logits(discriminator(generator(z)), ones[: len(z)]).backward()
    move_g.step()


def _attached_once(generator, discriminator, move_g, move_d, real, z):
    fake = generator(z)
    move_d.zero_grad()
    discriminator_loss(discriminator(real), discriminator(fake)).backward()
    move_d.step()
    move_g.zero_grad()
    non_saturating_generator_loss(discriminator(fake)).backward()
    move_g.step()


def _early_losses(generator, discriminator, move_g, move_d, real, z):
    fake = generator(z)
    d_loss = discriminator_loss(discriminator(real), discriminator(fake.detach()))
    g_loss = non_saturating_generator_loss(discriminator(fake))
    move_d.zero_grad()
    d_loss.backward()
    move_d.step()
    move_g.zero_grad()
    g_loss.backward()
    move_g.step()


def _summed_step(generator, discriminator, move_g, move_d, real, z):
    fake = generator(z)
    loss = discriminator_loss(discriminator(real), discriminator(fake))
    loss = loss + non_saturating_generator_loss(discriminator(fake))
    move_d.zero_grad()
    move_g.zero_grad()
    loss.backward()
    move_d.step()
    move_g.step()


def _g_first(generator, discriminator, move_g, move_d, real, z):
    move_g.zero_grad()
    non_saturating_generator_loss(discriminator(generator(z))).backward()
    move_g.step()
    move_d.zero_grad()
    fake = generator(z).detach()
    discriminator_loss(discriminator(real), discriminator(fake)).backward()
    move_d.step()


def _network(*layers):
    """A class of networks that consist of ``layers(first, width)``."""

    class Network(torch.nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            self.layers = torch.nn.Sequential(*layers[0](*sizes))

        def forward(self, x):
            return self.layers(x)

    return Network


def _painter(end=True, hidden=2, slope=0.2, between=True, out=64, bias=True):
    def layers(z_dim, width):
        sizes = [z_dim] + [width] * hidden
        rows = []
        for a, b in itertools.pairwise(sizes):
            rows += [torch.nn.Linear(a, b, bias=bias)]
            rows += [torch.nn.LeakyReLU(slope)] if between else []
        rows += [torch.nn.Linear(width, out, bias=bias)]
        return rows + ([torch.nn.Tanh() if end is True else end] if end else [])

    return _network(layers)


def _critic(end=None, hidden=2, slope=0.2, between=True, out=1, pixels=64):
    def layers(width):
        return list(_painter(end or False, hidden, slope, between, out)(pixels, width).layers)

    return _network(layers)


class _OwnPainter(torch.nn.Module):
    """Right, with other names."""

    def __init__(self, z_dim=16, width=256):
        super().__init__()
        self.out = torch.nn.Linear(width, 64)
        self.a, self.b = torch.nn.Linear(z_dim, width), torch.nn.Linear(width, width)

    def forward(self, z):
        z = F.leaky_relu(self.b(F.leaky_relu(self.a(z), 0.2)), 0.2)
        return torch.tanh(self.out(z))


class _FixedPainter(_OwnPainter):
    """Its sizes are numbers."""

    def __init__(self, z_dim=16, width=256):
        super().__init__(16, 256)


class _OwnCritic(torch.nn.Module):
    """Right, with other names."""

    def __init__(self, width=256):
        super().__init__()
        self.a, self.b = torch.nn.Linear(64, width), torch.nn.Linear(width, width)
        self.c = torch.nn.Linear(width, 1)

    def forward(self, x):
        return self.c(F.leaky_relu(self.b(F.leaky_relu(self.a(x), 0.2)), 0.2))


CUT = Mistake(_step(cut=True), "G gets no gradient: in its own move the fakes must not be detached")
STEP_MISTAKES = (
    Mistake(
        _step(attached=True),
        "D's loss sends a gradient into G: show D the fakes with .detach(). (The weights are "
        "still right here, but it costs time. Without one of the zero_grad, the weights would be "
        "wrong.)",
    ),
    Mistake(
        _step(keeps_d=True),
        "D's gradients grow from round to round: PyTorch adds them up, so call move_d.zero_grad() "
        "before D's backward()",
    ),
    Mistake(
        _step(keeps_g=True),
        "G's gradients grow from round to round: call move_g.zero_grad() before G's backward()",
    ),
    Mistake(
        _step(attached=True, keeps_g=True),
        "G still holds the gradient of D's loss when it moves: .detach() the fakes in D's move, "
        "and call move_g.zero_grad() before G's backward()",
    ),
    Mistake(
        _step(keeps_d=True, keeps_g=True),
        "the gradients of both networks grow from round to round: PyTorch adds them up, so call "
        "zero_grad() before each of the two backward()",
    ),
    Mistake(
        _attached_once,
        "D's backward() has gone through the fakes into G: show D the fakes with .detach()",
    ),
    Mistake(
        _early_losses,
        "you computed G's loss before D's step, and the step changed D's weights: compute "
        "discriminator(fake) for G's loss after move_d.step()",
    ),
    CUT,
    Mistake(_step(swapped=True), "the optimisers are swapped: move_d belongs to D, move_g to G"),
    Mistake(_step(d_rests=True), "D never moves: move_d.step() is missing"),
    Mistake(_step(g_rests=True), "G never moves: move_g.step() is missing"),
    Mistake(
        _step(both_move=True, attached=True),
        "G takes a step in D's move, and this step lowers D's loss: in D's move, call only "
        "move_d.step()",
    ),
    Mistake(
        _step(d_again=True),
        "D takes a second step in G's move, and then it calls fakes real: in G's move, call only "
        "move_g.step()",
    ),
    Mistake(
        _step(d_loss=lambda real, fake: discriminator_loss(fake, real)),
        "D's loss has real and fake swapped: the real logits come first",
    ),
    Mistake(
        _step(g_loss=minimax_generator_loss),
        "G's loss is the minimax loss; take losses.non_saturating_generator_loss",
    ),
    Mistake(
        _step(g_loss=lambda fake: -non_saturating_generator_loss(fake)),
        "G's loss has the wrong sign: G would learn to generate what D calls fake",
    ),
    Mistake(
        _summed_step,
        "you use one loss for both, so each network also lowers the loss of the opponent. Use "
        "two losses, two backward() and two steps",
    ),
    Mistake(_g_first, "G moves before D; a round must begin with D"),
)


EXERCISES = (
    Fill(
        "1",
        "fill in: the discriminator's loss",
        "my_discriminator_loss",
        discriminator_loss,
        mistakes=(
            Mistake(
                lambda real, fake: -discriminator_loss(real, fake),
                "this is V itself, and D maximises V; an optimiser minimises a loss, so change "
                "the sign",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real).mean() + F.softplus(-fake).mean(),
                "the second term rewards D for calling fakes real: it needs log(1 − D), and "
                "1 − σ(s) = σ(−s)",
            ),
            Mistake(
                lambda real, fake: F.softplus(real).mean() + F.softplus(-fake).mean(),
                "real and fake are swapped: this D calls the real ones fake",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum(),
                "E[…] is a mean over the batch, not a sum",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real) + F.softplus(fake),
                "E[…] is a mean: take the mean of each term before you add the two, because the "
                "numbers of real and of fake points may differ",
            ),
            Mistake(
                lambda real, fake: discriminator_loss(real, fake) / 2,
                "this is half of the right value: add the two means, do not average them",
            ),
            Mistake(
                lambda real, fake: F.softplus(torch.cat([-real.flatten(), fake.flatten()])).mean(),
                "one mean over real and fake together: take the mean of each, and add the two",
            ),
            Mistake(
                lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
                "this is the hinge loss of lesson {{vector_to_picture}}; here D is a probability",
            ),
            Mistake(
                lambda real, fake: (
                    F.softplus(-real.sigmoid()).mean() + F.softplus(fake.sigmoid()).mean()
                ),
                "σ is applied twice: softplus takes the logit itself",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real).mean(),
                "the term of the fakes is missing",
            ),
            Mistake(
                lambda real, fake: F.softplus(fake).mean(),
                "the term of the real ones is missing",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real).mean() - F.softplus(fake).mean(),
                "the term of the fakes has the wrong sign",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real).mean() - (1 + F.softplus(-fake)).log().mean(),
                "this is log(1 − log D), the writing error of the slides: it must be log(1 − D)",
            ),
            Mistake(
                lambda real, fake: (
                    -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
                ),
                "right for small logits, but for large ones log computes log 0: "
                "use log σ(s) = −softplus(−s)",
            ),
        ),
        alternative=lambda real, fake: (
            F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
            + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        ),
        praise="It is binary cross-entropy: D is a plain classifier of real and fake.",
        inputs=_two_logits,
        gradients=True,
    ),
    Choice(
        "2",
        "predict: the gradients of two losses",
        "my_ratio",
        "c",
        mistakes=(
            Mistake("a", "both have the same aim, but look at their derivatives by the logit"),
            Mistake("b", "the sizes of the derivatives are D and 1 − D: put in D = 0.001"),
        ),
        alternative=" C ",
        praise="(1 − D) / D = 999: where the fakes are worst, the minimax loss is nearly flat.",
    ),
    Fill(
        "3",
        "fill in: the non-saturating loss",
        "my_generator_loss",
        non_saturating_generator_loss,
        mistakes=(
            Mistake(
                minimax_generator_loss,
                "this is the minimax loss, log(1 − D); the non-saturating one is −log D",
            ),
            Mistake(
                lambda fake: -F.softplus(-fake).mean(),
                "your sign is wrong: E[log D] must become large, and an optimiser minimises a loss",
            ),
            Mistake(
                lambda fake: F.softplus(fake).mean(),
                "this is −log(1 − D): with it, the generator learns to generate what D calls fake",
            ),
            Mistake(lambda fake: F.softplus(-fake).sum(), "E[…] is a mean, not a sum"),
            Mistake(
                lambda fake: F.softplus(-fake).mean() / 2,
                "this is half of the right value: take one mean without a factor",
            ),
            Mistake(
                lambda fake: F.softplus(-fake.sigmoid()).mean(),
                "σ is applied twice: softplus takes the logit itself",
            ),
            Mistake(
                lambda fake: -fake.mean(), "this is the generator's hinge loss, without log or σ"
            ),
            Mistake(
                lambda fake: -fake.sigmoid().log().mean(),
                "right for small logits, but for large ones log computes log 0: "
                "use log σ(s) = −softplus(−s)",
            ),
        ),
        alternative=lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
        praise="The loss is small when D calls the fakes real.",
        inputs=_logits,
        gradients=True,
    ),
    Fill(
        "4",
        "fill in: the best discriminator",
        "my_best_d",
        lab.optimal_discriminator,
        mistakes=(
            Mistake(lambda p, q: q / (p + q), "this is the probability of being fake: 1 − D*"),
            Mistake(lambda p, q: p / q, "this is the ratio p/q; it equals D/(1 − D), not D"),
            Mistake(
                lambda p, q: (p > q).float(), "D* is a probability, not a decision between 0 and 1"
            ),
            Mistake(lambda p, q: p / (p + q) / 2, "this is half of the right value"),
            Mistake(lambda p, q: p - q, "the difference of two densities is no probability"),
            Mistake(lambda p, q: p, "p alone contains no information about the fakes"),
            Mistake(lambda p, q: p**2 / (p**2 + q**2), "nothing is squared: solve p (1 − D) = q D"),
            Mistake(lambda p, q: (p - q) / (p + q), "this runs from −1 to 1: it is 2 D* − 1"),
        ),
        alternative=lambda p, q: 1 - q / (q + p),
        praise="This is Bayes' rule for a point that is real or fake with equal probability.",
        inputs=_densities,
    ),
    Choice(
        "5",
        "predict: what a collapsed generator does next",
        "my_guess",
        "b",
        mistakes=(
            Mistake("a", "D sees many fakes at one place: what does it learn about this place?"),
            Mistake("c", "no term of the loss rewards different points in one batch"),
        ),
        alternative="(b)",
        praise=(
            "D learns that this place is fake, and the generator moves its points to another place."
        ),
    ),
    Exploration(
        "6",
        "explore: settings that bring the modes back",
        "my_settings",
        {"d_steps": 3},
        mistakes=(
            Mistake({}, "of the 8 modes"),
            Mistake({"d_steps": 1}, "of the 8 modes"),
            Mistake({"d_steps": 1000}, "a whole number from 1 to 5"),
            Mistake({"d_steps": 0}, "a whole number from 1 to 5"),
            Mistake({"g_steps": 1}, "only the keys"),
            Mistake({"steps": 10**6}, "only the keys"),
            Mistake({"g_rate": 1e-7}, "of the 8 modes"),
            Mistake([1e-3], "a dictionary"),
        ),
        alternative={"g_rate": 2e-4},
        praise="The generator finds all modes when the discriminator learns fast enough.",
        grade=_modes,
        starts=({}, {"d_steps": 1, "g_rate": 1e-3, "d_rate": 1e-3}),
    ),
    Build(
        "7",
        "build: the generator of digits",
        "MyGenerator",
        lab.DigitGenerator,
        mistakes=(
            Mistake(_painter(end=False), "your pixels can leave [−1, 1]: end with a Tanh"),
            Mistake(
                _painter(end=torch.nn.Sigmoid()),
                "a sigmoid ends in [0, 1]; the pixels lie in [−1, 1], so take a Tanh",
            ),
            Mistake(_painter(hidden=1), "one hidden layer; two are wanted"),
            Mistake(_painter(hidden=3), "three hidden layers; two are wanted"),
            Mistake(
                _painter(slope=0.0), "the slope below 0 is 0, as in a ReLU: write LeakyReLU(0.2)"
            ),
            Mistake(_painter(slope=0.01), "LeakyReLU's own slope is 0.01: write LeakyReLU(0.2)"),
            Mistake(
                _painter(between=False),
                "without LeakyReLU between them three linear layers are one linear layer",
            ),
            Mistake(_painter(out=784), "the images have 64 pixels (8 × 8), not 784"),
            Mistake(_painter(bias=False), "the layers have no bias; keep nn.Linear's own"),
            Mistake(
                _FixedPainter,
                "16 and 256 are only the default sizes: use z_dim and width in the layers",
            ),
        ),
        alternative=_OwnPainter,
        praise="With the Tanh at the end, every pixel lies in [−1, 1].",
        probe="look_at_generator",
        inputs=lambda: [(16, 32), (3, 8)],
    ),
    Build(
        "8",
        "build: the discriminator of digits",
        "MyDiscriminator",
        lab.DigitDiscriminator,
        mistakes=(
            Mistake(
                _critic(end=torch.nn.Sigmoid()),
                "a sigmoid at the end: the losses take logits and apply σ themselves, so σ would "
                "be applied twice",
            ),
            Mistake(_critic(end=torch.nn.Tanh()), "a Tanh at the end: a logit is any real number"),
            Mistake(
                _critic(end=torch.nn.LeakyReLU(0.2)),
                "a LeakyReLU after the last layer changes the negative logits: end with the "
                "linear layer",
            ),
            Mistake(_critic(out=2), "two outputs: real or fake needs one logit"),
            Mistake(_critic(hidden=1), "one hidden layer; two are wanted"),
            Mistake(_critic(hidden=3), "three hidden layers; two are wanted"),
            Mistake(
                _critic(slope=0.0), "the slope below 0 is 0, as in a ReLU: write LeakyReLU(0.2)"
            ),
            Mistake(
                _critic(between=False),
                "without LeakyReLU between them three linear layers are one linear layer",
            ),
        ),
        alternative=_OwnCritic,
        praise="D is a plain classifier of real and fake.",
        probe="look_at_discriminator",
        inputs=lambda: [(32,), (8,)],
    ),
    Build(
        "9",
        "build: the training step",
        "my_step",
        lab.gan_step,
        mistakes=STEP_MISTAKES,
        alternative=_separate_fakes,
        praise=(
            "Two losses, two optimisers, one detach: every GAN of this course is trained in this "
            "way."
        ),
        probe="play",
        inputs=lambda: [(50,)],
        tolerance=1e-3,
    ),
    Debug(
        "10",
        "debug: a step that learns nothing",
        "mended_step",
        _step(),
        mistakes=tuple(m for m in STEP_MISTAKES if m is not CUT),
        alternative=_separate_fakes,
        praise=(
            "The line detached the fakes in both moves. D's move needs this, G's move must not "
            "have it."
        ),
        probe="play",
        inputs=lambda: [(50,)],
        tolerance=1e-3,
        broken=_step(cut=True),
    ),
)
