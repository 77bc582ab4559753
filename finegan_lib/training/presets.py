"""The named configurations: plain values, and :func:`finegan_preset`, which looks one up.

``toy`` takes minutes on two CPU cores, with additions to the paper's recipe that each can be
switched off. ``demo`` is what ``make demo`` trains. ``cub``, ``dogs`` and ``cars`` are the paper's.
"""

from dataclasses import replace

from ..base.errors import InputError
from ..models import (
    FineGANConfig,
    GANConfig,
    InfoGANBaselineConfig,
    InfoGANConfig,
    LRGANConfig,
    SimpleGANConfig,
    StackGANConfig,
)
from ..systems import Recipe
from ..systems.recipe import FINEGANS_OWN
from . import LoopConfig, RunConfig

TOY = RunConfig(
    model=FineGANConfig(
        image_size=32,
        n_parents=5,
        n_children=20,
        z_dim=8,
        g_dim=8,
        d_dim=32,
        residual_blocks=1,
        min_head_channels=8,
        background_gain=4.0,
        view=True,
        mask_bias=-0.5,
        child_norm="spectral",
    ),
    recipe=Recipe(
        learning_rate=2e-3,
        final_decay=0.3,
        adversarial="hinge",
        background_weight=1.0,
        ema_decay=0.998,
        ema_warmup=True,
        ema_buffers=True,
        d_noise=0.3,
        free_background=True,
        free_child=0.25,
        mask_pull=4.0,
        mask_pull_back=1.0,
        mask_binary=1.0,
        mask_lean=1.0,
        mask_area=5.0,
        code_noise=0.2,
        code_flip=True,
        code_affine=0.2,
        silhouette=0.5,
    ),
    loop=LoopConfig(data="toybirds", steps=7_000),
)

# What `make demo` trains: idle parents and children are led as well.
DEMO = replace(
    TOY,
    recipe=replace(TOY.recipe, lead_parents=(0.25, 0.4, 0.55, 0.7)),
    loop=replace(TOY.loop, steps=5_600),
)

# Twice the side, for the shipped checkpoint: about an hour on a CPU.
TOY64 = replace(
    TOY,
    model=replace(TOY.model, image_size=64, d_dim=24),
    recipe=replace(TOY.recipe, slower_d=0.5, ema_decay=0.999),
    loop=replace(TOY.loop, steps=14_000, precision="bf16"),
)

# Photographs of birds: more categories, and a longer z for poses and scenes. D_c learns at full
# speed with little noise, because photographs are harder than ToyBirds to distinguish from
# generated images. When D_c begins to memorise its photographs, augmentation starts. The two masks
# pull each other with equal weight: D_c sees the child's mask, and so it shapes the parent's mask,
# too.
BIRDS = replace(
    TOY64,
    model=replace(TOY64.model, n_parents=10, n_children=50, z_dim=32, g_dim=12, d_dim=32),
    recipe=replace(
        TOY64.recipe,
        learning_rate=1e-3,
        slower_d=1.0,
        d_noise=0.1,
        mask_pull=2.0,
        mask_pull_back=2.0,
        augment=("colour", "translation"),
        augment_strength=0.0,
        augment_target=0.5,
    ),
    loop=replace(TOY64.loop, data="data/CUB_200_2011", steps=12_000, keep_out=0.1),
)
BIRDS32 = replace(
    BIRDS,
    model=replace(BIRDS.model, image_size=32),
    recipe=replace(BIRDS.recipe, learning_rate=2e-3, ema_decay=0.998),
    loop=replace(BIRDS.loop, steps=9_000, precision="auto"),
)

CUB = RunConfig(
    model=FineGANConfig(),
    recipe=Recipe(),
    loop=LoopConfig(data="data/CUB_200_2011", steps=442_000, hard_steps=1_500),
)
DOGS = replace(
    CUB,
    model=FineGANConfig(n_parents=12, n_children=120),
    loop=replace(CUB.loop, data="data/dogs", steps=450_000),
)
CARS = replace(
    CUB,
    model=FineGANConfig(n_parents=20, n_children=196),
    loop=replace(CUB.loop, data="data/cars", steps=305_000),
)

# The single-stage ancestors on the same birds, for the chapters that lead up to FineGAN.
GAN = RunConfig(
    model=GANConfig(image_size=32, z_dim=16, g_dim=8, d_dim=16, norm="spectral"),
    recipe=Recipe(
        learning_rate=1e-3, adversarial="hinge", ema_decay=0.998, ema_warmup=True, ema_buffers=True
    ),
    loop=LoopConfig(steps=6_000),
)
INFOGAN = replace(
    GAN,
    model=InfoGANConfig(
        image_size=32, z_dim=16, g_dim=8, d_dim=16, norm="spectral", n_categories=20
    ),
)

# The paper's baselines (Table 1) at the toy's size: the same recipe without the switches for masks.
# The widths give the generator as many weights as the toy's, to within a tenth. z is longer,
# because it must also carry what FineGAN's b and p carry.
SIMPLE_GAN = RunConfig(
    model=SimpleGANConfig(
        image_size=32,
        z_dim=32,
        g_dim=11,
        d_dim=32,
        residual_blocks=1,
        min_head_channels=8,
        norm="spectral",
    ),
    recipe=replace(TOY.recipe, **dict.fromkeys(FINEGANS_OWN, 0.0)),
    loop=TOY.loop,
)
INFOGAN_BASELINE = replace(
    SIMPLE_GAN,
    model=InfoGANBaselineConfig(
        image_size=32,
        z_dim=32,
        g_dim=9,
        d_dim=32,
        residual_blocks=1,
        min_head_channels=8,
        norm="spectral",
        n_children=20,
    ),
)
LR_GAN = replace(
    SIMPLE_GAN,
    model=LRGANConfig(image_size=32, z_dim=32, g_dim=9, d_dim=32, soft_pose=True, norm="spectral"),
)
STACKGAN = replace(
    SIMPLE_GAN,
    model=StackGANConfig(
        image_size=32,
        z_dim=32,
        g_dim=21,
        d_dim=32,
        residual_blocks=1,
        min_head_channels=8,
        norm="spectral",
    ),
)
# The baselines with their authors' settings, as far as these are known. The settings of the first
# two are not published. LR-GAN's batch and 200 epochs and StackGAN-v2's batch are the authors'; its
# 600 epochs are those of their conditional model of birds.
CUB_SIMPLE_GAN = replace(CUB, model=SimpleGANConfig(), loop=replace(CUB.loop, hard_steps=0))
CUB_INFOGAN = replace(CUB_SIMPLE_GAN, model=InfoGANBaselineConfig())
CUB_LR_GAN = replace(
    CUB_SIMPLE_GAN,
    model=LRGANConfig(),
    loop=replace(CUB_SIMPLE_GAN.loop, batch_size=64, steps=36_800),
)
CUB_STACKGAN = replace(
    CUB_SIMPLE_GAN,
    model=StackGANConfig(),
    loop=replace(CUB_SIMPLE_GAN.loop, batch_size=24, steps=294_600),
)

PRESETS = {
    "toy": TOY,
    "demo": DEMO,
    "toy64": TOY64,
    "birds": BIRDS,
    "birds32": BIRDS32,
    "cub": CUB,
    "dogs": DOGS,
    "cars": CARS,
    "gan": GAN,
    "infogan": INFOGAN,
    "simple_gan": SIMPLE_GAN,
    "infogan_baseline": INFOGAN_BASELINE,
    "lr_gan": LR_GAN,
    "stackgan": STACKGAN,
    "cub_simple_gan": CUB_SIMPLE_GAN,
    "cub_infogan": CUB_INFOGAN,
    "cub_lr_gan": CUB_LR_GAN,
    "cub_stackgan": CUB_STACKGAN,
}


def finegan_preset(name: str) -> RunConfig:
    """One of :data:`PRESETS`, of a FineGAN.

    Raises:
        InputError: for a name that is none, or a preset of another family.
    """
    known = [key for key, run in PRESETS.items() if run.family == "finegan"]
    if name not in known:
        raise InputError(
            "no such preset of a FineGAN", seen=name, cure=f"Choose one of {', '.join(known)}."
        )
    return PRESETS[name]
