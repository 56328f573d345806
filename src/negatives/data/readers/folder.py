"""A folder with train and test files, a folder that is a format of its own, or a folder with one file."""

from __future__ import annotations

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
    parts: dict[str, Path] = {}
    for file in usable:
        part = part_of(file)
        if part in parts:
            raise InputError(f"{parts[part].name} and {file.name} both look like {part}", path=path, mend="keep one")
        if part is not None:
            parts[part] = file
    if "train" in parts:
        return {part: read_file(parts[part], columns) for part in ("train", "valid", "test") if part in parts}
    if len(usable) == 1:
        return {"train": read_file(usable[0], columns)}
    inter = [file for file in usable if inner_suffix(file) == ".inter"]
    if len(inter) == 1 and not parts:
        return {"train": read_file(inter[0], columns)}
    mend = "name a file, or call the files train.* and test.* (.txt, .csv, .tsv, .inter, .jsonl or .parquet)"
    raise InputError("the folder has no train file", path=path, mend=mend)


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
