"""Load a knowledge graph from a file, a folder or the offline data, and divide it into parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from negatives.data.ids import codes_of, names_of
from negatives.data.loading.named import named, short_name
from negatives.data.readers import Options, read
from negatives.data.readers.schema import HEAD, RELATION, TAIL, TRIPLES
from negatives.data.splits import check_shares, key_of
from negatives.data.table import Table
from negatives.data.triples import TripleData, Triples
from negatives.errors import ConfigError, InputError
from negatives.randomness import permutation

SPLITS = ("auto", "given", "random")
VALID_CAP = 20_000


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
        if self.kind not in SPLITS:
            raise ConfigError(f"split.kind is {self.kind!r}; triples know {', '.join(SPLITS)}")
        if self.unseen not in ("keep", "drop"):
            raise ConfigError(f"reading.unseen is {self.unseen!r}; choose keep or drop")
        check_shares(test=self.test, valid=self.valid, canaries=self.canaries)


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
    kind = _kind(split.kind, parts, path)
    notes.append(f"split: {kind}" + (" (chosen automatically)" if split.kind == "auto" else ""))
    parts = _divide(parts, kind, split, len(entities), notes)
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


def _kind(kind: str, parts: Mapping[str, Triples], path: Path | str | None) -> str:
    if kind == "auto":
        return "given" if "test" in parts else "random"
    if kind == "given" and "test" not in parts:
        raise InputError("there is no test part", path=path, hint="add a test file beside train, or split.kind=random")
    return kind


def _divide(
    parts: dict[str, Triples], kind: str, split: TripleSplit, n_entities: int, notes: list[str]
) -> dict[str, Triples]:
    """Train, valid, test and canaries, and hard negatives if there are."""
    rest = {part: triples for part, triples in parts.items() if part.endswith("negatives")}
    train = parts["train"]
    if kind == "given":
        test = _outside(parts["test"], train, "test", n_entities, notes)
        valid = parts.get("valid")
        valid = None if valid is None else _outside(valid, train, "valid", n_entities, notes)
    else:
        true = [triples for part, triples in parts.items() if part not in rest]
        if len(true) > 1:
            notes.append("split: the parts of the folder are joined and divided anew")
        train, test = hold_back(Triples.joined(true), split.test, key_of("test", split.seed))
        valid = None
    if valid is None:
        share = min(split.valid, VALID_CAP / max(1, len(train)))
        train, valid = hold_back(train, share, key_of("valid", split.seed))
    train, canaries = hold_back(train, split.canaries, key_of("canaries", split.seed))
    return {"train": train, "valid": valid, "test": test, "canaries": canaries} | rest


def hold_back(triples: Triples, share: float, key: int) -> tuple[Triples, Triples]:
    """Divide at random into what stays and what is held back; every entity and relation stays in some triple.

    In a random order, the triples in which an entity or a relation comes up first stay, the others may go.
    """
    n = len(triples)
    order = permutation(key, n)
    stays = torch.zeros(n, dtype=torch.bool)
    for ids in (torch.cat([triples.heads[order], triples.tails[order]]), triples.relations[order]):
        first = torch.full((int(ids.max()) + 1 if ids.numel() else 0,), n, dtype=torch.int64)
        place = torch.arange(ids.numel()) % max(n, 1)
        first.scatter_reduce_(0, ids, place, "amin")
        stays[order[first[first < n]]] = True
    free = order[~stays[order]]
    held = torch.zeros(n, dtype=torch.bool)
    held[free[: round(share * n)]] = True
    return triples.pick(~held), triples.pick(held)


def _outside(part: Triples, train: Triples, name: str, n_entities: int, notes: list[str]) -> Triples:
    """The triples of a part that do not stand in train too."""
    width = 1 + max(int(one.relations.max()) if len(one) else 0 for one in (part, train))
    mine, theirs = ((one.heads * width + one.relations) * n_entities + one.tails for one in (part, train))
    seen: Tensor = torch.isin(mine, theirs)
    if bool(seen.any()):
        notes.append(f"{name}: {int(seen.sum()):,} triples dropped, they stand in train too")
    return part.pick(~seen)


def _report_unseen(parts: dict[str, Triples], unseen: str, path: Path | str | None, notes: list[str]) -> None:
    """Count what training never shows, and drop it where that is wanted.

    Raises:
        InputError: No triple is left to train on or to test, or the test part speaks of nothing that training shows.
    """
    train = parts["train"]
    if len(train) == 0:
        raise InputError("no triple is left to train on", path=path, hint="give more data, or hold less back")
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
