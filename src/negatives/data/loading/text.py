"""Read running text document by document: what every task over text reads through.

A document is a line of a text file, or a cell of the text column of a table (JSON Lines, Parquet, CSV, ...).
"""

from __future__ import annotations

import codecs
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from negatives.data.loading.lines import lines
from negatives.data.loading.named import Given
from negatives.data.readers.base import TableReader
from negatives.data.readers.formats import BINARY, reader_of, registry
from negatives.data.readers.opening import at_rest, faults_told, inner_suffix, open_bytes, passing_folder
from negatives.data.readers.read import read
from negatives.data.readers.roles import find_roles
from negatives.data.readers.schema import LINES, Options
from negatives.data.readers.values import texts
from negatives.data.words import CUTS, DICTIONARY, UNSPACED, composed
from negatives.errors import InputError

SUFFIXES = ("", ".txt", ".text", ".tokens", ".jsonl", ".ndjson", ".parquet", ".arrow")
"""Files of a folder that are read."""
EVALUATION = "eval"
HEAD_LINES, HEAD_LETTERS = 200, 1 << 20
"""How much is looked at to decide how a text is cut into words."""
WHOLE = 8
"""Letters between blanks, on average, from which a script without blanks has not been cut into words."""
_MARKS = '.,;:!?)"”»…।。，！？、；：؟،؛'
_MARKED = re.compile(f"[^\\s!-/:-@[-`{{-~{_MARKS}][{_MARKS}]+(?:\\s|$)")
_TOKENISED = re.compile(r" (?:<unk>|[.,;:!?]) |@-@")
BLANK = "what stands between blanks (the text is cut into words already)"
RUNS = "runs of letters and digits, in lower case; reading.tokens=blank cuts at blanks only"
UNCUT = (
    (UNSPACED, "scripts without blanks are cut into characters, Katakana into runs"),
    (DICTIONARY, "words of Thai, Lao, Khmer and Burmese need a dictionary; put blanks between them and set "
     "reading.tokens=blank, or they are cut into syllable signs"),
)  # fmt: skip


@dataclass(slots=True)
class Text:
    """Where a text lies and how it is cut into words.

    Args:
        path: A file, a folder of files, or several of them.
        tokens: ``blank`` cuts at white space only; ``words`` takes :func:`~negatives.data.words.words_of`; ``auto``
            looks at the beginning and takes ``words`` where it finds capitals, punctuation, or a script without blanks.
        key: Column of a table, or key in JSON Lines, with the text; None finds it.
        marks: Whether marks are words: ``auto`` then takes ``blank`` where they stand between blanks.
        notes: What was read and how.

    While it is read, ``auto`` becomes what was decided, and the notes are filled.
    """

    path: Path | Sequence[Path]
    tokens: str = "auto"
    key: str | None = None
    marks: bool = False
    notes: list[str] = field(default_factory=list)

    def files(self) -> list[Path]:
        """The files to read, in order.

        Raises:
            InputError: A folder holds none.
        """
        return [file for path in self._paths() for file in self._within(at_rest(path))]

    @property
    def first(self) -> Path | None:
        """The first path, for messages."""
        return next(iter(self._paths()), None)

    def _paths(self) -> Sequence[Path]:
        return [self.path] if isinstance(self.path, Path) else self.path

    def _within(self, path: Path) -> list[Path]:
        if not path.is_dir():
            return [path]
        found = [file for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file.relative_to(path))]
        chosen = [file for file in found if inner_suffix(file) in SUFFIXES]
        if not chosen:
            raise InputError("the folder holds no text file", path=path, hint="give .txt or .jsonl files")
        if len(found) > len(chosen):
            self.notes.append(f"{path.name}: {len(found) - len(chosen)} files that are no text skipped")
        return chosen


def _hidden(inner: Path) -> bool:
    return inner.parts[0] == EVALUATION or any(part.startswith(".") for part in inner.parts)


def documents(text: Text) -> Iterator[str]:
    """The documents of a text in order, without blank ones.

    Raises:
        InputError: A file is missing, cut off, binary or not UTF-8, a line is no object with the text, or nothing is
            there.
    """
    files, empty = text.files(), 0
    for path in files:
        seen = False
        for one in _texts(path, text):
            if one and not one.isspace():
                seen = True
                yield one
        empty += not seen
    if empty == len(files):
        raise InputError("the file is empty" if empty == 1 else "the files are empty", path=files[0] if files else None,
                         hint="give a file with text")  # fmt: skip
    if empty:
        text.notes.append(f"text: {empty:,} empty files skipped")


def at_rest_texts(data: Given, key: str | None) -> Path:
    """The texts of a table in memory as files that the process removes, for running text is read from files.

    Args:
        data: As :func:`negatives.data.readers.read` has it.
        key: Column of the text; None to look for it.

    Raises:
        InputError: It is no table, or one cannot tell which column is the text.
    """
    folder = Path(tempfile.mkdtemp(dir=passing_folder()))
    for part, table in read(data, LINES, Options(columns={"text": key} if key else {})).items():
        table.texts("text").to_frame(key or "text").write_ndjson(folder / f"{part}.jsonl")
    return folder


def sentences(text: Text) -> Iterator[list[str]]:
    """The words of each document; documents without words are left out.

    Raises:
        InputError: As :func:`documents`; or there is no word at all.
    """
    rest, head, letters = documents(text), [], 0
    for one in rest:
        head.append(one)
        letters += len(one)
        if len(head) >= HEAD_LINES or letters >= HEAD_LETTERS:
            break
    start = " ".join(head)[:HEAD_LETTERS]
    if text.tokens == "auto":
        text.tokens = kind_of(start, text.marks)
        text.notes.append(f"text: words are {BLANK if text.tokens == 'blank' else RUNS}")
    if text.tokens == "words":
        text.notes += [f"text: {note}" for pattern, note in UNCUT if pattern.search(start)]
    seen = False
    for one in chain(head, rest):
        words = CUTS[text.tokens](one)
        if words:
            seen = True
            yield words
    if not seen:
        raise InputError("the text holds no word", path=text.first, hint="give a file with text")


def kind_of(head: str, marks: bool = False) -> str:
    """``blank`` for a text that is cut into words already, else ``words``.

    >>> [kind_of(one) for one in ("the cat sat", "The cat sat.", "今天天气很好今天天气很好", "今天 天气 很 好")]
    ['blank', 'words', 'words', 'blank']
    """
    if marks and _TOKENISED.search(head):
        return "blank"
    whole = [len(one) for one in head.split() if UNSPACED.search(one)] if not head.isascii() else []
    if head != head.lower() or _MARKED.search(head) or sum(whole) > WHOLE * len(whole):
        return "words"
    return "blank"


def _texts(path: Path, text: Text) -> Iterator[str]:
    """Every line of a file, or what stands in one column of a table."""
    reader = table_reader(path)
    if reader is None:
        yield from map(composed, lines(path))
        return
    options = Options(columns={"text": text.key} if text.key else {})
    frames = reader.frames(path, LINES, options)
    roles = find_roles(frames, LINES, options)
    note = f"text: {roles}"
    text.notes += [note] if note not in text.notes else []
    missing = 0
    for block in frames.blocks([roles.columns["text"]]):
        for one in texts(block.frame[roles.columns["text"]]).to_list():
            missing += one is None
            if one is not None:
                yield composed(one)
    if missing:
        text.notes.append(f"{path.name}: {missing:,} rows without text skipped")


def table_reader(path: Path) -> TableReader | None:
    """The format of a table, as the name or the first bytes of a file tell; None for lines of text."""
    found = reader_of(path)
    if found is None:
        with faults_told(path), open_bytes(path) as file:
            head = file.read(HEAD_LETTERS)
        kind = next((kind for magic, kind in BINARY.items() if head.startswith(magic)), None)
        kind = "jsonl" if kind is None and _is_object(head) else kind
        found = registry.build(kind) if kind is not None else None
    return found if isinstance(found, TableReader) else None


def _is_object(block: bytes) -> bool:
    """Whether the first line is a JSON object with a text in it."""
    line = block.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")[0]
    if not line.startswith(b"{"):
        return False
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and any(isinstance(value, str) for value in row.values())
