"""Read text files sentence by sentence: plain or compressed, one sentence a line, JSON Lines, or a folder of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from negatives.data.readers.blocks import faults_told, inner_suffix, objects, open_bytes
from negatives.errors import InputError

BLOCK = 1 << 22
JSONL = (".jsonl", ".ndjson")
SUFFIXES = ("", ".txt", ".text", *JSONL)
EVALUATION = "eval"
WORD = re.compile(r"\w+(?:['’]\w+)*")
_MARKED = re.compile(r"[A-Z]|\w[.,;:!?)\"]+(?:\s|$)")
HINT = "give UTF-8 text, plain or compressed as .gz, .xz or .zst with that extension"


@dataclass(slots=True)
class Text:
    """Where a text lies and how it is cut into words.

    Args:
        path: A file, or a folder of files.
        tokens: ``blank`` cuts at white space only; ``words`` takes runs of letters and digits in lower case; ``auto``
            looks at the beginning and takes ``words`` where it finds capitals or punctuation.
        key: Key of the text in JSON Lines.
        notes: What was read and how, filled while reading.
    """

    path: Path
    tokens: str = "auto"
    key: str = "text"
    notes: list[str] = field(default_factory=list)

    def files(self) -> list[Path]:
        """The files to read, in order.

        Raises:
            InputError: There is none.
        """
        if not self.path.is_dir():
            return [self.path]
        found = [path for path in sorted(self.path.rglob("*")) if path.is_file() and not self._hidden(path)]
        chosen = [path for path in found if inner_suffix(path) in SUFFIXES]
        if not chosen:
            raise InputError("the folder holds no text file", path=self.path, hint="give .txt or .jsonl files")
        if len(found) > len(chosen):
            self.notes.append(f"{self.path.name}: {len(found) - len(chosen)} files that are no text skipped")
        return chosen

    def _hidden(self, path: Path) -> bool:
        parts = path.relative_to(self.path).parts
        return parts[0] == EVALUATION or any(part.startswith(".") for part in parts)


def sentences(text: Text) -> Iterator[list[str]]:
    """The words of each line, or of each JSON object; lines without words are left out.

    Raises:
        InputError: A file is missing, empty, cut off, binary, not UTF-8, or a line is no object with the text.
    """
    kind = text.tokens
    for path in text.files():
        is_json = inner_suffix(path) in JSONL
        seen = False
        for line, block in _blocks(path):
            lines = _fields(path, line, block, text.key) if is_json else block.split("\n")
            if kind == "auto":
                kind = "words" if _MARKED.search(" ".join(lines[:200])) else "blank"
                text.notes.append(_how(kind))
            for one in lines:
                words = one.split() if kind == "blank" else WORD.findall(one.lower())
                if words:
                    seen = True
                    yield words
        if not seen:
            raise InputError("the file holds no word", path=path, hint="give a file with text")


def _how(kind: str) -> str:
    if kind == "blank":
        return "text: words are what stands between blanks (the text is in lower case without punctuation)"
    return "text: words are runs of letters and digits, in lower case; reading.tokens=blank cuts at blanks only"


def _blocks(path: Path) -> Iterator[tuple[int, str]]:
    """Pairs of the number of the first line and a block of whole lines; a line that is longer is cut at a blank."""
    line, rest = 1, b""
    with faults_told(path), open_bytes(path) as file:
        while chunk := file.read(BLOCK):
            rest += chunk
            cut = rest.rfind(b"\n") + 1
            if not cut and len(rest) >= BLOCK and inner_suffix(path) not in JSONL:
                cut = rest.rfind(b" ") + 1
            if cut:
                yield line, _decoded(path, line, rest[:cut])
                line, rest = line + rest.count(b"\n", 0, cut), rest[cut:]
            elif b"\0" in rest:
                break
    if rest.strip():
        yield line, _decoded(path, line, rest)


def _decoded(path: Path, line: int, block: bytes) -> str:
    at = block.find(b"\0")
    if at >= 0:
        raise InputError("binary content, not text", path=path, line=line + block.count(b"\n", 0, at), hint=HINT)
    try:
        return block.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        where = line + block.count(b"\n", 0, error.start)
        raise InputError("not UTF-8 text", path=path, line=where, hint=HINT) from error


def _fields(path: Path, line: int, block: str, key: str) -> list[str]:
    found = []
    for number, row in objects(path, enumerate(block.split("\n"), line), "write one JSON object per line"):
        if not isinstance(row.get(key), str):
            hint = "name the key with --set reading.key=..."
            raise InputError(f"no text under the key {key!r}", path=path, line=number, hint=hint)
        found.append(row[key])
    return found
