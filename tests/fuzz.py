"""Can any file make a reader stumble? Whatever it holds, it is read or refused with an InputError.

``python tests/fuzz.py [--engine hypothesis|atheris] [--inputs 100000] [--seed 0] [--out FILE]``

Hypothesis draws inputs from the format's own pieces and from damaged examples; atheris (libFuzzer
with the library's coverage as its guide, ``pip install atheris``) goes where new code is reached.
The inputs are shared out among the targets. Exit status: 0, or 1 with the input that did it.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["CUDA_VISIBLE_DEVICES"] = ""

tracing = nullcontext()
if "--one" in sys.argv:  # only for atheris are the library's branches traced: that is slow
    import atheris

    tracing = atheris.instrument_imports(include=["finegan_lib"])

with tracing:
    from finegan_lib import checkpoints
    from finegan_lib.checkpoints import load_checkpoint, read_metadata, save_checkpoint
    from finegan_lib.course import compare as comparing
    from finegan_lib.data import BirdsFolder
    from finegan_lib.errors import InputError
    from finegan_lib.evaluation import Judges
    from finegan_lib.evaluation.feature_networks import load_network
    from finegan_lib.files import read_json
    from finegan_lib.models.official import load_official_generator
    from finegan_lib.presets import PRESETS
    from finegan_lib.pretrained import load_generator
    from finegan_lib.training import RunConfig, _step_of_line


class Target(NamedTuple):
    """A reader: what it is fed by (bytes → None), and examples of what it reads."""

    name: str
    read: object
    examples: list[bytes]
    share: int = 10  # of the inputs


# ------------------------------------------------------------------------------ targets


def any_of(path, *readers):
    """Give a file to all readers; refuse it if they all do."""
    refused = []
    for reader in readers:
        try:
            reader(path)
        except InputError as error:
            refused.append(error)
    if len(refused) == len(readers):
        raise refused[0]


ANNOTATIONS = ("images.txt", "bounding_boxes.txt", "classes.txt", "image_class_labels.txt")


def annotations(folder: Path) -> Target:
    """The four annotation files of a folder in CUB's layout, one after the other, \\0 between."""
    (folder / "images").mkdir(parents=True)
    for name in ("a.png", "b c.png"):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / "images" / name)

    def read(data: bytes):
        parts = data.split(b"\0")
        for name, part in zip(ANNOTATIONS, parts + [None] * 4, strict=False):
            (folder / name).unlink(missing_ok=True)
            if part is not None:
                (folder / name).write_bytes(part)
        birds = BirdsFolder(folder, image_size=32)
        assert len(birds.boxes) == len(birds.paths)
        assert np.isfinite(birds.boxes).all()

    boxes = b"1 0.0 0.0 12.5 10\n2 1 2 30 40\n"
    return Target(
        "annotations and boxes",
        read,
        [
            b"1 a.png\n2 b c.png\n\0" + boxes + b"\x001 one\n2 two\n\x001 1\n2 2\n",
            b"1 a.png\n\x001 -1e9 nan inf 1e400\n",
            b"\xef\xbb\xbf2 b c.png\r\n\x002 0x1 1_0 1 1\r\n\0\0\xff",
        ],
        15,
    )


def checkpoint_bytes(folder: Path) -> Target:
    """A checkpoint's file, damaged anywhere."""
    folder.mkdir()
    path = folder / "a.safetensors"
    state = {"networks": {"average.w": torch.arange(3.0)}, "list": [1, None, "x", True]}
    example = save_checkpoint(path, state, step=3, config={"family": "gan"}).read_bytes()

    def read(data: bytes):
        path.write_bytes(data)
        any_of(path, load_generator, read_metadata, load_checkpoint)

    return Target("checkpoints: damaged bytes", read, [example], 15)


def checkpoint_contents(folder: Path) -> Target:
    """A checkpoint whose digests are right and whose skeleton and metadata are anything."""
    folder.mkdir()
    path = folder / "a.safetensors"
    tensors = {"/generator/w": torch.ones(2), "n": torch.tensor(1)}

    def read(data: bytes):
        skeleton, _, metadata = data.decode("utf-8", "replace").partition("\0")
        header = {"skeleton": skeleton, "metadata": metadata}
        header |= {"header_sha256": checkpoints._header_digest(header)}
        header |= {"sha256": checkpoints._digest(tensors)}
        save_file(tensors, path, metadata=header)
        load_generator(path)

    skeleton = b'{"dict": [["generator", {"dict": [["w", {"tensor": "/generator/w"}]]}]]}'
    examples = [skeleton + b"\0" + json.dumps({"config": c}).encode() for c in small_configs()]
    examples += [b'{"list": [{"value": 1}]}\0[]', b"[" * 2000, b'{"tensor": "n"}\x00{}']
    return Target("checkpoints: altered contents", read, examples, 15)


def small_configs() -> list[dict]:
    """Configurations of runs of several families, as JSON."""
    names = ("gan", "infogan", "toy", "stackgan")
    configs = [PRESETS[name].to_dict() for name in names]
    for config in configs:
        config["model"] |= {"g_dim": 2, "z_dim": 2}
    return configs


def configs(folder: Path) -> Target:
    """config.json of a run."""
    folder.mkdir()

    def read(data: bytes):
        (folder / "config.json").write_bytes(data)
        config = RunConfig.load(folder)
        assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config

    examples = [json.dumps(config).encode() for config in small_configs()]
    return Target("configurations", read, [*examples, b"{}", b"[[[["], 15)


def notebooks(folder: Path) -> Target:
    """A student's notebook, up to where its code would run."""
    folder.mkdir()
    path = folder / "01_gan.ipynb"
    comparing.observe_apart = lambda *_: [{"status": "stub"}]  # nothing is run here

    def read(data: bytes):
        path.write_bytes(data)
        comparing.table(comparing.compare(path))

    cell = '{"cell_type": "code", "source": %s, "metadata": {}, "outputs": [], "id": "a"}'
    sources = ["def my_discriminator_loss(a):\\n    return b + a", "my_ratio = 'b'", "%magic\\n!ls"]
    shell = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {"finegan": {"lesson": "01_gan"}}, '
    examples = [
        (shell + '"cells": [' + ", ".join(cell % f'"{s}"' for s in sources) + "]}").encode(),
        (shell + '"cells": [{"cell_type": "code", "source": ["a = 1"]}, 3, {}]}').encode(),
        b'{"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "a"}]}]}',
        b'{"nbformat": 4, "metadata": [], "cells": {}}',
    ]
    return Target("notebooks", read, examples, 10)


def results(folder: Path) -> Target:
    """Histories, results of tables, and what an observed answer wrote."""
    folder.mkdir()
    path = folder / "result"

    def read(data: bytes):
        path.write_bytes(data)
        comparing.read_result(path, 1)
        for line in data.decode("utf-8", "replace").splitlines():
            assert _step_of_line(line) == int(_step_of_line(line))
        read_json(path, "step")

    buffer = io.BytesIO()
    torch.save([{"status": "value", "value": [1.0, torch.ones(2)]}], buffer)
    return Target(
        "results and histories",
        read,
        [b'{"step": 20, "D": 0.5}\n{"step": 40, "D": NaN}', buffer.getvalue(), b'{"asked": {}}'],
    )


def weights_of_others(folder: Path) -> Target:
    """The authors' .pth files, judges and classifiers."""
    folder.mkdir()
    state = {"h_net1.fc.0.weight": torch.ones(4, 3), "img_net1_bg.img.0.weight": torch.ones(3, 2)}
    new, old = io.BytesIO(), io.BytesIO()
    torch.save(state, new)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    headers = [{"judges": '{"version": 1, "config": {"width": 1}}'}]
    headers += [{"classifier": '{"kind": "toy", "config": {}}'}]
    files = []
    for header in headers:
        save_file(state, folder / "w", metadata=header)
        files.append((folder / "w").read_bytes())

    def read(data: bytes):
        for suffix in (".pth", ".safetensors"):
            (folder / f"w{suffix}").write_bytes(data)
        any_of(folder / "w.pth", load_official_generator)
        any_of(folder / "w.safetensors", load_official_generator, Judges.load, load_network)

    return Target("weights of others", read, [new.getvalue(), old.getvalue(), *files], 10)


def all_targets(folder: Path) -> list[Target]:
    """Every target, each with a folder of its own below."""
    makers = (annotations, checkpoint_bytes, checkpoint_contents, configs, notebooks, results)
    makers += (weights_of_others,)
    return [make(folder / make.__name__) for make in makers]


class Count:
    """Feeds a target, and counts what was read and what was refused."""

    def __init__(self, target: Target):
        self.target, self.read, self.refused = target, 0, 0

    def __call__(self, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # clipped boxes, old pickle protocols
            try:
                self.target.read(data)
                self.read += 1
            except InputError:
                self.refused += 1


# ------------------------------------------------------------------------------ engines


def by_hypothesis(target: Target, inputs: int, seed: int | None) -> Count:
    """Feed a target from hypothesis; without a seed the same inputs every time."""
    import hypothesis
    from hypothesis import strategies as st

    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    words = [w for e in target.examples for w in e.replace(b'"', b" ").split()[:200]]
    piece = st.sampled_from([*words, b"\0", b"\n", b" ", b'"', b"{", b"}", b"[", b"]", b","])
    piece |= st.binary(max_size=4) | leaves.map(lambda v: json.dumps(v).encode())

    @st.composite
    def damaged(draw):
        data = bytearray(draw(st.sampled_from(target.examples)))
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 4]))):
            start = draw(st.integers(0, len(data)))
            length = draw(st.sampled_from([0, 1, 1, 4, 40]))
            data[start : start + length] = draw(piece)
        return bytes(data)

    @st.composite
    def altered(draw):
        """An example of JSON with one of its values exchanged."""
        data = draw(st.sampled_from([e for e in target.examples if b"{" in e]))
        values = st.recursive(
            leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v)
        )
        marks = [i for i, c in enumerate(data) if c in b":,"]
        start = draw(st.sampled_from(marks)) + 1 if marks else 0
        end = min((i for i in marks if i > start), default=len(data))
        return data[:start] + json.dumps(draw(values)).encode() + data[end:]

    inputs_of = st.one_of(damaged(), altered() if b"{" in b"".join(target.examples) else damaged())
    inputs_of |= st.lists(piece, max_size=12).map(b"".join) | st.binary(max_size=60)
    count = Count(target)

    @hypothesis.settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    @hypothesis.given(inputs_of)
    def feed(data):
        count(data)

    if seed is not None:
        feed = hypothesis.seed(seed)(feed)
    feed()
    return count


def one_by_atheris(name: str, inputs: int, seed: int, note: str) -> None:
    """Feed one target from atheris, which ends the process; the counts go to a file."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    target = next(t for t in all_targets(folder) if t.name == name)
    corpus = folder / "corpus"
    corpus.mkdir()
    for i, example in enumerate(target.examples):
        (corpus / str(i)).write_bytes(example)
    count = Count(target)

    def feed(data):
        count(data)
        done = count.read + count.refused
        if done % 100 == 0:
            Path(note).write_text(json.dumps([count.read, count.refused]))

    options = [f"-runs={inputs}", f"-seed={seed + 1}", "-max_len=4096", "-rss_limit_mb=8000"]
    options += ["-print_final_stats=0", "-timeout=60", f"-artifact_prefix={note}."]
    atheris.Setup([sys.argv[0], *options, str(corpus)], feed)
    atheris.Fuzz()


def by_atheris(target: Target, inputs: int, seed: int, folder: Path) -> Count:
    """Feed a target from atheris in a process of its own."""
    note = folder / "note"
    note.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--one", target.name, "--inputs", str(inputs)]
    ran = subprocess.run(
        [*command, "--seed", str(seed), "--out", str(note)], capture_output=True, text=True
    )
    if ran.returncode != 0:
        raise SystemExit(f"{target.name}: {ran.stderr[-3000:]}")
    count = Count(target)
    count.read, count.refused = json.loads(note.read_text())
    return count


def main(arguments=None) -> int:
    """Fuzz every target and print the table."""
    parser = argparse.ArgumentParser(description="Feed the readers what no file should hold.")
    parser.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    parser.add_argument("--inputs", type=int, default=100_000, help="for all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="append the table to this file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    if parsed.one:
        one_by_atheris(parsed.one, parsed.inputs, parsed.seed, parsed.out)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    targets = all_targets(folder)
    lines = [
        "| reader | inputs | read | refused | other errors |",
        "| --- | --- | --- | --- | --- |",
    ]
    start, total = time.monotonic(), 0
    for target in targets:
        inputs = -(-parsed.inputs * target.share // sum(t.share for t in targets))
        if parsed.engine == "atheris":
            count = by_atheris(target, inputs, parsed.seed, folder)
        else:
            count = by_hypothesis(target, inputs, parsed.seed)
        done = count.read + count.refused
        total += done
        lines.append(f"| {target.name} | {done} | {count.read} | {count.refused} | 0 |")
        print(lines[-1], f"{time.monotonic() - start:.0f} s", flush=True)
    shutil.rmtree(folder)
    text = "\n".join(lines) + f"\n\n{total} inputs, {time.monotonic() - start:.0f} s.\n"
    print(text)
    if parsed.out:
        command = f"python tests/fuzz.py --engine {parsed.engine} --inputs {parsed.inputs}"
        with open(parsed.out, "a") as file:
            file.write(f"\n`{command} --seed {parsed.seed} --out {parsed.out}`\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
