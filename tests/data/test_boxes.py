"""Every layout of boxes that is known: one case a row, from the files on the disk to three steps.

The table of layouts in ``data_scripts/README.md`` is made of these cases:
``python tests/data/test_boxes.py`` writes it.
"""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

README = Path(__file__).parents[2] / "data_scripts" / "README.md"
NAMES = ("b0.jpg", "b1.jpg")
BOX = (80, 60, 240, 180)  # of pictures of 320 x 240
BEGIN, END = "<!-- layouts: begin -->", "<!-- layouts: end -->"


class Case(NamedTuple):
    """What a user has.

    Attributes:
        key: of the layout's row in ``boxes.LAYOUTS``.
        about: in a few words.
        pictures: names of pictures of 320 x 240.
        files: {name: text} of everything else.
        boxes: what ``--boxes`` is given; "": nothing, it is found in the folder.
        folder: what is given as the folder of photographs.
        classes: that are read.
        notes: words of which each stands in a note.
        n: pictures that are read.
        box: of every picture.
    """

    key: str
    about: str
    pictures: tuple
    files: dict
    boxes: str = ""
    folder: str = "."
    classes: list | None = None
    notes: tuple = ()
    n: int = 2
    box: tuple = BOX


def coco(names, box=(80, 60, 160, 120), **more):
    images = [
        {"id": k, "file_name": name, "width": 320, "height": 240} for k, name in enumerate(names)
    ]
    annotations = [{"image_id": k, "category_id": 1, "bbox": list(box)} for k in range(len(names))]
    categories = [{"id": 1, "name": "sparrow"}]
    data = {"images": images, "annotations": annotations, "categories": categories} | more
    return json.dumps(data)


def voc(name, extra=""):
    return (
        f"<annotation><filename>{name}</filename><size><width>320</width><height>240</height>"
        f"</size>{extra}<object><name>sparrow</name><bndbox><xmin>80</xmin><ymin>60</ymin>"
        "<xmax>240</xmax><ymax>180</ymax></bndbox></object></annotation>"
    )


def label_studio(names, **value):
    rectangle = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0}
    rectangle |= {"rectanglelabels": ["sparrow"]} | value
    sizes = {"original_width": 320, "original_height": 240, "type": "rectanglelabels"}
    return [
        {"data": {"image": name}, "annotations": [{"result": [sizes | {"value": rectangle}]}]}
        for name in names
    ]


def via(names, shape=None):
    shape = shape or {"name": "rect", "x": 80, "y": 60, "width": 160, "height": 120}
    region = {"shape_attributes": shape, "region_attributes": {"class": "sparrow"}}
    return {f"{name}123": {"filename": name, "size": 123, "regions": [region]} for name in names}


VIA_CSV = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
VIA_CSV += "region_attributes\n" + "".join(
    f'{name},123,{{}},1,0,"{{""name"":""rect"",""x"":80,""y"":60,""width"":160,""height"":120}}",'
    '"{""class"":""sparrow""}"\n'
    for name in NAMES
)
ID = "0000139e-21dc-4d0c-bfe1-4cae3c85c82"
POLYGON = "0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n"
CORNERS = "x1,y1,x2,y2"

CASES = [
    Case(
        "lists",
        "CUB's lists beside `images/`",
        ("images/001.Sparrow/b0.jpg", "images/001.Sparrow/b1.jpg"),
        {
            "images.txt": "1 001.Sparrow/b0.jpg\n2 001.Sparrow/b1.jpg\n",
            "bounding_boxes.txt": "1 80 60 160 120\n2 80 60 160 120\n",
            "image_class_labels.txt": "1 1\n2 1\n",
            "classes.txt": "1 001.Sparrow\n",
            "train_test_split.txt": "1 1\n2 0\n",
        },
        classes=["001.Sparrow"],
    ),
    Case(
        "lists",
        "NABirds: long ids, classes without pictures",
        ("images/0817/b0.jpg", "images/0817/b1.jpg"),
        {
            "images.txt": f"{ID}0 0817/b0.jpg\n{ID}1 0817/b1.jpg\n",
            "bounding_boxes.txt": f"{ID}0 80 60 160 120\n{ID}1 80 60 160 120\n",
            "image_class_labels.txt": f"{ID}0 817\n{ID}1 817\n",
            "classes.txt": "0 Birds\n817 Oak Titmouse\n",
        },
        classes=["Oak Titmouse"],
    ),
    Case(
        "yolo",
        "`data.yaml`, `train/images`, `train/labels`, `valid/…`",
        ("train/images/b0.jpg", "valid/images/b0.jpg"),
        {
            "data.yaml": "train: ../train/images\nnc: 1\nnames: ['sparrow']\n",
            "train/labels/b0.txt": "0 0.5 0.5 0.5 0.5\n",
            "valid/labels/b0.txt": "0 0.5 0.5 0.5 0.5\n",
        },
        "data.yaml",
        classes=["sparrow"],
    ),
    Case(
        "yolo",
        "`classes.txt` and labels beside the pictures; polygons",
        NAMES,
        {"classes.txt": "sparrow\n", "b0.txt": "0 0.5 0.5 0.5 0.5 0.9\n", "b1.txt": POLYGON},
        classes=["sparrow"],
    ),
    Case(
        "yolo",
        "pictures and labels given as two folders",
        ("train/images/b0.jpg", "train/images/b1.jpg", "valid/images/b1.jpg"),
        {
            "data.yaml": "names:\n  0: sparrow\n",
            "train/labels/b0.txt": "0 0.5 0.5 0.5 0.5\n",
            "train/labels/b1.txt": "0 0.5 0.5 0.5 0.5\n",
        },
        "train/labels",
        "train/images",
        classes=["sparrow"],
    ),
    Case(
        "voc",
        "`JPEGImages/`, `Annotations/`",
        ("JPEGImages/b0.jpg", "JPEGImages/b1.jpg"),
        {"Annotations/b0.xml": voc("b0.jpg"), "Annotations/b1.xml": voc("b1.jpg")},
        classes=["sparrow"],
    ),
    Case(
        "voc",
        "an annotation beside each picture, with another file's name in it",
        NAMES,
        {"b0.xml": voc("C:\\work\\000.jpg"), "b1.xml": voc("000.jpg")},
        classes=["sparrow"],
    ),
    Case(
        "voc",
        "Stanford Dogs' `Annotation/`, whose files have no ending",
        ("Images/n01-owl/b0.jpg", "Images/n02-gull/b1.jpg"),
        {
            "Annotation/n01-owl/b0": voc("%s"),
            "Annotation/n02-gull/b1": voc("%s").replace("sparrow", "gull"),
        },
        classes=["gull", "sparrow"],
    ),
    Case(
        "voc",
        "turned boxes of roLabelImg; boxes of parts, which are not used",
        NAMES,
        {
            "b0.xml": voc("b0.jpg").replace(
                "<bndbox><xmin>80</xmin><ymin>60</ymin><xmax>240</xmax><ymax>180</ymax></bndbox>",
                "<robndbox><cx>160</cx><cy>120</cy><w>120</w><h>160</h>"
                "<angle>1.5707963</angle></robndbox>",
            ),
            "b1.xml": voc("b1.jpg").replace(
                "<bndbox>",
                "<part><name>head</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>320</xmax>"
                "<ymax>240</ymax></bndbox></part><bndbox>",
            ),
        },
        classes=["sparrow"],
    ),
    Case(
        "cvat",
        "`annotations.xml`",
        ("images/b0.jpg", "images/b1.jpg", "images/b2.jpg"),
        {
            "annotations.xml": "<annotations><image id='0' name='b0.jpg' width='320' height='240'>"
            "<box label='sparrow' xtl='80' ytl='60' xbr='240' ybr='180'/></image>"
            "<image id='2' name='b2.jpg' width='320' height='240'>"
            "<box label='sparrow' xtl='100' ytl='40' xbr='220' ybr='200' rotation='90'/></image>"
            "<image id='1' name='b1.jpg' width='320' height='240'>"
            "<polygon label='sparrow' points='80,60;240,60;100,180'/></image></annotations>"
        },
        classes=["sparrow"],
        n=3,
    ),
    Case(
        "coco",
        "`annotations/instances_val2017.json`, which lists more pictures than there are",
        ("val2017/b0.jpg", "val2017/b1.jpg"),
        {"annotations/instances_val2017.json": coco((*NAMES, "b7.jpg", "b8.jpg"))},
        "annotations/instances_val2017.json",
        "val2017",
        classes=["sparrow"],
        notes=("2 entries are of pictures that are not in",),
    ),
    Case(
        "coco",
        "Roboflow's `_annotations.coco.json` in each of `train/`, `valid/`",
        ("train/b0.jpg", "valid/b0.jpg"),
        {
            "train/_annotations.coco.json": coco(["b0.jpg"]),
            "valid/_annotations.coco.json": coco(["b0.jpg"]),
        },
        classes=["sparrow"],
    ),
    Case(
        "coco",
        "Label Studio's `result.json`, written under Windows",
        ("images/90fbb0c7-a.jpg", "images/91fbb0c7-a.jpg"),
        {"result.json": coco([f"images\\{k}fbb0c7-a.jpg" for k in (90, 91)])},
        "result.json",
        classes=["sparrow"],
        notes=("2 names differ from their pictures' in separators",),
    ),
    Case(
        "coco",
        "addresses of another computer",
        ("images/90fbb0c7-a.jpg", "images/91fbb0c7-a.jpg"),
        {"result.json": coco([f"..\\..\\media\\upload\\4\\{k}fbb0c7-a.jpg" for k in (90, 91)])},
        "result.json",
        classes=["sparrow"],
        notes=("differ from their pictures' in separators and folder",),
    ),
    Case(
        "coco",
        "boxes as shares",
        NAMES,
        {"boxes.json": coco(NAMES, (0.25, 0.25, 0.5, 0.5))},
        classes=["sparrow"],
        notes=("the boxes are shares of their pictures",),
    ),
    Case(
        "coco",
        "polygons without boxes, and ids of categories that are not listed",
        NAMES,
        {
            "seg.json": json.dumps(
                {
                    "images": [{"id": k, "file_name": name} for k, name in enumerate(NAMES)],
                    "categories": [{"id": 1, "name": "sparrow"}],
                    "annotations": [
                        {"image_id": 0, "category_id": 1, "bbox": []}
                        | {"segmentation": [[80, 60, 240, 60, 240, 180]]},
                        {"image_id": 1, "category_id": 7, "segmentation": [[80, 60, 240, 180]]},
                    ],
                }
            )
        },
        classes=["category 7", "sparrow"],
    ),
    Case(
        "label_studio",
        "`project-1.json`",
        ("b0.jpg", "b1.jpg"),
        {
            "project-1.json": json.dumps(
                label_studio(["/data/upload/4/90fbb0c7-b0.jpg", "/data/local-files/?d=in/b1.jpg"])
            )
        },
        classes=["sparrow"],
        notes=("differ from their pictures' in folder",),
    ),
    Case(
        "label_studio",
        "JSON-MIN",
        NAMES,
        {
            "min.json": json.dumps(
                [
                    {
                        "image": f"/data/upload/{name}",
                        "label": [
                            {"x": 25, "y": 25, "width": 50, "height": 50}
                            | {"rectanglelabels": ["sparrow"]}
                        ],
                    }
                    for name in NAMES
                ]
            )
        },
        classes=["sparrow"],
        notes=("differ from their pictures' in folder",),
    ),
    Case(
        "create_ml",
        "`_annotations.createml.json`",
        NAMES,
        {
            "_annotations.createml.json": json.dumps(
                [
                    {
                        "image": name,
                        "annotations": [
                            {
                                "label": "sparrow",
                                "coordinates": {"x": 160, "y": 120, "width": 160, "height": 120},
                            }
                        ],
                    }
                    for name in NAMES
                ]
            )
        },
        classes=["sparrow"],
    ),
    Case(
        "via",
        "`via_region_data.json`",
        NAMES,
        {"v.json": json.dumps(via(NAMES))},
        classes=["sparrow"],
    ),
    Case(
        "via",
        "a project with circles",
        NAMES,
        {
            "via_project.json": json.dumps(
                {
                    "_via_settings": {},
                    "_via_img_metadata": via(
                        NAMES, {"name": "circle", "cx": 160, "cy": 120, "r": 60}
                    ),
                }
            )
        },
        classes=["sparrow"],
        box=(100, 60, 220, 180),
    ),
    Case("via", "CSV", NAMES, {"via.csv": VIA_CSV}, classes=["sparrow"]),
    Case(
        "labelme",
        "a `.json` beside each picture",
        NAMES,
        {
            name.replace("jpg", "json"): json.dumps(
                {
                    "imagePath": f"..\\photos\\{name}",
                    "imageWidth": 320,
                    "imageHeight": 240,
                    "shapes": [
                        {"label": "sparrow", "points": [[240, 180], [80, 60]]}
                        | {"shape_type": "rectangle"}
                    ],
                }
            )
            for name in NAMES
        },
        classes=["sparrow"],
    ),
    Case(
        "hugging_face",
        "`metadata.jsonl` in each of `train/`, `validation/`",
        ("train/b0.jpg", "validation/b1.jpg"),
        {
            f"{split}/metadata.jsonl": json.dumps({"file_name": name, "objects": one}) + "\n"
            for split, name, one in (
                ("train", "b0.jpg", {"bbox": [[80.0, 60, 160, 120]], "categories": ["sparrow"]}),
                ("validation", "b1.jpg", {"bbox": [[80, 60, 160, 120]], "category": ["sparrow"]}),
            )
        },
        classes=["sparrow"],
    ),
    Case(
        "retinanet",
        "`train.csv`: a line is `photos/x.jpg,80,60,240,180,sparrow`",
        ("photos/b0.jpg", "photos/b1.jpg"),
        {"train.csv": "".join(f"photos/{name},80,60,240,180,sparrow\n" for name in NAMES)},
        classes=["sparrow"],
    ),
    Case(
        "open_images",
        "`validation-annotations-bbox.csv`, with the list of classes beside it",
        ("oid/0001eeaf4aed83f0.jpg", "oid/0001eeaf4aed83f1.jpg"),
        {
            "validation-annotations-bbox.csv": "ImageID,Source,LabelName,Confidence,XMin,XMax,"
            "YMin,YMax,IsOccluded,IsTruncated,IsGroupOf\n"
            "0001eeaf4aed83f0,xclick,/m/015p6,1,0.25,0.75,0.25,0.75,0,0,0\n"
            "0001eeaf4aed83f0,xclick,/m/015p6,1,0,1,0,1,0,0,1.0\n"
            "0001eeaf4aed83f1,xclick,/m/015p6,1,0.25,0.75,0.25,0.75,0,0,0\n",
            "class-descriptions-boxable.csv": "/m/015p6,Bird\n",
        },
        "validation-annotations-bbox.csv",
        "oid",
        classes=["Bird"],
        notes=("the boxes are shares",),
    ),
    Case(
        "roboflow",
        "`_annotations.csv`",
        ("train/b0_jpg.rf.0f3c1.jpg", "train/b1_jpg.rf.0f3c2.jpg"),
        {
            "train/_annotations.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n"
            "b0_jpg.rf.0f3c1.jpg,320,240,sparrow,80,60,240,180\n"
            "b1_jpg.rf.0f3c2.jpg,640,480,sparrow,160,120,480,360\n"
        },
        classes=["sparrow"],
    ),
    Case(
        "table",
        "`boxes.csv`, commas",
        NAMES,
        {"boxes.csv": "file,x,y,width,height\n" + "".join(f"{n},80,60,160,120\n" for n in NAMES)},
    ),
    Case(
        "table",
        "semicolons, decimal commas, a byte-order mark, Windows' line ends and separators",
        ("images/b0.jpg", "images/b1.jpg"),
        {
            "boxes.csv": "\ufefffile;x1;y1;x2;y2;class\r\n"
            + "".join(f"images\\{n};80,0;60,0;240,0;180,0;sparrow\r\n" for n in NAMES)
        },
        classes=["sparrow"],
        notes=("separators",),
    ),
    Case(
        "table",
        "a first line `sep=;` as Excel writes it; columns `id`, `left`, `top`, `width`, `height`",
        NAMES,
        {
            "boxes.csv": "sep=;\nid;left;top;width;height\n"
            + "".join(f"{n[:2]};80;60;160;120\n" for n in NAMES)
        },
    ),
    Case(
        "table",
        "tabs, absolute paths in capital letters, a split",
        ("photos/b0.jpg", "photos/b1.jpg"),
        {
            "boxes.tsv": f"path\t{CORNERS}\tsplit\n".replace(",", "\t")
            + "C:\\USERS\\ME\\PHOTOS\\B0.JPG\t80\t60\t240\t180\ttrain\n"
            + "/home/ME/Photos/B1.JPG\t80\t60\t240\t180\tval\n"
        },
        notes=("capital letters",),
    ),
    Case(
        "table",
        "one column `bbox` with x, y, width, height; sizes of the pictures beside it",
        NAMES,
        {
            "train.csv": "image_id,width,height,bbox\n"
            + "".join(f'{n[:2]},320,240,"[80.0, 60.0, 160.0, 120.0]"\n' for n in NAMES)
        },
    ),
    Case(
        "table",
        "centres and sizes; names in Unicode's decomposed form, as macOS writes them",
        ("gr\u00f6\u00dfe 0.jpg", "gr\u00f6\u00dfe 1.jpg"),
        {
            "boxes.csv": "file,x_center,y_center,w,h\n"
            + "".join(f"gro\u0308\u00dfe {k}.jpg,160,120,160,120\n" for k in (0, 1))
        },
        notes=("Unicode form",),
    ),
]


def ids(case):
    return f"{case.key}: {case.about}"


def build(case, root):
    """The case's files below a folder."""
    for name in case.pictures:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (320, 240), "teal").save(path)
    for name, text in case.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
    return root


def prepared(case, tmp_path, **options):
    from finegan_lib.data import BirdsFolder
    from finegan_lib.data.obtain import prepare

    root = build(case, tmp_path / "in")
    boxes = root / case.boxes if case.boxes else None
    manifest, _ = prepare(
        root / case.folder, tmp_path / "out", boxes=boxes, progress=False, **options
    )
    return manifest, BirdsFolder(tmp_path / "out", image_size=32)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_layout(case, tmp_path):
    from finegan_lib.data.boxes import LAYOUTS

    manifest, birds = prepared(case, tmp_path)
    (row,) = (row for row in LAYOUTS if row.key == case.key)
    assert manifest["layout"].startswith(f"{row.title}, in ")
    assert birds.boxes.round(3).tolist() == [list(case.box)] * case.n
    assert birds.class_names == case.classes
    notes = " | ".join(manifest["notes"])
    for words in case.notes:
        assert words in notes
    if not case.notes:
        assert notes == ""
    assert not any("json" in why or "xml" in why for why in manifest["unused"])


def test_every_row_has_a_case():
    from finegan_lib.data.boxes import LAYOUTS

    assert {row.key for row in LAYOUTS} == {case.key for case in CASES}


@pytest.mark.parametrize("key", ["yolo", "coco"])
def test_from_files_to_three_steps(key, tmp_path, capsys):
    """prepare_folder.py, check, and a training of three steps."""
    from finegan_lib.__main__ import main
    from finegan_lib.data.obtain import prepare_main

    case = next(case for case in CASES if case.key == key)
    root = build(case, tmp_path / "in")
    arguments = [str(root / case.folder), "--root", str(tmp_path), "--name", "out", "--no-progress"]
    assert prepare_main([*arguments, "--boxes", str(root / case.boxes)]) == 0
    assert "training windows with a background patch: " in capsys.readouterr().out
    assert main(["check", str(tmp_path / "out"), "--no-progress"]) == 0
    assert "training windows with a background patch: " in capsys.readouterr().out
    train = ["train", "--preset", "toy", "--data", str(tmp_path / "out"), "--steps", "3"]
    train += ["--batch-size", "2", "--g-dim", "4", "--d-dim", "4", "--run", str(tmp_path / "run")]
    assert main([*train, "--device", "cpu", "--no-progress"]) == 0
    assert (tmp_path / "run" / "checkpoints" / "step_00000003.safetensors").is_file()


# ----------------------------------------------------------------------------- the README's table


def table() -> str:
    """The table of layouts, made of the cases."""
    from finegan_lib.data.boxes import LAYOUTS

    lines = ["| layout | for example | what is read |", "|---|---|---|"]
    for row in LAYOUTS:
        about = "; ".join(case.about for case in CASES if case.key == row.key)
        lines.append(f"| {row.title} | {about} | {row.read} |".replace("or |", "or \\|"))
    return "\n".join(lines)


def test_the_readme_shows_these_cases():
    text = README.read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0].strip() == table()


if __name__ == "__main__":
    sys.path.insert(0, os.fspath(README.parents[1]))
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
