"""The named configurations: plain values, no logic.

``toy`` is what ``make demo`` trains: minutes on two CPU cores, with additions to the paper's recipe
that each can be switched off. ``cub``, ``dogs`` and ``cars`` are the paper's.
"""

from dataclasses import replace

from .models import FineGANConfig, GANConfig, InfoGANConfig
from .systems import Recipe
from .training import LoopConfig, RunConfig

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
        mask_pull=2.0,
        mask_binary=1.0,
        mask_area=5.0,
        code_noise=0.2,
        code_flip=True,
        code_affine=0.2,
        silhouette=0.5,
    ),
    loop=LoopConfig(data="toybirds", steps=7_000, minutes=11.5),
)

# Twice the side, for the shipped checkpoint: hours on a CPU.
TOY64 = replace(
    TOY,
    model=replace(TOY.model, image_size=64, d_dim=24),
    recipe=replace(TOY.recipe, slower_d=0.5, ema_decay=0.999),
    loop=replace(TOY.loop, steps=15_000, minutes=0.0),
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

PRESETS = {
    "toy": TOY,
    "toy64": TOY64,
    "cub": CUB,
    "dogs": DOGS,
    "cars": CARS,
    "gan": GAN,
    "infogan": INFOGAN,
}
