"""Sizes and budgets with which a test takes seconds."""

from finegan_lib.applications.encoder import EncoderConfig
from finegan_lib.applications.readers import ReadersConfig
from finegan_lib.applications.segment import SegmenterConfig
from finegan_lib.metrics.code_classifiers import DiscoveryConfig
from finegan_lib.models import FineGANConfig

CONFIG = FineGANConfig(
    image_size=32, n_parents=2, n_children=4, z_dim=4, g_dim=4, residual_blocks=0
)
QUICK = ReadersConfig(
    EncoderConfig(n_birds=200, steps=30, width=4, batch_size=32),
    DiscoveryConfig(n_images=100, epochs=1, width=2),
)
QUICK_SEGMENTER = SegmenterConfig(n_birds=40, steps=3, batch_size=8, width=2)
