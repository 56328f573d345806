"""Load a knowledge graph from a file, a folder or the offline data, and divide it into parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch

from negatives.data.dividing import Division, Ways, choose, divide
from negatives.data.ids import codes_of, names_of
from negatives.data.loading.named import named, short_name
from negatives.data.readers import Options, read
from negatives.data.readers.schema import HEAD, RELATION, TAIL, TRIPLES
from negatives.data.splits import Basis
from negatives.data.table import Table
from negatives.data.triples import TripleData, Triples
from negatives.errors import ConfigError, InputError

VALID_CAP = 20_000


def ways_of(n_entities: int, n_relations: int) -> Ways[Triples]:
    """How triples can be divided: every entity and relation of the training part stays in it."""
    return Ways(
        unit="triples",
        basis=lambda rows: Basis(
            len(rows), covered=(torch.stack([rows.heads, rows.tails], 1), rows.relations[:, None])
        ),
        code=lambda rows: (rows.heads * n_relations + rows.relations) * n_entities + rows.tails,
        most=VALID_CAP,
    )


@dataclass(frozen=True, slots=True)
class TripleSplit:
    """How triples are divided.

    Args:
        kind: ``given``, ``random``, or ``auto``: given where there is a test part.
        test: Share held back for the test by ``random``.
        valid: Share of the rest held back to stop by, where no validation part is given; at most 20,000 triples.
        canaries: Share of the training triples that is hidden; with 0 the validation part serves as canaries.
        seed: Seed of the split.
        unseen: What becomes of validation and test triples with an entity or relation that training never shows:
            ``keep`` ranks them like all others, ``drop`` leaves them out. Both are counted.

    Raises:
        ConfigError: A value is not known or out of range.
    """

    kind: str = "auto"
    test: float = 0.1
    valid: float = 0.05
    canaries: float = 0.0
    seed: int = 0
    unseen: str = "keep"

    def __post_init__(self) -> None:
        ways_of(0, 0).check(self.kind)
        if self.unseen not in ("keep", "drop"):
            raise ConfigError(f"reading.unseen is {self.unseen!r}; choose keep or drop")
        self.division()

    def division(self) -> Division:
        """How the triples are divided."""
        return Division(self.kind, self.test, self.valid, self.canaries, self.seed)


def load_triples(
    data: Any,
    split: TripleSplit | None = None,
    options: Options | None = None,
    cache: bool = True,
) -> TripleData:
    """Read a knowledge graph.

    Args:
        data: A file, a folder or a table in memory, as :func:`negatives.data.readers.read` takes it; None for the
            standard library's own sources.
        split: How it is divided.
        options: What to take the columns for.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: The data cannot be used.
    """
    split = split or TripleSplit()
    path = named(data)
    if data is None:
        from negatives.data.offline.triples import stdlib_triples

        tables, name = {"train": stdlib_triples(cache=cache)}, "stdlib"
    else:
        tables, name = read(data, TRIPLES, options), short_name(data)
    notes = [note for table in tables.values() for note in table.notes]
    entities, relations = _names(tables)
    parts = {part: _numbered(part, table, entities, relations, notes) for part, table in tables.items()}
    false = {part: parts.pop(part) for part in list(parts) if part.endswith("negatives")}
    ways = ways_of(len(entities), len(relations))
    choice = choose(split.kind, parts, ways, notes, path=path)
    parts = divide(parts, choice, split.division(), ways, notes, path) | false
    _report_unseen(parts, split.unseen, path, notes)
    sizes = ", ".join(f"{part} {len(triples):,}" for part, triples in parts.items())
    notes.append(f"{len(entities):,} entities, {len(relations):,} relations; triples: {sizes}")
    return TripleData(name, parts, entities, relations, tuple(notes))


def _names(tables: Mapping[str, Table]) -> tuple[pl.Series, pl.Series]:
    """Names of all entities and relations of the true parts, text, sorted by its characters."""
    true = [table for part, table in tables.items() if not part.endswith("negatives")]
    entities = names_of([table.ids(side).as_text() for table in true for side in (HEAD, TAIL)])
    return entities, names_of([table.ids(RELATION).as_text() for table in true])


def _numbered(part: str, table: Table, entities: pl.Series, relations: pl.Series, notes: list[str]) -> Triples:
    """Ids of one part, duplicates merged, sorted; what has no number is dropped and counted."""
    names = {HEAD: entities, RELATION: relations, TAIL: entities}
    codes = torch.stack([torch.from_numpy(codes_of(table.ids(role), known)) for role, known in names.items()], 1)
    unknown = (codes < 0).any(1)
    if bool(unknown.any()):
        notes.append(f"{part}: {int(unknown.sum()):,} triples dropped, they name what no true triple names")
        codes = codes[~unknown]
    code = (codes[:, 0] * len(relations) + codes[:, 1]) * len(entities) + codes[:, 2]
    distinct = torch.unique(code)
    if distinct.numel() < code.numel():
        notes.append(f"{part}: {code.numel() - distinct.numel():,} duplicate triples merged")
    rest = distinct // len(entities)
    return Triples(rest // len(relations), rest % len(relations), distinct % len(entities))


def _report_unseen(parts: dict[str, Triples], unseen: str, path: Path | str | None, notes: list[str]) -> None:
    """Count what training never shows, and drop it where that is wanted.

    Raises:
        InputError: No triple is left to test, or the test part speaks of nothing that training shows.
    """
    train = parts["train"]
    entities, relations = torch.cat([train.heads, train.tails]), train.relations
    for part in ("valid", "test"):
        triples = parts[part]
        known = torch.isin(triples.heads, entities), torch.isin(triples.tails, entities)
        fresh = ~(known[0] & known[1] & torch.isin(triples.relations, relations))
        if len(triples) and not bool((known[0] | known[1]).any()):
            hint = "check that all parts use the same names"
            raise InputError(f"no entity of the {part} part stands in train", path=path, hint=hint)
        if bool(fresh.any()):
            done = "dropped" if unseen == "drop" else "ranked like all others, with untrained vectors"
            notes.append(f"{part}: {int(fresh.sum()):,} triples hold an entity or relation unknown in train; {done}")
            if unseen == "drop":
                parts[part] = triples.pick(~fresh)
    if len(parts["test"]) == 0:
        raise InputError("no test triple is left", path=path, hint="give more data, or a larger split.test")
