"""Archives that are whole, damaged or hostile."""

import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile

import pytest

from finegan_lib.base.errors import InputError
from finegan_lib.data.archives import extract, is_archive

FILES = {"birds/a.txt": b"a" * 3000, "birds/b/c.txt": b"c", "empty": b"", "./dotted": b"d"}
KINDS = {"tgz": "w:gz", "tar": "w:", "tar.xz": "w:xz", "tar.bz2": "w:bz2", "zip": None}


def pack(small, kind, files):
    return small.zipped(files) if kind == "zip" else small.tarred(files, KINDS[kind])


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(tmp_path, archive, match, **limits):
    """The archive is refused, and nothing of it is left anywhere."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=match):
        extract(archive, tmp_path / "target" / "birds", **limits)
    left = [p for p in sorted(tmp_path.rglob("*")) if p not in before and p.name != "target"]
    assert not left


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_archive(small, tmp_path, kind):
    archive = tmp_path / f"birds.{kind}"
    archive.write_bytes(pack(small, kind, FILES))
    assert is_archive(archive)
    target = extract(archive, tmp_path / "out" / "birds")
    assert contents(target) == {name.removeprefix("./"): data for name, data in FILES.items()}
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["birds"]
    with pytest.raises(InputError, match="there already"):
        extract(archive, target)


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(
    "name", ["../out", "/tmp/out", "a/../../out", "..\\out", "a/b\\..\\..\\c", "a/../b"]
)
def test_paths_that_lead_out(small, tmp_path, kind, name):
    archive = tmp_path / f"x.{kind}"
    archive.write_bytes(pack(small, kind, {"good": b"1", name: b"2"}))
    refused(tmp_path, archive, "not safe to unpack; got a path that leads out of the target")


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "/etc"),
        (tarfile.SYMTYPE, "good"),
        (tarfile.LNKTYPE, "good"),
        (tarfile.FIFOTYPE, ""),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.GNUTYPE_SPARSE, ""),
    ],
)
def test_anything_but_files_and_folders_in_a_tar(tmp_path, kind, link):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("good"))
        member = tarfile.TarInfo("bad")
        member.type, member.linkname = kind, link
        tar.addfile(member)
    archive = tmp_path / "x.tar"
    archive.write_bytes(buffer.getvalue())
    refused(tmp_path, archive, r"a link, device, pipe or sparse file \(at 'bad'\)")


def test_links_and_secrets_in_a_zip(tmp_path):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as file:
        member = zipfile.ZipInfo("link")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(member, "/etc/passwd")
    refused(tmp_path, archive, r"a link, device or pipe \(at 'link'\)")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", b"1")
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(data)
    refused(tmp_path, archive, "an encrypted file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_name_that_comes_twice(tmp_path, kind):
    archive = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("a", b"1")
            file.writestr("a", b"2")
    else:
        with tarfile.open(archive, "w") as tar:
            tar.addfile(tarfile.TarInfo("a"))
            tar.addfile(tarfile.TarInfo("a"))
    refused(tmp_path, archive, "a name comes twice")


@pytest.mark.parametrize("kind", ["tgz", "zip"])
def test_bombs(small, tmp_path, kind):
    archive = tmp_path / f"x.{kind}"
    archive.write_bytes(pack(small, kind, {"a": bytes(500_000), "b": bytes(500_001)}))
    refused(tmp_path, archive, r"more than 1000000 bytes \(at 'b'\)", most_bytes=1_000_000)
    refused(tmp_path, archive, "more than 1 members", most_members=1)
    extract(archive, tmp_path / "fits", most_bytes=1_000_001, most_members=2)


def test_modes_are_not_taken_over(tmp_path):
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("run")
        member.mode, member.uid, member.gid = 0o6777, 12345, 12345
        tar.addfile(member)
        folder = tarfile.TarInfo("closed")
        folder.type, folder.mode = tarfile.DIRTYPE, 0
        tar.addfile(folder)
        tar.addfile(tarfile.TarInfo("closed/file"))
    target = extract(archive, tmp_path / "out")
    info = (target / "run").stat()
    assert not info.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)
    assert info.st_uid == os.getuid() and (target / "closed" / "file").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_cut_anywhere(small, tmp_path, kind):
    """Also exactly between two members, where a tar seems to end well."""
    data = pack(small, kind, FILES)
    end = len(data.rstrip(b"\0")) if kind == "tar" else len(data)
    cuts = sorted({*range(0, end, max(1, end // 40)), *range(0, end, 512), end - 1})
    for length in cuts:
        archive = tmp_path / f"x.{kind}"
        archive.write_bytes(data[:length])
        refused(tmp_path, archive, "damaged, or no tar or zip archive")


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_noticed_or_does_no_harm(small, tmp_path, kind):
    """gzip and zip have checksums of the contents. A tar has none: see the download's."""
    data = bytearray(pack(small, kind, FILES))
    whole = {name.removeprefix("./"): text for name, text in FILES.items()}
    for place in range(0, len(data), max(1, len(data) // 60)):
        damaged = bytearray(data)
        damaged[place] ^= 4
        archive = tmp_path / f"x.{kind}"
        archive.write_bytes(damaged)
        try:
            target = extract(archive, tmp_path / "out" / str(place))
        except InputError as error:
            assert "damaged" in str(error) or "not safe" in str(error)
            continue
        found = contents(target)
        if kind != "tar":  # what is left are unused bits of the headers: dates, names in zip's copy
            assert sorted(found.values()) == sorted(whole.values())


def test_no_archive_at_all(tmp_path):
    archive = tmp_path / "x.tgz"
    archive.write_bytes(b"<html>not found</html>")
    refused(tmp_path, archive, "damaged, or no tar or zip archive")
    with pytest.raises(InputError, match="cannot unpack"):
        extract(tmp_path / "nothing.tgz", tmp_path / "out")
    assert not is_archive("photo.jpg")


SLOW = """
import sys, time
from finegan_lib.data import archives
copy = archives._copy
def slow(*arguments):
    print("copying", flush=True)
    time.sleep(0.2)
    return copy(*arguments)
archives._copy = slow
archives.extract(sys.argv[1], sys.argv[2])
"""


def test_a_kill_leaves_nothing_that_could_be_taken_for_whole(small, tmp_path):
    archive, target = tmp_path / "x.tgz", tmp_path / "out" / "birds"
    archive.write_bytes(small.tarred({f"{k}": bytes(10) for k in range(50)}))
    command = [sys.executable, "-c", SLOW, str(archive), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for _ in range(3):
            process.stdout.readline()
        (leftover,) = (tmp_path / "out").iterdir()
        assert not target.exists() and leftover.name.startswith(".birds.partial-")
        os.kill(process.pid, signal.SIGKILL)
    other = tmp_path / "out" / f".birds.partial-{os.getpid()}-x"  # of a living process
    other.mkdir()
    extract(archive, target)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [other.name, "birds"]
    assert len(contents(target)) == 50
