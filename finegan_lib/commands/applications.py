"""Commands for the applications of a trained FineGAN: transfer, interpolate, segment, readers."""

from .arguments import command, recurring

READERS = (
    "The first call trains an encoder and two classifiers for the checkpoint, on generated "
    "pictures alone. This takes some minutes. They are kept in the cache. "
)
PHOTOGRAPHS = (
    'a photograph, a folder of them, or "toybirds" (not those trained on); a folder in CUB\'s '
    "layout is cut by its boxes"
)


def add(commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_transfer(commands)
    _add_interpolate(commands)
    _add_segment(commands)
    _add_readers(commands)


def _add_transfer(commands) -> None:
    parser = command(
        commands,
        "transfer",
        _transfer,
        "generate the shape and pose of one photograph in the appearance of another",
        "Writes transfer.png and every transfer by itself, and prints how often classifiers read "
        "the wanted kinds in it. " + READERS + "Two folders give random pairs.",
    )
    parser.add_argument("shape", metavar="SHAPE", help=f"gives shape and pose: {PHOTOGRAPHS}")
    parser.add_argument("appearance", metavar="APPEARANCE", help="gives appearance: likewise")
    recurring(parser, "--out", required=True)
    parser.add_argument("--n", type=int, default=16, help="number of pairs, if a folder is given")
    recurring(parser, "--steps", default=40, help="steps of gradient descent on z (0: none)")
    parser.add_argument(
        "--candidates", type=int, default=1, help="pairs of p and c tried for each photograph"
    )
    recurring(parser, "--seed", help="seed of the pairs")


def _transfer(parsed) -> dict:
    from ..applications.transfer import summary, transfer

    result = transfer(
        parsed.shape,
        parsed.appearance,
        parsed.out,
        checkpoint=parsed.checkpoint,
        n=parsed.n,
        steps=parsed.steps,
        candidates=parsed.candidates,
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )
    print(f"{summary(result)}\n{parsed.out / 'transfer.png'}")
    return result


def _add_interpolate(commands) -> None:
    parser = command(
        commands,
        "interpolate",
        _interpolate,
        "walk from one photograph or code to another",
        "Writes strip.png and walk.gif. " + READERS + 'Codes are written "c=10", or '
        '"p=3,c=10,b=2,seed=5": p is the parent of c if left out, b is c; the seed makes z.',
    )
    for name, end in (("a", "first"), ("b", "last")):
        parser.add_argument(name, metavar=name.upper(), help=f"{end} frame: image file or codes")
    recurring(parser, "--out", required=True)
    parser.add_argument("--frames", type=int, default=33, help="frames of the animation, one way")
    recurring(parser, "--steps", default=40, help="steps of gradient descent on z (0: none)")
    parser.add_argument(
        "--even-codes", action="store_true", help="even steps between codes, not between pictures"
    )


def _interpolate(parsed) -> dict:
    from ..applications.interpolate import interpolate, summary

    result = interpolate(
        parsed.a,
        parsed.b,
        parsed.out,
        checkpoint=parsed.checkpoint,
        frames=parsed.frames,
        steps=parsed.steps,
        even=not parsed.even_codes,
        progress=not parsed.no_progress,
    )
    print(f"{summary(result)}\n{parsed.out / 'strip.png'}\n{parsed.out / 'walk.gif'}")
    return result


def _add_segment(commands) -> None:
    parser = command(
        commands,
        "segment",
        _segment,
        "cut the objects of photographs out",
        "The network learns from pairs of a generated picture and its mask alone: from no "
        "photograph, and from no mask that a person made. The first call trains it, which takes "
        "some minutes, and keeps it in the cache. Writes segment.png, masks and cut-outs.",
    )
    parser.add_argument("source", metavar="FOLDER|FILE|toybirds", help=PHOTOGRAPHS)
    recurring(parser, "--out", required=True)
    parser.add_argument(
        "--n",
        type=int,
        help="number of photographs, at random (none: all, or 500 of toybirds)",
    )
    recurring(parser, "--seed", help="seed of that choice")


def _segment(parsed) -> dict:
    from ..applications.segment import segment, summary

    result = segment(
        parsed.source,
        parsed.out,
        checkpoint=parsed.checkpoint,
        n=parsed.n,
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )
    print(f"{summary(result)}\n{parsed.out / 'segment.png'}")
    return result


def _add_readers(commands) -> None:
    parser = command(
        commands,
        "readers",
        _readers,
        "train the networks that transfer, interpolate and segment use",
        "An encoder, two classifiers and a segmenter, on generated pictures alone. Those "
        "commands train them the first time; this command is for networks that you give to others. "
        'The commands find files in a folder "readers" beside the checkpoint.',
    )
    recurring(parser, "--out", required=True, help="for the files")


def _readers(parsed) -> dict:
    from ..applications.readers import load_readers
    from ..applications.segment import load_segmenter
    from ..training.pretrained import load_finegan

    generator = load_finegan(parsed.checkpoint)
    options = {"keep": parsed.out, "progress": not parsed.no_progress}
    load_readers(parsed.checkpoint, generator, **options)
    load_segmenter(parsed.checkpoint, generator, **options)
    files = sorted(str(path) for path in parsed.out.glob("*.safetensors"))
    print(*files, sep="\n")
    return {"files": files}
