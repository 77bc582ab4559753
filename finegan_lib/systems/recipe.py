"""How to train: every switch of the recipe, with the paper's value as its default."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from ..base.errors import InputError
from ..base.options import option
from .augmentation import POLICIES

# What changes D's images or its real/fake loss. The two plain families, gan and infogan, have none.
FOR_D = (
    *("relativistic", "r1", "r2", "d_noise"),
    *("augment", "augment_strength", "augment_target", "augment_ramp"),
)
# The switches of FineGAN's masks, parents and codes, and of its repairs: no other step uses them.
MASK_TERMS = ("mask_pull", "mask_pull_back", "mask_binary", "mask_area", "mask_lean")
FINEGANS_OWN = (*MASK_TERMS, "silhouette", "free_child", "contrastive_child", "pose_info")
REPAIRS = (
    *("child_restart", "restart_every", "restart_until", "restart_at"),
    *("lead_children", "lead_parents"),
)
# Ranges and lengths that go with them; unlike the switches, they are not off at 0.
MEASURES = ("mask_smallest", "mask_largest", "pose_dims")
# FineGAN's also: how its D_b counts, how b is sampled, how hard negatives are chosen.
FINEGANS_STEP = ("background_weight", "free_background", "hard_pool")
# What changes the input of the code heads.
CODE_VIEWS = ("code_noise", "code_colour", "code_flip", "code_affine")
# What the steps of the two plain families do not use.
NOT_PLAIN = (
    *("colour_weight", *FINEGANS_STEP, *FOR_D),
    *(*FINEGANS_OWN, *MEASURES, *REPAIRS, *CODE_VIEWS),
)
# The switch that an option belongs to: where it is off, the option has no effect.
NEEDS = {
    **dict.fromkeys(("restart_every", "restart_until"), "child_restart"),
    **dict.fromkeys(("mask_smallest", "mask_largest"), "mask_area"),
    **dict.fromkeys(("augment_strength", "augment_target"), "augment"),
    **{"augment_ramp": "augment_target", "pose_dims": "pose_info"},
}
# Weights of losses, and sizes of random changes.
NOT_NEGATIVE = (
    *("background_weight", "information_weight", "colour_weight", "r1", "r2", "d_noise"),
    *("contrastive_child", "pose_info", *MASK_TERMS, "child_restart"),
    *("code_noise", "code_colour", "code_affine"),
)
# The switches that add something to what a checkpoint holds, or change its size.
HELD = ("augment_target", "contrastive_child", "pose_info", "pose_dims")


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's; what goes beyond it is off.

    Each addition has its own switch, and stands in a group with its source and its worth:

    * free codes, contrast, masks, poses and repairs: :mod:`.additions`;
    * the real/fake loss and what D_c sees: :mod:`.adversarial`;
    * what the code heads see: :mod:`.views`;
    * Adam and the running average, below, and the networks' own switches.

    Worth, on ToyBirds (``results/ablation.json``): the masks' IoU and the parents' NMI, which are
    0.72 and 0.65 with everything on. There are two to four trainings a row; a difference of 0.05 is
    within their spread. Rows with a star have one training, with seed 0, for which everything on
    had 0.66 and 0.52.

    On photographs (``results/ablation_cub50.json``, 1,000 steps), most additions change KID and AMI
    little: KID is 0.111 with everything on, 0.148 without ``view``, 0.145 without ``child_norm``,
    0.113 in the paper's recipe. But only 1 of its 10 parents differs from every other one (10 with
    everything on, 4 without ``background_weight=1``). Its categories stay with the bird in 24 % of
    other surroundings (46 % with everything on, 29 % without ``child_norm``).

    =======================  =====================================  ============================
    addition                 source                                 without it
    =======================  =====================================  ============================
    ``background_weight=1``  our own; the authors' code has 10      0.62 and 0.46
    ``ema_buffers``          Karras et al., 2018, for the weights   0.76 and 0.67: no gain
    ``final_decay``          common practice                        0.75 and 0.63
    ``slower_d``             TTUR, Heusel et al., 2017, the other   with it (0.5) 0.70 and 0.49 *
                             way round
    ``ema_warmup``           common practice                        0.38 and 0.51
    ``background_gain``      our own                                0.71 and 0.52
    ``view``, ``mask_lean``  our own                                0.75 and 0.45
    ``mask_bias``            our own                                0.74 and 0.67: no gain
    ``child_norm``           spectral norm, Miyato et al., 2018     0.75 and 0.69: no gain
    ``min_head_channels``    our own, for narrow networks           0.52 and 0.43 *
    ``parent_gain``          our own; off in every preset           with it (4) 0.73 and 0.53 *
    =======================  =====================================  ============================
    """

    learning_rate: float = option(2e-4, "Adam's step size")
    slower_d: float = option(1.0, "the discriminators' step size as a fraction of it (paper: 1)")
    final_decay: float = option(0.0, "last fraction of the steps, in which step sizes fall to 0")
    adversarial: str = option("bce", "real/fake loss (paper: bce)", choices=("bce", "hinge"))
    background_weight: float = option(10.0, "weight of D_b's real/fake loss")
    information_weight: float = option(1.0, "weight of the two information losses")
    colour_weight: float = option(
        1.0, "StackGAN: weight of the colour consistency between scales (paper: 1)"
    )
    ema_decay: float = option(0.999, "decay of the running average of G's weights, per step")
    ema_warmup: bool = option(False, "shorter average at the start (paper: no)")
    ema_buffers: bool = option(False, "average G's BatchNorm statistics too (paper: no)")
    hard_pool: int = option(10, "hard-negative phase: batches sampled for one that is kept")
    relativistic: bool = option(
        False, "D_c sees pairs of a real and a generated image, its loss that of RpGAN (paper: no)"
    )
    r1: float = option(0.0, "weight gamma of the R1 penalty, D_c's gradient at real images")
    r2: float = option(0.0, "weight gamma of the R2 penalty, D_c's gradient at generated images")
    augment: tuple[str, ...] = option(
        (), "change what D_c sees, real and generated: any of colour, translation, cutout"
    )
    augment_strength: float = option(
        1.0, "probability of each such change; with augment_target, the one at the start"
    )
    augment_target: float = option(
        0.0, "ADA: let the probability hold E[sign D_c(real)] at this value (0: it stays)"
    )
    augment_ramp: int = option(100_000, "ADA: images in which the probability can go from 0 to 1")
    d_noise: float = option(
        0.0, "sd of noise on all that D_c sees, real and fake; falls to 0 over the run"
    )
    free_background: bool = option(
        False, "shuffle b among the images of a batch in training (paper: b = c)"
    )
    free_child: float = option(
        0.0, "fraction of a batch with p sampled apart from c, for the code readers and D_b only"
    )
    contrastive_child: float = option(
        0.0, "weight of C3-GAN's contrastive losses, on a head of D_c's own"
    )
    pose_info: float = option(0.0, "weight of the information about z in the parent mask")
    pose_dims: int = option(4, "how many of z's first numbers pose_info makes readable")
    mask_pull: float = option(0.0, "weight of |M_c - M_p|, pulling the child's mask")
    mask_pull_back: float = option(0.0, "weight of |M_c - M_p|, pulling the parent's mask")
    mask_binary: float = option(0.0, "weight of M(1 - M), on both masks")
    mask_area: float = option(0.0, "weight of the mask area's distance from its range")
    mask_smallest: float = option(0.1, "mask area range, lower end, as a fraction of the image")
    mask_largest: float = option(0.5, "mask area range, upper end, as a fraction of the image")
    mask_lean: float = option(
        0.0,
        "weight of the loss on parent masks that do not lean to the side that the sign of z's "
        "first number says",
    )
    code_noise: float = option(0.0, "sd of the noise added to what the code heads see")
    code_colour: float = option(
        0.0, "sd of a colour that is added to the whole of each foreground they see"
    )
    code_flip: bool = option(False, "mirror what the code heads see, at random")
    code_affine: float = option(0.0, "random scale, turn and shift of it (0.2: +-20 %, 12 deg.)")
    silhouette: float = option(
        0.0, "fraction of parent foregrounds shown to D_p in one flat colour"
    )
    child_restart: float = option(
        0.0,
        "start a child anew whose foreground differs from a sibling's by less: root mean square, "
        "of pixels in [-1, 1] (0: never)",
    )
    restart_every: int = option(
        800, "steps between two such comparisons, from a tenth of the run to restart_until"
    )
    restart_until: float = option(
        0.6, "fraction of the run after which restart_every starts none anew"
    )
    restart_at: tuple[float, ...] = option(
        (),
        "fractions of the run at which children are compared, in place of restart_every and "
        "restart_until; needs child_restart",
    )
    lead_children: tuple[float, ...] = option(
        (), "fractions of the run at which idle children are led to kinds that no child generates"
    )
    lead_parents: tuple[float, ...] = option(
        (),
        "fractions of the run at which parents without a shape of their own are led to one, "
        "with their children, and the idle children of the others as by lead_children; a "
        "fraction need not stand in both",
    )

    def __post_init__(self):
        sound = {
            "learning_rate": (0 < self.learning_rate < math.inf, "above 0"),
            "slower_d": (0 < self.slower_d < math.inf, "above 0"),
            "final_decay": (0 <= self.final_decay <= 1, "in [0, 1]"),
            "ema_decay": (0 <= self.ema_decay <= 1, "in [0, 1]"),
            "hard_pool": (self.hard_pool >= 1, "at least 1"),
            "mask_smallest": (0 <= self.mask_smallest <= self.mask_largest, "in [0, mask_largest]"),
            "silhouette": (0 <= self.silhouette <= 1, "in [0, 1]"),
            "free_child": (0 <= self.free_child < 1, "in [0, 1)"),
            **{name: (0 <= getattr(self, name) < math.inf, "in [0, ∞)") for name in NOT_NEGATIVE},
            "pose_dims": (self.pose_dims >= 1, "at least 1"),
            "augment": (
                set(self.augment) <= set(POLICIES) and len(set(self.augment)) == len(self.augment),
                f"some of {', '.join(POLICIES)}, each once",
            ),
            "augment_strength": (0 <= self.augment_strength <= 1, "in [0, 1]"),
            "augment_target": (-1 < self.augment_target < 1, "between -1 and 1"),
            "augment_ramp": (self.augment_ramp >= 1, "at least 1"),
            "restart_every": (self.restart_every >= 1, "at least 1"),
            **{
                name: (all(0 < at < 1 for at in getattr(self, name)), "between 0 and 1")
                for name in ("restart_at", "lead_children", "lead_parents")
            },
            "restart_until": (0 <= self.restart_until <= 1, "in [0, 1]"),
        }
        for name, (good, wanted) in sound.items():
            if not good:
                raise InputError(
                    f"{name} must be {wanted}",
                    seen=getattr(self, name),
                    cure="Choose another value, or leave the option out.",
                )
        if self.restart_at and not self.child_restart > 0:
            raise InputError(
                "restart_at compares children only with a distance",
                seen=f"restart_at={self.restart_at}, child_restart={self.child_restart}",
                cure="Set child_restart, too, such as 0.3.",
            )

    def refuse(self, names: tuple[str, ...], step: str) -> None:
        """Refuse options that are set although a family's step does not use them.

        Args:
            names: of these options.
            step: whose they are not, for the message.

        Raises:
            InputError: for the first option that has another value than its default.
        """
        for name in names:
            if getattr(self, name) != getattr(Recipe, name):
                raise InputError(
                    f"the training step of {step} does not use the option {name}",
                    seen=f"{name}={getattr(self, name)}",
                    cure="Leave the option out, or train a family that uses it.",
                )

    def refuse_idle(self, typed: Collection[str]) -> None:
        """Refuse options that a user set although the switch that they belong to is off.

        Args:
            typed: the names of the options that the user set.

        Raises:
            InputError: for the first such option that has another value than its default.
        """
        for name, switch in NEEDS.items():
            value = getattr(self, name)
            if name in typed and value != getattr(Recipe, name) and not getattr(self, switch):
                raise InputError(
                    f"{name} has no effect without {switch}",
                    seen=f"{name}={value}, {switch}={getattr(self, switch)}",
                    cure=f"Set {switch}, too, or leave the option out.",
                )
        if self.restart_at and {"restart_every", "restart_until"} & set(typed):
            raise InputError(
                "restart_at takes the place of restart_every and restart_until",
                seen=f"restart_at={self.restart_at}",
                cure="Set either restart_at or the two others.",
            )
