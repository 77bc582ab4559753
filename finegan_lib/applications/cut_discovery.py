"""Category discovery on objects that are cut out of their surroundings (our own).

The paper's classifiers see whole pictures, and a part of what they learn is the background. A
FineGAN's masks can take it away: a segmenter that learnt from generated pictures alone
(:mod:`.segment`) cuts the objects out, of generated pictures and of photographs alike. A second
pair of classifiers learns the codes of such cut-outs. No label and no mask drawn by a person is
used.
"""

import torch
from torch import Tensor

from ..codes import Codes
from ..discovery.cluster import finegan_features
from ..discovery.code_classifiers import code_readers, reader_features
from ..metrics.code_classifiers import real_inputs
from ..metrics.reading import to_uint8
from ..models import FineGANGenerator
from ..models.finegan import FineGANOutput
from .segment import Segmenter, load_segmenter


@torch.no_grad()
def cut_out(images: Tensor, segmenter: Segmenter, batch_size: int = 100) -> Tensor:
    """M·x: images (N, 3, S, S) in [-1, 1] on a grey ground, which is 0.

    Args:
        segmenter: whose mask M is.
    """
    parts = (batch * segmenter.masks(batch) for batch in images.split(batch_size))
    return torch.cat(list(parts))


class CutOutGenerator:
    """A FineGAN whose finished images are cut out; the classifiers of codes learn from it.

    Called as the generator is. Only the child's ``image`` differs from its output.
    """

    def __init__(self, generator: FineGANGenerator, segmenter: Segmenter):
        self.generator, self.segmenter = generator, segmenter
        self.config, self.inputs = generator.config, generator.inputs

    def __call__(self, codes: Codes) -> FineGANOutput:
        output = self.generator(codes)
        image = cut_out(output.child.image, self.segmenter)
        return output._replace(child=output.child._replace(image=image))


def cut_features(
    images: Tensor, generator: FineGANGenerator, config=None, *, checkpoint, seed=0, progress=False
) -> Tensor:
    """(N, 2D) features of real images: those of the paper's route, and beside them those of the
    same classifiers for cut-outs.

    Args:
        images: (N, 3, S, S) uint8.
        generator: in evaluation mode.
        config: :class:`~finegan_lib.metrics.code_classifiers.DiscoveryConfig`.
        checkpoint: name or file of the generator: its segmenter is a kept one, or is trained now.
        seed: of the classifiers.
    """
    options = {"seed": seed, "progress": progress}
    whole = finegan_features(images, generator, config, **options)
    segmenter = load_segmenter(checkpoint, generator, progress=progress)
    readers = code_readers(CutOutGenerator(generator, segmenter), config, **options)
    cut = cut_out(real_inputs(images, generator.config.image_size), segmenter)
    return torch.cat([whole, reader_features(readers, to_uint8(cut), config)], 1)
