"""Settings that hold for every test, and which tests are slow.

``tests/slow.json`` lists the slow tests with their seconds of CPU time; ``make test-fast`` leaves
them out. ``make test ARGS=--write-slow`` measures them anew. CPU time, not the clock: a busy
machine measures the same.
"""

import json
import os
import sys
from pathlib import Path

import pytest

# Tests run side by side, one worker per core: one thread each. Commands that a test starts inherit
# both settings. They are made before torch and matplotlib are first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

SLOW = Path(__file__).with_name("slow.json")
SLOW_FROM = 0.6  # seconds of CPU time, with the processes that a test starts
CPU = "seconds of CPU time"


def pytest_addoption(parser):
    parser.addoption(
        "--write-slow",
        action="store_true",
        help=f"note the tests that take {SLOW_FROM} s of CPU time or more in tests/{SLOW.name}",
    )


def pytest_configure(config):
    if config.getoption("--write-slow") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch(), "stopwatch")


def pytest_collection_modifyitems(items):
    """Mark what the list names: a test, or every test of a file."""
    slow = json.loads(SLOW.read_text(encoding="utf-8"))
    for item in items:
        if item.nodeid in slow or item.nodeid.partition("::")[0] in slow:
            item.add_marker(pytest.mark.slow)


_spent = [0.0]
_shared = {}  # seconds of every fixture that several tests use


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def pytest_collection_finish():
    """What the imports have cost belongs to no test."""
    _spent[0] = _cpu_seconds()


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(fixturedef):
    """Measure a shared fixture apart from the first test that needs it."""
    if fixturedef.scope == "function":
        yield
        return
    start = _cpu_seconds()
    yield
    spent = _cpu_seconds() - start
    key = fixturedef.argname, fixturedef.baseid
    _shared[key] = max(spent, _shared.get(key, 0.0))
    _spent[0] += spent


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Note in the report what the phase (setup, call or teardown) has cost.

    A shared fixture is charged to every test that needs it: whichever of them runs alone pays it.
    """
    outcome = yield
    spent = _cpu_seconds()
    item.user_properties.append((CPU, spent - _spent[0]))
    if call.when == "setup":
        needed = [
            n
            for (name, where), n in _shared.items()
            if name in item.fixturenames and item.nodeid.startswith(where)
        ]
        item.user_properties.append((CPU, sum(needed)))
    outcome.get_result().user_properties = list(item.user_properties)  # of the phases before, too
    _spent[0] = spent


class Stopwatch:
    """Collects the reports of all workers and writes the list."""

    def __init__(self):
        self.seconds = {}

    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":  # it has the properties of all three phases
            spent = [value for name, value in report.user_properties if name == CPU]
            self.seconds[report.nodeid] = sum(spent)

    def pytest_sessionfinish(self):
        files = {nodeid.partition("::")[0] for nodeid in self.seconds}
        slow = json.loads(SLOW.read_text(encoding="utf-8"))
        kept = {k: n for k, n in slow.items() if k not in self.seconds and k not in files}
        found = {name: round(n, 1) for name, n in self.seconds.items() if n >= SLOW_FROM}
        SLOW.write_text(json.dumps(kept | found, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@pytest.fixture(autouse=True)
def no_figure_left_open():
    """Close the figures that a test leaves open: the next test may count those that it finds."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def lesson_text():
    """A function: the source of a lesson by its name, its text without marks and line breaks."""
    from finegan_lib.course.engine.folders import find_lesson, lesson_source

    def text(name: str) -> str:
        lines = lesson_source(find_lesson(name)).splitlines()
        return " ".join(" ".join(line.removeprefix("#").strip() for line in lines).split())

    return text
