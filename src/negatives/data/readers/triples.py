"""Read triples: three columns, with or without a header, from one file or from a folder of parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from negatives.data.readers.blocks import blocks, inner_suffix
from negatives.data.readers.folder import by_part, part_of
from negatives.data.readers.formats import reader_of
from negatives.data.readers.parquet import scanned
from negatives.data.readers.roles import plain
from negatives.data.readers.sniff import first_lines, separator_of
from negatives.data.table import Columns, Table
from negatives.errors import InputError
from negatives.registry import suggest

ROLES = ("head", "relation", "tail")
KNOWN: dict[str, tuple[str, ...]] = {
    "head": ("head", "h", "subject", "subj", "source", "from", "headid", "sourceid", "subjectid"),
    "relation": ("relation", "r", "rel", "predicate", "pred", "edge", "property", "relationid", "predicateid"),
    "tail": ("tail", "t", "object", "obj", "target", "to", "tailid", "targetid", "objectid"),
}
SUFFIXES = (".txt", ".tsv", ".csv", ".dat", ".nt3", ".parquet", ".pq", "")
HINT = "give one triple per line: head, relation and tail, divided by a tab or a comma"


@dataclass(frozen=True, slots=True)
class TripleTable:
    """Triples as they stand in one file.

    Args:
        frame: Columns ``head``, ``relation`` and ``tail``, text.
        notes: What was taken for what.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()


def read_triples(path: Path, columns: Mapping[str, str | None] | None = None) -> dict[str, TripleTable]:
    """Tables by part: ``train`` always; ``valid``, ``test``, ``valid_negatives``, ``test_negatives`` where they exist.

    Args:
        path: A file; or a folder with ``train``, ``valid`` and ``test`` as text or Parquet, text perhaps compressed.
        columns: Names of the columns by role, where they are to be taken by name.

    Raises:
        InputError: There is nothing usable; names file, line and hint.
    """
    wanted = {role: name for role, name in (columns or {}).items() if name is not None}
    if not path.is_dir():
        return {"train": read_triple_file(path, wanted)}
    parts = by_part(path, sorted(path.iterdir()), _part)
    if "train" not in parts:
        hint = "call the files train, valid and test with .txt, .tsv, .csv or .parquet, or name one file"
        raise InputError("the folder has no train file", path=path, hint=hint)
    return {part: read_triple_file(file, wanted) for part, file in parts.items()}


def _part(file: Path) -> str | None:
    """The part that a file holds, or None.

    >>> _part(Path("no/valid_negatives.txt.gz")) is None
    True
    """
    if not file.is_file() or file.name.startswith(".") or inner_suffix(file) not in SUFFIXES:
        return None
    part = part_of(file)
    if part is not None and "negative" in file.name.lower():
        return None if part == "train" else f"{part}_negatives"
    return part


def read_triple_file(path: Path, wanted: Mapping[str, str]) -> TripleTable:
    """One file of triples.

    Raises:
        InputError: It is missing, empty, binary, not of three columns, or a value is missing.
    """
    if not path.exists():
        raise InputError("no such file", path=path, hint="check the path")
    if inner_suffix(path) in (".parquet", ".pq"):
        return _parquet(path, wanted)
    reader = None if inner_suffix(path) in SUFFIXES else reader_of(path)
    if reader is not None:
        return _from_table(path, reader.read(path, Columns()))
    return _text(path, wanted)


def _from_table(path: Path, table: Table) -> TripleTable:
    """The triples of a format that other tasks read too."""
    if table.relations is None:
        raise InputError("this format holds pairs, and a triple needs a relation", path=path, hint=HINT)
    columns = dict(zip(ROLES, (table.users, table.relations, table.items), strict=True))
    return TripleTable(pl.DataFrame({role: column.cast(pl.String) for role, column in columns.items()}), table.notes)


def _text(path: Path, wanted: Mapping[str, str]) -> TripleTable:
    lines = first_lines(path)
    separator = separator_of(lines) if lines else "\t"
    first = lines[0].split(separator) if lines else []
    header = _is_header(first, wanted)
    names = [name.strip().strip('"') for name in first] if header else [f"column_{i + 1}" for i in range(len(first))]
    if lines and len(first) < 3:
        what = f"{len(first)} column{'s' if len(first) != 1 else ''}, but a triple has three"
        raise InputError(what, path=path, line=1, hint=HINT)
    frames, skip = [], header
    for line, block in blocks(path):
        frame = _block(path, block, separator, names, line)
        frames.append(frame.slice(1) if skip else frame)
        skip = False
    roles = _roles(path, names, wanted, header)
    frame = pl.concat(frames).select(pl.col(roles[role]).alias(role) for role in ROLES)
    return _checked(path, frame, roles, names, "header found" if header else "no header")


def _block(path: Path, block: bytes, separator: str, names: list[str], line: int) -> pl.DataFrame:
    """All columns of a block as text, every line looked at."""
    single = "\t" if separator == "::" else separator
    body = block.replace(b"::", b"\t") if separator == "::" else block
    quoted = '"' if b'"' in body and separator in (",", ";") else None
    try:
        frame = pl.read_csv(
            body,
            has_header=False,
            separator=single,
            quote_char=quoted,
            infer_schema=False,
            schema=dict.fromkeys(names, pl.String),
        )
    except pl.exceptions.PolarsError as error:
        _ragged(path, body, single, len(names), line)
        reason = str(error).partition("\n")[0]
        raise InputError(f"not a table ({reason})", path=path, line=line, hint=HINT) from error
    missing = frame.select(pl.any_horizontal(pl.all().is_null() | (pl.all().str.strip_chars() == "")))
    if bool(missing.to_series().any()):
        _ragged(path, body, single, len(names), line)
    return frame


def _ragged(path: Path, block: bytes, separator: str, width: int, line: int) -> None:
    """Name the first line of another number of columns, or with an empty value.

    Raises:
        InputError: There is one.
    """
    for at, raw in enumerate(block.decode(errors="replace").split("\n")):
        values = raw.rstrip("\r").split(separator)
        if not raw.strip():
            continue
        if len(values) != width and '"' not in raw:
            what = f"{len(values)} column{'s' if len(values) != 1 else ''} where {width} are expected"
            raise InputError(what, path=path, line=line + at, hint=HINT)
        if not all(value.strip() for value in values):
            raise InputError("an empty value", path=path, line=line + at, hint=HINT)


def _is_header(first: list[str], wanted: Mapping[str, str]) -> bool:
    """Whether the first line names columns: two of them are known names of roles, or one is asked for."""
    names = [name.strip().strip('"') for name in first]
    if set(wanted.values()) & set(names):
        return True
    known = [role for role in ROLES for name in names if plain(name) in KNOWN[role]]
    return len(set(known)) >= 2


def _roles(path: Path, names: list[str], wanted: Mapping[str, str], header: bool) -> dict[str, str]:
    """Which column plays which role: by the caller's word, by name, else in order."""
    roles: dict[str, str] = {}
    for role, name in wanted.items():
        if name not in names:
            raise InputError(f"no column is called {name!r}", path=path, line=1, hint=suggest(name, names))
        roles[role] = name
    for role in ROLES:
        free = [name for name in names if name not in roles.values()]
        hits = [name for name in free if plain(name) in KNOWN[role]] if header else []
        if role not in roles and hits:
            roles[role] = hits[0]
    for role in ROLES:
        if role not in roles:
            free = [name for name in names if name not in roles.values()]
            roles[role] = free[0]
    return roles


def _parquet(path: Path, wanted: Mapping[str, str]) -> TripleTable:
    with scanned(path, "triple") as lazy:
        names = lazy.collect_schema().names()
        if len(names) < 3:
            raise InputError(f"{len(names)} columns, but a triple has three", path=path, hint=HINT)
        roles = _roles(path, names, wanted, header=True)
        frame = lazy.select(pl.col(roles[role]).cast(pl.String).alias(role) for role in ROLES).collect()
    missing = frame.select(pl.any_horizontal(pl.all().is_null())).to_series()
    if bool(missing.any()):
        raise InputError("an empty value", path=path, line=int(missing.arg_true()[0]) + 1, hint=HINT)
    return _checked(path, frame, roles, names, "Parquet")


def _checked(path: Path, frame: pl.DataFrame, roles: Mapping[str, str], names: list[str], how: str) -> TripleTable:
    if len(frame) == 0:
        raise InputError("no triple is left", path=path, line=1, hint="give a file with at least one triple")
    frame = frame.select(pl.all().str.strip_chars())
    taken = ", ".join(f"{role} = {roles[role]}" for role in ROLES)
    skipped = [name for name in names if name not in roles.values()]
    rest = f"; skipped: {', '.join(skipped)}" if skipped else ""
    return TripleTable(frame, (f"{path.name}: {how}, {taken}{rest}; {len(frame):,} triples read",))
