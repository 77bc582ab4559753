"""The tables that come with the library: read at once, with what it would cost to run them."""

from dataclasses import asdict
from pathlib import Path

from ..base.files import read_json
from .paper import TABLES
from .table_systems import Settings, result_path, table_rows


def committed(number: int, data: str) -> dict | None:
    """The table that comes with the library, in the form of :func:`gather`; None if there is none.

    Raises:
        InputError: if its file cannot be read.
    """
    path = committed_folder(data) / f"table{number}_{data}.json"
    return read_json(path, "systems", "command") if path.is_file() else None


def committed_folder(data: str) -> Path:
    """Where the committed results of a set of data lie."""
    return TABLES if data == "toy" else TABLES / data


def cost(number: int, data: str) -> tuple[float, str]:
    """Hours that the committed results of a table took, trainings and scores, and on what."""
    summary = committed(number, data)
    known = {name: summary[name] for name in asdict(Settings())} | {"data": data}
    seconds, devices = 0.0, set()
    for row in table_rows(number, Settings(**known)):
        place = committed_folder(data) / result_path("", row, 0).parent
        for path in place.glob(result_path("", row, 0).name.replace("seed0", "seed*")):
            result = read_json(path, "scores")
            seconds += result.get("seconds_training", 0) + result.get("seconds_scoring", 0)
            devices.add(result.get("device", "an unknown machine"))
    return seconds / 3600, _in_words(devices)


def _in_words(devices) -> str:
    """Names of machines; older results say "1 threads"."""
    return " and ".join(sorted(devices)).replace(", 1 threads", ", 1 thread")


def nothing_new(summary: dict, asked: dict, seeds, only) -> bool:
    """Whether a committed table already answers what is asked for.

    Args:
        summary: of :func:`committed`.
        asked: settings by name; None where nothing was said.
        seeds, only: what was asked for; None or empty: whatever there is.
    """
    said = {name: value for name, value in asked.items() if value is not None}
    if "folder" in said:
        said["folder"] = Path(said["folder"]).name
    had = {seed for scores in summary["systems"].values() for seed in scores["seed"]}
    return (
        all(summary.get(name) == value for name, value in said.items())
        and set(seeds or ()) <= had
        and set(only) <= summary["systems"].keys()
    )
