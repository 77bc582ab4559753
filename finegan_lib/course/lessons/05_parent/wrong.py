"""Right and wrong stages, silhouettes and heads as students write them, for the tests."""

import torch
import torch.nn.functional as F
from torch import nn

from ....models.blocks import ResidualBlock, SameBlock

# ------------------------------------------------------------------------------------- networks


class OtherStage(nn.Module):
    """The library's stage, written differently; its parts are changed for the mistakes."""

    bias, norm, kernel = False, True, 3
    one_block = False  # whether there is one residual block, whatever the number asked for

    def __init__(self, code_dim, channels, out_channels, residual_blocks):
        super().__init__()
        half = self.kernel // 2
        self.last = SameBlock(channels, out_channels)
        self.blocks = nn.ModuleList(ResidualBlock(channels) for _ in range(residual_blocks))
        if self.one_block:
            self.blocks = self.blocks[:1]
        into = self.joined_channels(code_dim, channels)
        self.first = nn.Conv2d(into, 2 * channels, self.kernel, padding=half, bias=self.bias)
        if self.norm:
            self.batch = nn.BatchNorm2d(2 * channels)

    def joined_channels(self, code_dim, channels):
        return code_dim + channels

    def together(self, code, features):
        repeated = code[:, :, None, None].repeat(1, 1, *features.shape[2:])
        return torch.cat([repeated, features], 1)

    def gate(self, x):
        value, gate = x.chunk(2, 1)
        return value * gate.sigmoid()

    def refine(self, x):
        for block in self.blocks:
            x = block(x)
        return x

    def finish(self, x):
        return self.last(x)

    def forward(self, code, features):
        x = self.first(self.together(code, features))
        return self.finish(self.refine(self.gate(self.batch(x) if self.norm else x)))


def stage(**changes):
    return type("CodeStage", (OtherStage,), changes)


def swapped(self, code, features):
    return torch.cat([features, code[:, :, None, None].expand(-1, -1, *features.shape[2:])], 1)


def added(self, code, features):
    return features + code.sum(1)[:, None, None, None]


def without_code(self, code, features):
    return OtherStage.together(self, torch.zeros_like(code), features)


def one_pixel(self, code, features):
    return torch.cat([code[:, :, None, None], features], 1)


def in_a_corner(self, code, features):
    height, width = features.shape[2:]
    corner = F.pad(code[:, :, None, None], (0, width - 1, 0, height - 1))
    return torch.cat([corner, features], 1)


def without_shortcut(self, x):
    for block in self.blocks:
        x = block.block(x)
    return x


def for_stages():
    rng = torch.Generator().manual_seed(0)
    code = F.one_hot(torch.arange(4) % 3, 3).float()
    return [(code, torch.randn(4, 6, 5, 7, generator=rng), 4, 2)]


def for_silhouettes():
    rng = torch.Generator().manual_seed(0)
    masked, mask = (
        torch.rand(4, 3, 3, 2, generator=rng),
        torch.rand(4, 1, 3, 2, generator=rng),
    )
    colour = torch.randint(2, (4, 3, 1, 1), generator=rng) * 2.0 - 1
    return [(masked * mask, mask, torch.tensor([True, False, True, False]), colour)]


def flat(silhouette):
    """Silhouettes with something else in place of mask · colour."""

    def answer(masked, mask, flat, colour):
        made = silhouette(masked, mask, colour).expand_as(masked)
        return torch.where(flat[:, None, None, None], made, masked)

    return answer


def for_heads():
    rng = torch.Generator().manual_seed(0)
    return [
        (
            3 * torch.randn(2, 3, 3, 2, generator=rng),
            torch.randn(2, 1, 3, 2, generator=rng),
            b,
        )
        for b in (-0.5, 0.0)
    ]
