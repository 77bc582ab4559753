"""A user's own photographs: pictures, and what files of any known layout say of them.

:func:`read_own` lists the pictures (:mod:`.pictures`), recognises the boxes (:mod:`.boxes`), and
brings the two together. A name fits a picture by its path, or else by the end of its path if only
one picture has it. The two may differ in separators, capital letters, forms of Unicode and endings,
and the path may be that of another computer. Everything that is not used is counted, with its
reason.
"""

import difflib
import os
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from ..base.errors import InputError
from .annotations import IMAGE_FOLDERS, PERCENT, SHARES, Entry, RoundMany, split_of
from .boxes import entries_of, find_boxes, only_one, recognise
from .cub_folder import in_lines
from .layouts import CENTRE, Collection, Photo
from .pictures import IMAGE_SUFFIXES, difference, in_one_form, list_pictures, told_unused
from .plausible import are_shares

LEAVE_OUT = "leave them out with --leave-out"
UNITS = {"pixels": None, "shares": SHARES, "percent": PERCENT}


def read_own(
    folder,
    boxes=None,
    *,
    centre: float | None = None,
    stored: bool = False,
    unit: str | None = None,
    leave_out: bool = False,
) -> Collection:
    """A folder of photographs, with boxes from files, or none.

    The class of an image is what the files say, else the name of the folder that it lies in, where
    there is more than one such folder. Folders named after a split (``train``, ``valid``, ``test``)
    or after pictures (``images``) are no classes; the split is kept.

    Without boxes, and where ``folder`` holds none in a known layout, the box is the middle of each
    picture, ``centre`` of its width and of its height.
    Training then works as usual: the child discriminator sees the middle, and what is outside it
    passes for background. With the default, 5 to 7 of 10 windows at the paper's scale hold patches
    of it, so almost every batch has some. This works for photographs with the object in the middle
    and room around it. Where the object reaches further, its edges are taught as background, and
    the background network learns to paint them: then draw boxes.

    Args:
        folder: images, in subfolders or not.
        boxes: a file or a folder in one of :data:`.boxes.LAYOUTS`. None: what ``folder`` holds,
            unless ``centre`` is given.
        centre: the assumed box's share of each side, above 0 and below 1; None: CENTRE.
        stored: the boxes are those of the files as stored, for images turned by EXIF data. Layouts
            that give sizes tell this themselves.
        unit: what the boxes are measured in, a key of :data:`UNITS`. None: pixels, or shares where
            all numbers say so; what looks like neither is refused.
        leave_out: leave out images and entries that cannot be used, rather than refuse all.

    Raises:
        InputError: for a missing folder or file, an image without a box, an entry that cannot be
            used; with its line.
    """
    folder = Path(folder)
    listing = list_pictures(folder)
    if centre is not None and not 0 < centre < 1:
        raise InputError(
            "the assumed box needs a share between 0 and 1",
            seen=centre,
            cure="0.5 takes half the width and half the height.",
        )
    if centre is not None and boxes is not None:
        raise InputError(
            "boxes are given, and an assumed box too",
            seen=f"{boxes} and {centre}",
            cure="Leave out --boxes or --centre.",
        )
    if not listing.pictures:
        rest = f" ({told_unused(listing.unused_but(()))})" if listing.unused else ""
        raise InputError(
            "the folder holds no image", seen=f"{folder}{rest}", cure="Give another one."
        )
    collection = Collection([], None)
    found = _found(folder, boxes, centre, collection.notes)
    if found is None:
        centre = centre or CENTRE
        collection.notes.append(
            f"no boxes: the middle {centre:.0%} of each side stands for the object"
        )
        chosen, read = {file: [_nothing(file)] for file in listing.pictures}, []
    else:
        row, sources = found
        read = [file for source in sources for file in source.files or (source.path,)]
        place = boxes or (folder if len(sources) > 1 else sources[0].path)
        collection.layout, collection.sources = f"{row.title}, in {place}", read
        entries = [entry for source in sources for entry in entries_of(row, source)]
        entries = _in_unit(entries, unit, collection.notes)
        collection.doubtful = unit is None
        chosen = _joined(folder, listing.pictures, entries, place, leave_out, collection)
    collection.unused = listing.unused_but(read)
    _add_photos(collection, folder, chosen, stored)
    return collection


def _found(folder, boxes, centre, notes):
    """(layout, sources), or None where the middle of each picture is to stand for the object."""
    if boxes is not None:
        return recognise(boxes)
    if centre is not None:
        return None
    groups, unknown = find_boxes(folder)
    if unknown:
        path, reason = unknown[0]
        notes.append(
            f"{len(unknown)} files that may hold boxes are not used, first {path} ({reason}): name "
            "one with --boxes to be told what is missing"
        )
    if not groups:
        return None
    return only_one(folder, groups, "Name one with --boxes, or use none of them with --centre 0.5.")


def _nothing(file) -> Entry:
    return Entry((str(file),), (), None, None, None, str(file))


def _in_unit(entries, unit, notes):
    """Entries whose boxes are in that unit; None: shares where all of them lie between 0 and 1."""
    pixels = [e for e in entries if e.box is not None and e.frame not in (PERCENT, SHARES)]
    if unit is None and are_shares(entry.box for entry in pixels):
        unit = "shares"
        notes.append(
            "the boxes are shares of their pictures (all numbers lie between 0 and 1), "
            "and are multiplied by their sizes"
        )
    if unit is None or UNITS[unit] is None:
        return entries
    known = {PERCENT, SHARES}
    return [e if e.frame in known else e._replace(frame=UNITS[unit]) for e in entries]


# ----------------------------------------------------------------------- names and their pictures


class _Match(NamedTuple):
    """The picture of a name; ``form`` says in what the two differ, "" for nothing."""

    file: Path | None
    form: str = ""
    why_not: str = ""


class _Names:
    """Finds the pictures that names mean."""

    def __init__(self, folder: Path, files: list[Path]):
        self.folder, self.relative, self.absolute = folder, {}, {}
        self.tails = defaultdict(set)
        for file in files:
            name = os.path.relpath(file, folder)
            self.relative[Path(name).as_posix()] = file
            self.absolute[os.path.abspath(file)] = file
            for tail in _tails(name):
                self.tails[tail].add(file)
        for name, file in list(self.relative.items()):
            self.relative.setdefault(in_one_form(name), file)

    def match(self, asked) -> dict:
        """{(names, beside): :class:`_Match`}; each picture goes to the surest name alone."""
        asked = list(dict.fromkeys(asked))
        found = {key: match for key in asked if (match := self._by_path(*key))}
        claimed = {match.file for match in found.values()}
        rest = [key for key in asked if key not in found]
        users = Counter(tail for names, _ in rest for name in names for tail in set(_tails(name)))
        for key in rest:
            found[key] = self._by_end(key[0], claimed, users)
        return found

    def _by_path(self, names, beside):
        """The picture at exactly that path. A file outside the folder: a match without one."""
        for name in names:
            plain = os.path.normpath(in_one_form(name)).replace(os.sep, "/")
            for text in (name, plain):
                if file := self.relative.get(text):
                    exact = self.name_of(file)
                    tidy = os.path.normpath(name).replace(os.sep, "/")
                    return _Match(file, "" if tidy == exact else difference(name, exact))
            if "\0" in plain or len(plain) > 4000:
                continue
            for base in ("", *beside):
                path = (
                    os.path.abspath(os.path.join(base, plain)) if base or plain[:1] == "/" else ""
                )
                for ending in ("",) if _has_ending(plain) else ("", *ENDINGS):
                    if file := self.absolute.get(path + ending):
                        return _Match(file)
                    if _has_ending(path + ending) and os.path.isfile(path + ending):
                        return _Match(None, why_not="lies outside the folder")
        return None

    def _by_end(self, names, claimed, users):
        """The one picture that shares the end of its path with the name: the longest such end."""
        for name in names:
            for tail in _tails(name):
                files = self.tails.get(tail, set()) - claimed
                if len(files) == 1 and users[tail] == 1:
                    (file,) = files
                    shown = self.name_of(file)
                    ending = "" if _has_ending(name) else os.path.splitext(shown)[1]
                    return _Match(file, difference(name + ending, shown))
                if files:
                    why = (
                        "fits several pictures"
                        if len(files) > 1
                        else "is one of several such names"
                    )
                    return _Match(None, why_not=why)
        return _Match(None)

    def name_of(self, file) -> str:
        """A picture's path below the folder."""
        return Path(os.path.relpath(file, self.folder)).as_posix()

    def nearest(self, name: str) -> str:
        """A picture whose name is spelt nearly so; "" if none is."""
        shown = {in_one_form(os.path.basename(n)).casefold(): n for n in self.relative}
        plain = in_one_form(name).rpartition("/")[2].casefold()
        near = difflib.get_close_matches(plain, shown, 1)
        return shown[near[0]] if near else ""


def _has_ending(name):
    return name.lower().endswith(IMAGE_SUFFIXES)


ENDINGS = tuple(e for ending in IMAGE_SUFFIXES for e in (ending, ending.upper()))


def _tails(name: str) -> list[tuple]:
    """The ends of a path in one form, the longest first; each with and without its ending."""
    name = unquote(name.partition("?")[0]) if "%" in name or "?" in name else name
    parts = [p.strip() for p in in_one_form(name).casefold().split("/") if p.strip(". ")]
    ends = [tuple(parts[k:]) for k in range(max(0, len(parts) - 12), len(parts))]
    stem, ending = os.path.splitext(parts[-1]) if parts else ("", "")
    if ending not in IMAGE_SUFFIXES:
        stem = parts[-1] if parts else ""
    return [tail for end in ends for tail in (end, (*end[:-1], (stem,)))]


# ------------------------------------------------------------------------ entries of each picture


def _joined(folder, files, entries, boxes, leave_out, collection):
    """{picture: its entries with a box}, in the order of the pictures."""
    names = _Names(folder, files)
    matches = names.match((e.names, e.beside) for e in entries if e.names)
    notes = collection.notes
    good, bad, lost, lone = defaultdict(list), defaultdict(list), [], []
    for entry in entries:
        match = matches.get((entry.names, entry.beside))
        if match is None:
            lone.append(entry.error)
        elif match.file is None:
            lost.append((entry, match.why_not))
        elif entry.error:
            bad[match.file].append(entry.error)
        elif entry.box is not None:
            good[match.file].append(entry)
    _tell_forms(matches, names, notes)
    if lost:
        _tell_lost(lost, matches, names, folder, notes)
    beside = [error for file in bad if file in good for error in bad[file]]
    beside = [error for error in beside if not isinstance(error, RoundMany)]
    if beside:
        notes.append(f"{len(beside)} entries beside good boxes cannot be used: {beside[0]}")
    refused = [*lone, *(error for file in bad if file not in good for error in bad[file])]
    if refused and not leave_out:
        raise _refusal(refused, boxes)
    if refused:
        notes.append(f"{len(refused)} entries cannot be used and are left out:{in_lines(refused)}")
    missing = [file for file in files if file not in good]
    if missing:
        shown = ", ".join(ascii(os.path.relpath(file, folder)) for file in missing[:5])
        shown += ", …" if len(missing) > 5 else ""
        if not leave_out or len(missing) == len(files):
            raise InputError(
                f"{boxes} has no box for {len(missing)} of {len(files)} images",
                seen=shown,
                cure=f"Add their lines, move these images away, or {LEAVE_OUT}.",
            )
        notes.append(f"{len(missing)} images have no box and are left out: {shown}")
    return {file: good[file] for file in files if file in good}


def _refusal(errors, boxes):
    if len(errors) == 1:
        return errors[0]
    return InputError(
        f"{len(errors)} entries of {boxes} cannot be used",
        seen=f"{in_lines(errors)}\n",
        cure=f"Mend them, or {LEAVE_OUT}.",
    )


def _tell_forms(matches, names, notes):
    """How many names differ from their pictures', and in what."""
    kinds = defaultdict(list)
    for (given, _), match in matches.items():
        bare = match.form == "folder" and "/" not in in_one_form(given[0])
        if match.file is not None and match.form and not bare:
            kinds[match.form].append((given[0], names.name_of(match.file)))
    for form, pairs in kinds.items():
        given, file = pairs[0]
        count = f"{len(pairs)} names differ from their pictures' in {form}"
        notes.append(f"{count}: {given!a} is {file!a}")


def _tell_lost(lost, matches, names, folder, notes):
    """Note entries of pictures that are not there; refuse them if they are all."""
    entry, why = lost[0]
    given = entry.names[0]
    if all(match.file is None for match in matches.values()):
        near = names.nearest(given)
        cure = f"Give the folder that has it: {folder} holds {len(names.absolute)} other pictures."
        if why:
            cure = f"The name {why}: give the paths below the folder, or another folder."
        elif near:
            cure = f"There is {near!a}, which differs in {difference(given, near)}. {cure}"
        raise InputError(f"{entry.where}: no such image", seen=repr(given), cure=cure)
    unclear = [entry for entry, why in lost if why.startswith(("fits", "is one"))]
    if unclear:
        notes.append(
            f"{len(unclear)} entries fit several pictures and are not used: {unclear[0].where}"
        )
    if n := len(lost) - len(unclear):
        first = next(entry for entry, why in lost if not why.startswith(("fits", "is one")))
        notes.append(
            f"{n} entries are of pictures that are not in {folder}: {first.where}, "
            f"{first.names[0]!a}"
        )


# ----------------------------------------------------------------------------- classes and splits


def classes_and_splits(names) -> dict:
    """{path below the folder: (class or "", whether of the training split or None)}.

    The class is the folder. Left out of it are a level at which all folders are named after splits
    (``train``, ``valid``, ``test``) and folders named after pictures (``images``).
    """
    parts = {name: Path(name).parts[:-1] for name in names}
    depth = max(map(len, parts.values()), default=0)
    level = next((place for place in range(depth) if _is_of_splits(parts.values(), place)), None)
    found = {}
    for name, part in parts.items():
        split = split_of(part[level]) if level is not None and len(part) > level else None
        kept = [
            word
            for place, word in enumerate(part)
            if place != level and word.lower() not in IMAGE_FOLDERS
        ]
        found[name] = kept, split
    # The folder that holds all the classes is no class.
    least = min((len(kept) for kept, _ in found.values()), default=0)
    words = zip(*(kept for kept, _ in found.values()), strict=False)
    same = [len(set(level)) == 1 for level in words][: max(0, least - 1)]
    common = same.index(False) if False in same else len(same)
    return {
        name: (in_one_form("/".join(kept[common:])), split) for name, (kept, split) in found.items()
    }


def _is_of_splits(parts, place) -> bool:
    """Whether the folders at a level are splits.

    All are named so; or two different ones are, and the others (``extra``) hold the same classes.
    """
    below = defaultdict(set)
    for part in parts:
        if len(part) > place:
            below[part[place]].add(part[place + 1 :])
    splits = {word for word in below if split_of(word) is not None}
    if len(splits) == len(below):
        return bool(below)
    classes = set().union(*(below[word] for word in splits)) - {()}
    rest = set().union(*(below[word] for word in below if word not in splits))
    return len({split_of(word) for word in splits}) > 1 and bool(rest) and rest <= classes


def _add_photos(collection, folder, chosen, stored):
    """Fill in the photographs, their classes and the split."""
    names = {file: os.path.relpath(file, folder) for file in chosen}
    by_folder, notes = classes_and_splits(names.values()), collection.notes
    given = any(entry.label for entries in chosen.values() for entry in entries)

    def label_of(entry, file):
        return in_one_form(entry.label) if entry.label else by_folder[names[file]][0]

    labels = {label_of(entry, file) for file, entries in chosen.items() for entry in entries}
    classes = sorted(labels)
    named = "" not in labels and (len(labels) > 1 or given)
    if "" in labels and len(labels) > 1:
        without = sum(any(not label_of(e, f) for e in entries) for f, entries in chosen.items())
        notes.append(f"{without} images have no class: no classes are written")
    safe = safe_names(names.values())
    renamed = sum(Path(name).as_posix() != safe[name] for name in names.values())
    if renamed:
        notes.append(f"{renamed} file names that lists cannot hold are escaped")
    several = sum(len(entries) > 1 for entries in chosen.values())
    if several:
        notes.append(f"{several} images have several boxes: the largest is kept")
    for file, entries in chosen.items():
        photos = []
        for entry in entries:
            label = classes.index(label_of(entry, file)) if named else None
            split = by_folder[names[file]][1] if entry.training is None else entry.training
            where, name = entry.where, safe[names[file]]
            photos.append(Photo(file, name, entry.box, label, split, stored, entry.frame, where))
        collection.photos.append(replace(photos[0], others=tuple(photos[1:])))
    collection.class_names = classes if named else None


def safe_names(names) -> dict:
    """{name: a path that images.txt can hold}: UTF-8, one line, no space at either end."""
    safe = {}
    for name in names:
        text = Path(name).as_posix().encode("utf-8", "surrogateescape")
        text = re.sub(rb"[\x80-\xff]+", _escape_if_foreign, text).decode("utf-8")
        text = re.sub(
            r"[\x00-\x1f\x7f]|^\s+|\s+$", lambda m: "".join(f"%{ord(c):02X}" for c in m[0]), text
        )
        safe[name] = text
    counts = Counter(safe.values())
    clash = next((name for name in safe if counts[safe[name]] > 1), None)
    if clash is not None:
        raise InputError(
            "two file names become the same", seen=ascii(clash), cure="Rename one of them."
        )
    return safe


def _escape_if_foreign(match):
    try:
        match[0].decode("utf-8")
        return match[0]
    except UnicodeDecodeError:
        return "".join(f"%{byte:02X}" for byte in match[0]).encode()
