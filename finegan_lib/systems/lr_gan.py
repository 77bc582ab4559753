"""One training step of LR-GAN: Simple-GAN's step, on an image of pasted layers."""

import torch
from torch import Tensor, nn

from ..models.lr_gan import LRGANGenerator, LRGANOutput
from .parts import image_grid
from .simple_gan import SimpleGANSystem


class LRGANSystem(SimpleGANSystem):
    """LR-GAN. Its loss has no term for layers, so a mask finds an object only by chance.

    No term prevents a mask that fills the image or vanishes (the authors have none, too). Look at
    ``area``, the mean of the pasted masks, and ``scale``, the mean of the poses' scales.
    """

    make_generator: type[nn.Module] = LRGANGenerator

    @staticmethod
    def finished(output: LRGANOutput) -> Tensor:
        return output.image

    @staticmethod
    def areas(output: LRGANOutput) -> dict:
        masks = torch.stack([pasted.pasted.mask.detach() for pasted in output.objects])
        thetas = torch.stack([pasted.theta.detach() for pasted in output.objects])
        return {
            "area": masks.mean(),
            "scale": (thetas[..., 0, 0].mean() + thetas[..., 1, 1].mean()) / 2,
        }

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """One image a column; rows: background, each object's f, m, pasted m̂, and the image."""
        output = self.drawn(12, seed)
        rows = [output.background]
        for drawn in output.objects:
            masks = (drawn.mask.expand(-1, 3, -1, -1) * 2 - 1, drawn.pasted.mask * 2 - 1)
            rows += [drawn.foreground, masks[0], masks[1].expand(-1, 3, -1, -1)]
            rows += [drawn.pasted.image]
        return image_grid(torch.cat(rows), columns=12)
