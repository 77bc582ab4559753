"""Marks of the tests that need a browser: they run only where everything they need is installed."""

import importlib.util
import os
import shutil

import pytest
from chromium import find_chromium


def on_demand(packages, programs=()) -> list:
    """The marks of a test file: run it only with FINEGAN_BROWSER=1, and skip it with the reason if
    a package, a program or Chromium is not installed.

    The tests take minutes on a busy machine, and most of them wait for a browser to start.
    """
    missing = [p for p in packages if not importlib.util.find_spec(p)]
    missing += [p for p in programs if not shutil.which(p)]
    if not find_chromium():
        missing.append("chromium")
    return [
        pytest.mark.skipif(not os.environ.get("FINEGAN_BROWSER"), reason="set FINEGAN_BROWSER=1"),
        pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
        pytest.mark.xdist_group("browser"),
    ]
