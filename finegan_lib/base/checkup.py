"""What can be wrong with a machine or an installation, in the order in which to mend it.

It needs only the standard library, and it runs on Pythons that are too old for the library, because
it must work where nothing else works. ``python -m finegan_lib.base.checkup --write`` writes the
digests of the shipped files.
"""

import hashlib
import importlib
import json
import os
import re
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
DIGESTS = PACKAGE / "weights" / "digests.json"
SHIPPED = (
    "weights/*.safetensors",
    "weights/tables/*.safetensors",
    "weights/readers/*.safetensors",
    "results/*_scores.json",
    "results/published/*.json",
)
OLDEST_PYTHON = (3, 10)
INSTALL = "run `make install`, or `pip install -e .` in the repository"
RUN_GB, CACHE_GB = 2.0, 0.5  # free disk that a run and its birds need


def problems(folder="."):
    """Everything that is wrong, the first thing to mend first: sentences with their cures.

    Args:
        folder: where the user means to write.
    """
    checks = [python, packages, torch_and_torchvision, shipped_files]
    found = [text for check in checks for text in check()]
    found += writable(folder, "this folder", RUN_GB, "Change to another folder, or free some space")
    return [*found, *cache()]


def python(version=None):
    """Whether Python is new enough."""
    version = tuple(version or sys.version_info)[:2]
    if version < OLDEST_PYTHON:
        seen, wanted = (".".join(map(str, v)) for v in (version, OLDEST_PYTHON))
        yield (
            f"Python {seen} is too old, {wanted} is needed. Make the environment with a newer one: "
            "`make install PYTHON=python3.12`."
        )


def packages():
    """Packages that are missing, or older than pyproject.toml allows."""
    for name, least in required().items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield f"the package {name} is missing. To install it, {INSTALL}."
            continue
        if numbers(found) < numbers(least):
            yield (
                f"{name} {found} is too old, {least} is needed. To bring it up to date, {INSTALL}, "
                f'or `pip install "{name}>={least}"`.'
            )


def torch_and_torchvision():
    """Whether the two fit, and can be imported at all."""
    try:
        torch, vision = metadata.version("torch"), metadata.version("torchvision")
        wants = [r for r in metadata.requires("torchvision") or [] if re.match(r"torch\b(?!v)", r)]
    except metadata.PackageNotFoundError:
        return  # reported above
    cure = 'Install the two together: `pip install --force-reinstall "torch" "torchvision"`.'
    for wanted in wants:
        exact = re.search(r"==\s*([\d.]+)", wanted)
        least = re.search(r">=\s*([\d.]+)", wanted)
        if (exact and numbers(torch) != numbers(exact[1])) or (
            least and numbers(torch) < numbers(least[1])
        ):
            yield f"torchvision {vision} was built for {wanted}, and torch is {torch}. {cure}"
            return
    for name in ("torch", "torchvision"):
        try:
            importlib.import_module(name)
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            yield f"{name} is installed and cannot be imported ({reason[:120]}). {cure}"
            return


def shipped_files():
    """Files of the package that are missing, or not as they were shipped."""
    cure = "Fetch them again: `git checkout -- finegan_lib`, or install the package anew."
    try:
        known = json.loads(DIGESTS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        yield f"{DIGESTS} is missing or damaged. {cure}"
        return
    for name, digest in known.items():
        path = PACKAGE / name
        if not path.is_file():
            yield f"the shipped file {path} is missing. {cure}"
        elif sha256(path) != digest:
            yield f"the shipped file {path} is damaged or was changed. {cure}"


def writable(folder, what, gigabytes, cure):
    """Whether a folder can be written to, and has room."""
    try:
        with tempfile.TemporaryFile(dir=str(folder)) as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError as error:
        yield f"{what} cannot be written to: {folder} ({error.strerror or error}). {cure}."
        return
    free = shutil.disk_usage(str(folder)).free / 1e9
    if free < gigabytes:
        yield (
            f"{what} has little disk left: {free:.1f} GB in {folder}, {gigabytes:g} GB are good. "
            f"{cure}."
        )


def cache():
    """Whether the cache folder can be used."""
    named = os.environ.get("FINEGAN_CACHE")
    folder = Path(named or Path.home() / ".cache" / "finegan_lib").expanduser()
    cure = "Name another in the environment variable FINEGAN_CACHE"
    while not folder.exists() and not folder.is_symlink() and folder != folder.parent:
        folder = folder.parent  # it is made when it is needed
    return writable(folder, "the cache folder", CACHE_GB, cure)


def devices():
    """What the user should know where no GPU is used. These are notes, not problems."""
    import torch

    if torch.cuda.is_available():
        return []
    notes = [
        "no GPU is used. The toy preset is made for that; the paper's presets are not. "
        "On Colab: Runtime → Change runtime type → GPU."
    ]
    if torch.version.cuda:
        notes.append(
            f"torch was built for CUDA {torch.version.cuda} and finds no device. If this machine "
            "has an NVIDIA GPU, `nvidia-smi` should list it: install or update its driver. If it "
            "has none, all is well: the CPU is used."
        )
    return notes


def required():
    """{package: lowest version} as pyproject.toml lists them, or the installed package."""
    project = PACKAGE.parent / "pyproject.toml"
    if project.is_file():
        text = project.read_text(encoding="utf-8")
        listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)[1]
        lines = re.findall(r'"([^"]+)"', listed)
    else:
        lines = [r for r in metadata.requires("finegan-lib") or [] if "extra ==" not in r]
    pairs = (re.match(r"([\w.-]+)\s*>=\s*([\d.]+)", line) for line in lines)
    return {pair[1]: pair[2] for pair in pairs if pair}


def numbers(version):
    """ "2.4.0+cu121" → (2, 4): its leading numbers, without zeros at the end."""
    found = [int(n) for n in re.match(r"\d+(?:\.\d+)*", version)[0].split(".")]
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


def sha256(path):
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def digests():
    """{file: SHA-256} of the shipped files, as they are now."""
    files = sorted(path for pattern in SHIPPED for path in PACKAGE.glob(pattern))
    return {path.relative_to(PACKAGE).as_posix(): sha256(path) for path in files}


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        DIGESTS.write_text(json.dumps(digests(), indent=2) + "\n", encoding="utf-8")
    print("\n".join(problems()) or "nothing is wrong")
