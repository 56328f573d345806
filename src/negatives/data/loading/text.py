"""Read running text document by document: what every task over text reads through.

A document is a line of a text file, or what stands under one key of a line of JSON Lines. Lines end at ``\\n`` or
``\\r\\n``; form feeds and Unicode's separators of lines and paragraphs are text.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from negatives.data.line_blocks import line_blocks
from negatives.data.readers.blocks import faults_told, inner_suffix, objects, open_bytes
from negatives.data.words import DICTIONARY, UNSPACED, composed, words_of
from negatives.errors import InputError

BLOCK = 1 << 22
LONGEST_OBJECT = 1 << 28
"""Bytes of a line of JSON Lines. Longer lines of plain text are cut at a blank behind ``BLOCK`` bytes."""
JSONL = (".jsonl", ".ndjson", ".json")
SUFFIXES = ("", ".txt", ".text", ".jsonl", ".ndjson")
KEYS = ("text", "content", "contents", "body", "document", "sentence", "article", "abstract", "raw_content", "code")
"""Keys under which a text is looked for, in this order."""
EVALUATION = "eval"
HEAD_LINES, HEAD_LETTERS = 200, 1 << 20
"""How much is looked at to decide how a text is cut into words."""
WHOLE = 8
"""Letters between blanks, on average, from which a script without blanks has not been cut into words."""
HALF = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which JSON can write and no file can hold."""
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
HINT = "give UTF-8 text, plain or compressed as .gz, .xz or .zst with that extension"


@dataclass(slots=True)
class Text:
    """Where a text lies and how it is cut into words.

    Args:
        path: A file, a folder of files, or several of them.
        tokens: ``blank`` cuts at white space only; ``words`` takes :func:`~negatives.data.words.words_of`; ``auto``
            looks at the beginning and takes ``words`` where it finds capitals, punctuation, or a script without blanks.
        key: Key of the text in JSON Lines; None takes the first of :data:`KEYS` that is there, or the only text.
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
        return [file for path in self._paths() for file in self._within(path)]

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
    cut = str.split if text.tokens == "blank" else words_of
    seen = False
    for one in chain(head, rest):
        words = cut(one)
        if words:
            seen = True
            yield words
    if not seen:
        raise InputError("the text holds no word", path=text.files()[0], hint="give a file with text")


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
    """Every line of a file, or what stands under the key in each object."""
    key, missing, halves = text.key, 0, 0
    for line, block, is_json in _blocks(path):
        if not is_json:
            for one in block.split("\n"):
                yield composed(one.removesuffix("\r"))
            continue
        for number, row in objects(path, enumerate(block.split("\n"), line), "write one JSON object per line"):
            if key is None:
                key = _key(path, number, row)
                note = f"text: under the key {key!r}"
                text.notes += [note] if note not in text.notes else []
            found = row.get(key)
            if isinstance(found, str):
                if not found.isascii() and HALF.search(found):
                    halves, found = halves + 1, HALF.sub("\ufffd", found)
                yield composed(found)
            elif found is None and key in row:
                missing += 1
            else:
                hint = "name the key with --set reading.key=..."
                raise InputError(f"no text under the key {key[:60]!r}", path=path, line=number, hint=hint)
    counted = ((missing, "objects without text skipped"), (halves, "texts with halves of characters, now \ufffd"))
    text.notes += [f"{path.name}: {count:,} {what}" for count, what in counted if count]


def _key(path: Path, line: int, row: dict[str, Any]) -> str:
    texts = [key for key, value in row.items() if isinstance(value, str)]
    found = next((key for key in KEYS if key in texts), texts[0] if len(texts) == 1 else None)
    if found is None:
        keys = ", ".join(map(repr, row))
        why = f"which of the keys {keys[:120]} holds the text is not known" if texts else "no text in the object"
        raise InputError(why, path=path, line=line, hint="name the key with --set reading.key=...")
    return found


def _blocks(path: Path) -> Iterator[tuple[int, str, bool]]:
    """The number of the first line, a block of whole lines, and whether they are JSON, as name or first line tell.

    A line of text of more than a block is cut at a blank, and where there is none, between two letters.
    """
    line, rest, is_json = 1, b"", inner_suffix(path) in JSONL
    with faults_told(path), open_bytes(path) as file:
        for block in line_blocks(file, BLOCK, BLOCK):
            is_json = is_json or (line == 1 and not rest and _is_object(block))
            block = rest + block
            cut = len(block)
            if not block.endswith(b"\n"):
                if is_json and cut > LONGEST_OBJECT:
                    why = f"more than {LONGEST_OBJECT:,} bytes in one line"
                    raise InputError(why, path=path, line=line + block.count(b"\n"), hint=HINT)
                cut = block.rfind(b"\n") + 1 if is_json else block.rfind(b" ") + 1 or _between(block)
            yield line, _decoded(path, line, block[:cut]), is_json
            line, rest = line + block.count(b"\n"), block[cut:]


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


def _between(chunk: bytes) -> int:
    """Where the last letter of a piece of UTF-8 begins."""
    return next(
        (at for at in range(len(chunk) - 1, max(0, len(chunk) - 4), -1) if chunk[at] & 0xC0 != 0x80), len(chunk)
    )


def _decoded(path: Path, line: int, block: bytes) -> str:
    at = block.find(b"\0")
    if at >= 0:
        raise InputError("binary content, not text", path=path, line=line + block.count(b"\n", 0, at), hint=HINT)
    try:
        return block.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        where = line + block.count(b"\n", 0, error.start)
        raise InputError("not UTF-8 text", path=path, line=where, hint=HINT) from error
