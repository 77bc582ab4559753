"""FineGAN as its specification states it, layer for layer and without any shortcut, for 128 px.

What the library's networks must equal. Attribute names are those of the authors' state dicts, so
that such a state dict loads with ``strict=True``. Nothing here is imported by the library.

N: batch, g: generator width, d: discriminator width. Discriminators return probabilities where
the original ends in a sigmoid, so compare them with the sigmoid of the library's logits.
"""

import torch
from torch import nn
from torch.nn.functional import interpolate


class Glu(nn.Module):
    def forward(self, x):
        half = x.shape[1] // 2
        return x[:, :half] * torch.sigmoid(x[:, half:])


def conv(n_in, n_out):
    return nn.Conv2d(n_in, n_out, 3, 1, 1, bias=False)


def gated(n_in, n_out):
    return [conv(n_in, 2 * n_out), nn.BatchNorm2d(2 * n_out), Glu()]


def up(n_in, n_out):
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), *gated(n_in, n_out))


class InitStage(nn.Module):
    def __init__(self, n_code, z_dim, g):
        super().__init__()
        self.g = g
        n = 16 * g * 4 * 4 * 2
        self.fc = nn.Sequential(nn.Linear(n_code + z_dim, n, bias=False), nn.BatchNorm1d(n), Glu())
        self.upsample1 = up(16 * g, 8 * g)
        self.upsample2 = up(8 * g, 4 * g)
        self.upsample3 = up(4 * g, 2 * g)
        self.upsample4 = up(2 * g, g)
        self.upsample5 = up(g, g)

    def forward(self, z, code):
        x = self.fc(torch.cat([code, z], dim=1)).reshape(-1, 16 * self.g, 4, 4)
        x = self.upsample3(self.upsample2(self.upsample1(x)))
        return self.upsample5(self.upsample4(x))


class Residual(nn.Module):
    def __init__(self, ch):
        super().__init__()
        self.block = nn.Sequential(*gated(ch, ch), conv(ch, ch), nn.BatchNorm2d(ch))

    def forward(self, x):
        return x + self.block(x)


class NextStage(nn.Module):
    def __init__(self, n_code, ch):
        super().__init__()
        self.jointConv = nn.Sequential(*gated(n_code + ch, ch))
        self.residual = nn.Sequential(Residual(ch), Residual(ch))
        self.samesample = nn.Sequential(*gated(ch, ch // 2))

    def forward(self, features, code):
        n, _, height, width = features.shape
        code_map = code.reshape(n, -1, 1, 1).repeat(1, 1, height, width)
        x = self.jointConv(torch.cat([code_map, features], dim=1))
        return self.samesample(self.residual(x))


class Head(nn.Module):
    def __init__(self, ch, n_out, squash):
        super().__init__()
        self.img = nn.Sequential(conv(ch, n_out), squash)

    def forward(self, features):
        return self.img(features)


class PlainGenerator(nn.Module):
    """(z, b, p, c) → a dict of B, F_p, M_p, P, F_c, M_c, C and the two masked foregrounds."""

    def __init__(self, n_parents, n_children, z_dim, g):
        super().__init__()
        self.h_net1_bg = InitStage(n_children, z_dim, g)
        self.img_net1_bg = Head(g, 3, nn.Tanh())
        self.h_net1 = InitStage(n_parents, z_dim, g)
        self.h_net2 = NextStage(n_parents, g)
        self.img_net2 = Head(g // 2, 3, nn.Tanh())
        self.img_net2_mask = Head(g // 2, 1, nn.Sigmoid())
        self.h_net3 = NextStage(n_children, g // 2)
        self.img_net3 = Head(g // 4, 3, nn.Tanh())
        self.img_net3_mask = Head(g // 4, 1, nn.Sigmoid())

    def forward(self, z, b, p, c):
        background = self.img_net1_bg(self.h_net1_bg(z, b))
        h2 = self.h_net2(self.h_net1(z, p), p)
        f_p, m_p = self.img_net2(h2), self.img_net2_mask(h2)
        parent = m_p * f_p + (1 - m_p) * background
        h3 = self.h_net3(h2, c)
        f_c, m_c = self.img_net3(h3), self.img_net3_mask(h3)
        child = m_c * f_c + (1 - m_c) * parent
        return {
            "B": background,
            "F_p": f_p,
            "M_p": m_p,
            "M_p F_p": m_p * f_p,
            "P": parent,
            "F_c": f_c,
            "M_c": m_c,
            "M_c F_c": m_c * f_c,
            "C": child,
        }


class PlainBackgroundDiscriminator(nn.Module):
    """126 × 126 images (128 × 128 ones are resized) → aux and real/fake probabilities, 24 × 24."""

    def __init__(self, d):
        super().__init__()
        self.patchgan_img_code_s16 = nn.Sequential(
            nn.Conv2d(3, d, 4, 2, 0, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(d, 2 * d, 4, 2, 0, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * d, 4 * d, 4, 1, 0, bias=False),
            nn.LeakyReLU(0.2),
        )
        self.uncond_logits1 = nn.Sequential(nn.Conv2d(4 * d, 1, 4, 1), nn.Sigmoid())
        self.uncond_logits2 = nn.Sequential(nn.Conv2d(4 * d, 1, 4, 1), nn.Sigmoid())

    def forward(self, images):
        if images.shape[-1] == 128:
            images = interpolate(images, size=(126, 126), mode="bilinear", align_corners=True)
        features = self.patchgan_img_code_s16(images)
        return self.uncond_logits1(features)[:, 0], self.uncond_logits2(features)[:, 0]


def down(n_in, n_out):
    return [nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2)]


def same(n_in, n_out):
    return nn.Sequential(conv(n_in, n_out), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2))


class PlainCodeDiscriminator(nn.Module):
    """D_p or D_c: (N, 3, 128, 128) → real/fake probability (N,), code logits (N, n_codes)."""

    def __init__(self, n_codes, d):
        super().__init__()
        self.img_code_s16 = nn.Sequential(
            nn.Conv2d(3, d, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            *down(d, 2 * d),
            *down(2 * d, 4 * d),
            *down(4 * d, 8 * d),
        )
        self.img_code_s32 = nn.Sequential(*down(8 * d, 16 * d))
        self.img_code_s32_1 = same(16 * d, 8 * d)
        self.jointConv = same(8 * d, 8 * d)
        self.logits = nn.Sequential(nn.Conv2d(8 * d, n_codes, 4, 4))
        self.uncond_logits = nn.Sequential(nn.Conv2d(8 * d, 1, 4, 4), nn.Sigmoid())

    def forward(self, images):
        features = self.img_code_s32_1(self.img_code_s32(self.img_code_s16(images)))
        code = self.logits(self.jointConv(features)).flatten(1)
        return self.uncond_logits(features).flatten(), code
