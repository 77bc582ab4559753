"""The page in the browser: its files, what is missing without npm, and its scripts' own tests.

`tests/browser/test_page.py` opens it in a browser.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib.base.errors import InputError
from finegan_lib.course.__main__ import main
from finegan_lib.course.page import build, runtime
from finegan_lib.figures import generate
from finegan_lib.losses import background_patch_weights
from finegan_lib.models.blocks import PatchGeometry
from finegan_lib.models.finegan import BACKGROUND_LAYERS

TESTS = Path(__file__).parent / "page"
FIGURES = ("maths.js", "figures.js")  # of the lessons; all others are the playground's
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="needs node")


@pytest.fixture
def no_npm(monkeypatch, tmp_path):
    """A machine without npm, whose cache is empty."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime.shutil, "which", lambda name: None)


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Small files in the runtime's place, and no export, which takes half a minute."""
    files = []
    for name in (*runtime.FILES, "onnxruntime_LICENSE"):
        files.append(tmp_path / "runtime" / name)
        files[-1].parent.mkdir(exist_ok=True)
        files[-1].write_text(f"stands for {name}")
    monkeypatch.setattr(build, "fetch_runtime", lambda: files)
    monkeypatch.setattr(build, "export", lambda name, path, **_: path.write_bytes(b"network"))


def test_the_page_has_all_that_it_reads(stand_in, tmp_path):
    start, problem = build.build_page(tmp_path / "page")
    assert not problem
    folder, text = start.parent, start.read_text(encoding="utf-8")
    read = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert not [
        name for name in read if not name.startswith("https:") and not (folder / name).exists()
    ]
    assert "@" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    networks = json.loads((folder / "networks.js").read_text().partition("= ")[2].rstrip(";\n"))
    assert [facts["name"] for facts in networks] == build.shipped()
    facts = networks[0]
    assert facts["name"] == "toy" and facts["view"] and len(facts["parent_of"]) == 20
    assert all(0 <= facts["first"] < facts["n_children"] for facts in networks)
    for name in (facts["file"], "toy_p.png", "toy_c.png", "toy_b.png", "ort/LICENSE"):
        assert (folder / name).stat().st_size > 0
    assert {path.name for path in (folder / "from_disk").iterdir()} == {
        *(f"{name}.onnx.js" for name in build.shipped()),
        "ort_ort-wasm-simd-threaded.mjs.js",
        "ort_ort-wasm-simd-threaded.wasm.js",
    }
    # Only the repository is linked, and nothing is loaded from elsewhere.
    for file in [start, *folder.glob("*.js"), folder / "playground.css"]:
        for address in re.findall(r"https?://[^\s\"'<>]+", file.read_text(encoding="utf-8")):
            assert address == build.repository(), f"{file.name}: {address}"


def test_the_pictures_of_the_codes_are_the_network_s(stand_in, tmp_path):
    folder = build.build_page(tmp_path / "page")[0].parent
    generator = build.load_finegan("toy")
    z = build.noise(generator, 1, build.SEEDS["toy"])
    output = generate(generator, generator.config.hierarchy().codes(z, torch.tensor([7])))
    with Image.open(folder / "toy_c.png") as sheet:
        found = np.asarray(sheet)[:, 7 * 64 : 8 * 64]
    expected = (output.child.image[0].permute(1, 2, 0).numpy() / 2 + 0.5) * 255
    assert np.abs(found - expected).max() <= 1
    with Image.open(folder / "toy_p.png") as sheet:
        assert sheet.size == (5 * 64, 64)
    with Image.open(folder / "toy_b.png") as sheet:
        assert sheet.size == (20 * 64, 64)


def test_networks_whose_weights_are_there_are_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "WEIGHTS", tmp_path)
    assert build.shipped() == []
    for name in ("birds", "other", "toy"):
        (tmp_path / f"{name}.safetensors").touch()
        assert set(build.shipped()) <= set(build.NETWORKS)
    assert build.shipped() == ["toy", "birds"]


def test_without_npm_the_page_stands_still_and_says_so(no_npm, tmp_path, capsys):
    assert main(["page", "--out", str(tmp_path / "page")]) == 1
    error = capsys.readouterr().err
    assert "npm is needed to fetch onnxruntime-web; got no npm. Install Node.js" in error
    text = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "It was built without" in text or "it was built without" in text
    assert "Install Node.js" in text
    for name in build.shipped():
        assert f'src="{name}_grid.png"' in text and build.NETWORKS[name] in text
    assert "defer" not in text  # no script that would wait for a network
    assert not list((tmp_path / "page").glob("*.onnx"))


def test_npm_that_fails_is_quoted(monkeypatch, tmp_path):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path))
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho the registry is asleep >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(runtime.shutil, "which", lambda name: str(npm))
    with pytest.raises(runtime.NoRuntime, match="got the registry is asleep"):
        runtime.fetch_runtime()
    assert [path.name for path in tmp_path.iterdir()] == ["npm"]


def test_the_cache_is_used_and_the_version_is_pinned(no_npm, tmp_path):
    version = runtime.version()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    lock = json.loads((runtime.PAGE / "package-lock.json").read_text())["packages"]
    assert lock["node_modules/onnxruntime-web"]["version"] == version
    assert lock["node_modules/onnxruntime-web"]["integrity"].startswith("sha512-")
    assert not re.search(r'"resolved"', json.dumps(lock))  # whichever registry npm is set up for
    folder = tmp_path / "cache" / f"onnxruntime-web-{version}"
    folder.mkdir(parents=True)
    for name in runtime.FILES:
        (folder / name).touch()
    *files, licence = runtime.fetch_runtime()
    assert files == [folder / name for name in runtime.FILES]
    assert "Microsoft" in licence.read_text()


def test_only_an_earlier_page_is_replaced(stand_in, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "diary.txt").write_text("kept")
    with pytest.raises(InputError, match="not an earlier page"):
        build.build_page(mine)
    with pytest.raises(InputError, match="this is a file"):
        build.build_page(mine / "diary.txt")
    assert (mine / "diary.txt").read_text() == "kept"
    start, _ = build.build_page(tmp_path / "page")
    (start.parent / "stale.js").write_text("old")
    build.build_page(tmp_path / "page")
    assert not (start.parent / "stale.js").exists()


def test_the_scripts_stay_small():
    lines = {file.name: len(file.read_text().splitlines()) for file in build.SITE.glob("*.js")}
    figures = {name: lines.pop(name) for name in FIGURES}
    assert sum(lines.values()) <= 600, lines
    assert sum(figures.values()) <= 300, figures
    # And the two together, comments and empty lines aside.
    text = "\n".join(file.read_text() for file in build.SITE.glob("*.js"))
    code = re.sub(r"^ *//.*$|^ */\*[\s\S]*?\*/$", "", text, flags=re.MULTILINE)
    assert 500 < len([line for line in code.splitlines() if line.strip()]) <= 600
    assert {*build.SCRIPTS, *build.FIGURE_SCRIPTS} - {"networks"} == {
        name.removesuffix(".js") for name in (*lines, *figures)
    }


@needs_node
def test_the_scripts_pass_their_own_tests():
    """With node's test runner. The boxes and patches are compared with the library's."""
    geometry = PatchGeometry.of(BACKGROUND_LAYERS[64], 64)
    assert geometry == (22, 4, 11)
    boxes = [[20, 24, 42, 46], [0, 0, 10, 64], [50, 3, 64, 9], [22, 22, 23, 23]]
    weights = background_patch_weights(torch.tensor(boxes, dtype=torch.float32), geometry)
    cases = [
        {"box": box, "kept": kept.int().tolist()} for box, kept in zip(boxes, weights, strict=True)
    ]
    environment = os.environ | {
        "FINEGAN_SITE": str(build.SITE),
        "FINEGAN_PATCHES": json.dumps(cases),
        "NO_COLOR": "1",
    }
    files = sorted(map(str, TESTS.glob("*.test.cjs")))
    done = subprocess.run(
        ["node", "--test", *files], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.search(r"^\D*pass (\d+)$", done.stdout, re.MULTILINE)[1]) >= 20


@needs_node
@pytest.mark.slow
def test_the_scripts_pass_the_linter(tmp_path_factory):
    """eslint, in the version of package-lock.json; npm fetches it once into the cache."""
    folder = runtime.cache_folder() / f"eslint-{runtime.version()}"
    try:
        if not (folder / "node_modules" / ".bin" / "eslint").exists():
            folder.mkdir(parents=True, exist_ok=True)
            runtime.install(folder)
    except runtime.NoRuntime as error:
        pytest.skip(f"npm cannot fetch eslint: {error}")
    shutil.copy(runtime.PAGE / "eslint.config.mjs", folder)
    shutil.copytree(build.SITE, folder / "site", dirs_exist_ok=True)
    done = subprocess.run(
        [folder / "node_modules" / ".bin" / "eslint", "site"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
