"""Write ToyBirds, and check a folder of photographs."""

from pathlib import Path

from .arguments import command, recurring


def add(commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_toybirds(commands)
    _add_check(commands)


def _add_toybirds(commands) -> None:
    from ..data.example import SIZES

    parser = command(
        commands,
        "toybirds",
        _toybirds,
        "write ToyBirds as a folder in CUB's layout",
        checkpoint=False,
    )
    recurring(parser, "--out", required=True)
    recurring(parser, "--n-images", default=1000)
    recurring(parser, "--image-size", default=64, help=SIZES)
    parser.add_argument("--n-parents", type=int, default=5, help="silhouettes")
    parser.add_argument("--n-children", type=int, default=20, help="appearances")
    recurring(parser, "--seed")


def _toybirds(parsed) -> dict:
    from ..base.files import empty_folder
    from ..data import ToyBirds

    empty_folder(parsed.out)  # said before the birds are drawn
    birds = ToyBirds(
        parsed.n_images,
        image_size=parsed.image_size,
        n_parents=parsed.n_parents,
        n_children=parsed.n_children,
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )
    birds.write_cub(parsed.out, progress=not parsed.no_progress)
    print(f"{len(birds)} images in {parsed.out}")
    return {"folder": str(parsed.out), "images": len(birds)}


def _add_check(commands) -> None:
    parser = command(
        commands,
        "check",
        _check,
        "list every problem of a folder of photographs",
        "One pass over all images and annotations; exit status 1 if anything is refused.",
        checkpoint=False,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="in the layout of CUB-200-2011")
    parser.add_argument(
        "--headers-only", action="store_true", help="do not decode the images: quicker, finds less"
    )
    recurring(
        parser,
        "--image-size",
        nargs="+",
        default=[32, 64, 128],
        metavar="S",
        help="image sizes, in pixels, for which the share of windows with background is shown",
    )
    parser.add_argument(
        "--full-scale", type=float, default=76 / 64, help="as in train, for this share"
    )


def _check(parsed) -> dict:
    from ..data.check import check_folder, report_text

    result = check_folder(
        parsed.folder,
        decode=not parsed.headers_only,
        progress=not parsed.no_progress,
        image_sizes=parsed.image_size,
        full_scale=parsed.full_scale,
    )
    print(report_text(result))
    parsed.status = 1 if result["refused"] else 0
    return result
