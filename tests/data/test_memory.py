"""Pictures in memory: torchvision's tuples, Hugging Face's dictionaries, plain lists."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import FakeData, ImageFolder

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.data import PictureSet, ToyBirds
from finegan_lib.discovery.cluster import cluster
from finegan_lib.scoring.photographs import PhotoConfig, own_classifier, read_scored
from finegan_lib.scoring.quality import real_pictures
from finegan_lib.training import RunConfig, train
from finegan_lib.training.build import trained_crops
from finegan_lib.training.presets import TOY
from finegan_lib.training.pretrained import need_toybirds


def rows(n=4, size=(40, 30)):
    """As a data set of Hugging Face: dictionaries with Pillow's pictures."""
    return [
        {
            "image": Image.new("RGB", size, (k * 40, 90, 120)),
            "objects": {"bbox": [[10, 5, 20, 15]]},
            "label": k % 2,
        }
        for k in range(n)
    ]


def corners(row):
    x, y, width, height = row["objects"]["bbox"][0]
    return x, y, x + width, y + height


def test_dictionaries_with_boxes_and_labels():
    birds = PictureSet(
        rows(),
        image="image",
        box=corners,
        label="label",
        class_names=["owl", "gull"],
        image_size=32,
    )
    assert birds.boxes.tolist() == [[10, 5, 30, 20]] * 4 and birds.sizes == [(40, 30)] * 4
    assert birds.class_names == ["owl", "gull"] and birds.child_index.tolist() == [0, 1, 0, 1]
    example = birds[3, 1]
    assert example.child_crop.shape == (3, 32, 32) and example.index == 3
    assert torch.equal(example.child_crop, birds[3, 1].child_crop)
    assert birds.summary() == "4 pictures, 2 classes"


def test_a_data_set_of_hugging_face_and_its_names():
    """The real library: pictures in Arrow, features, splits and streams."""
    datasets = pytest.importorskip("datasets")
    box = datasets.Sequence(datasets.Sequence(datasets.Value("float32"), length=4))
    names = datasets.ClassLabel(names=["owl", "gull"])
    features = {"image": datasets.Image(), "objects": {"bbox": box}, "label": names}
    data = datasets.Dataset.from_list(rows(), features=datasets.Features(features))
    for source in (data, data.with_format("numpy"), data.with_format("torch")):
        birds = PictureSet(source, image="image", box=corners, label="label", image_size=32)
        assert birds.boxes.tolist() == [[10, 5, 30, 20]] * 4
        assert birds.class_names == ["owl", "gull"] and birds.child_index.tolist() == [0, 1, 0, 1]
        assert birds.photograph(1).getpixel((3, 3)) == (40, 90, 120)
    with pytest.raises(InputError, match=r"got DatasetDict with 'train'.*one split"):
        PictureSet(datasets.DatasetDict({"train": data}), image="image")
    with pytest.raises(InputError, match="got IterableDataset"):
        PictureSet(data.to_iterable_dataset(), image="image")


def test_detection_sets_and_folders_of_torchvision(tmp_path):
    """ImageFolder's classes have their names; a target of VOCDetection or CocoDetection."""
    for name in ("gull/a.png", "owl/b.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (40, 30), "teal").save(tmp_path / name)
    birds = PictureSet(ImageFolder(tmp_path), label=1, image_size=32)
    assert birds.class_names == ["gull", "owl"] and birds.child_index.tolist() == [0, 1]
    corner = {"xmin": "10", "ymin": "5", "xmax": "30", "ymax": "20"}
    voc = [(birds.photograph(0), {"annotation": {"object": [{"name": "owl", "bndbox": corner}]}})]
    thing = {"bbox": [10, 5, 20, 15], "category_id": 18}
    coco = [(birds.photograph(0), [thing])]

    def of_voc(item):
        return [float(n) for n in item[1]["annotation"]["object"][0]["bndbox"].values()]

    def of_coco(item):
        x, y, width, height = item[1][0]["bbox"]
        return x, y, x + width, y + height

    for source, box in ((voc, of_voc), (coco, of_coco)):
        assert PictureSet(source, box=box, image_size=32).boxes.tolist() == [[10, 5, 30, 20]]


def test_torchvisions_tuples():
    fake = FakeData(size=3, image_size=(3, 30, 40), num_classes=2)
    birds = PictureSet(fake, label=1, image_size=32)
    assert birds.boxes.tolist() == [[10, 7.5, 30, 22.5]] * 3
    assert birds.n_children == len(set(birds.child_index.tolist()))


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((30, 40, 3), np.uint8),
        np.zeros((30, 40), np.uint8),
        np.zeros((30, 40, 3)),
        torch.zeros(3, 30, 40),
        torch.zeros(1, 30, 40, dtype=torch.uint8),
        Image.new("L", (40, 30)),
    ],
)
def test_kinds_of_pictures(picture):
    birds = PictureSet([(picture, (0.25, 0.25, 0.75, 0.75))], box=1, image_size=32)
    assert birds.boxes.tolist() == [[10, 7.5, 30, 22.5]]  # shares
    assert birds.photograph(0).mode == "RGB"


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ([], {}, "there is no picture"),
        (
            rows(1),
            {"image": "picture"},
            r"item 0 holds nothing at 'picture'; got 'image', 'objects'",
        ),
        ([("no picture",)], {}, "item 0 has no picture"),
        ([(Image.new("I;16", (40, 30)),)], {}, "only 8 bits a channel.* of the image of item 0"),
        ([(Image.new("RGB", (4, 30)),)], {}, "the image of item 0 is too small"),
        ([(np.full((30, 40, 3), 7.5),)], {}, "item 0 has no picture.*floats from 0 to 1"),
        ([(np.zeros((0, 0, 3), np.uint8),)], {}, "item 0 has no picture.*shape .0, 0, 3"),
        (rows(1), {"image": "image", "centre": 2}, "centre is out of range; got 2"),
        (None, {}, "a data set whose items have numbers is needed; got NoneType"),
        (rows(1), {"image": "image", "box": "label"}, "item 0 has no box"),
        (rows(1), {"image": "image", "box": lambda row: (9, 9, 3, 3)}, "item 0: the box is empty"),
        (rows(2), {"image": "image", "label": "label", "class_names": ["a"]}, "a name for every"),
    ],
)
def test_what_cannot_be_used_is_named(source, options, message):
    with pytest.raises(InputError, match=message):
        PictureSet(source, image_size=32, **options)


def test_floats_are_shares_of_white():
    grey = np.full((30, 40, 3), 0.5), torch.full((3, 30, 40), 0.5)
    birds = PictureSet([(picture,) for picture in (*grey, grey[1].bfloat16())], image_size=32)
    assert [birds.photograph(k).getpixel((3, 3)) for k in range(3)] == [(128,) * 3] * 3
    white = PictureSet([(np.ones((30, 40), bool),)], image_size=32)
    assert white.photograph(0).getpixel((3, 3)) == (255,) * 3


@pytest.mark.parametrize("label", [None, float("nan"), [0, 1], np.array([0, 1])])
def test_an_item_without_one_class_is_named(label):
    with pytest.raises(InputError, match="item 1 has no class"):
        PictureSet([(Image.new("RGB", (40, 30)), k) for k in (0, label)], label=1, image_size=32)


def test_a_batch_is_its_examples_stacked():
    birds = PictureSet(rows(), image="image", box=corners, image_size=32)
    batch = birds.batch([(2, 1), (0, 0)])
    assert batch.index.tolist() == [2, 0] and batch.child_crop.shape == (2, 3, 32, 32)
    assert torch.equal(batch.full_image[0], birds[2, 1].full_image)


def _what_a_run_on_pictures_in_memory_knows(config, folder, birds):
    """It cannot go on with the drawn birds that its config names, nor be scored by their truth."""
    assert main(["train", "--run", str(folder), "--resume", "--steps", "3"]) == 2
    longer = dataclasses.replace(config, loop=dataclasses.replace(config.loop, steps=3))
    with pytest.raises(InputError, match=r"trained on pictures in memory; got no data.*data=…"):
        train(RunConfig.load(folder), folder, resume=True, progress=False)
    newest = train(longer, folder, resume=True, progress=False, data=birds)
    assert newest.name == "step_00000003.safetensors"
    with pytest.raises(InputError, match="trained on pictures in memory"):
        need_toybirds(newest, "this score")
    with pytest.raises(InputError, match="are not there; got pictures in memory"):
        trained_crops(RunConfig.load(folder), 4, progress=False)
    assert len(trained_crops(RunConfig.load(folder), 4, birds)[1]) == 4
    with pytest.raises(InputError, match=r"must keep its data \(pictures in memory\)"):
        train(longer, folder, resume=True, progress=False, data=ToyBirds(8, image_size=32))


def test_training_scoring_and_sorting_take_one(tmp_path, monkeypatch):
    birds = PictureSet(rows(12), image="image", box=corners, label="label", image_size=32)
    model = dataclasses.replace(TOY.model, g_dim=4, d_dim=4, z_dim=4)
    loop = dataclasses.replace(TOY.loop, steps=2, batch_size=4, device="cpu", minutes=0.0)
    config = dataclasses.replace(TOY, model=model, loop=loop)
    newest = train(config, tmp_path / "run", progress=False, data=birds)
    assert newest.name == "step_00000002.safetensors"
    _what_a_run_on_pictures_in_memory_knows(config, tmp_path / "run", birds)
    assert real_pictures(birds, 32, progress=False).shape == (12, 3, 32, 32)
    with pytest.raises(InputError, match="asked for; got 12 in the data set, 13 wanted"):
        real_pictures(birds, 32, 13, progress=False)
    photos = read_scored(birds, 32)
    assert len(photos) == 12 and photos.labels.tolist() == [0, 1] * 6 and not photos.kept_out.any()
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))
    own = own_classifier(photos, PhotoConfig(classifier_steps=1), progress=False)
    assert own.metadata["n_images"] + own.metadata["n_test"] == 12
    with pytest.raises(InputError, match="and keep none out; got image_size 32 for 64"):
        read_scored(birds, 64)
    result = cluster(birds, "kmeans", 2, tmp_path / "out", progress=False)
    assert result["images"] == 12 and 0 <= result["agreement"]["accuracy"] <= 1
    with pytest.raises(InputError, match="another image size than the generator; got 32, not 64"):
        real_pictures(birds, 64, progress=False)
    big = dataclasses.replace(config, model=dataclasses.replace(model, image_size=64))
    with pytest.raises(InputError, match="another image size than the model"):
        train(big, tmp_path / "other", progress=False, data=birds)
