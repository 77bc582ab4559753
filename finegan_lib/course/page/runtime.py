"""onnxruntime-web, which runs networks in a browser: fetched from npm once, in a pinned version.

``package.json`` names the version and ``package-lock.json`` the digest that npm checks. Three files
of the package are kept in the cache; nothing of it lies in the repository but its licence.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ...base.errors import InputError
from ...base.files import cache_folder, disk_errors

PAGE = Path(__file__).parent
FILES = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
SECONDS = 600


class NoRuntime(InputError):
    """The runtime is missing: npm is not installed, or cannot reach its registry."""


def version() -> str:
    """The pinned version of onnxruntime-web."""
    return json.loads((PAGE / "package.json").read_text())["dependencies"]["onnxruntime-web"]


def fetch_runtime() -> list[Path]:
    """The runtime's files and its licence, from the cache or from npm.

    Raises:
        NoRuntime: if npm is not installed or fails.
    """
    folder = cache_folder() / f"onnxruntime-web-{version()}"
    if not all((folder / name).exists() for name in FILES):
        with disk_errors("write the browser's runtime to", folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as made:
                installed = install(Path(made), "--omit=dev") / "onnxruntime-web" / "dist"
                kept = Path(made) / "kept"
                kept.mkdir()
                for name in FILES:
                    shutil.copy(installed / name, kept)
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(kept, folder)
    return [*(folder / name for name in FILES), PAGE / "onnxruntime_LICENSE"]


def install(folder: Path, *options: str) -> Path:
    """What ``package-lock.json`` lists, installed below a folder; its ``node_modules``.

    Raises:
        NoRuntime: if npm is not installed or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NoRuntime(
            "npm is needed to fetch onnxruntime-web",
            seen="no npm",
            cure="Install Node.js, which brings it, and build again.",
        )
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PAGE / name, folder)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    try:
        subprocess.run(
            [npm, "ci", *quiet, *options],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise NoRuntime(
            "npm cannot fetch onnxruntime-web",
            seen=said[0] if said else "no reason",
            cure="Build again with a network, or with npm set up for a registry that answers.",
        ) from error
    return folder / "node_modules"
