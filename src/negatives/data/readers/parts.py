"""Which files of a folder are which part of the data: one table of names, for every task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from negatives.data.readers.formats import reader_of
from negatives.data.readers.opening import COMPRESSIONS, inner_suffix
from negatives.errors import InputError

PLAIN_TEXT = (
    ".txt",
    ".dat",
    ".data",
    ".edges",
    ".edgelist",
    ".el",
    ".nt",
    ".nt3",
    ".text",
    ".svm",
    ".libsvm",
    ".tokens",
)
PARTS: dict[str, str] = {
    "train": "train", "training": "train", "trn": "train",
    "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid", "development": "valid",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
SIDES: dict[str, tuple[str, ...]] = {"item": ("item", "items", "products"), "user": ("user", "users", "customers")}
"""First words of the names of tables that say something of items and users."""
BESIDE = ("readme", "license", "licence", "notice", "changelog", "checksums", "md5sums", "_success", "metadata",
          "dataset_dict", "dataset_info", "dataset_infos", "state")  # fmt: skip


def part_of(file: Path) -> str | None:
    """Part that a file's name stands for, or None.

    >>> part_of(Path("gowalla.train.inter.gz")), part_of(Path("val.csv")), part_of(Path("items.csv"))
    ('train', 'valid', None)
    >>> part_of(Path("data/train-00000-of-00002.parquet"))
    'train'
    """
    words = re.split(r"[._\-]", file.name.lower())
    bare = [re.sub(r"(?:2?id|\d+)$", "", word) for word in words]
    found = next((PARTS[word] for word in (*words, *bare) if word in PARTS), None)
    if found is not None and any("negative" in word for word in words):
        return None if found == "train" else f"{found}_negatives"
    return found


def side_of(file: Path) -> str | None:
    """What a table beside the rows is about, by its file's name; None for all others.

    >>> side_of(Path("ml.user")), side_of(Path("train.csv"))
    ('user', None)
    """
    words = re.split(r"[._\-]", file.name.lower())
    suffix = inner_suffix(file)
    if part_of(file) is not None or not (suffix in (".item", ".user") or (suffix and usable(file))):
        return None
    if suffix in (".item", ".user"):
        return suffix[1:]
    if suffix == ".json" and words[-2] == "attributes":
        return "item"
    tabular = suffix in (".csv", ".tsv", ".parquet", ".jsonl", ".json", ".ndjson", ".arrow")
    return next((side for side, names in SIDES.items() if tabular and words[0] in names), None)


def side_files(folder: Path) -> dict[str, Path]:
    """Tables of a folder that say something of items and users, where it holds other files too.

    Raises:
        InputError: Two files are the same table.
    """
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and not file.name.startswith(".")]
    found: dict[str, Path] = {}
    for file in files:
        if (side := side_of(file)) is None:
            continue
        if side in found:
            raise InputError(f"{found[side].name} and {file.name} both look like {side}s", path=folder, hint="keep one")
        found[side] = file
    return found if any(usable(file) and file not in found.values() for file in files) else {}


def usable(file: Path) -> bool:
    """Whether a file of a folder may hold data: of a known format, or text by its name."""
    stem = file.name.lower().split(".")[0]
    if not file.is_file() or file.name.startswith(".") or stem in BESIDE:
        return False
    suffix = inner_suffix(file)
    if suffix == "":
        return part_of(file) is not None and file.suffix.lower() in ("", *COMPRESSIONS)
    reader = reader_of(file)
    known = suffix in PLAIN_TEXT or (reader is not None and not reader.stray)
    return known or (part_of(file) is not None and suffix not in (".md", ".pdf", ".py", ".sh"))


def files_of(folder: Path) -> list[Path]:
    """Files of a folder in order; those of its folder ``data``, or of folders named after parts, where it has none."""
    found = [file for file in sorted(folder.iterdir()) if usable(file)]
    if found:
        return found
    inner = [one for one in sorted(folder.iterdir()) if one.is_dir() and (one.name == "data" or one.name in PARTS)]
    return [file for one in inner for file in sorted(one.rglob("*")) if usable(file)]


def find_parts(path: Path, what: str = "row", sides: Sequence[str] = ()) -> dict[str, list[Path]]:
    """Files by part, ``train`` always among them; several files of a part follow one another.

    Args:
        path: A file, which is the training part; or a folder: with parts, with one file, or with pieces of one table.
        what: What a file holds, for the error.
        sides: Of what tables may lie beside, which are no part; see :func:`side_files`.

    Raises:
        InputError: No file is the training part, or two are the same part and no pieces of one.
    """
    if not path.is_dir():
        return {"train": [path]}
    files = files_of(path)
    if sides:
        aside = side_files(path)
        files = [file for file in files if file not in aside.values()]
    found: dict[str, list[Path]] = {}
    for file in files:
        name = part_of(file) or PARTS.get(file.parent.name if file.parent != path else "")
        if name is not None:
            found.setdefault(name, []).append(file)
    for name, several in found.items():
        if len(several) > 1 and not pieces(several):
            shown = " and ".join(file.name for file in several[:2])
            raise InputError(f"{shown} both look like {name}", path=path, hint="keep one")
    if "train" in found:
        return {name: found[name] for name in ("train", "valid", "test") if name in found} | found
    if not found and (len(files) == 1 or pieces(files)):
        return {"train": files}
    hint = f"name a file of {what}s, or call the files train.* and test.*; there are {_shown(path)}"
    raise InputError("the folder has no train file", path=path, hint=hint)


def pieces(files: Sequence[Path]) -> bool:
    """Whether files are pieces of one table: names that differ in a number alone.

    >>> pieces([Path("part-00000.csv"), Path("part-00001.csv")]), pieces([Path("train.csv"), Path("train.tsv")])
    (True, False)
    """
    names = [re.sub(r"\d+", "0", re.sub(r"-?[0-9a-f]{8}-[0-9a-f-]{27,}", "", file.name)) for file in files]
    return len(files) > 1 and len(set(names)) == 1 and any(letter.isdigit() for letter in files[0].name)


def _shown(path: Path) -> str:
    names = sorted(file.name for file in path.iterdir())
    return (", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")) or "none"


def part_files(path: Path) -> dict[str, Path]:
    """The first file of each part, for data that is read file by file.

    Raises:
        InputError: As :func:`find_parts`.
    """
    return {name: files[0] for name, files in find_parts(path).items()}
