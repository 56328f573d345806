"""A folder with train and test files, a folder that is a format of its own, or a folder with one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from negatives.data.readers.blocks import COMPRESSIONS, inner_suffix
from negatives.data.readers.formats import reader_of
from negatives.data.readers.table import read_file
from negatives.data.table import Columns, Table
from negatives.errors import InputError

PLAIN_TEXT = (".txt", ".dat", ".data")
PARTS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


def read_path(path: Path, columns: Columns) -> dict[str, Table]:
    """Read a file or a folder: tables by part, ``train`` always among them.

    Raises:
        InputError: There is nothing usable, or two files claim the same part.
    """
    if not path.is_dir():
        return {"train": read_file(path, columns)}
    if (reader := reader_of(path)) is not None:
        return {"train": reader.read(path, columns)}
    usable = [file for file in sorted(path.iterdir()) if file.is_file() and _usable(file)]
    parts = by_part(path, usable)
    if "train" in parts:
        return {part: read_file(parts[part], columns) for part in ("train", "valid", "test") if part in parts}
    if len(usable) == 1:
        return {"train": read_file(usable[0], columns)}
    inter = [file for file in usable if inner_suffix(file) == ".inter"]
    if len(inter) == 1 and not parts:
        return {"train": read_file(inter[0], columns)}
    hint = "name a file, or call the files train.* and test.* (.txt, .csv, .tsv, .inter, .jsonl or .parquet)"
    raise InputError("the folder has no train file", path=path, hint=hint)


def _usable(file: Path) -> bool:
    suffix = inner_suffix(file)
    if file.name.startswith(".") or file.stem.lower() in ("readme", "license", "licence"):
        return False
    if suffix == "":
        return part_of(file) is not None and file.suffix in ("", *COMPRESSIONS)
    return suffix in PLAIN_TEXT or reader_of(file) is not None


def part_of(file: Path) -> str | None:
    """Part that a file's name stands for, or None.

    >>> part_of(Path("gowalla.train.inter.gz")), part_of(Path("val.csv")), part_of(Path("items.csv"))
    ('train', 'valid', None)
    """
    words = file.name.lower().replace("_", ".").replace("-", ".").split(".")
    return next((PARTS[word] for word in words if word in PARTS), None)


def by_part(path: Path, files: Iterable[Path], part: Callable[[Path], str | None] = part_of) -> dict[str, Path]:
    """Those files of a folder that are parts.

    Raises:
        InputError: Two are the same part.
    """
    found: dict[str, Path] = {}
    for file in files:
        name = part(file)
        if name in found:
            raise InputError(f"{found[name].name} and {file.name} both look like {name}", path=path, hint="keep one")
        if name is not None:
            found[name] = file
    return found


def part_files(path: Path) -> dict[str, Path]:
    """Files by part, ``train`` always among them: a file itself, or the only one of a folder, is that part.

    Raises:
        InputError: No file is the training part, or two are the same part.
    """
    if not path.is_dir():
        return {"train": path}
    files = [one for one in sorted(path.iterdir()) if one.is_file() and not one.name.startswith(".")]
    parts = by_part(path, files)
    if "train" not in parts and len(files) == 1:
        return {"train": files[0]}
    if "train" not in parts:
        hint = "name a file, or call the files train.* and test.*"
        raise InputError("the folder has no train file", path=path, hint=hint)
    return parts
