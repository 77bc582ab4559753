"""Downloads that can be continued, have a largest size, and are verified before use.

During the download, a file has the name ``NAME.part``, and ``NAME.part.json`` holds the server's
facts about it. It gets its own name only if its size and checksums are right. A wrong file is kept
as ``NAME.wrong``; it never gets the name, and it is not deleted.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import InputError
from ..base.files import disk_errors, write_text
from .files import byte_bar

CHUNK = 1 << 16
# Slower than this for a whole time-out counts as no answer.
LEAST_BYTES_PER_TIMEOUT = 1024
LONGEST_WAIT = 60.0
# The largest size of a file whose size is not published.
MOST_BYTES = 20 * 10**9
USER_AGENT = "finegan-lib (a course; urllib)"


@dataclass(frozen=True)
class Patience:
    """How long to go on with a bad connection.

    Attributes:
        timeout: seconds without an answer, or with less than a kilobyte, that end one attempt.
        attempts: the download fails after so many attempts in a row that each bring less than a
            kilobyte.
        wait: seconds before the second attempt; doubled each time, at most a minute.
    """

    timeout: float = 30.0
    attempts: int = 6
    wait: float = 1.0


# The errors of a broken connection; errors of the disk are other OSErrors.
_BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
)


class _Interrupted(Exception):
    """An attempt failed, but another one may succeed."""

    def __init__(self, reason, wait=None):
        super().__init__(reason)
        self.wait = wait


def download(
    urls,
    path,
    *,
    size: int | None = None,
    checksums: dict | None = None,
    patience: Patience | None = None,
    progress: bool = True,
) -> Path:
    """Fetch a file, or go on with one that was begun, and verify it.

    A file that is there already is verified too, and fetched anew if it is wrong (the wrong one is
    kept apart). To resume, the server is asked for the rest on condition that the file is the same
    (``Range`` with ``If-Range``); a server that ignores this sends all of it, and the download
    starts over.

    Args:
        urls: addresses of the same file; the next is tried when one fails.
        path: where to put it; its folder is made.
        size: in bytes, if known.
        checksums: {hashlib's name of the kind: hexadecimal digest}. Without any, the SHA-256 of the
            first download is recorded in ``NAME.sha256`` and later downloads are compared with it.
        patience: time-outs and attempts; by default those of :class:`Patience`.
        progress: show a progress bar.

    Raises:
        InputError: if no address gives the file, if what it gives is not the file that was
            published, or if the disk is full or cannot be written. A part that may be continued is
            kept.
    """
    path, checksums = Path(path), dict(checksums or {})
    urls = [urls] if isinstance(urls, str) else list(urls)
    with disk_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        record = path.with_name(f"{path.name}.sha256")
        if not checksums and record.is_file():
            checksums["sha256"] = record.read_text().split()[0]
        if path.is_file() and not _wrong(path, size, checksums, progress):
            return path
        if path.exists():
            keep_apart(path)
        _fetch_from_any(urls, path, size, patience or Patience(), progress)
        _accept(path, size, checksums, record, progress)
    return path


def _fetch_from_any(urls, path, size, patience, progress):
    failures = []
    for url in urls:
        try:
            return _fetch(url, path, size, patience, progress)
        except InputError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise InputError(
        f"none of {len(urls)} addresses gives {path.name}",
        seen="; ".join(str(error) for error in failures) or "no address",
        cure="Try again later, or fetch the file yourself and give it with --from.",
    )


def _fetch(url, path, size, patience, progress):
    """Brings ``NAME.part`` to its full length, in as many attempts as are useful."""
    if not re.match(r"https?://", url):
        raise InputError(
            "only http and https addresses are downloaded from", seen=url, cure="Give such a one."
        )
    part = path.with_name(f"{path.name}.part")
    if size is not None and _length(part) == size:
        return  # only the verification is missing
    failed, furthest = 0, _length(part)
    bar = byte_bar(size, path.name, progress)
    with bar:
        while True:
            try:
                return _attempt(url, part, size, patience, bar)
            except _Interrupted as error:
                reason, wait = str(error), error.wait
            have = _length(part)
            failed = 0 if have >= furthest + LEAST_BYTES_PER_TIMEOUT else failed + 1
            furthest = max(furthest, have)
            if failed >= patience.attempts:
                raise InputError(
                    f"the download of {url} broke off {failed} times in a row",
                    seen=reason,
                    cure=f"{have} bytes are kept: run the command again later, and it goes on.",
                )
            longest = patience.wait * 2 ** max(0, failed - 1)
            time.sleep(min(LONGEST_WAIT, longest if wait is None else max(wait, longest)))


def _attempt(url, part, size, patience, bar):
    """One connection. Returns when the part is whole, raises _Interrupted when it may go on."""
    known = _read_state(part, url)
    have = _length(part) if known else 0
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if known["validator"]:
            headers["If-Range"] = known["validator"]
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=patience.timeout) as response:
            start, total = _where(response, have)
            _validate_total(url, total, size)
            if start and known["total"] not in (None, total):
                _forget(part)
                raise _Interrupted("the server's file has changed")
            _require_room(part, (total or size or 0) - start)
            with open(part, "r+b" if start else "wb") as file:
                file.truncate(start)
                file.seek(start)
                if not start:
                    _write_state(part, url, response, total)
                bar.total = total or size
                bar.n = start
                bar.refresh()
                too_much = _copy(response, file, start, total or size, patience, bar)
            if too_much:
                _forget(part)
                raise InputError(
                    f"{url} sends more than it should",
                    seen=f"over {total or size or MOST_BYTES} bytes",
                    cure="This is not the published file: look for another address of it.",
                )
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing is left to send, or the file is another one
                if have == (size or _total_of(error.headers.get("Content-Range"))):
                    return
                _forget(part)
                raise _Interrupted("the server's file has changed") from error
            _raise_for_status(url, error)
    except _BROKEN as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _copy(response, file, start, total, patience, bar) -> bool:
    """Appends the body to the file, watching length and speed; True if there is too much of it."""
    have, since, then = start, time.monotonic(), start
    while chunk := response.read1(CHUNK):
        have += len(chunk)
        if have > (total or MOST_BYTES):
            return True
        file.write(chunk)
        bar.update(len(chunk))
        if time.monotonic() - since > patience.timeout:
            if have - then < LEAST_BYTES_PER_TIMEOUT:
                raise _Interrupted(f"only {have - then} bytes in {patience.timeout:g} s")
            since, then = time.monotonic(), have
    file.flush()
    os.fsync(file.fileno())
    if have < (total or 0):
        raise _Interrupted(f"the connection was cut after {have} of {total} bytes")
    return False


def _where(response, have):
    """(first byte that comes, length of the whole file or None) by status and headers."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match and int(match[1]) == have:
            return have, None if match[2] == "*" else int(match[2])
        raise _Interrupted("the server sent another part than was asked for")
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _total_of(content_range):
    match = re.fullmatch(r"bytes \*/(\d+)", content_range or "")
    return int(match[1]) if match else None


def _raise_for_status(url, error):
    if error.code in (408, 425, 429) or error.code >= 500:
        wait = error.headers.get("Retry-After", "")
        raise _Interrupted(
            f"status {error.code} {error.reason}", float(wait) if wait.isdecimal() else None
        ) from error
    raise InputError(
        f"the server refuses {url}",
        seen=f"status {error.code} {error.reason}",
        cure="If the file has moved, fetch it yourself and give it with --from.",
    ) from error


def _validate_total(url, total, size):
    if size is not None and total is not None and total != size:
        raise InputError(
            f"{url} is not the published file",
            seen=f"{total} bytes instead of {size}",
            cure="Nothing was kept of it. Does a proxy or a login page answer in its place?",
        )


def _require_room(part, needed):
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise InputError(
            f"the disk has no room for {part.name.removesuffix('.part')}",
            seen=f"{free} bytes free in {part.parent}, {needed} needed",
            cure="Free some space, or name another --root.",
        )


# --------------------------------------------------------------------- what is known of a part


def _length(part):
    return part.stat().st_size if part.is_file() else 0


def _state_file(part):
    return part.with_name(f"{part.name}.json")


def _write_state(part, url, response, total):
    """Note how to recognise the same file later: by ETag or date, or at least by length."""
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
    state = {"url": url, "validator": validator, "total": total}
    write_text(_state_file(part), json.dumps(state))


def _read_state(part, url):
    """The state of a part that may be continued, or None."""
    try:
        state = json.loads(_state_file(part).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(state, dict) or state.get("url") != url:
        return None
    state = {"validator": state.get("validator"), "total": state.get("total")}
    return state if any(state.values()) else None


def _forget(part):
    part.unlink(missing_ok=True)
    _state_file(part).unlink(missing_ok=True)


# -------------------------------------------------------------------------------- verification


def digests(path, kinds, progress: bool = False) -> dict:
    """{kind: hexadecimal digest} of a file, read once."""
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    path = Path(path)
    with disk_errors("read", path):
        bar = byte_bar(path.stat().st_size, f"verifying {path.name}", progress)
        with bar, open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                for digest in hashes.values():
                    digest.update(chunk)
                bar.update(len(chunk))
    return {kind: digest.hexdigest() for kind, digest in hashes.items()}


def _wrong(path, size, checksums, progress):
    """What is wrong with a file, in words; "" if nothing is."""
    if size is not None and path.stat().st_size != size:
        return f"{path.stat().st_size} bytes instead of {size}"
    for kind, digest in digests(path, checksums, progress).items():
        if digest != checksums[kind].lower():
            return f"{kind} {digest} instead of {checksums[kind]}"
    return ""


def _accept(path, size, checksums, record, progress):
    """The part under its name, once it is what was published."""
    part = path.with_name(f"{path.name}.part")
    wrong = _wrong(part, size, checksums, progress)
    if wrong:
        _state_file(part).unlink(missing_ok=True)
        kept = keep_apart(part, path.name)
        raise InputError(
            f"the download of {path.name} is not the published file",
            seen=wrong,
            cure=f"It is kept as {kept} and not used. Try again, or look for another address.",
        )
    os.replace(part, path)
    _state_file(part).unlink(missing_ok=True)
    if not checksums:
        digest = digests(path, ["sha256"])["sha256"]
        write_text(record, f"{digest}  {path.name}\n")
        print(f"No checksum of {path.name} is published; recorded: sha256 {digest}")


def keep_apart(path, name: str | None = None) -> Path:
    """Renames a file to ``NAME.wrong``, ``NAME.wrong2``, …, whichever is free."""
    path = Path(path)
    name, number = name or path.name, 1
    while True:
        kept = path.with_name(f"{name}.wrong{number if number > 1 else ''}")
        if not kept.exists():
            os.rename(path, kept)
            return kept
        number += 1
