"""The course: what its notebooks call.

``from finegan_lib import course``, then ``course.check("01.2", my_function)``,
``course.hint("01.2")`` and ``course.progress()``; ``course.use("background", "MyStem")`` goes on
with what a student built; ``course.recorded("training", "album")`` loads a recorded training. The
commands that build, run and compare the notebooks: ``python -m finegan_lib.course --help``.
"""

from .engine.checks import check, hint, progress
from .engine.colab import doctor
from .engine.folders import lab
from .engine.parts import use
from .engine.recordings import recorded

__all__ = ["check", "doctor", "hint", "lab", "progress", "recorded", "use"]
