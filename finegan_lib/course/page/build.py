"""Writes the page: scripts, networks in ONNX with pictures of their codes, and the runtime.

Static files that any server can hand out, and that a browser can open from a disk.
"""

import base64
import gzip
import html
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...base.checkpoints import WEIGHTS
from ...base.errors import InputError
from ...base.files import folder_for, make_folder
from ...figures import generate, noise, spread
from ...models import FineGANGenerator
from ...training.export import export
from ...training.pretrained import load_finegan
from ..engine.colab import repository
from .runtime import PAGE, NoRuntime, fetch_runtime

SITE = PAGE / "site"
# In the order in which they are read: each uses what the earlier ones define.
SCRIPTS = ("codes", "paint", "network", "mix_and_grid", "playground", "networks", "start")
FIGURE_SCRIPTS = ("codes", "maths", "figures", "start")
NETWORKS = {  # shipped name → title on the page; those whose weights are there are taken
    "toy": "ToyBirds, a drawn world (64 pixels)",
    "birds": "Photographs of birds (64 pixels)",
}
SEEDS = {"toy": 3, "birds": 1}  # of the first bird's z, and of the pictures of the codes
FIRST = {"toy": 0, "birds": 41}  # the child that is shown first
TILE = 64  # pixels of a code's picture at most
BEGIN, END = "<!-- the playground -->", "<!-- its end -->"
MARK = "networks.js"  # a folder that holds it is an earlier page


def build_page(out) -> tuple[Path, str]:
    """Write the page as a folder of static files.

    Args:
        out: the folder; an earlier page there is replaced.

    Returns:
        The start page, and why it cannot draw live; "" if it can.

    Raises:
        InputError: if ``out`` holds something else, or the extra ``export`` is not installed.
    """
    out = folder_for(out)
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise InputError(
            "this folder is not an earlier page",
            seen=str(out),
            cure="Choose an empty folder, or a new one.",
        )
    make_folder(out.parent)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "page"
        problem = write_page(made)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made, out)
    return out / "index.html", problem


def write_page(folder: Path) -> str:
    """All files of the page in a new folder; why it cannot draw live, or "".

    Without npm there is no runtime: the page then shows the grid as a picture and says so.
    """
    folder.mkdir(parents=True)
    for file in [*SITE.glob("*.js"), SITE / "playground.css", SITE / "bird.svg"]:
        shutil.copy(file, folder)
    try:
        runtime, problem = fetch_runtime(), ""
    except NoRuntime as error:
        runtime, problem = [], str(error)
    facts = [write_network(name, folder, live=bool(runtime)) for name in shipped()]
    (folder / "networks.js").write_text(
        f'"use strict";\nfinegan.networks = {json.dumps(facts if runtime else [])};\n'
    )
    if runtime:
        (folder / "ort").mkdir()
        for file in runtime:
            name = "LICENSE" if file.name.endswith("LICENSE") else file.name
            shutil.copy(file, folder / "ort" / name)
        for file in [*folder.glob("*.onnx"), *(folder / "ort").glob("ort-*")]:
            pack(file, folder)
    page = (SITE / "standalone.html").read_text(encoding="utf-8")
    page = page.replace("@SCRIPTS@", script_tags(SCRIPTS if runtime else ()))
    page = page.replace("@REPOSITORY@", repository())
    page = page.replace("@PLAYGROUND@", "\n".join([BEGIN, fragment(facts, problem), END]))
    (folder / "index.html").write_text(page, encoding="utf-8")
    return problem


def shipped() -> list[str]:
    """The names of the networks whose weights are there."""
    return [name for name in NETWORKS if (WEIGHTS / f"{name}.safetensors").exists()]


def script_tags(names, root: str = "") -> str:
    """HTML that reads scripts, in order, when the page has been read."""
    return "\n".join(f'<script defer src="{root}{name}.js"></script>' for name in names)


def placed(folder: Path, root: str) -> str:
    """The playground of a built page as HTML for another document.

    Args:
        folder: the built page.
        root: the way from the document to the page's folder, such as "page/".
    """
    page = (folder / "index.html").read_text(encoding="utf-8")
    inside = page.partition(BEGIN)[2].partition(END)[0].strip()
    return inside.replace('data-root=""', f'data-root="{root}"').replace('src="', f'src="{root}')


def fragment(facts: list[dict], problem: str) -> str:
    """The playground as HTML, for a document in the page's folder."""
    text = (SITE / "playground.html").read_text(encoding="utf-8")
    status = ""
    if problem:
        status = f"This copy of the page stands still: it was built without its runtime. {problem}"
    text = text.replace("@STATUS@", html.escape(status)).replace("@ROOT@", "")
    return text.replace("@GRIDS@", "\n".join(map(static_grid, facts)))


def static_grid(facts: dict) -> str:
    """HTML of a network's grid as a picture. A browser with scripts fetches it when it is near."""
    words = "Generated birds: every row has one shape, every column one appearance."
    width, height = facts["grid"]
    return (
        f"<figure><figcaption>{html.escape(facts['title'])}</figcaption>"
        f'<img loading="lazy" width="{width}" height="{height}" src="{facts["name"]}_grid.png" '
        f'alt="{words}"></figure>'
    )


def write_network(name: str, folder: Path, live: bool) -> dict:
    """One network's ONNX file and pictures of its codes; what the page must know of it."""
    generator = load_finegan(name)
    config = generator.config
    z = noise(generator, 1, SEEDS[name])
    for code, images in pictures_of_codes(generator, z).items():
        sheet(images[None]).save(folder / f"{name}_{code}.png", optimize=True)
    grid = grid_picture(generator, z)
    grid.save(folder / f"{name}_grid.png", optimize=True)
    if live:
        export(name, folder / f"{name}.onnx", precision="float16")
    return {
        "name": name,
        "title": NETWORKS[name],
        "file": f"{name}.onnx",
        "image_size": config.image_size,
        "z_dim": config.z_dim,
        "n_parents": config.n_parents,
        "n_children": config.n_children,
        "parent_of": config.hierarchy().parent_of.tolist(),
        "view": config.view,
        "grid": grid.size,
        "first": FIRST[name],
        "z": [round(number, 2) for number in z[0].tolist()],
    }


def pictures_of_codes(generator: FineGANGenerator, z: Tensor) -> dict[str, Tensor]:
    """For each of p, c and b a picture of every value, (n, 3, S, S) in [-1, 1].

    p: the parent's mask; c: the finished bird, tied; b: the background. z (1, z_dim).
    """
    hierarchy = generator.config.hierarchy()
    tied = [
        generate(generator, hierarchy.codes(z.expand(len(some), -1), some))
        for some in torch.arange(hierarchy.n_children).split(20)
    ]
    parents = torch.arange(hierarchy.n_parents)
    first = torch.tensor([hierarchy.children_of(int(parent))[0] for parent in parents])
    masks = generate(generator, hierarchy.codes(z.expand(len(first), -1), first)).parent.mask
    return {
        "p": (2 * masks - 1).expand(-1, 3, -1, -1),
        "c": torch.cat([output.child.image for output in tied]),
        "b": torch.cat([output.background.image for output in tied]),
    }


def grid_picture(generator: FineGANGenerator, z: Tensor, most: int = 10) -> Image.Image:
    """Shapes (rows) with appearances (columns), for those without scripts; b follows c."""
    hierarchy = generator.config.hierarchy()
    children = torch.tensor(spread(hierarchy.n_children, most))
    rows = [
        generate(
            generator,
            hierarchy.codes(z.expand(len(children), -1), children, p_index=parent),
        ).child.image
        for parent in spread(hierarchy.n_parents, most)
    ]
    return sheet(torch.stack(rows))


def sheet(images: Tensor) -> Image.Image:
    """Images (rows, columns, 3, S, S) in [-1, 1], side by side without gaps."""
    pixels = (images.clamp(-1, 1) / 2 + 0.5).mul(255).round().byte()
    rows, columns, _, height, width = pixels.shape
    array = pixels.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    picture = Image.fromarray(np.ascontiguousarray(array.numpy()))
    if width > TILE:
        picture = picture.resize((columns * TILE, rows * TILE), Image.Resampling.LANCZOS)
    return picture


def pack(file: Path, folder: Path) -> None:
    """A file as a script beside it, for browsers that open the page from a disk: they read no other
    files from there. gzip, as base64."""
    name = file.relative_to(folder).as_posix()
    packed = base64.b64encode(gzip.compress(file.read_bytes(), mtime=0)).decode()
    target = folder / "from_disk" / f"{name.replace('/', '_')}.js"
    target.parent.mkdir(exist_ok=True)
    target.write_text(f'(finegan.packed ??= {{}})["{name}"] = "{packed}";\n')
