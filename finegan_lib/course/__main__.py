"""The course's commands: ``python -m finegan_lib.course build``, ``render``, ``compare``, …"""

import argparse
import sys

from ..base.errors import InputError
from ..base.files import print_anywhere


def main(arguments=None) -> int:
    """Run one command.

    Returns:
        The exit status: 0; 1 when sources and notebooks differ, or an answer is wrong or open;
        2 when the input cannot be used.
    """
    print_anywhere()
    parsed = build_parser().parse_args(arguments)
    try:
        return parsed.command(parsed)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m finegan_lib.course", description="Build and check the course's notebooks."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="write the notebooks from the lessons' sources")
    build.add_argument("--check", action="store_true", help="change nothing; 1 if any differs")
    build.set_defaults(command=_build)

    render = commands.add_parser("render", help="run the notebooks and keep their outputs")
    render.add_argument("names", nargs="*", help="lessons, such as 01 or 01_gan (default: all)")
    render.set_defaults(command=_render)

    record = commands.add_parser(
        "record", help="train what is too long for a lesson, and keep its pictures and curves"
    )
    record.add_argument("names", nargs="*", help="lessons, such as 08 (default: all that record)")
    record.add_argument(
        "--only", nargs="+", default=(), metavar="NAME", help="recordings (default: all of them)"
    )
    record.set_defaults(command=_record)

    compare = commands.add_parser("compare", help="check a student's notebook")
    compare.add_argument("notebook", help="the file")
    compare.add_argument(
        "--timeout", type=float, default=60, help="seconds for each exercise (default: 60)"
    )
    compare.set_defaults(command=_compare)

    badges = commands.add_parser(
        "badges", help="make all badges open the release's tag, or the default branch without one"
    )
    badges.add_argument(
        "--repository", metavar="URL", help="another address, written into pyproject.toml"
    )
    badges.set_defaults(command=_badges)

    book = commands.add_parser("book", help="write the rendered notebooks as web pages")
    book.add_argument("--out", default="runs/book", help="folder (default: runs/book)")
    book.add_argument("--external", action="store_true", help="also check links to other sites")
    book.add_argument(
        "--live", action="store_true", help="fail if the playground's runtime cannot be fetched"
    )
    book.set_defaults(command=_book)

    page = commands.add_parser("page", help="write the page that mixes birds in a browser")
    page.add_argument("--out", default="runs/page", help="folder (default: runs/page)")
    page.set_defaults(command=_page)

    drawn = commands.add_parser("map", help="draw the README's two pictures anew")
    drawn.set_defaults(command=_map)
    return parser


def _build(parsed) -> int:
    from .engine.notebooks import build

    different = build(check=parsed.check)
    for name in different:
        print(f"{'differs from its source' if parsed.check else 'written'}: {name}")
    if not different:
        print("all notebooks agree with their sources")
    return int(parsed.check and bool(different))


def _render(parsed) -> int:
    from .engine.notebooks import render

    render(parsed.names)
    return 0


def _record(parsed) -> int:
    from .engine.recordings import record

    record(parsed.names, parsed.only)
    return 0


def _compare(parsed) -> int:
    from .engine.compare import compare, table
    from .engine.exercises import SOLVED

    results = compare(parsed.notebook, parsed.timeout)
    print(table(results))
    return int(any(verdict.state != SOLVED for _, verdict in results))


def _badges(parsed) -> int:
    from .engine.colab import choose_revision, repository, set_repository

    if parsed.repository:
        set_repository(parsed.repository)
    try:
        print(f"badges open {choose_revision()!r} of {repository()}")
    except InputError as error:
        print(f"note: {error}", file=sys.stderr)
    return _build(argparse.Namespace(check=False))


def _book(parsed) -> int:
    from .engine.book import build_book

    print(f"the book: {build_book(parsed.out, external=parsed.external, live=parsed.live)}")
    return 0


def _page(parsed) -> int:
    from .page import build_page

    start, problem = build_page(parsed.out)
    print(f"the page: {start} (open it in a browser, or put its folder on any web server)")
    if problem:
        print(f"error: the page stands still: {problem}", file=sys.stderr)
    return int(bool(problem))


def _map(parsed) -> int:
    from .engine.course_map import FILE, STAGES_FILE, draw_map, draw_stages

    draw_map().savefig(FILE, dpi=90, bbox_inches="tight")
    draw_stages().savefig(STAGES_FILE, dpi=80)
    print(f"the map: {FILE.name}; what the network generates: {STAGES_FILE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
