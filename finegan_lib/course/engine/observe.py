"""Call a function on test inputs and write down what it did. Knows no exercise and no answer.

`checks` uses it in the notebook's own process. `compare` runs this file as a program, so that a
student's code never shares a process with the answers:

    python observe.py JOB RESULT

JOB and RESULT are files of torch.save that are read with weights_only=True: data, never code. When
this file runs as a program, the student's code is fenced in (`fence`): it may write beside RESULT
only, start no process, open no connection and read none of the worked answers. That is a fence, not
a wall: it stops accidents and the usual tricks. Run a notebook that may be hostile in a container.
"""

import copy
import importlib
import os
import sys
import types

import torch

STUB, VALUE, ERROR = "stub", "value", "error"


def observe(answer, cases, gradients: bool = False, probe: str | None = None) -> list[dict]:
    """What ``answer`` is, or what it returns for each case.

    Args:
        answer: a function or class, if there are cases; otherwise a value.
        cases: tuples of arguments; the function gets copies.
        gradients: also take the gradient of the result's sum by every floating-point argument.
        probe: "module:function" of one that tries the answer out, ``function(answer, *case)``;
            what it returns is written down in place of what the answer returns.

    Returns:
        One dictionary a case (one for a value): ``status`` is "stub" (the answer is or returns
        ``...``), "value" (with ``value``, and ``gradients``: a list, or None if nothing flows
        back), or "error" (with ``error``). Never raises, whatever the student's code does.
    """
    if answer is ... or (cases and not callable(answer)):
        seen = {"status": STUB} if answer is ... else _error(f"{_name(answer)} is not a function")
        return [seen] * max(1, len(cases))
    if not cases:
        return [_value(answer)]
    if probe:
        answer = _probing(probe, answer)
    return [_call(answer, case, gradients) for case in cases]


def _probing(probe: str, answer):
    module, _, name = probe.partition(":")
    function = getattr(importlib.import_module(module), name)
    return lambda *case: function(answer, *case)


def _call(function, case, gradients: bool) -> dict:
    arguments = [_copy(argument, gradients) for argument in case]
    inputs = [a for a in arguments if isinstance(a, torch.Tensor) and a.requires_grad]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            # An answer may change its arguments in place; autograd forbids that for leaves.
            given = [a.clone() if any(a is leaf for leaf in inputs) else a for a in arguments]
            value = function(*given)
            if value is ...:
                return {"status": STUB}
            seen = _value(value)
            if seen["status"] == VALUE and gradients:
                seen["gradients"] = _gradients(value, inputs)
            return seen
        except (Exception, SystemExit) as error:
            return _error(f"it stopped with {type(error).__name__}: {_first_line(error)}")


def _gradients(value, inputs):
    parts = value if isinstance(value, list | tuple) else [value]
    parts = [p.sum() for p in parts if isinstance(p, torch.Tensor) and p.requires_grad]
    if not parts:
        return None
    found = torch.autograd.grad(sum(parts), inputs, allow_unused=True)
    return [torch.zeros_like(a) if g is None else g for a, g in zip(inputs, found, strict=True)]


def _copy(argument, gradients: bool):
    if not isinstance(argument, torch.Tensor):
        return copy.deepcopy(argument)
    argument = argument.detach().clone()
    return argument.requires_grad_(gradients and argument.is_floating_point())


def _value(value) -> dict:
    try:
        return {"status": VALUE, "value": _plain(value)}
    except Exception as error:
        return _error(f"its result cannot be read: {_first_line(error)}")


def _plain(value):
    """Tensors, numbers, strings, and dictionaries, lists and tuples of them."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().cpu()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return [_plain(item) for item in value]
    if type(value) in (set, frozenset):
        return sorted((_plain(item) for item in value), key=repr)
    if type(value) is dict:
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "dtype"):  # numpy's arrays and scalars
        return torch.as_tensor(value).clone()
    raise TypeError(f"a {_name(value)} is neither a number, a tensor nor text")


def _error(text: str) -> dict:
    return {"status": ERROR, "error": text}


def _name(value) -> str:
    return type(value).__name__


def _first_line(error) -> str:
    try:
        text = str(error).strip().splitlines()
    except Exception:
        text = []
    return text[0][:200] if text else "no message"


# ------------------------------------------------------------------------------------- the fence

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {f"os.{n}" for n in ("remove", "rename", "rmdir", "mkdir", "link", "symlink", "truncate")}
CHANGES |= {"os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "shutil.rmtree"}
PROCESSES = ("subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty.")
BARRED = (*PROCESSES, "os.kill", "signal.pthread_kill", "socket.", "urllib.", "resource.setrlimit")
LARGEST_FILE, LARGEST_MEMORY = 64 * 2**20, 8 * 2**30  # bytes


def fence(folder: str) -> None:
    """For the rest of this process: no change outside of ``folder``, no process, no connection.

    Nor are the answers read: a lesson's ``lesson.py``, ``exercises.py`` and ``wrong.py``, and
    ``solutions/``.
    (Its laboratory is open: answers may need it.) Where the system has such limits, files and
    memory are limited too. A refused action raises PermissionError in the code that tried it.
    """
    course = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    lessons = os.path.join(course, "lessons") + os.sep
    solutions = os.path.join(os.path.dirname(os.path.dirname(course)), "solutions") + os.sep
    inside = (os.path.realpath(folder) + os.sep, "/dev/null", os.devnull)

    def real(path) -> str:
        return os.path.realpath(os.fsdecode(path))

    def is_answer(path) -> bool:
        return os.path.basename(path).partition(".")[0] in ("lesson", "exercises", "wrong")

    def watch(event, arguments):
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int):
                return
            path = real(path)
            if path.startswith(solutions) or (path.startswith(lessons) and is_answer(path)):
                raise PermissionError("the worked answers are closed while answers are checked")
            if isinstance(flags, int) and flags & WRITES and not path.startswith(inside):
                raise PermissionError(f"{path} is outside of the folder for writing")
        elif event in CHANGES:
            for path in arguments:
                named = isinstance(path, str | bytes | os.PathLike)
                if named and not (real(path) + os.sep).startswith(inside):
                    raise PermissionError(f"{path} is outside of the folder for writing")
        elif event.startswith(BARRED):
            raise PermissionError(f"{event} is not allowed while answers are checked")

    try:
        import resource
    except ImportError:  # Windows
        resource = None
    if resource:
        for name, most in (("FSIZE", LARGEST_FILE), ("DATA", LARGEST_MEMORY), ("CORE", 0)):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    sys.addaudithook(watch)


def define(source: str, name: str):
    """Run statements out of a student's notebook, and give what they define as ``name``."""
    module = types.ModuleType("notebook")
    sys.modules["notebook"] = module
    exec(compile(source, "<your notebook>", "exec"), module.__dict__)
    return getattr(module, name, ...)


def main(job_file: str, result_file: str) -> None:
    """Run a student's statements, then observe the name asked for."""
    job = torch.load(job_file, weights_only=True)
    torch.set_num_threads(1)
    if job["probe"]:
        importlib.import_module(job["probe"].partition(":")[0])
    fence(os.path.dirname(result_file))
    try:
        answer = define(job["source"], job["name"])
        seen = observe(answer, job["cases"], job["gradients"], job["probe"])
    except (Exception, SystemExit) as error:
        seen = [_error(f"its cell stopped with {type(error).__name__}: {_first_line(error)}")]
    torch.save(seen, result_file)


if __name__ == "__main__":
    main(*sys.argv[1:])
