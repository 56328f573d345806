"""Load a retrieval collection and hold back what validates, by whole queries as the test does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch

from negatives.data.dividing import Division, Ways, choose, divide, joined_anew
from negatives.data.loading.named import short_name
from negatives.data.readers import Options
from negatives.data.readers.beir import Collection, Judged
from negatives.data.readers.questions import read_collection
from negatives.data.retrieval import Judgements, RetrievalData
from negatives.data.splits import Basis, any_rows, cold_queries
from negatives.errors import InputError

HINT = "give more pairs, or qrels/train.tsv and qrels/test.tsv"


def ways_of(n_documents: int) -> Ways[Judgements]:
    """How judgements can be divided: a query goes to one part with all of them, as it is asked as a whole."""
    return Ways(
        unit="judgements",
        basis=lambda judged: Basis(len(judged), judged.queries, judged.items),
        code=lambda judged: judged.queries * n_documents + judged.items,
        test={"random": cold_queries},
        valid={"given": cold_queries},
        canaries=any_rows,
        judged=("queries", lambda judged: int(torch.unique(judged.queries[judged.grades > 0]).numel())),
    )


@dataclass(frozen=True, slots=True)
class Holding:
    """How much is held back.

    Args:
        test: Share of the judged queries, where the data has no test part.
        valid: Share of the training queries, where the data has no validation part.
        canaries: Share of the training judgements that is hidden to estimate false negatives.
        seed: Seed of the choice.
        kind: ``given``, ``random`` (by whole queries), or ``auto``: given where there is a test part.

    Raises:
        ConfigError: A share is not below 1, or the split is not known.
    """

    test: float = 0.2
    valid: float = 0.1
    canaries: float = 0.0
    seed: int = 0
    kind: str = "auto"

    def __post_init__(self) -> None:
        ways_of(0).check(self.kind)
        self.division()

    def division(self) -> Division:
        """How the judgements are divided."""
        return Division(self.kind, self.test, self.valid, self.canaries, self.seed)


def load_retrieval(
    data: Any, holding: Holding, titles: bool = True, options: Options | None = None, cache: bool = True
) -> RetrievalData:
    """Read a collection, pairs, or the offline collection, and divide it.

    Args:
        data: As :func:`negatives.data.readers.questions.read_collection` takes it; None for the standard library's own
            documentation.
        holding: What is held back.
        titles: Take each document's title as one more training query.
        options: What to take the columns for.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: The data cannot be used.
    """
    if data is None:
        from negatives.data.offline.docs import documented_functions

        collection, name = documented_functions(cache=cache), "stdlib"
    else:
        collection, name = read_collection(data, options), short_name(data)
    return divided(collection, name, holding, titles)


def divided(collection: Collection, name: str, holding: Holding, titles: bool) -> RetrievalData:
    """Number queries and documents, and divide the judgements.

    Raises:
        InputError: No relevant pair is left to train or to test on.
    """
    judged = {part for rows in collection.judged.values() for row in rows for part in row[:1]}
    names = [query for query in collection.queries if query in judged]
    notes = [*collection.notes]
    if len(names) < len(collection.queries):
        notes.append(f"queries: {len(collection.queries) - len(names):,} without any judgement left out")
    query_ids = {query: index for index, query in enumerate(names)}
    item_ids = {item: index for index, item in enumerate(collection.documents)}
    numbered = {
        part: _numbered(rows, query_ids, item_ids).once(part, notes) for part, rows in collection.judged.items()
    }
    parts = _parts(numbered, holding, len(item_ids), notes)
    texts = [collection.queries[query] for query in names]
    if titles and collection.titles:
        parts["titles"] = _titles(collection, item_ids, len(names))
        names = [*names, *(f"title:{item}" for item in collection.titles)]
        texts = [*texts, *collection.titles.values()]
        notes.append(f"titles: {len(parts['titles']):,} serve as training queries for their documents")
    for part, what in (("train", "training"), ("test", "test")):
        if not bool((parts[part].grades > 0).any()):
            raise InputError(f"{name}: no relevant judgement is left for the {what} part", hint=HINT)
    return RetrievalData(
        name,
        pl.Series("query", names, dtype=pl.String),
        texts,
        pl.Series("item", list(collection.documents), dtype=pl.String),
        list(collection.documents.values()),
        parts,
        tuple(notes),
    )


def _numbered(rows: list[Judged], queries: Mapping[str, int], items: Mapping[str, int]) -> Judgements:
    table = torch.tensor([(queries[q], items[d], grade) for q, d, grade in rows], dtype=torch.int64).reshape(-1, 3)
    return Judgements(table[:, 0].contiguous(), table[:, 1].contiguous(), table[:, 2].contiguous())


def _titles(collection: Collection, items: Mapping[str, int], first: int) -> Judgements:
    ids = torch.tensor([items[item] for item in collection.titles], dtype=torch.int64)
    return Judgements(first + torch.arange(len(ids)), ids, torch.ones_like(ids))


def _parts(given: dict[str, Judgements], holding: Holding, n_documents: int, notes: list[str]) -> dict[str, Judgements]:
    """The parts of the data, with what is missing held out of the training part."""
    ways, parts = ways_of(n_documents), dict(given)
    if "train" not in parts:
        parts = joined_anew(parts, ways, notes)
    choice = choose(holding.kind, parts, ways, notes)
    stays = () if choice.anew else tuple(parts)
    parts = divide(parts, choice, holding.division(), ways, notes)
    for part in ("test", "valid"):
        if part not in stays:
            held = torch.unique(parts[part].queries).numel()
            notes.append(f"split: {held:,} training queries held out as {part} part")
    return parts
