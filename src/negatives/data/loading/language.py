"""Load running text as word ids from a file, a folder or the offline data, and divide it into parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from negatives.data.loading.named import short_name
from negatives.data.loading.text import Text, sentences
from negatives.data.readers.opening import at_rest
from negatives.data.readers.parts import files_of, find_parts, part_of
from negatives.data.splits import FOLD, key_of
from negatives.data.text import PARTS, Lines, TextData, TextSplit, encoded
from negatives.randomness import permutation


def load_text(path: Path | None, how: TextSplit, cache: bool = True) -> TextData:
    """Read a text file, a folder with train, valid and test files or with any text files, or the offline text.

    Args:
        path: A file or a folder; None for docstrings of the standard library.
        how: How it becomes ids.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: A file cannot be used, or the training part is too short.
    """
    if path is None:
        from negatives.data.offline.lines import docstring_lines

        lines, notes = docstring_lines(cache=cache)
        parts, name, tokens = _divided(lines, how, notes), "stdlib", "marks"
    else:
        name, notes = short_name(path), list[str]()
        read, tokens = {}, how.tokens
        for part, files in _part_files(path, notes).items():
            text = Text(files, tokens, how.key, marks=True)
            read[part] = list(sentences(text))
            tokens = text.tokens  # the other parts are cut as the training part is
            notes += text.notes
        if "test" in read:
            parts = read if "valid" in read else _with_valid(read, how, notes)
        else:
            parts = _divided([line for one in read.values() for line in one], how, notes)
    return replace(encoded(parts, how, name, notes, path), tokens=tokens)


def _part_files(path: Path, notes: list[str]) -> dict[str, list[Path]]:
    """Files by part, ``train`` first: a file, and the text files of a folder without parts, are that part.

    Raises:
        InputError: There is a test or validation part without a training part, or two files are the same part.
    """
    path = at_rest(path)
    files = files_of(path) if path.is_dir() else [path]
    if len(files) > 1 and not any(map(part_of, files)):
        text = Text(path)
        found = {"train": text.files()}
        notes += text.notes
        return found
    parts = find_parts(path, "line")
    return {part: parts[part] for part in PARTS if part in parts}


def _divided(lines: Lines, how: TextSplit, notes: list[str]) -> dict[str, Lines]:
    """Lines by part, chosen at random; the order stays."""
    place = torch.empty(len(lines), dtype=torch.int64)
    place[permutation(key_of("test", how.seed), len(lines))] = torch.arange(len(lines))
    test, valid = round(len(lines) * how.test), round(len(lines) * how.valid)
    first = test + valid * (how.seed // FOLD)
    held = (place >= first) & (place < first + valid)
    kinds = torch.where(place < test, 2, torch.where(held, 1, 0)).tolist()
    notes.append(f"split: random, {test:,} lines for the test, {valid:,} for validation")
    return {name: [line for line, kind in zip(lines, kinds, strict=True) if kind == k] for k, name in enumerate(PARTS)}


def _with_valid(read: dict[str, Lines], how: TextSplit, notes: list[str]) -> dict[str, Lines]:
    """Given parts without a validation part: the last lines of the training part become one."""
    lines = read["train"]
    held = round(len(lines) * how.valid)
    notes.append(f"split: the last {held:,} lines of the training part for validation")
    return read | {"train": lines[: len(lines) - held], "valid": lines[len(lines) - held :]}
