"""How labelling tools write boxes: readers for JSON and XML, rows of :data:`.boxes.LAYOUTS`.

For each tool there is a test of its content (``is_…``) and a reader of its boxes (``…_entries``).
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator

from .annotations import (
    PERCENT,
    Entry,
    Node,
    RoundMany,
    Source,
    Table,
    box_round,
    number,
    picture_folders,
    positive,
    safely,
)
from .pictures import IMAGE_SUFFIXES

# ----------------------------------------------------------------------------------------- JSON


def of_size(holder, width, height):
    """(width, height) of a dictionary, or None where they are not both positive numbers."""
    size = tuple(positive(holder.get(key)) for key in (width, height))
    return size if all(size) else None


def coco_entries(source: Source) -> Iterator[Entry]:
    """COCO (https://cocodataset.org/#format-data), as labelling tools write it."""
    path, data, _ = source
    listed = [i for i in data["images"] if isinstance(i, dict) and "id" in i]
    images = {str(i["id"]): i for i in listed}
    pairs = {(str(i["id"]), str(i.get("file_name"))) for i in listed}
    twice = {id_ for id_, n in Counter(id_ for id_, _ in pairs).items() if n > 1}
    categories = data.get("categories") or []
    listed = [c for c in categories if isinstance(c, dict) and "id" in c and "name" in c]
    classes = {str(c["id"]): str(c["name"]) for c in listed}

    def read(annotation, where):
        id_, kind = str(annotation["image_id"]), annotation.get("category_id")
        if id_ in twice:
            raise ValueError(f"the image id {id_} is given to several images")
        if id_ not in images:
            raise ValueError(f"no image has the id {id_}")
        image = images[id_]
        names = tuple(str(image[key]) for key in ("file_name", "path") if image.get(key))
        if not names:
            raise ValueError(f"the image {id_} has no file_name")
        label = None if kind is None else classes.get(str(kind), f"category {kind}")
        frame = of_size(image, "width", "height")
        entry = Entry((names[0], *names[1:]), (path.parent,), None, label, frame, where)
        if annotation.get("iscrowd"):
            return [entry._replace(error=RoundMany(where))]
        return [entry._replace(box=_coco_box(annotation))]

    for place, annotation in enumerate(data["annotations"]):
        where = f"{path}, annotations[{place}]"
        yield from safely(lambda a=annotation, w=where: read(a, w), where)


def _coco_box(annotation):
    """The corners of ``bbox``, or of the box round the polygons where there is none."""
    if annotation.get("bbox"):
        x, y, width, height = (number(value) for value in annotation["bbox"])
        return x, y, x + width, y + height
    polygons = annotation.get("segmentation")
    if not isinstance(polygons, list) or not polygons:
        raise ValueError("it has neither a bbox nor polygons")
    return box_round(pair for p in polygons for pair in zip(p[::2], p[1::2], strict=True))


def label_studio_entries(source: Source) -> Iterator[Entry]:
    """Label Studio's JSON, its short JSON (JSON-MIN), or its CSV: percentages of the picture."""
    path, tasks, _ = source
    if isinstance(tasks, Table):
        tasks = _label_studio_rows(tasks)

    def read(task, where):
        names = _label_studio_names(task)
        given = task.get("annotations", task.get("completions"))
        results = task.get("label", task.get("bbox")) if given is None else []
        for annotation in given or []:
            if not annotation.get("was_cancelled"):
                results = [*results, *annotation["result"]]
        found = []
        for result in results or []:
            found += safely(lambda r=result: _label_studio_box(r, names, path, where), where, names)
        return found

    for place, task in enumerate(tasks):
        where = f"{path}, task {place + 1}"
        yield from safely(lambda t=task, w=where: read(t, w), where)


def _label_studio_rows(table):
    """The rows of Label Studio's CSV as tasks of its short JSON."""
    for _, fields in table.rows:
        row = {name: fields[k] for name, k in table.header.items() if k < len(fields)}
        try:
            row["label"] = json.loads(row.get("label") or "[]")
        except (ValueError, RecursionError):
            row["label"] = [None]
        yield row


def _label_studio_names(task):
    """The names that a task may give its picture: its address, its file's, its upload's."""
    data = task.get("data", task)
    text = data.get("image") or data.get("img") or data.get("image_url")
    if not text:
        endings = tuple(IMAGE_SUFFIXES)
        texts = [v for v in data.values() if isinstance(v, str) and v.lower().endswith(endings)]
        if not texts:
            raise ValueError("it names no image")
        text = texts[0]
    names = [str(text)]
    if "?d=" in names[0]:
        names.append(names[0].split("?d=", 1)[1])
    names += [str(task["file_upload"])] if task.get("file_upload") else []
    stem = re.split(r"[/\\]", names[-1])[-1]
    as_uploaded = re.sub(r"^[0-9a-f]{8}-", "", stem)
    return (*names, as_uploaded) if as_uploaded != stem else tuple(names)


def _label_studio_box(result, names, path, where):
    value = result.get("value", result)
    if "points" in value:
        box = box_round(value["points"])
    elif "radiusX" in value:
        x, y, a, b = (number(value[key]) for key in ("x", "y", "radiusX", "radiusY"))
        box = x - a, y - b, x + a, y + b
    elif "width" in value and "x" in value:
        x, y, w, h = (number(value[key]) for key in ("x", "y", "width", "height"))
        box = x, y, x + w, y + h
    else:
        return []  # a choice, a text, a brush's mask
    size = {**result, **value} if value is not result else result
    frame = of_size(size, "original_width", "original_height")
    if frame:
        across, down = (side / 100 for side in frame)
        box = box[0] * across, box[1] * down, box[2] * across, box[3] * down
        if turn := math.radians(number(value.get("rotation") or 0)):
            (x, y), w, h = box[:2], box[2] - box[0], box[3] - box[1]
            corners = ((0, 0), (w, 0), (w, h), (0, h))  # turned round the first, clockwise
            c, s = math.cos(turn), math.sin(turn)
            box = box_round((x + c * a - s * b, y + s * a + c * b) for a, b in corners)
    kinds = ("rectanglelabels", "polygonlabels", "ellipselabels", "labels")
    label = next((value[k][0] for k in kinds if value.get(k)), None)
    return [Entry(names, (path.parent,), box, label and str(label), frame or PERCENT, where)]


VIA_LABELS = ("class", "label", "name", "species", "type", "category")


def via_entries(source: Source) -> Iterator[Entry]:
    """The VGG Image Annotator's JSON, project or CSV (versions 1 to 3)."""
    path, data, _ = source
    if isinstance(data, Table):
        files = _via_rows(data)
    elif "view" in data and "metadata" in data:
        files = _via_3(data)
    else:
        data = data.get("_via_img_metadata", data)
        files = ((f["filename"], f["regions"]) for f in data.values() if is_via_file(f))
    for name, regions in files:
        regions = regions.values() if isinstance(regions, dict) else regions
        for place, region in enumerate(regions):
            where = f"{path}, {name!a}, region {place + 1}"
            yield from safely(
                lambda n=name, r=region, w=where: _via_box(n, r, path, w), where, (str(name),)
            )


def is_via_file(value):
    return (
        isinstance(value, dict)
        and isinstance(value.get("filename"), str)
        and isinstance(value.get("regions"), dict | list)
    )


def _via_box(name, region, path, where):
    shape, attributes = region["shape_attributes"], region.get("region_attributes") or {}
    kind = shape.get("name")
    if "all_points_x" in shape:
        box = box_round(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
    elif kind in ("circle", "ellipse"):
        rx, ry = (shape.get(key, shape.get("r")) for key in ("rx", "ry"))
        x, y, rx, ry = map(number, (shape["cx"], shape["cy"], rx, ry))
        box = x - rx, y - ry, x + rx, y + ry
    elif "width" in shape:
        x, y, w, h = (number(shape[key]) for key in ("x", "y", "width", "height"))
        box = x, y, x + w, y + h
    else:
        raise ValueError(f"a {kind} is no box")
    keys = [key for key in VIA_LABELS if attributes.get(key)] or sorted(attributes)
    label = attributes.get(keys[0]) if keys else None
    if isinstance(label, dict):  # ticked boxes
        label = next((key for key, ticked in label.items() if ticked), None)
    return [Entry((str(name),), (path.parent,), box, label and str(label), None, where)]


def _via_rows(table):
    places = [table.header[k] for k in ("filename", "regionshapeattributes", "regionattributes")]
    for _, fields in table.rows:
        name, *parts = (fields[k] if k < len(fields) else "" for k in places)
        try:
            shape, attributes = (json.loads(part or "{}") for part in parts)
        except (ValueError, RecursionError):
            shape, attributes = None, {}
        if shape != {}:
            yield name, [{"shape_attributes": shape, "region_attributes": attributes}]


def _via_3(data):
    files = {str(key): str(file["fname"]) for key, file in data["file"].items()}
    for row in data["metadata"].values():
        view = data["view"][str(row["vid"])]
        kind, *numbers = row["xy"]
        if kind == 2 and len(numbers) == 4:
            shape = dict(zip(("x", "y", "width", "height"), numbers, strict=True))
            shape = {"shape_attributes": shape, "region_attributes": row.get("av") or {}}
            yield files[str(view["fid_list"][0])], [shape]


def create_ml_entries(source: Source) -> Iterator[Entry]:
    """Apple's CreateML: centres and sizes in pixels."""
    path, data, _ = source

    def read(name, annotation, where):
        at = annotation["coordinates"]
        x, y, w, h = (number(at[key]) for key in ("x", "y", "width", "height"))
        box = x - w / 2, y - h / 2, x + w / 2, y + h / 2
        return [Entry((name,), (path.parent,), box, str(annotation["label"]), None, where)]

    for picture in data:
        name = str(picture.get("image", picture.get("imagefilename")))
        for place, annotation in enumerate(picture.get("annotations") or []):
            where = f"{path}, {name!a}, annotation {place + 1}"
            yield from safely(lambda n=name, a=annotation, w=where: read(n, a, w), where, (name,))


def hugging_face_entries(source: Source) -> Iterator[Entry]:
    """``metadata.jsonl`` beside the pictures, as Hugging Face's ``datasets`` reads it.

    https://huggingface.co/docs/datasets/image_dataset: x, y, width, height in pixels.
    """
    path, rows, _ = source

    def read(row, place, where):
        name, things = str(row["file_name"]), row["objects"]
        x, y, width, height = (number(value) for value in things["bbox"][place])
        keys = (key for key in ("categories", "category", "labels", "label") if things.get(key))
        label = next((things[key][place] for key in keys), None)
        label = f"category {label}" if isinstance(label, int) else label and str(label)
        return [Entry((name,), (path.parent,), (x, y, x + width, y + height), label, None, where)]

    for line, row in enumerate(rows, start=1):
        for place in range(len(row["objects"]["bbox"])):
            where = f"{path}, entry {line}, box {place + 1}"
            yield from safely(
                lambda r=row, p=place, w=where: read(r, p, w), where, (str(row["file_name"]),)
            )


def labelme_entries(source: Source) -> Iterator[Entry]:
    """LabelMe: one file a picture, shapes of points."""
    path, data, _ = source
    names = (str(data["imagePath"]), path.stem)
    frame = of_size(data, "imageWidth", "imageHeight")

    def read(shape, where):
        points, label = shape["points"], shape.get("label")
        if shape.get("shape_type") == "circle":
            (x, y), edge = points
            r = math.dist((x, y), edge)
            points = (x - r, y - r), (x + r, y + r)
        beside = picture_folders(path)
        return [Entry(names, beside, box_round(points), label and str(label), frame, where)]

    for place, shape in enumerate(data["shapes"]):
        where = f"{path}, shapes[{place}]"
        yield from safely(lambda s=shape, w=where: read(s, w), where, names, picture_folders(path))


# ------------------------------------------------------------------------------------------ XML


def voc_frame(annotation: Node) -> tuple | None:
    """(width, height) of an annotation in Pascal VOC's XML, or None."""
    for size in annotation.all("size"):
        frame = tuple(int(float(size.value(side))) for side in ("width", "height"))
        return frame if min(frame) > 0 else None
    return None


def voc_box(box: Node) -> tuple:
    """The corners of a ``bndbox``."""
    return tuple(float(box.value(corner)) for corner in ("xmin", "ymin", "xmax", "ymax"))


def _turned_box(box):
    """The box round a turned one, as roLabelImg writes it: centre, sides, and the angle."""
    return _round_turned(*(float(box.value(key)) for key in ("cx", "cy", "w", "h", "angle")))


def _round_turned(x, y, width, height, angle):
    """The box round one that is turned round its centre; ``angle`` in radians."""
    c, s = math.cos(angle) / 2, math.sin(angle) / 2
    corners = ((-width, -height), (width, -height), (width, height), (-width, height))
    return box_round((x + c * a - s * b, y + s * a + c * b) for a, b in corners)


def voc_entries(source: Source) -> Iterator[Entry]:
    """Pascal VOC's XML: one file a picture."""
    path, top, _ = source
    beside, names = picture_folders(path), (path.stem,)
    if named := "".join(node.text[0] for node in top.all("filename") if node.text).strip():
        names = named, path.stem

    def read(thing, where):
        label = next((thing.value("name") for _ in thing.all("name")), None)
        boxes = [voc_box(box) for box in thing.children if box.tag == "bndbox"]
        boxes += [_turned_box(box) for box in thing.children if box.tag == "robndbox"]
        return [Entry(names, beside, b, label or None, voc_frame(top), where) for b in boxes]

    things = list(top.all("object"))
    for place, thing in enumerate(things):
        where = f"{path}, object {place + 1}" if len(things) > 1 else str(path)
        yield from safely(lambda t=thing, w=where: read(t, w), where, names, beside)


def cvat_entries(source: Source) -> Iterator[Entry]:
    """CVAT's XML for images: boxes, ellipses and polygons of a whole set."""
    path, top, _ = source

    def read(image, shape, where):
        at, frame = shape.attributes, of_size(image.attributes, "width", "height")
        if "points" in at:
            box = box_round(point.split(",") for point in at["points"].split(";"))
        elif "cx" in at:
            x, y, a, b = (number(at[key]) for key in ("cx", "cy", "rx", "ry"))
            box = x - a, y - b, x + a, y + b
        else:
            box = tuple(number(at[corner]) for corner in ("xtl", "ytl", "xbr", "ybr"))
        if turn := math.radians(number(at.get("rotation", 0))):
            x1, y1, x2, y2 = box
            box = _round_turned((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, turn)
        name = image.attributes["name"]
        return [Entry((name,), (path.parent,), box, at.get("label"), frame, where)]

    for image in top.all("image"):
        shapes = [node for node in image.children if node.tag in ("box", "polygon", "ellipse")]
        for place, shape in enumerate(shapes):
            name = image.attributes.get("name", "")
            where = f"{path}, {name!a}, shape {place + 1}"
            yield from safely(
                lambda i=image, s=shape, w=where: read(i, s, w), where, (name,), (path.parent,)
            )


# ------------------------------------------------------------------------------- what is whose


def has(source, kind, *keys):
    return isinstance(source.content, kind) and all(key in source.content for key in keys)


def _first(source):
    """The first dictionary of a list, else an empty one."""
    data = source.content
    return data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}


def is_coco(source):
    if not has(source, dict, "images", "annotations"):
        return False
    images, annotations = source.content["images"], source.content["annotations"]
    if not isinstance(images, list) or not isinstance(annotations, list):
        return False
    parts = [a for a in annotations if isinstance(a, dict)]
    return not annotations or any("bbox" in a or "segmentation" in a for a in parts)


def is_label_studio(source):
    if isinstance(source.content, Table):
        header = source.content.header
        rows = source.content.rows[:20]
        cells = [row[header["label"]] for _, row in rows if len(row) > header.get("label", 99)]
        return "image" in header and any(cell.lstrip().startswith("[{") for cell in cells)
    first = _first(source)
    tasks = "data" in first and ("annotations" in first or "completions" in first)
    return tasks or ("image" in first and isinstance(first.get("label", first.get("bbox")), list))


def is_via(source):
    if isinstance(source.content, Table):
        needed = {"filename", "regionshapeattributes", "regionattributes"}
        return needed <= set(source.content.header)
    if not isinstance(source.content, dict):
        return False
    if has(source, dict, "file", "view", "metadata"):
        return True
    files = source.content.get("_via_img_metadata", source.content)
    return isinstance(files, dict) and any(map(is_via_file, files.values()))


def is_create_ml(source):
    first = _first(source)
    return ("image" in first or "imagefilename" in first) and "annotations" in first


def is_hugging_face(source):
    first = _first(source)
    return "file_name" in first and "bbox" in (first.get("objects") or {})


def is_xml(source, tag):
    return isinstance(source.content, Node) and source.content.tag == tag
