"""BirdsFolder on little folders drawn with PIL: a red rectangle stands exactly in each box."""

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy
from finegan_lib.data.example import TrainingExample, background_size
from finegan_lib.data.folder import BirdsFolder
from finegan_lib.data.pictures import read_header, read_rgb, resize_shorter_side
from finegan_lib.data.scenery import move_box
from finegan_lib.data.toybirds import ToyBirds, scene_size

RED = np.array([255, 0, 0])


def photograph(size, box, seed=0):
    """Bluish noise of ``size`` = (width, height); a red rectangle fills ``box`` (x, y, w, h)."""
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 120, (height, width, 3))
    pixels[..., 0], pixels[..., 2] = 0, 200
    x, y, w, h = (round(number) for number in box)
    pixels[max(0, y) : y + h, max(0, x) : x + w] = RED
    return Image.fromarray(pixels.astype(np.uint8))


def write_folder(root, photographs, *, labels=None, names=None):
    """``photographs`` is a list of (size, box). PNGs, so that edges stay sharp; ids from 1."""
    (root / "images").mkdir(parents=True)
    images, boxes = [], []
    for id_, (size, box) in enumerate(photographs, start=1):
        photograph(size, box, id_).save(root / "images" / f"bird {id_}.png")
        images.append(f"{id_} bird {id_}.png")
        boxes.append(" ".join(map(str, (id_, *box))))
    (root / "images.txt").write_text("\n".join(images) + "\n")
    (root / "bounding_boxes.txt").write_text("\n".join(boxes) + "\n")
    if labels:
        lines = [f"{id_} {label}" for id_, label in enumerate(labels, start=1)]
        (root / "image_class_labels.txt").write_text("\n".join(lines))
    if names:
        (root / "classes.txt").write_text("\n".join(f"{id_} {name}" for id_, name in names.items()))
    return root


BIRDS = [
    ((200, 150), (60, 40, 50, 30)),
    ((120, 180), (10, 100, 80, 60)),
    ((90, 90), (0, 0, 20, 40)),
]


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "birds", BIRDS)


def redness(image):
    """(H, W): 1 where a [-1, 1] image is red, 0 where it is background, between at the edges."""
    return ((image[0] + 1) / 2).numpy()


def extent(profile):
    """First and last edge of the half-red stretch of a 1-d profile, to part of a pixel."""
    above = np.nonzero(profile > 0.5)[0]
    return above[0], above[-1] + 1


# --------------------------------------------------------------------------------------- examples


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_shapes_types_and_ranges(folder, image_size):
    dataset = BirdsFolder(folder, image_size=image_size)
    assert len(dataset) == 3
    example = dataset[1]
    assert isinstance(example, TrainingExample)
    side = background_size(image_size)
    assert example.child_crop.shape == (3, image_size, image_size)
    assert example.full_image.shape == (3, side, side)
    assert example.box.shape == (4,) and example.index == 1
    for tensor in example[:3]:
        assert tensor.dtype == torch.float32
    assert example.child_crop.min() >= -1 and example.child_crop.max() == 1  # red
    assert dataset[-1].index == 2
    with pytest.raises(IndexError):
        dataset[3]


@pytest.mark.parametrize("image_size", [32, 128])
@pytest.mark.parametrize("full_scale", [76 / 64, 1.75])
def test_the_box_frames_the_object_in_the_full_image(folder, image_size, full_scale):
    """Whatever the window and the flip, the red rectangle ends where the box says it does."""
    dataset = BirdsFolder(folder, image_size=image_size, full_scale=full_scale)
    seen = 0
    for index in range(3):
        for draw in range(12):
            example = dataset[index, draw]
            x1, y1, x2, y2 = example.box.tolist()
            assert 0 <= x1 <= x2 <= dataset.background_size
            assert 0 <= y1 <= y2 <= dataset.background_size
            red = redness(example.full_image)
            if min(x2 - x1, y2 - y1) < 2:
                assert (red > 0.9).sum() <= 2 * dataset.background_size
                continue
            seen += 1
            found_x, found_y = extent(red.max(0)), extent(red.max(1))
            assert np.allclose(found_x, (x1, x2), atol=1)
            assert np.allclose(found_y, (y1, y2), atol=1)
    assert seen > 20


def test_a_window_beside_the_object_has_an_empty_box(tmp_path):
    # Resized to 56 x 168, of which windows start at 0 ... 136; the object ends at x = 11.2.
    root = write_folder(tmp_path / "wide", [((300, 100), (0, 30, 20, 20))])
    dataset = BirdsFolder(root, image_size=32, full_scale=1.75)
    empty = 0
    for draw in range(60):
        example = dataset[0, draw]
        x1, _, x2, _ = example.box.tolist()
        if (redness(example.full_image) > 0.5).any():
            assert x2 > x1
        elif x1 == x2:
            empty += 1
            assert x1 in (0, 32)
    assert empty > 30


def test_windows_and_flips_by_brute_force(folder):
    """Every draw is one of the windows of the resized images, mirrored or not; both ends occur."""
    dataset = BirdsFolder(folder, image_size=32)
    image = Image.open(folder / "images/bird 1.png")
    # By hand: half side int(0.75 * 50) = 37 round (85, 55); shorter side 38 = int(32 * 76 / 64).
    crop = np.asarray(image.crop((48, 18, 122, 92)).resize((38, 38), Image.Resampling.BILINEAR))
    whole = np.asarray(image.resize((50, 38), Image.Resampling.BILINEAR))
    starts, flips = set(), set()
    for draw in range(150):
        example = dataset[0, draw]
        x, y, flip = find(example.child_crop, crop)
        full_x, full_y, full_flip = find(example.full_image, whole)
        starts |= {("crop", x), ("crop", y), ("x", full_x), ("y", full_y)}
        flips.add((flip, full_flip))
    assert {("crop", 0), ("crop", 6), ("x", 0), ("x", 18), ("y", 0), ("y", 6)} <= starts
    assert len(flips) == 4, "the two flips are drawn independently"


def find(tensor, pixels):
    """The one (x, y, flip) for which a window of ``pixels`` (H, W, 3) equals ``tensor``."""
    target = ((tensor + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    side = len(target)
    height, width = pixels.shape[:2]
    hits = [
        (x, y, flip)
        for flip in (False, True)
        for y in range(height - side + 1)
        for x in range(width - side + 1)
        if np.array_equal(pixels[y : y + side, x : x + side][:, :: -1 if flip else 1], target)
    ]
    assert len(hits) == 1
    return hits[0]


def test_a_crop_clipped_by_the_image_is_not_square(tmp_path):
    """Box (0, 0, 20, 40): half side 30 round (10, 20), so 40 x 50 are left, resized to 38 x 47."""
    root = write_folder(tmp_path / "corner", [((90, 90), (0, 0, 20, 40))])
    crop = Image.open(root / "images/bird 1.png").crop((0, 0, 40, 50)).resize((38, 47), 2)
    tensor = BirdsFolder(root, image_size=32).evaluation_crops()
    assert tensor.dtype == torch.uint8 and tensor.shape == (1, 3, 32, 32)
    # The middle: (38 - 32) // 2 = 3 from the left, (47 - 32) // 2 = 7 from above.
    expected = np.asarray(crop)[7:39, 3:35]
    assert np.array_equal(tensor[0].permute(1, 2, 0).numpy(), expected)


def test_crop_scale_sets_the_side_of_the_crop(folder):
    """At 1.2 a 50-pixel box becomes 50/60 of the resized crop, at 1.5 two thirds (38 px)."""
    for scale, width in [(1.2, 38 * 50 / 60), (1.5, 38 * 50 / 74)]:
        crops = BirdsFolder(folder, image_size=32, crop_scale=scale).evaluation_crops([0])
        first, last = extent((crops[0, 0].numpy() / 255).max(0))
        assert last - first == pytest.approx(min(width, 32), abs=1)


def test_evaluation_crops_follow_the_indices_and_do_not_change(folder):
    dataset = BirdsFolder(folder, image_size=32)
    assert torch.equal(dataset.evaluation_crops(), dataset.evaluation_crops([0, 1, 2]))
    assert torch.equal(dataset.evaluation_crops([2, 0]), dataset.evaluation_crops()[[2, 0]])


def test_resize_keeps_the_aspect_ratio_rounding_down():
    assert resize_shorter_side(Image.new("RGB", (500, 333)), 149).size == (223, 149)
    assert resize_shorter_side(Image.new("RGB", (333, 500)), 149).size == (149, 223)


def test_paper_sizes(tmp_path):
    """At 128: 152 for the crop and 149 for the whole image, as in the authors' settings."""
    root = write_folder(tmp_path / "cub", [((149, 149), (50, 50, 30, 30))])
    dataset = BirdsFolder(root)
    assert (dataset.image_size, dataset.background_size) == (128, 126)
    # 149 x 149 stays as it is, so the box is only shifted: its size is kept to the pixel.
    x1, y1, x2, y2 = dataset[0].box.tolist()
    assert (x2 - x1, y2 - y1) == (30, 30)
    # Half side int(22.5) = 22: 44 pixels become 152.
    crops = dataset.evaluation_crops()
    first, last = extent((crops[0, 0].numpy() / 255).max(0))
    assert last - first == pytest.approx(30 * 152 / 44, abs=1)


# -------------------------------------------------------------------------------- reproducibility


def test_same_draw_same_example_in_any_worker(folder):
    dataset = BirdsFolder(folder, image_size=32, seed=3)
    keys = [(i, draw) for i in range(3) for draw in range(2)]
    again = BirdsFolder(folder, image_size=32, seed=3)
    [batch] = DataLoader(dataset, sampler=keys[::-1], batch_size=6, num_workers=2).__iter__()
    assert isinstance(batch, TrainingExample)
    for row, key in enumerate(keys[::-1]):
        for got, expected in zip(batch, again[key], strict=True):
            assert torch.equal(got[row], torch.as_tensor(expected))
    assert torch.equal(dataset[1].full_image, dataset[1, 0].full_image)
    assert not torch.equal(dataset[1, 0].child_crop, dataset[1, 1].child_crop)
    other = BirdsFolder(folder, image_size=32, seed=4)
    assert not torch.equal(dataset[1].child_crop, other[1].child_crop)


# ---------------------------------------------------------------------------------------- classes


def test_without_labels_nothing_is_known(folder):
    dataset = BirdsFolder(folder, image_size=32)
    assert dataset.child_index is dataset.parent_index is dataset.hierarchy is None
    assert dataset.class_names is dataset.n_children is None
    dataset = BirdsFolder(folder, image_size=32, hierarchy=CodeHierarchy.equal(2, 7))
    assert dataset.n_children == 7 and dataset.parent_index is None


def test_labels_names_and_parents(tmp_path):
    names = {3: "gull", 1: "owl", 2: "red heron"}
    root = write_folder(tmp_path / "birds", BIRDS, labels=[3, 1, 3], names=names)
    dataset = BirdsFolder(root, image_size=32, hierarchy=CodeHierarchy([1, 0, 1]))
    assert dataset.class_names == ["owl", "red heron", "gull"]
    assert dataset.n_children == 3
    assert dataset.child_index.dtype == np.int64 and dataset.child_index.tolist() == [2, 0, 2]
    assert dataset.parent_index.dtype == np.int64 and dataset.parent_index.tolist() == [1, 1, 1]
    with pytest.raises(InputError, match="3 classes"):
        BirdsFolder(root, image_size=32, hierarchy=CodeHierarchy.equal(2, 4))


def test_labels_without_names_and_names_without_labels(tmp_path):
    dataset = BirdsFolder(write_folder(tmp_path / "a", BIRDS, labels=[9, 4, 9]), image_size=32)
    assert dataset.child_index.tolist() == [1, 0, 1]
    assert dataset.n_children == 2 and dataset.class_names is None
    root = write_folder(tmp_path / "b", BIRDS, names={1: "owl", 2: "gull"})
    dataset = BirdsFolder(root, image_size=32)
    assert dataset.child_index is None and dataset.class_names == ["owl", "gull"]


# ------------------------------------------------------------------------------ pixels and headers


def replace_image(folder, image, name="bird 1.png", **options):
    image.save(folder / "images" / name, **options)
    return BirdsFolder(folder, image_size=32)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK"])
def test_other_colour_modes_become_rgb(folder, mode):
    suffix = "jpg" if mode == "CMYK" else "png"
    (folder / "images.txt").write_text(f"1 a.{suffix}\n2 bird 2.png\n3 bird 3.png\n")
    rgb = photograph(*BIRDS[0])
    repaired = {"LA": "1 of 3 images are partly tr", "RGBA": "1 of 3 images are partly tr"}
    repaired["CMYK"] = "1 of 3 images are in CMYK"
    expected = (
        pytest.warns(UserWarning, match=repaired[mode]) if mode in repaired else nullcontext()
    )
    with expected:
        dataset = replace_image(folder, rgb.convert(mode), f"a.{suffix}")
    assert dataset[0].child_crop.shape == (3, 32, 32)
    shown = np.asarray(read_rgb(dataset.paths[0])).astype(int)
    expected = np.asarray(rgb.convert(mode).convert("RGB")).astype(int)
    assert np.abs(shown - expected).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_image_upright(folder, orientation):
    """The box is given in the upright image, which is what every viewer shows."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose, inverse of EXIF's
    # Near the right edge: it would lie outside, were the stored width and height not swapped too.
    upright = photograph((200, 150), (155, 20, 45, 60))
    set_line(folder, 1, "1 155 20 45 60")
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    dataset = replace_image(folder, stored, exif=exif)
    assert np.array_equal(np.asarray(read_rgb(dataset.paths[0])), np.asarray(upright))
    assert dataset.boxes[0].tolist() == [155, 20, 200, 80]
    examples = (dataset[0, draw] for draw in range(20))
    example = next(e for e in examples if e.box[2] - e.box[0] > 3)
    x1, _, x2, _ = example.box.tolist()
    found = extent(redness(example.full_image).max(0))
    assert np.allclose(found, (x1, x2), atol=1)


def test_sixteen_bits_are_refused_rather_than_clipped(folder):
    deep = Image.fromarray(np.full((150, 200), 30000, dtype=np.uint16))
    with pytest.raises(InputError, match=r"8 bits.*bird 1\.png .*images\.txt, line 1.*got I"):
        replace_image(folder, deep)


def test_a_refusal_is_said_once(folder):
    """Not within another one, of a file that could not be read."""
    (folder / "deep.png").touch()
    Image.fromarray(np.full((20, 20), 30000, dtype=np.uint16)).save(folder / "deep.png")
    for read in (read_rgb, read_header):
        with pytest.raises(InputError, match=r"^only 8 bits.*; got I.*8-bit JPEG or PNG\.$"):
            read(folder / "deep.png")


def test_truncated_jpeg_is_named(folder):
    (folder / "images.txt").write_text("1 a.jpg\n2 bird 2.png\n3 bird 3.png\n")
    dataset = replace_image(folder, photograph(*BIRDS[0]), "a.jpg")
    data = (folder / "images/a.jpg").read_bytes()
    (folder / "images/a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cannot read the image .*a\.jpg"):
        dataset[0]
    with pytest.raises(InputError, match=r"a\.jpg"):
        dataset.evaluation_crops([0])
    (folder / "images/a.jpg").write_bytes(b"no image at all")
    with pytest.raises(InputError, match=r"a\.jpg"):
        BirdsFolder(folder, image_size=32)


def test_truncated_png_is_named(folder):
    dataset = BirdsFolder(folder, image_size=32)
    data = (folder / "images/bird 1.png").read_bytes()
    (folder / "images/bird 1.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cannot read the image .*bird 1\.png"):
        dataset[0]


# ------------------------------------------------------------------------------------- boxes


def set_line(folder, number, line, name="bounding_boxes.txt"):
    lines = (folder / name).read_text().splitlines()
    lines[number - 1] = line
    (folder / name).write_text("\n".join(lines))


def test_a_box_partly_outside_is_clipped_with_one_counted_warning(folder):
    set_line(folder, 1, "1 -20 100 60 90")
    set_line(folder, 2, "2 100.5 -4 50 20")
    with pytest.warns(UserWarning, match="2 of 3 boxes") as caught:
        dataset = BirdsFolder(folder, image_size=32)
    assert len(caught) == 1
    assert dataset.boxes.tolist() == [[0, 100, 40, 150], [100.5, 0, 120, 16], [0, 0, 20, 40]]
    dataset[0], dataset[1]


def test_boxes_inside_warn_of_nothing(folder):
    set_line(folder, 1, "1 0 0 200 150")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = BirdsFolder(folder, image_size=32)
    assert dataset.boxes[0].tolist() == [0, 0, 200, 150]


def test_a_box_smaller_than_a_pixel_still_gives_a_crop(folder):
    set_line(folder, 1, "1 0 0 0.3 0.2")
    dataset = BirdsFolder(folder, image_size=32)
    assert dataset[0].child_crop.shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 200 10 20 20", "wholly outside the image; got x 200 to 220, y 10 to 30 in 200 x 150"),
        ("1 10 -50 20 50", "wholly outside"),
        ("1 10 10 nan 20", "line 1: a box needs finite numbers"),
        ("1 inf 10 20 20", "line 1: a box needs finite numbers"),
        ("1 10 10 -5 20", "line 1: the box is empty or inverted; got width -5, height 20"),
        ("1 10 10 20 0", "line 1: the box is empty or inverted"),
        ("1 10 10 20", "line 1 is malformed"),
        ("1 10 10 20 20 20", "line 1 is malformed"),
        ("1 ten 10 20 20", "line 1 is malformed"),
        ("one 10 10 20 20", "line 1 is malformed"),
        ("1.0 10 10 20 20", "line 1 is malformed"),
        ("7 10 10 20 20", "line 1: unknown image id; got 7"),
        ("2 10 10 20 20", "line 2: second line for an image; got 2"),
        ("", r"bounding_boxes.txt says nothing of an image; got id 1 \(.*images.txt, line 1\)"),
    ],
)
def test_bad_boxes_are_named_with_file_and_line(folder, line, message):
    set_line(folder, 1, line)
    with pytest.raises(InputError, match=rf"bounding_boxes\.txt.*{message}|{message}"):
        BirdsFolder(folder, image_size=32)


# ------------------------------------------------------------------------------- lists and options


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 missing.png", r"images\.txt, line 2: the image is missing; got .*missing\.png"),
        ("2 ../bird 2.png", r"images\.txt, line 2: the path leads out of images/"),
        ("2 /bird 2.png", r"images\.txt, line 2: the path leads out of images/"),
        ("1 bird 2.png", r"images\.txt, line 2: an image id is used twice; got 1"),
        ("2", r"images\.txt, line 2 is malformed"),
        ("bird 2.png", r"images\.txt, line 2 is malformed"),
    ],
)
def test_bad_image_lists_are_named_with_file_and_line(folder, line, message):
    set_line(folder, 2, line, "images.txt")
    with pytest.raises(InputError, match=message):
        BirdsFolder(folder, image_size=32)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("image_class_labels.txt", "1 8", r"labels\.txt, line 1: unknown class id; got 8"),
        ("image_class_labels.txt", "1 owl", r"labels\.txt, line 1 is malformed"),
        ("image_class_labels.txt", "5 1", r"labels\.txt, line 1: unknown image id; got 5"),
        ("image_class_labels.txt", "", r"labels\.txt says nothing of an image; got id 1"),
        ("classes.txt", "2 owl", r"classes\.txt, line 2: a class id is used twice; got 2"),
        ("classes.txt", "owl", r"classes\.txt, line 1 is malformed"),
    ],
)
def test_bad_labels_are_named_with_file_and_line(tmp_path, name, line, message):
    names = {1: "owl", 2: "gull"}
    root = write_folder(tmp_path / "birds", BIRDS, labels=[1, 2, 1], names=names)
    set_line(root, 1, line, name)
    with pytest.raises(InputError, match=message):
        BirdsFolder(root, image_size=32)


def test_missing_folder_and_files_are_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"no such folder; got .*nowhere\. Give the folder"):
        BirdsFolder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no images\.txt; got .*Did you mean .*birds\?"):
        BirdsFolder(tmp_path)
    (folder / "bounding_boxes.txt").unlink()
    with pytest.raises(InputError, match=r"no bounding_boxes\.txt"):
        BirdsFolder(folder)


def test_empty_and_binary_lists_are_refused(folder):
    (folder / "images.txt").write_text("\n \n")
    with pytest.raises(InputError, match="no image is listed"):
        BirdsFolder(folder)
    (folder / "images.txt").write_bytes(b"\xff\xfe\x00 1")
    with pytest.raises(InputError, match=r"cannot read .*images\.txt"):
        BirdsFolder(folder)


def test_blank_lines_order_and_windows_line_ends_do_not_matter(folder):
    dataset = BirdsFolder(folder, image_size=32)
    boxes = (folder / "bounding_boxes.txt").read_text().splitlines()
    (folder / "bounding_boxes.txt").write_bytes(
        "\r\n\r\n".join(reversed(boxes)).encode("utf-8-sig")
    )
    assert np.array_equal(BirdsFolder(folder, image_size=32).boxes, dataset.boxes)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("image_size", 100),
        ("crop_scale", 0),
        ("crop_scale", float("nan")),
        ("full_scale", 0.9),
        ("seed", -1),
    ],
)
def test_bad_options_are_named(folder, option, value):
    with pytest.raises(InputError, match=f"{option} .*got {value}"):
        BirdsFolder(folder, **{option: value})


# ---------------------------------------------------------------------- the reader of a written toy


# A toy crop shows 1.2 times the bird's box; a photograph's crop loses its margin to the window.
TOY_CROP_SCALE = 1.2 * 76 / 64


def written_and_read(tmp_path, n_images, image_size):
    """A toy data set, the same birds read back from JPEGs, and where each is in the toy set."""
    toy = ToyBirds(n_images, image_size=image_size, cache_dir=tmp_path / "cache", progress=False)
    toy.write_cub(tmp_path / "cub", progress=False)
    read = BirdsFolder(
        tmp_path / "cub",
        image_size=image_size,
        hierarchy=toy.hierarchy,
        crop_scale=TOY_CROP_SCALE,
        full_scale=scene_size(image_size) / toy.background_size,
    )
    return toy, read, np.argsort(toy.child_index, kind="stable")


def test_a_written_toy_is_read_back(tmp_path):
    toy, read, order = written_and_read(tmp_path, 40, 128)
    assert np.abs(read.boxes - toy.boxes[order]).max() < 0.011  # written with two decimals
    assert np.array_equal(read.child_index, toy.child_index[order])
    assert np.array_equal(read.parent_index, toy.parent_index[order])
    assert read.n_children == toy.n_children == len(read.class_names)
    # Crops are cut at whole pixels of the scene: they differ by up to a pixel of it.
    ours, theirs = read.evaluation_crops().float(), toy.evaluation_crops(order).float()
    distance = (ours[:, None] - theirs[None]).abs().mean((2, 3, 4))
    assert distance.diag().mean() < 10 and distance.diag().max() < 20
    assert torch.equal(distance.argmin(1), torch.arange(len(order)))


def test_windows_of_a_written_toy_have_the_toys_boxes(tmp_path):
    """Found again in the scene by brute force, the window's own corner and flip give its box."""
    toy, read, order = written_and_read(tmp_path, 20, 32)
    for index in range(20):
        example = read[index, 1]
        scene = toy.scenes([order[index]])[0].permute(1, 2, 0).float()
        target = (example.full_image.permute(1, 2, 0) + 1) * 127.5
        slack = scene_size(32) - 32
        windows = [
            ((scene[y : y + 32, x : x + 32] - shown).abs().mean().item(), x, y, flip)
            for flip, shown in ((False, target), (True, target.flip(1)))
            for y in range(slack + 1)
            for x in range(slack + 1)
        ]
        error, x, y, flip = min(windows)
        assert error < 10
        expected = move_box(toy.boxes[order[index]], (x, y), 32, flip)
        assert np.allclose(example.box, expected, atol=0.02)
