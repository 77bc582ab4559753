"""Nothing that is read is run: weights, caches, results and notebooks."""

import ast
import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from finegan_lib.base.checkpoints import load_checkpoint
from finegan_lib.base.errors import InputError
from finegan_lib.course.engine import compare as comparing
from finegan_lib.course.engine.compare import compare, read_result
from finegan_lib.course.engine.exercises import OPEN, SOLVED, WRONG, Verdict, lesson_exercises
from finegan_lib.course.engine.statements import names_used
from finegan_lib.data import ToyBirds
from finegan_lib.metrics import Judges
from finegan_lib.metrics.feature_networks import load_network, only_tensors
from finegan_lib.models.official import load_official_discriminators, load_official_generator
from finegan_lib.training import start_from
from finegan_lib.training.pretrained import load_generator

ROOT = Path(__file__).parents[1]


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture(params=["torch", "torch, old format", "pickle"])
def bomb(tmp_path, request):
    """(a file that makes ``mark`` when it is unpickled, mark)."""
    mark, file = tmp_path / "mark", tmp_path / "bomb.pth"
    state = {"h_net1.fc.0.weight": torch.ones(2, 2), "more": Bomb(mark)}
    if request.param == "pickle":
        file.write_bytes(pickle.dumps(state, protocol=2))
    else:
        new = request.param == "torch"
        torch.save(state, file, _use_new_zipfile_serialization=new)
    return file, mark


def test_the_bomb_is_one(bomb):
    file, mark = bomb
    with contextlib.suppress(RuntimeError):  # "not a file of torch.save": too late
        torch.load(file, weights_only=False)
    assert mark.is_dir()


@pytest.mark.parametrize(
    "reader",
    [
        load_official_generator,
        lambda file: load_official_discriminators(file, file, file),
        load_generator,
        load_checkpoint,
        Judges.load,
        load_network,
        lambda file: start_from(file, None, None),
    ],
    ids=["generator", "discriminators", "pretrained", "checkpoint", "judges", "network", "start"],
)
def test_a_pickle_with_code_is_refused_by_every_reader_of_weights(bomb, reader):
    file, mark = bomb
    for name in ("bomb.pth", "bomb.safetensors"):
        renamed = file.with_name(name)
        file = file.rename(renamed)
        with pytest.raises(InputError):
            reader(file)
    assert not mark.exists()


def test_the_refusal_says_that_nothing_was_run(tmp_path):
    torch.save({"a": Bomb(tmp_path / "mark")}, tmp_path / "netG.pth")
    with pytest.raises(InputError, match="nothing in it was run"):
        load_official_generator(tmp_path / "netG.pth")


def test_libraries_that_load_weights_for_us_are_held_to_tensors_too(bomb):
    """torch-fidelity asks for weights_only=False, torchvision's hub may."""
    file, mark = bomb
    with only_tensors(), pytest.raises((pickle.UnpicklingError, RuntimeError)):
        torch.load(file, weights_only=False)
    assert not mark.exists()


def test_the_cache_of_birds_holds_no_pickles(tmp_path):
    birds = ToyBirds(4, n_parents=2, n_children=4, cache_dir=tmp_path, progress=False)
    expected = birds[0].child_crop
    crops = next(tmp_path.glob("*/crops.npy"))
    crops.unlink()
    with open(crops, "wb") as file:
        np.save(file, np.array([Bomb(tmp_path / "mark")], dtype=object), allow_pickle=True)
    again = ToyBirds(4, n_parents=2, n_children=4, cache_dir=tmp_path, progress=False)
    assert again[0].child_crop.equal(expected)
    assert not (tmp_path / "mark").exists()


def test_the_library_names_nothing_that_runs_data():
    """By the syntax tree: no eval, no pickle, no shell; exec in the observer alone."""
    for path in sorted((ROOT / "finegan_lib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            where = f"{path.relative_to(ROOT)}:{node.lineno}: {called}"
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert called not in ("eval", "os.system", "os.popen", "yaml.load"), where
            assert called != "exec" or path.name == "observe.py", where
            assert "shell" not in given, where
            assert given.get("allow_pickle", "False") == "False", where
            assert not called.startswith(("pickle.load", "dill.", "joblib.load")), where
            if called == "torch.load":
                assert given.get("weights_only") == "True", where


# ------------------------------------------------------------------------------ compare


FENCE = """
import os, socket, subprocess, sys
sys.path[:0] = ["finegan_lib/course/engine", "finegan_lib/course"]
import observe
folder, outside, root = sys.argv[1:]
os.chdir(folder)
observe.fence(folder)
open("note", "w").write("fine")
os.mkdir("below")
os.rename("note", "below/note")
trials = {
    "write": lambda: open(outside, "w"),
    "append": lambda: open(outside, "a"),
    "fd": lambda: os.open(outside, os.O_WRONLY | os.O_CREAT),
    "link": lambda: os.symlink(outside, outside + "2"),
    "remove": lambda: os.remove(outside),
    "rename": lambda: os.rename("below/note", outside),
    "mkdir": lambda: os.mkdir(outside + "3"),
    "up": lambda: open("../up", "w"),
    "fork": os.fork,
    "system": lambda: os.system("true"),
    "process": lambda: subprocess.run(["true"]),
    "kill": lambda: os.kill(os.getppid(), 9),
    "net": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "answers": lambda: open(root + "/finegan_lib/course/lessons/01_gan/exercises.py"),
    "lesson": lambda: open(root + "/finegan_lib/course/lessons/01_gan/lesson.py"),
    "solutions": lambda: open(root + "/solutions/01_gan.ipynb"),
    "import": lambda: __import__("lessons.01_gan.exercises"),
    "limit": lambda: __import__("resource").setrlimit(0, (1, 1)),
}
for name, trial in trials.items():
    try:
        trial()
        print(name, "went through")
    except PermissionError:
        pass
try:
    with open("large", "wb") as file:
        file.write(bytes(observe.LARGEST_FILE + 1))
    print("a large file went through")
except OSError:
    pass
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and limits")
def test_the_fence_lets_nothing_out(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (tmp_path / "box").mkdir()
    arguments = [str(tmp_path / "box"), str(outside), str(ROOT)]
    ran = subprocess.run(
        [sys.executable, "-c", FENCE, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.stdout.splitlines() == ["done"], ran.stdout + ran.stderr
    assert outside.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["box", "outside"]
    assert (tmp_path / "box" / "below" / "note").read_text() == "fine"


def test_tricks_of_a_hostile_notebook_solve_nothing(tmp_path, monkeypatch):
    only = ("01.1", "01.3", "01.4")
    exercises = {k: e for k, e in lesson_exercises("01").items() if k in only}
    monkeypatch.setattr(comparing, "lesson_exercises", lambda number: exercises)
    monkeypatch.setenv("SECRET_TOKEN", "sesame")
    cells = [
        # forges the result, and prints without end of sense
        "import os\nimport sys\nimport torch\n"
        "def my_discriminator_loss(real, fake):\n"
        "    print('✓ 01.1' * 10_000_000)\n"
        "    seen = [{'status': 'value', 'value': torch.zeros(()).expand(10**12)}]\n"
        "    torch.save(seen * 9, sys.argv[2])\n"
        "    os._exit(0)",
        # a result that never ends
        "def my_generator_loss(fake):\n    os.mkfifo(sys.argv[2])\n    os._exit(0)",
        # the answer out of the lesson; then what is in the environment, in a coloured message
        "try:\n    __import__('finegan_lib.course.lessons.01_gan.exercises')\n"
        "except OSError:\n    pass",
        "def look():\n"
        "    raise ValueError('\\x1b[2A\\x1b[32m✓ 01.1 ' + os.environ.get('SECRET_TOKEN', '-'))\n"
        "my_best_d = look()",
    ]
    path = tmp_path / "01_gan.ipynb"
    nbformat.write(new_notebook(cells=list(map(new_code_cell, cells))), path)
    verdicts = {exercise.key: verdict for exercise, verdict in compare(path, timeout=120)}
    assert [v.state for v in verdicts.values()] == [WRONG] * 3
    assert "result" in verdicts["01.1"].message
    assert "no file" in verdicts["01.3"].message
    assert verdicts["01.4"].message.endswith("✓ 01.1 -")
    assert all(v.message.isprintable() for v in verdicts.values())


def saved(value, path):
    torch.save(value, path)
    return path


SEEN = {"status": "value", "value": [1.0, torch.ones(3), {"a": "b"}], "gradients": [torch.ones(2)]}


def test_an_honest_result_is_read(tmp_path):
    (read,) = read_result(saved([SEEN], tmp_path / "a"), 1)
    assert read["value"][0] == 1.0
    assert read["gradients"][0].equal(torch.ones(2))
    assert read_result(saved([{"status": "error", "error": "x"}], tmp_path / "b"), 5)
    assert (
        read_result(saved([{"status": "stub"}] * 2, tmp_path / "c"), 2) == [{"status": "stub"}] * 2
    )
    assert read_result(tmp_path / "none", 1) is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        None,
        {"status": "value"},
        [SEEN, SEEN],
        [1],
        [{}],
        [{"status": "solved", "value": 1}],
        [{"status": "value"}],
        [{"status": "error", "error": 3}],
        [SEEN | {"value": torch.zeros(()).expand(10**12)}],
        [SEEN | {"value": torch.zeros(2, 2).to_sparse()}],
        [SEEN | {"value": {1: 2}}],
        [SEEN | {"gradients": 3}],
        [SEEN | {"gradients": [torch.zeros(2, 2).to_sparse()]}],
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_a_forged_result_is_an_error_and_no_crash(tmp_path, value):
    (read,) = read_result(saved(value, tmp_path / "a"), 1)
    assert read["status"] == "error"
    assert "result" in read["error"]


def test_a_result_that_is_no_plain_small_file_is_an_error(tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    for name, make in {
        "code": lambda p: torch.save([Bomb(mark)], p),
        "link": lambda p: p.symlink_to(saved([SEEN], tmp_path / "target")),
        "pipe": os.mkfifo,
        "folder": os.mkdir,
        "cut": lambda p: p.write_bytes(saved([SEEN], tmp_path / "whole").read_bytes()[:-50]),
        "empty": lambda p: p.write_bytes(b""),
    }.items():
        make(tmp_path / name)
        (read,) = read_result(tmp_path / name, 1)
        assert read["status"] == "error", name
    assert not mark.exists()
    monkeypatch.setattr(comparing, "LARGEST_FILE", 100)
    assert read_result(saved([SEEN], tmp_path / "large"), 1)[0]["status"] == "error"


def test_a_judge_that_stumbles_is_a_verdict(monkeypatch):
    exercise = lesson_exercises("01")["01.2"]
    monkeypatch.setattr(comparing, "observe_apart", lambda *_: [{"status": "value", "value": []}])
    statements = ast.parse(f"{exercise.name} = 1").body
    assert comparing._verdict(exercise, statements, 1).state == WRONG
    monkeypatch.setattr(type(exercise), "verdict", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in comparing._verdict(exercise, statements, 1).message
    monkeypatch.setattr(type(exercise), "verdict", lambda *_: Verdict(SOLVED, "good\x1b[1A\n"))
    assert comparing._verdict(exercise, statements, 1) == Verdict(SOLVED, "good�[1A�")
    assert OPEN != SOLVED


def test_names_that_an_answer_uses_leave_out_its_own():
    code = (
        "def f(x, k=size):\n    images = x + len(x)\n    def g():\n        return images * scale\n"
    )
    code += "    return [y for y in g()]"
    assert names_used(ast.parse(code).body[0]) >= {"size", "scale", "len", "f"}
    assert not names_used(ast.parse(code).body[0]) & {"x", "k", "images", "g", "y"}
    assert names_used(ast.parse("a = b.c(d)").body[0]) == {"a", "b", "d"}
