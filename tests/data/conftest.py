"""A local web server that misbehaves on demand, and archives in each data set's original layout."""

import hashlib
import io
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

EXIF_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose, inverse of EXIF's


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.files`` with ETags and ranges, except where a fault is due."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        due = server.faults.get(self.path, [])
        fault = due.pop(0) if due else {}
        if self.path not in server.files and "status" not in fault:
            fault = {"status": 404}
        if "status" in fault:
            self.send_response(fault["status"])
            for name, value in fault.get("headers", {}).items():
                self.send_header(name, value)
            self.end_headers()
            return
        body = fault.get("body", server.files.get(self.path))
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        wanted = self.headers.get("Range")
        if fault.get("ignore_range") or self.headers.get("If-Range", etag) != etag:
            wanted = "bytes=0-" if fault.get("blind") else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(body) and wanted:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.end_headers()
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            shift = fault.get("shift", 0)
            self.send_header("Content-Range", f"bytes {start + shift}-{len(body) - 1}/{len(body)}")
        if not fault.get("no_length"):
            self.send_header("Content-Length", str(len(body) - start))
        if not fault.get("no_etag"):
            self.send_header("ETag", etag)
        self.end_headers()
        rest = body[start : start + fault["cut"]] if "cut" in fault else body[start:]
        self.send(rest, fault)

    def send(self, rest, fault):
        try:
            if "trickle" in fault:
                for byte in rest:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if self.server.stopping.wait(fault["trickle"]):
                        return
            self.server.sent += len(rest)  # first: the client may read all of it and ask at once
            self.wfile.write(rest)
            if fault.get("stall"):
                self.server.stopping.wait(fault["stall"])
            if fault.get("endless"):
                while not self.server.stopping.is_set():
                    self.wfile.write(bytes(1 << 16))
        except OSError:
            pass  # the client has left

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """``files`` by path, ``faults`` by path (one for each request, in order), ``requests`` seen."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.files, server.faults, server.requests, server.sent = {}, {}, [], 0
    server.stopping = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sleeps(monkeypatch):
    """The waits between attempts, which take no time here."""
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


# ------------------------------------------------------------------------------------- pictures


def picture(size, box, seed=0):
    """Bluish noise of ``size`` = (width, height); red fills ``box`` = x1, y1, x2, y2."""
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 120, (height, width, 3))
    pixels[..., 0], pixels[..., 2] = 0, 200
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = (255, 0, 0)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image, orientation=1, suffix="PNG"):
    """A file whose pixels stay exact, stored turned where ``orientation`` says so."""
    stored = image.transpose(EXIF_TURNS[orientation]) if orientation > 1 else image
    buffer, exif = io.BytesIO(), Image.Exif()
    if orientation > 1:
        exif[0x0112] = orientation
    stored.save(buffer, suffix, exif=exif)
    return buffer.getvalue()


def red_box(image):
    """x1, y1, x2, y2 of the red part of an image."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 2] < 100)
    ys, xs = np.nonzero(red)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


# size and box of each picture; the second's is drawn twice as large in its annotation
SHAPES = [((60, 40), (10, 5, 40, 30)), ((40, 60), (4, 20, 30, 50)), ((50, 50), (0, 0, 20, 25))]


def tarred(files, mode="w:gz"):
    """A tar archive of {name: bytes}."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files):
    """A zip archive of {name: bytes}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


# ----------------------------------------------------------------- the original layouts, in small


def cub_files():
    """{path: bytes} as in CUB_200_2011.tgz: three classes of two pictures."""
    lines = {name: [] for name in ("images", "bounding_boxes", "image_class_labels")}
    lines["train_test_split"], lines["classes"], files = [], [], {}
    for k in range(6):
        size, (x1, y1, x2, y2) = SHAPES[k % 3]
        name = f"{k // 2 + 1:03d}.Bird/Bird_{k + 1}.png"
        files[f"CUB_200_2011/images/{name}"] = encoded(picture(size, (x1, y1, x2, y2), k))
        lines["images"].append(f"{k + 1} {name}")
        lines["bounding_boxes"].append(f"{k + 1} {x1}.0 {y1}.0 {x2 - x1}.0 {y2 - y1}.0")
        lines["image_class_labels"].append(f"{k + 1} {k // 2 + 1}")
        lines["train_test_split"].append(f"{k + 1} {k % 2}")
    lines["classes"] = [f"{k} {k:03d}.Bird" for k in (1, 2, 3)]
    for name, rows in lines.items():
        files[f"CUB_200_2011/{name}.txt"] = ("\n".join(rows) + "\n").encode()
    files["CUB_200_2011/README"] = b"about the birds"
    files["attributes.txt"] = b"1 has_bill_shape::curved"
    return files


def voc_xml(boxes, frame):
    """An annotation of Stanford Dogs."""
    objects = "".join(
        f"<object><name>dog</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for x1, y1, x2, y2 in boxes
    )
    width, height = frame
    return (
        f"<annotation><folder>x</folder><size><width>{width}</width><height>{height}</height>"
        f"<depth>3</depth></size><segmented>0</segmented>{objects}</annotation>"
    ).encode()


def mat(**values):
    buffer = io.BytesIO()
    savemat(buffer, values)
    return buffer.getvalue()


def cells(texts):
    """A Matlab cell array."""
    array = np.empty((len(texts), 1), object)
    array[:, 0] = texts
    return array


def dogs_files():
    """{archive: {path: bytes}}: two breeds; a second, smaller dog; a frame of twice the size."""
    images, annotations, listed = {}, {}, []
    for k, (size, box) in enumerate(SHAPES):
        breed = f"n0{k // 2}-Breed_{k // 2}"
        stem = f"n0{k // 2}_{k}"
        images[f"Images/{breed}/{stem}.jpg"] = encoded(picture(size, box, k))
        boxes, frame = [box], size
        if k == 0:
            boxes = [(1, 1, 5, 5), box]
        if k == 1:
            boxes, frame = [tuple(2 * c for c in box)], tuple(2 * side for side in size)
        annotations[f"Annotation/{breed}/{stem}"] = voc_xml(boxes, frame)
        listed.append(f"{breed}/{stem}.jpg")
    lists = {"train_list.mat": mat(file_list=cells(listed[:2]), labels=np.ones((2, 1)))}
    lists["test_list.mat"] = mat(file_list=cells(listed[2:]), labels=np.ones((1, 1)))
    return {"images.tar": images, "annotation.tar": annotations, "lists.tar": lists}


def car_struct(rows, fields):
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in fields])
    for k, row in enumerate(rows):
        array[0, k] = row
    return array


CAR_NAMES = ["AM General Hummer", "Ram C/V Cargo Van", "Audi TT"]
CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def matlab_box(box):
    """Inclusive corners counted from 1."""
    x1, y1, x2, y2 = box
    return x1 + 1, y1 + 1, x2, y2


def cars_files(layout):
    """{path: bytes} of three cars: two for training, one for testing; classes 1, 2 and 3."""
    pictures = [encoded(picture(size, box, k)) for k, (size, box) in enumerate(SHAPES)]
    boxes = [matlab_box(box) for _, box in SHAPES]
    names = np.array([CAR_NAMES], dtype=object)
    if layout == "together":
        rows = [(f"car_ims/{k + 1:06d}.jpg", *boxes[k], k + 1, int(k == 2)) for k in range(3)]
        struct = car_struct(rows, ["relative_im_path", *CORNERS, "class", "test"])
        files = {f"car_ims/{k + 1:06d}.jpg": data for k, data in enumerate(pictures)}
        return files | {"cars_annos.mat": mat(annotations=struct, class_names=names)}
    if layout == "by_class":
        files = {
            f"car_data/car_data/train/{CAR_NAMES[0]}/00001.jpg": pictures[0],
            "car_data/car_data/train/Ram C-V Cargo Van/00002.jpg": pictures[1],
            f"car_data/car_data/test/{CAR_NAMES[2]}/00001.jpg": pictures[2],
            "names.csv": "\n".join(CAR_NAMES).encode(),
        }
        lines = [",".join(map(str, (f"0000{k % 2 + 1}.jpg", *boxes[k], k + 1))) for k in range(3)]
        files["anno_train.csv"] = "\n".join(lines[:2]).encode()
        return files | {"anno_test.csv": lines[2].encode()}
    nested = "cars_{0}/cars_{0}" if layout == "nested" else "cars_{0}"
    fields = [*CORNERS, "class", "fname"]
    rows = [(*boxes[k], k + 1, f"0000{k % 2 + 1}.jpg") for k in range(3)]
    return {
        f"{nested.format('train')}/00001.jpg": pictures[0],
        f"{nested.format('train')}/00002.jpg": pictures[1],
        f"{nested.format('test')}/00001.jpg": pictures[2],
        "devkit/cars_train_annos.mat": mat(annotations=car_struct(rows[:2], fields)),
        "devkit/cars_meta.mat": mat(class_names=names),
        "cars_test_annos_withlabels.mat": mat(annotations=car_struct(rows[2:], fields)),
    }


TINY = {"n02085620": "Chihuahua", "n02206856": "bee", "n04146614": "school bus"}


def tiny_files():
    """{path: bytes} as in tiny-imagenet-200.zip: three classes of two pictures, one of them held
    out for validation; a test image without label."""
    top, files, validation = "tiny-imagenet-200", {}, []
    for k, id_ in enumerate(TINY):
        lines = []
        for j in range(2):
            size, (x1, y1, x2, y2) = (64, 64), (4 * k, 8 * j, 40 + 4 * k, 30 + 8 * j)
            data = encoded(picture(size, (x1, y1, x2, y2), 2 * k + j))
            row = f"{x1}\t{y1}\t{x2 - 1}\t{y2 - 1}"
            if j:
                files[f"{top}/val/images/val_{k}.JPEG"] = data
                validation.append(f"val_{k}.JPEG\t{id_}\t{row}")
            else:
                files[f"{top}/train/{id_}/images/{id_}_0.JPEG"] = data
                lines.append(f"{id_}_0.JPEG\t{row}")
        files[f"{top}/train/{id_}/{id_}_boxes.txt"] = "\n".join(lines).encode()
    words = [*TINY.items(), ("n00001740", "entity")]
    files[f"{top}/words.txt"] = "\n".join(f"{i}\t{name}, {i} sp." for i, name in words).encode()
    files[f"{top}/val/val_annotations.txt"] = "\n".join(validation).encode()
    files[f"{top}/test/images/test_0.JPEG"] = encoded(picture((64, 64), (0, 0, 9, 9)))
    return files


def write_files(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


class Small:
    """What the tests need of this file, as a fixture: tests/ is no package to import from."""

    SHAPES, CAR_NAMES = SHAPES, CAR_NAMES
    picture, encoded, red_box = map(staticmethod, (picture, encoded, red_box))
    tarred, zipped, write_files = map(staticmethod, (tarred, zipped, write_files))
    cub_files, dogs_files, cars_files = map(staticmethod, (cub_files, dogs_files, cars_files))
    voc_xml, tiny_files = map(staticmethod, (voc_xml, tiny_files))


@pytest.fixture(scope="session")
def small():
    return Small
