"""The networks behind FID, KID (their features) and the Inception Score (their classes).

These scores measure how pictures look *to a network*, so a score means little without its network:

==============================  ==============  ======  =========================================
network                         features        logits  used for
==============================  ==============  ======  =========================================
`ToyClassifier`                 64              20      ToyBirds; shipped, trained by
                                                        ``python -m finegan_lib classifier``
`SmallClassifier`               192             K       a folder of photographs; trained from
                                                        nothing by that command or ``evaluate``
`PhotoClassifier`               512 or 2048     K       a folder of photographs; fine-tuned by the
                                                        same command. The paper's IS is of this kind
`ImageNetFeatures`              1280            1000    photographs; knows ImageNet's labels
                                                        (:mod:`.imagenet_features`)
`StandardInception`             2048            1008    FID as everybody reports it, the paper too
==============================  ==============  ======  =========================================

Every network takes **uint8** pictures (N, 3, H, W) and resizes them itself, so that all callers use
the same resizing. (The paper uses a fine-tuned Inception for IS and ImageNet's Inception for FID;
see issues 6, 8 and 12 of the authors' repository.)
"""

import hashlib
import json
import os
import pickle
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from unittest import mock
from urllib.error import URLError

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ..base.checkpoints import write_tensors
from ..base.checkup import sha256
from ..base.errors import InputError
from ..base.files import WEIGHTS, cache_folder
from .imagenet_features import ImageNetFeatures
from .judges import POSE_NAMES, conv_block
from .reading import Reading, resized

INCEPTION_URL = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth"
)
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BACKBONES = {"resnet18": 224, "resnet50": 224, "inception_v3": 299}  # pixels that each reads


# ------------------------------------------------------------------------------------- toy birds


class ToyClassifier(nn.Module):
    """A small convolutional network for all properties in which ToyBirds differ.

    Strided convolutions down to 4 × 4, then 64 features, then three linear heads: child (the IS is
    made of these logits), background family and pose. The FID needs the last two: features of a
    network that is trained on children alone do not contain the background. The features are
    batch-normalised without gain. Each has variance 1 over real training pictures, so an FID of 1
    is one squared standard deviation in one of 64 directions.

    Args:
        image_size: S, 32 or 64; pictures of another size are resized to it (`resized`).
        n_children, n_backgrounds: classes of the heads.

    Raises:
        InputError: for another image size.
    """

    n_features = 64

    def __init__(self, image_size: int = 32, n_children: int = 20, n_backgrounds: int = 6):
        super().__init__()
        self.validate_size(image_size)
        self.config = {
            "image_size": image_size,
            "n_children": n_children,
            "n_backgrounds": n_backgrounds,
        }
        self.name = f"ToyBirds classifier, {image_size} px"
        widths = [3, 24, 48, 72, 96] if image_size == 32 else [3, 12, 24, 48, 72, 96]
        strides = [1] + [2] * (len(widths) - 2)
        self.trunk = nn.Sequential(
            *(conv_block(a, b, s) for (a, b), s in zip(pairwise(widths), strides, strict=True))
        )
        self.embedding = nn.Linear(widths[-1] * 16, self.n_features)
        self.norm = nn.BatchNorm1d(self.n_features, affine=False)
        self.child = nn.Linear(self.n_features, n_children)
        self.background = nn.Linear(self.n_features, n_backgrounds)
        self.pose = nn.Linear(self.n_features, len(POSE_NAMES))

    @staticmethod
    def validate_size(image_size: int) -> None:
        """Raise :class:`InputError` unless it is 32 or 64."""
        if image_size not in (32, 64):
            raise InputError(
                "the classifier of ToyBirds reads 32 or 64 pixels",
                seen=image_size,
                cure="Choose one of the two. Pictures of other sizes are resized to it.",
            )

    def embed(self, images: Tensor) -> Tensor:
        """(N, 64) features of (N, 3, S, S) float images in [-1, 1]."""
        return self.norm(self.embedding(self.trunk(images).flatten(1)))

    def forward(self, images: Tensor) -> Reading:
        size = self.config["image_size"]
        features = self.embed(resized(images, size).div(127.5).sub(1))
        return Reading(features, self.child(features))


# ------------------------------------------------------------------------------------- photographs


class SmallClassifier(nn.Module):
    """A convolutional network for photographs of 32 to 128 pixels, to be trained from nothing.

    Two convolutions at each of four resolutions, 32 × 32 to 4 × 4, and the mean over the places.
    The features are batch-normalised without gain: each has variance 1 over real training crops.

    Args:
        image_size: S; pictures of another size are resized to it (`resized`).
        n_classes: K.
    """

    n_features = 192

    def __init__(self, image_size: int = 64, n_classes: int = 50):
        super().__init__()
        self.config = {"image_size": image_size, "n_classes": n_classes}
        self.name = f"classifier of {n_classes} classes, {image_size} px"
        layers, before = [], 3
        for width in (24, 48, 96, self.n_features):
            stride = image_size // 32 if before == 3 else 2
            layers += [conv_block(before, width, stride), conv_block(width, width)]
            before = width
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.norm = nn.BatchNorm1d(self.n_features, affine=False)
        self.child = nn.Linear(self.n_features, n_classes)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 192) features of (N, 3, S, S) float images in [-1, 1]."""
        return self.norm(self.trunk(images))

    def forward(self, images: Tensor) -> Reading:
        size = self.config["image_size"]
        features = self.embed(resized(images, size).div(127.5).sub(1))
        return Reading(features, self.child(features))


class PhotoClassifier(nn.Module):
    """A torchvision network with a new last layer; its features are what that layer reads.

    Args:
        n_classes: K.
        backbone: one of ``BACKBONES``.
        pretrained: begin with torchvision's ImageNet weights (fetched once by torchvision).

    Raises:
        InputError: for an unknown backbone, or weights that cannot be fetched.
    """

    def __init__(self, n_classes: int, backbone: str = "inception_v3", pretrained: bool = False):
        super().__init__()
        if backbone not in BACKBONES:
            raise InputError(
                "unknown backbone", seen=backbone, cure=f"Choose one of {', '.join(BACKBONES)}."
            )
        self.config = {"n_classes": n_classes, "backbone": backbone}
        self.name = f"{backbone}, {n_classes} classes"
        self.backbone = _torchvision_network(backbone, pretrained)
        self.n_features = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        self.child = nn.Linear(self.n_features, n_classes)

    def forward(self, images: Tensor) -> Reading:
        images = resized(images, BACKBONES[self.config["backbone"]]) / 255
        mean = images.new_tensor([0.485, 0.456, 0.406])[:, None, None]  # ImageNet's
        deviation = images.new_tensor([0.229, 0.224, 0.225])[:, None, None]
        features = self.backbone((images - mean) / deviation)
        return Reading(features, self.child(features))


@contextmanager
def only_tensors():
    """Make torch.load refuse pickled code in every caller: torchvision, torch-fidelity."""
    with mock.patch.dict(os.environ, {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}):
        os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
        yield


def _torchvision_network(backbone: str, pretrained: bool) -> nn.Module:
    from torchvision.models import get_model

    # Fine-tuning does not need the auxiliary classifier of Inception-v3.
    extra = {"init_weights": not pretrained} if backbone == "inception_v3" else {}
    try:
        with only_tensors():
            network = get_model(backbone, weights="DEFAULT" if pretrained else None, **extra)
    except (URLError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"the ImageNet weights of {backbone} could not be fetched",
            seen=str(error),
            cure="Connect once so that torchvision can fetch them, copy its file into "
            f"{torch.hub.get_dir()}/checkpoints, or train without them: --from-scratch.",
        ) from error
    if backbone == "inception_v3":
        network.aux_logits, network.AuxLogits = False, None
    return network


# ------------------------------------------------------------------------------------- Inception


class StandardInception(nn.Module):
    """The Inception-v3 of 2015 in which FID is defined, ported from TensorFlow.

    Features: the 2048 of the last average pooling. Logits: of 1008 outputs, without bias, as the
    Inception Score's first code had it. Pictures are resized to 299 × 299 as TensorFlow 1 did:
    bilinear, corners not aligned, **no antialiasing**. The layers are torch-fidelity's.

    Args:
        weights: a local copy of the public file; None: the cache, filled on demand.

    Raises:
        InputError: if torch-fidelity is missing, or see `inception_weights`.
    """

    n_features = 2048
    name = "Inception-v3, 2015-12-05"

    def __init__(self, weights: str | Path | None = None):
        super().__init__()
        path = inception_weights(weights)
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise InputError(
                "the standard Inception network needs torch-fidelity",
                seen="not installed",
                cure='Install it: pip install "finegan-lib[metrics]".',
            ) from error
        outputs = ["2048", "logits_unbiased"]
        with only_tensors():
            self.network = FeatureExtractorInceptionV3("inception", outputs, str(path))

    def forward(self, images: Tensor) -> Reading:
        return Reading(*self.network(images))


def inception_weights(path: str | Path | None = None) -> Path:
    """The path of the standard Inception weights (95 MB), fetched into the cache if necessary.

    The file is a pickle. It is read only after its SHA-256 has been compared, and only as tensors.

    Args:
        path: a local copy; it must be the public file, byte for byte.

    Raises:
        InputError: if it is another file, or cannot be fetched.
    """
    given = path is not None
    path = Path(path) if given else cache_folder() / Path(INCEPTION_URL).name
    cure = f"Download {INCEPTION_URL} where there is a network and give it: --inception-weights."
    if not path.is_file():
        if given:
            raise InputError("no such file of Inception weights", seen=str(path), cure=cure)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(INCEPTION_URL, str(path), hash_prefix=INCEPTION_SHA256)
        except (URLError, OSError, RuntimeError) as error:
            raise InputError(
                "the Inception weights could not be fetched", seen=str(error), cure=cure
            ) from error
    digest = sha256(path)
    if digest != INCEPTION_SHA256:
        raise InputError(
            "this is not the public file of Inception weights, or it is damaged",
            seen=f"{path}, SHA-256 {digest[:12]}…, expected {INCEPTION_SHA256[:12]}…",
            cure=cure if given else "Delete it and try again.",
        )
    return path


# ------------------------------------------------------------------------------------- files


def load_network(name: str | Path = "toy", image_size: int = 32, inception=None) -> nn.Module:
    """A feature network, in evaluation mode.

    Args:
        name: "toy", the shipped classifier of ToyBirds; "inception", the standard one;
            "pretrained", a small one that knows ImageNet's labels
            (:class:`~finegan_lib.metrics.imagenet_features.ImageNetFeatures`); or a file that
            ``python -m finegan_lib classifier`` wrote.
        image_size: of the pictures, for "toy".
        inception: a local file with the standard weights.

    Raises:
        InputError: if there is none of that name, or the file holds something else.
    """
    if name == "inception":
        return StandardInception(inception)
    if name == "pretrained":
        return ImageNetFeatures().eval().requires_grad_(False)
    path = WEIGHTS / f"classifier_{image_size}.safetensors" if name == "toy" else Path(name)
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("classifier", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        network = KINDS[header["kind"]](**header["config"])
        network.load_state_dict(tensors)
    except Exception as error:  # a damaged file can raise any error in the readers
        raise InputError(
            "no feature network could be read",
            seen=f"{path} ({type(error).__name__})",
            cure='Choose "toy" (32 or 64 pixels), "inception", "pretrained", or train one: '
            "python -m finegan_lib classifier --data FOLDER --out FILE.",
        ) from error
    network.metadata = header
    return network.eval().requires_grad_(False)


def save_network(network: nn.Module, path: str | Path, **facts) -> None:
    """Write a classifier (weights as float16) and where it comes from to one safetensors file.

    Raises:
        InputError: if the file cannot be written; an old one is then unchanged.
    """
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    kind = next(kind for kind, known in KINDS.items() if isinstance(network, known))
    header = {"kind": kind, "config": network.config, **facts}
    write_tensors(path, tensors, {"classifier": json.dumps(header)})


KINDS = {"toy": ToyClassifier, "small": SmallClassifier, "photo": PhotoClassifier}


def network_digest(network: nn.Module) -> str:
    """16 hexadecimal digits that change with a network's class or any of its weights."""
    digest = hashlib.sha256(type(network).__name__.encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
