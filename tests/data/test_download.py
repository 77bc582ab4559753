"""Downloads from a local server that is slow, cuts, lies or is not there."""

import errno
import hashlib
import resource
import shutil

import numpy as np
import pytest

from finegan_lib.base.errors import InputError
from finegan_lib.data import download as module
from finegan_lib.data.download import Patience, digests, download

BODY = np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8).tobytes()
SHA256 = {"sha256": hashlib.sha256(BODY).hexdigest()}
QUICK = Patience(timeout=0.4, attempts=3, wait=0.0)


@pytest.fixture
def fetch(server, tmp_path):
    """Downloads /birds.tgz, with the faults due one request after the other."""
    server.files["/birds.tgz"] = BODY

    def fetch(*faults, **options):
        server.faults["/birds.tgz"] = list(faults)
        options = {"size": len(BODY), "checksums": SHA256, "patience": QUICK} | options
        return download(
            [f"{server.url}/birds.tgz"], tmp_path / "birds.tgz", progress=False, **options
        )

    return fetch


def ranges(server):
    return [wanted for _, wanted, _ in server.requests]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_good_server(fetch, server, tmp_path):
    path = fetch(checksums=SHA256 | {"md5": hashlib.md5(BODY).hexdigest()})
    assert path.read_bytes() == BODY
    assert names(tmp_path) == ["birds.tgz"] and ranges(server) == [None]
    fetch()  # there already: verified, not fetched
    assert len(server.requests) == 1


def test_a_cut_connection_is_resumed_where_it_broke(fetch, server):
    assert fetch({"cut": 70_000}, {"cut": 50_000}).read_bytes() == BODY
    etag = f'"{hashlib.md5(BODY).hexdigest()}"'
    assert server.requests == [
        ("/birds.tgz", None, None),
        ("/birds.tgz", "bytes=70000-", etag),
        ("/birds.tgz", "bytes=120000-", etag),
    ]
    assert server.sent == len(BODY)  # no byte came twice


def test_a_part_outlives_the_command(fetch, server, tmp_path):
    cuts = [{"cut": 90_000}] + [{"cut": 0}] * 3
    with pytest.raises(InputError, match=r"broke off 3 times .*90000 of 200000.*90000 bytes are k"):
        fetch(*cuts)
    assert names(tmp_path) == ["birds.tgz.part", "birds.tgz.part.json"]
    assert fetch().read_bytes() == BODY
    assert ranges(server)[-1] == "bytes=90000-" and server.sent == len(BODY)
    assert names(tmp_path) == ["birds.tgz"]


def test_progress_renews_the_patience(fetch):
    assert fetch(*[{"cut": 20_000}] * 9).read_bytes() == BODY


@pytest.mark.parametrize(
    "fault",
    [
        {"ignore_range": True},  # all of it once more
        {"ignore_range": True, "no_length": True},
    ],
)
def test_a_server_that_ignores_ranges_starts_over(fetch, server, fault):
    assert fetch({"cut": 70_000}, fault).read_bytes() == BODY
    assert server.sent == len(BODY) + 70_000


def test_a_server_that_ignores_ranges_and_always_cuts_is_given_up(fetch, server):
    with pytest.raises(InputError, match="broke off 3 times"):
        fetch(*[{"cut": 70_000, "ignore_range": True}] * 20)
    assert len(server.requests) == 4  # the first brought something new


def test_another_part_than_was_asked_for_is_not_taken(fetch):
    assert fetch({"cut": 70_000}, {"shift": 5}).read_bytes() == BODY


def test_a_file_that_changes_meanwhile_is_fetched_anew(fetch, server):
    old = bytes(len(BODY))
    assert fetch({"cut": 70_000, "body": old}).read_bytes() == BODY
    assert ranges(server) == [None, "bytes=70000-"]  # If-Range made the server send all


def test_without_a_validator_the_length_must_agree(fetch, server):
    faults = [{"cut": 70_000, "no_etag": True, "body": bytes(150_000)}, {"no_etag": True}]
    with pytest.raises(InputError, match=r"not the published file.*150000 bytes instead of 200000"):
        fetch(*faults)
    server.requests.clear()
    fetch(*faults, size=None)
    assert ranges(server) == [None, "bytes=70000-", None]


def test_a_part_without_its_state_is_not_trusted(fetch, server, tmp_path):
    (tmp_path / "birds.tgz.part").write_bytes(b"of something else")
    assert fetch().read_bytes() == BODY
    for state in ("[]", "{", '{"url": "http://elsewhere/", "validator": "x"}', '{"validator": 3}'):
        (tmp_path / "birds.tgz").unlink()
        (tmp_path / "birds.tgz.part").write_bytes(b"of something else")
        (tmp_path / "birds.tgz.part.json").write_text(state)
        assert fetch().read_bytes() == BODY
    assert ranges(server) == [None] * 5


def test_a_part_that_is_whole_is_only_verified(fetch, server, tmp_path):
    (tmp_path / "birds.tgz.part").write_bytes(BODY)
    assert fetch().read_bytes() == BODY and not server.requests
    # Without a known size the server says so, with status 416.
    (tmp_path / "birds.tgz").rename(tmp_path / "birds.tgz.part")
    state = f'{{"url": "{server.url}/birds.tgz", "validator": "", "total": {len(BODY)}}}'
    (tmp_path / "birds.tgz.part.json").write_text(state)
    assert fetch(size=None).read_bytes() == BODY and ranges(server) == ["bytes=200000-"]


def test_wrong_bytes_are_kept_apart_and_never_used(fetch, tmp_path):
    wrong = BODY[:-1] + bytes([BODY[-1] ^ 1])
    for n in (1, 2):
        with pytest.raises(InputError, match=r"not the published file; got sha256 \w+ instead of"):
            fetch({"body": wrong})
        kept = tmp_path / f"birds.tgz.wrong{n if n > 1 else ''}"
        assert kept.read_bytes() == wrong and not (tmp_path / "birds.tgz").exists()
    assert fetch().read_bytes() == BODY
    assert names(tmp_path) == ["birds.tgz", "birds.tgz.wrong", "birds.tgz.wrong2"]


def test_every_checksum_counts(fetch):
    with pytest.raises(InputError, match="got md5"):
        fetch(checksums=SHA256 | {"md5": "0" * 32})


def test_a_login_page_in_its_place_is_not_kept(fetch, tmp_path):
    with pytest.raises(InputError, match=r"9 bytes instead of 200000.*login page"):
        fetch({"body": b"<html>hi!"})
    assert names(tmp_path) == []


def test_a_wrong_file_in_the_place_is_kept_apart(fetch, server, tmp_path):
    (tmp_path / "birds.tgz").write_bytes(b"the user's own")
    assert fetch().read_bytes() == BODY
    assert (tmp_path / "birds.tgz.wrong").read_bytes() == b"the user's own"


def test_not_found_is_said_at_once(fetch, server, sleeps):
    with pytest.raises(InputError, match=r"refuses http.*birds\.tgz; got status 404"):
        fetch({"status": 404})
    assert len(server.requests) == 1 and not sleeps


def test_an_overloaded_server_is_asked_again(fetch, server, sleeps):
    busy = {"status": 503, "headers": {"Retry-After": "7"}}
    patience = Patience(timeout=1, attempts=6, wait=1)
    assert fetch({"status": 500}, busy, {"status": 429}, patience=patience).read_bytes() == BODY
    assert sleeps == [1, 7, 4]
    sleeps.clear()
    server.requests.clear()
    (module.Path(fetch())).unlink()
    with pytest.raises(InputError, match=r"broke off 6 times.*got status 503"):
        fetch(*[{"status": 503}] * 6, patience=patience)
    assert sleeps == [1, 2, 4, 8, 16] and len(server.requests) == 6


def test_waits_are_bounded(fetch, sleeps):
    with pytest.raises(InputError):
        fetch(
            *[{"status": 503, "headers": {"Retry-After": "86400"}}] * 3,
            patience=Patience(timeout=1, attempts=3, wait=1),
        )
    assert sleeps == [60, 60]


def test_a_server_that_falls_silent(fetch, tmp_path, server):
    with pytest.raises(InputError, match=r"broke off 2 times.*timed out.*50000 bytes are kept"):
        fetch(
            {"cut": 50_000, "stall": 5},
            *[{"cut": 0, "stall": 5}] * 2,
            patience=Patience(timeout=0.2, attempts=2, wait=0),
        )
    assert fetch().read_bytes() == BODY and ranges(server)[-1] == "bytes=50000-"


def test_a_server_that_trickles(fetch):
    with pytest.raises(InputError, match=r"only \d+ bytes in 0.2 s"):
        fetch(*[{"trickle": 0.02}] * 9, patience=Patience(timeout=0.2, attempts=0, wait=0))


def test_more_than_was_announced_is_cut_off(fetch, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="sends more than it should; got over 200000 bytes"):
        fetch({"no_length": True, "endless": True})
    assert names(tmp_path) == []
    monkeypatch.setattr(module, "MOST_BYTES", 300_000)
    with pytest.raises(InputError, match="got over 300000 bytes"):
        fetch({"no_length": True, "endless": True}, size=None)


def test_without_a_length_a_cut_shows_by_the_published_size(fetch, server):
    assert fetch({"no_length": True, "cut": 70_000}).read_bytes() == BODY
    assert ranges(server) == [None, "bytes=70000-"]


def test_nobody_listens(server, tmp_path):
    port = server.server_port
    with pytest.raises(InputError, match=r"broke off 2 times.*got .*(refused|Name or service)"):
        download(
            f"http://127.0.0.1:{port + 1 if port < 65535 else port - 1}/x",
            tmp_path / "x",
            patience=Patience(timeout=1, attempts=2, wait=0),
            progress=False,
        )


def test_the_second_address_is_tried(server, tmp_path):
    server.files["/b"] = BODY
    urls = [f"{server.url}/a", f"{server.url}/b"]
    download(urls, tmp_path / "x", checksums=SHA256, progress=False)
    assert (tmp_path / "x").read_bytes() == BODY
    with pytest.raises(InputError, match=r"none of 2 addresses.*/a; got status 404.*/c; got st"):
        download([urls[0], f"{server.url}/c"], tmp_path / "y", progress=False)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "birds.tgz"])
def test_other_addresses_than_http_are_refused(tmp_path, url):
    with pytest.raises(InputError, match=r"only http and https.*got " + url):
        download(url, tmp_path / "x", progress=False)


def test_without_a_published_checksum_the_first_is_recorded(fetch, tmp_path, capsys):
    path = fetch(size=None, checksums=None)
    assert SHA256["sha256"] in capsys.readouterr().out
    assert (tmp_path / "birds.tgz.sha256").read_text() == f"{SHA256['sha256']}  birds.tgz\n"
    path.unlink()
    with pytest.raises(InputError, match=f"instead of {SHA256['sha256']}"):
        fetch({"body": BODY[::-1]}, size=None, checksums=None)


def test_a_full_disk(fetch, server, tmp_path):
    """A real error of the system: no file of this process may grow beyond 100,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(InputError, match=r"cannot write .*birds\.tgz; got .*File too large"):
            fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "birds.tgz").exists()
    assert fetch().read_bytes() == BODY and ranges(server)[-1] == "bytes=100000-"


def test_too_little_room_is_said_before_anything_comes(fetch, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"no room for birds\.tgz; got 1000 bytes free.*200000"):
        fetch()
    assert names(tmp_path) == []


def test_a_read_only_disk(fetch, monkeypatch):
    def mkdir(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(module.Path, "mkdir", mkdir)
    with pytest.raises(InputError, match="Read-only file system"):
        fetch()


def test_digests(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # the standards' own example
    assert digests(tmp_path / "abc", ["md5", "sha256"]) == {
        "md5": "900150983cd24fb0d6963f7d28e17f72",
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    with pytest.raises(InputError, match="cannot read"):
        digests(tmp_path / "nothing", ["md5"])
