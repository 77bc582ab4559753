"""Published data sets, the paper's first: addresses, checksums and terms, in one table.

Checksums are those that others have published; ``published`` says where. An archive without one
would be taken on its first download with its SHA-256 shown and recorded beside it
(:func:`~finegan_lib.data.download.download`); at present every archive has one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from .layouts import read_cars, read_cub, read_dogs
from .tiny_imagenet import read_tiny_imagenet


@dataclass(frozen=True)
class Archive:
    """One file to download.

    Attributes:
        name: file name on the disk.
        urls: addresses, tried in this order; none where no address is known to work.
        size: in bytes, None if not published.
        checksums: {kind as hashlib knows it: hexadecimal digest}; every one is verified.
        published: the source of size and checksums.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None
    checksums: dict[str, str]
    published: str


@dataclass(frozen=True)
class Source:
    """One data set.

    Attributes:
        title: its name.
        reader: a folder with what was in the archives → a :class:`~.layouts.Collection`.
        folder: its folder's name below ``--root``; the presets look for ``data/`` and this name.
        archives: what to download.
        images, classes: what the published set holds, all splits together: the paper trains on all.
        parents: number of parent codes in the paper (section 4; classes are the child codes); None
            for a data set that the paper does not use.
        homepage: of its authors.
        terms: of use, shown before anything is fetched.
        cite: the publication.
        manual: how to get the archives where there is no address; "" otherwise.
        called: what its classes are called; the option that chooses some of them has this name.
        groups: {name: identifiers of classes} of parts that have a name of their own.
    """

    title: str
    reader: Callable
    folder: str
    archives: tuple[Archive, ...]
    images: int
    classes: int
    parents: int | None
    homepage: str
    terms: str
    cite: str
    manual: str = ""
    called: str = "classes"
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


_TFDS = "tensorflow/datasets, url_checksums/"

# Parts of Tiny ImageNet: classes by their identifiers in WordNet.
_TINY_GROUPS = {
    "dogs": "n02085620 n02094433 n02099601 n02099712 n02106662 n02113799",
    "vehicles": "n02814533 n03100240 n03444034 n03599486 n03670208 n03796401 n03977966 n04146614 "
    "n04285008 n04465501 n04487081",
    "birds": "n01855672 n02002724 n02056570 n02058221",
    "insects": "n02165456 n02190166 n02206856 n02226429 n02231487 n02233338 n02236044 n02268443 "
    "n02279972 n02281406",
}
_TINY_GROUPS = {name: tuple(ids.split()) for name, ids in _TINY_GROUPS.items()}

SOURCES = {
    "cub": Source(
        title="CUB-200-2011",
        reader=read_cub,
        folder="CUB_200_2011",
        archives=(
            Archive(
                name="CUB_200_2011.tgz",
                urls=("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",),
                size=1_150_585_339,
                checksums={
                    "sha256": "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
                    "md5": "97eceeb196236b17998738112f37df78",
                },
                published=f"SHA-256 and size: {_TFDS}caltech_birds2011.txt; MD5: the data set "
                "classes of Avalanche and of pytorch-metric-learning",
            ),
        ),
        images=11_788,
        classes=200,
        parents=20,
        homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
        terms="The photographs come from Flickr and belong to their photographers; we know of no "
        "licence for them. Treat them as given for non-commercial research and teaching, do not "
        "pass them on, and read the homepage before any other use.",
        cite="Wah, Branson, Welinder, Perona, Belongie, The Caltech-UCSD Birds-200-2011 Dataset, "
        "CNS-TR-2011-001, Caltech, 2011",
        called="species",
    ),
    "dogs": Source(
        title="Stanford Dogs",
        reader=read_dogs,
        folder="dogs",
        archives=(
            Archive(
                name="images.tar",
                urls=("http://vision.stanford.edu/aditya86/ImageNetDogs/images.tar",),
                size=793_579_520,
                checksums={
                    "sha256": "a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58"
                },
                published=f"{_TFDS}stanford_dogs.txt",
            ),
            Archive(
                name="annotation.tar",
                urls=("http://vision.stanford.edu/aditya86/ImageNetDogs/annotation.tar",),
                size=21_852_160,
                checksums={
                    "sha256": "662ed36f707be6b195c2fda392d8e153e83af28cedc8e2134a649f198def30fd"
                },
                published=f"{_TFDS}stanford_dogs.txt",
            ),
            Archive(
                name="lists.tar",
                urls=("http://vision.stanford.edu/aditya86/ImageNetDogs/lists.tar",),
                size=481_280,
                checksums={
                    "sha256": "34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c"
                },
                published=f"{_TFDS}stanford_dogs.txt",
            ),
        ),
        images=20_580,
        classes=120,
        parents=12,
        homepage="http://vision.stanford.edu/aditya86/ImageNetDogs/",
        terms="The photographs are a part of ImageNet, whose terms of access allow non-commercial "
        "research and teaching only (https://image-net.org/download.php).",
        cite="Khosla, Jayadevaprakash, Yao, Fei-Fei, Novel Dataset for Fine-Grained Image "
        "Categorization, Workshop on Fine-Grained Visual Categorization, CVPR 2011",
        called="breeds",
    ),
    "cars": Source(
        title="Stanford Cars",
        reader=read_cars,
        folder="cars",
        archives=(
            Archive(
                name="cars_train.tgz",
                urls=(),
                size=979_269_282,
                checksums={
                    "sha256": "512b227b30e2f0a8aab9e09485786ab4479582073a144998da74d64b801fd288",
                    "md5": "065e5b463ae28d29e77c1b4b166cfe61",
                },
                published=f"SHA-256 and size: {_TFDS}cars196.txt; MD5: torchvision 0.15, "
                "datasets/stanford_cars.py",
            ),
            Archive(
                name="cars_test.tgz",
                urls=(),
                size=977_350_468,
                checksums={
                    "sha256": "bffea656d6f425cba3c91c6d83336e4c5f86c6cffd8975b0f375d3a10da8e243",
                    "md5": "4ce7ebf6a94d07f1952d94dd34c4d501",
                },
                published=f"SHA-256 and size: {_TFDS}cars196.txt; MD5: torchvision 0.15, "
                "datasets/stanford_cars.py",
            ),
            Archive(
                name="car_devkit.tgz",
                urls=(),
                size=330_960,
                checksums={
                    "sha256": "b97deb463af7d58b6bfaa18b2a4de9829f0f79e8ce663dfa9261bf7810e9accd",
                    "md5": "c3b158d763b6e2245038c8ad08e45376",
                },
                published=f"SHA-256 and size: {_TFDS}cars196.txt; MD5: torchvision 0.15, "
                "datasets/stanford_cars.py",
            ),
            Archive(
                name="cars_test_annos_withlabels.mat",
                urls=(),
                size=185_758,
                checksums={
                    "sha256": "790f75be8ea34eeded134cc559332baf23e30e91367e9ddca97d26ed9b895f05",
                    "md5": "b0a2b23655a3edd16d84508592a98d10",
                },
                published=f"SHA-256 and size: {_TFDS}cars196.txt; MD5: torchvision 0.15, "
                "datasets/stanford_cars.py",
            ),
        ),
        images=16_185,
        classes=196,
        parents=20,
        homepage="https://ai.stanford.edu/~jkrause/cars/car_dataset.html (no longer served)",
        terms="The photographs belong to others; we know of no licence for them. Treat "
        "them as given for non-commercial research and teaching, and do not pass them on.",
        cite="Krause, Stark, Deng, Fei-Fei, 3D Object Representations for Fine-Grained "
        "Categorization, 3dRR workshop, ICCV 2013",
        manual="The authors' server no longer has Stanford Cars "
        "(https://github.com/pytorch/vision/issues/7545), so nothing can be downloaded here. That "
        "issue tells where copies are. Fetch one yourself and give it with --from: the archives "
        "(several are fine), or a folder with what was in them. Understood are: cars_train/, "
        "cars_test/ and the devkit's .mat files with cars_test_annos_withlabels.mat; car_ims/ with "
        "cars_annos.mat; and the folders of Kaggle, cars_train/cars_train/ with the devkit, and "
        "car_data/car_data/train/<class>/ with anno_train.csv, anno_test.csv and names.csv.",
        called="models",
    ),
    "tiny_imagenet": Source(
        title="Tiny ImageNet",
        reader=read_tiny_imagenet,
        folder="tiny_imagenet",
        archives=(
            Archive(
                name="tiny-imagenet-200.zip",
                urls=("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
                size=248_100_043,
                checksums={
                    "sha256": "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
                    "md5": "90528d7ca1a48142e341f4ef8d21d0de",
                },
                published="MD5: the data set class of Avalanche, benchmarks/datasets/"
                "tiny_imagenet/tiny_imagenet.py; SHA-256 and size: several independent "
                "repositories that verify this archive; the course that made it publishes none",
            ),
        ),
        images=110_000,
        classes=200,
        parents=None,
        homepage="http://cs231n.stanford.edu/",
        terms="The photographs are a part of ImageNet, whose terms of access allow non-commercial "
        "research and teaching only (https://image-net.org/download.php).",
        cite="Le, Yang, Tiny ImageNet Visual Recognition Challenge, CS 231N, Stanford, 2015; "
        "Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
        groups=_TINY_GROUPS,
    ),
}
