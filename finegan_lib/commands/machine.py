"""This machine: what it is, and how fast things are on it."""

from ..base.options import file_of
from .arguments import command, recurring

OF_QUALITY = ("seeds", "image_size", "preset", "settings", "steps", "every", "run")


def add(commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_doctor(commands)
    _add_bench(commands)


def _add_doctor(commands) -> None:
    parser = command(commands, "doctor", _doctor, "look at this machine, and at a checkpoint")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the speed check, s")


def _doctor(parsed) -> dict:
    from ..bench.doctor import doctor

    facts = doctor(seconds=parsed.seconds, checkpoint=parsed.checkpoint)
    for name, value in facts.items():
        if name not in ("warnings", "notes"):
            print(f"{name:18} {value}")
    for note in facts["notes"]:
        print(f"note: {note}")
    for i, warning in enumerate(facts["warnings"]):
        print(f"{'to mend' if i else 'to mend first'}: {warning}")
    return facts


def _add_bench(commands) -> None:
    from ..bench.run import BENCHES

    parser = command(
        commands,
        "bench",
        _bench,
        "measure how fast things are, as ratios within one run",
        "step and sample: against the plain implementation in tests/reference. data: decoding "
        "against the cache. scaling: time against sizes. gpu: a step on this machine's GPU under "
        "each option of speed. gpu-model: time per epoch and per run on GPUs, estimated on paper. "
        "import: the time of an import. memory: the gain from keeping it. crowd: a step beside a "
        "busy program. playground: a slider's move to the new picture. scoring: the trainings of "
        "evaluate's classifiers. quality: how many images a training from nothing needs until it "
        "reaches and holds the target scores; a stopped one goes on in its folder (--run).",
        checkpoint=False,
    )
    parser.add_argument("what", choices=tuple(BENCHES), help="what to measure")
    parser.add_argument("--rounds", type=int, help="turns of each way (none: 3 or 5)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", choices=(32, 64, 128), help="pixels (none: all three)"
    )
    parser.add_argument(
        "--compiled",
        action="store_true",
        default=None,
        help="step, gpu: with torch.compile too (no)",
    )
    parser.add_argument(
        "--figure",
        type=file_of(".png"),
        metavar="FILE",
        help="PNG of scaling and quality (none: none)",
    )
    _add_quality(parser)


def _add_quality(parser) -> None:
    from ..training.presets import PRESETS

    group = parser.add_argument_group("quality")
    recurring(group, "--seeds", help="seeds of the trainings (none: 0 to 4)")
    recurring(group, "--image-size", choices=(32, 64), help="pixels (none: 32)")
    group.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="preset of the trainings (none: toy or toy64, by size); of gpu-model (none: cub)",
    )
    group.add_argument(
        "--set",
        dest="settings",
        nargs="+",
        metavar="NAME=VALUE",
        help="settings of train in place of the preset's, such as lead_children=0.4,0.6 or "
        "code_flip=no (none: the preset's)",
    )
    recurring(group, "--steps", help="training steps (none: the preset's)")
    group.add_argument("--every", type=int, help="steps between two scorings (none: 500)")
    group.add_argument(
        "--run", metavar="FOLDER", help="folder of the trainings (none: runs/quality)"
    )


def _bench(parsed) -> dict:
    from ..bench.run import bench, summary

    result = bench(
        parsed.what,
        rounds=parsed.rounds,
        sizes=parsed.sizes,
        compiled=parsed.compiled,
        figure=parsed.figure,
        **{name: getattr(parsed, name) for name in OF_QUALITY},
        progress=not parsed.no_progress,
    )
    print(summary(result))
    return result
