"""FineGAN's second phase, and the picture that shows a training's progress."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..codes import Codes
from ..speed import distributed
from .networks import FineGANNetworks
from .parts import image_grid


class HardNegatives(FineGANNetworks):
    """The paper's own second phase (supplementary 7.2): codes that D_c reads badly."""

    def sampler(self, hard: bool) -> Callable[[int, torch.Generator], Codes]:
        """What samples the codes of a step: :meth:`hard_codes`, or ``sample_codes``."""
        return self.hard_codes if hard else self.sample_codes

    @torch.no_grad()
    @distributed.all_have_the_whole_batch()
    def hard_codes(self, n: int, rng: torch.Generator) -> Codes:
        """The n codes, chosen from ``hard_pool`` times as many: those that D_c reads worst.

        Worst: the lowest probability of the true c, given the masked child foreground (paper,
        supplementary 7.2, "hard negatives").
        """
        device = next(self.generator.parameters()).device
        drawn: list[Codes] = []
        confidence: list[Tensor] = []
        for _ in range(self.recipe.hard_pool):
            codes = self.sample_codes(n, rng)
            on_device = codes.to(device)
            _, child = self.generator.generate_foregrounds(on_device, on_device.z.new_zeros(1))
            log_q = self.d_child.code_logits(child.masked_foreground).float().log_softmax(1)
            confidence.append(log_q.gather(1, on_device.c_index[:, None])[:, 0].cpu())
            drawn.append(codes)
        pool = Codes(*(torch.cat(parts) for parts in zip(*drawn, strict=True)))
        hardest, first = torch.cat(confidence).argsort(stable=True), self.n_real_fake(n)
        last = hardest % n >= first  # stay last: D_c's real/fake head does not see them
        return pool.select(torch.cat([hardest[~last][:first], hardest[last][: n - first]]))

    def real_logits(self, images: Tensor) -> Tensor:
        """D_c's logits of images, (N, 3, S, S) → (N,)."""
        return self.d_child.real_fake_logits(images)

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """Children side by side; for one z the rows B, P, C, M_c·F_c, M_p, M_c, then C for others.

        (3, H, W) in [0, 1]; at most 40 children.
        """
        columns, more = min(self.hierarchy.n_children, 40), 3
        device = next(self.average.parameters()).device
        rng = torch.Generator().manual_seed(seed)
        z = torch.randn(1 + more, self.config.z_dim, generator=rng)
        c = torch.arange(columns).repeat(1 + more)
        codes = self.hierarchy.codes(z.repeat_interleave(columns, 0), c)
        out = self.average(codes.to(device))
        first = slice(0, columns)
        masks = [s.mask[first].expand(-1, 3, -1, -1) * 2 - 1 for s in (out.parent, out.child)]
        rows = [out.background.image[first], out.parent.image[first], out.child.image[first]]
        rows += [out.child.masked_foreground[first], *masks, out.child.image[columns:]]
        return image_grid(torch.cat(rows), columns)
