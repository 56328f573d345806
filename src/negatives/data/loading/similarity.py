"""Load graded pairs of sentences and divide them into parts."""

from __future__ import annotations

from typing import Any

import torch

from negatives.data.dividing import Division, Places, Ways, choose, divide
from negatives.data.loading.named import short_name
from negatives.data.readers import Options
from negatives.data.readers.scored_pairs import Scored, ScoredTable, read_scored
from negatives.data.similarity import ScoredPairs, SimilarityData, distinct
from negatives.data.splits import Basis
from negatives.errors import InputError

HINT = "give files called train, dev and test, or one file of pairs"


PARTS = ("train", "test", "valid")
WAYS: Ways[Places] = Ways(
    unit="pairs",
    basis=lambda pairs: Basis(len(pairs)),
    code=lambda pairs: pairs.contents,
    repeats=True,
)
"""How graded pairs can be divided; two sentences are one pair in either order."""


def load_similarity(
    data: Any,
    positive: float | None,
    related: float | None,
    how: Division | None = None,
    options: Options | None = None,
    cache: bool = True,
) -> SimilarityData:
    """Read a folder or a file, or the offline pairs.

    Args:
        data: Graded pairs as :func:`negatives.data.readers.read` takes them; what has no parts is divided at random;
            None for the standard library's docstrings.
        positive: Score from which pairs are trained on; None for four fifths of the range.
        related: Score from which a pair is no negative; None for half of the range.
        how: How they are divided; a fifth tests and a tenth of the rest validates where it is left out.
        options: What to take the columns for.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: The data cannot be used.
    """
    if data is None:
        from negatives.data.offline.sentences import related_docstrings

        tables, name = {"train": related_docstrings(cache=cache)}, "stdlib"
    else:
        tables, name = read_scored(data, options), short_name(data)
    notes = [note for table in tables.values() for note in table.notes]
    parts = _divided(tables, how or Division(), notes)
    texts = {text: None for rows in parts.values() for row in rows for text in row[:2]}
    ids = {text: index for index, text in enumerate(texts)}
    numbered = {part: _numbered(rows, ids) for part, rows in parts.items()}
    scores = numbered["train"].scores
    low, high = float(scores.min()), float(scores.max())
    positive = low + 0.8 * (high - low) if positive is None else positive
    related = low + 0.5 * (high - low) if related is None else related
    found = SimilarityData(name, list(ids), numbered, positive, related, ())
    pairs = found.similar(positive).nnz // 2
    if not pairs or low == high:
        raise InputError(f"{name}: no training pair is similar enough", hint="lower reading.positive, or " + HINT)
    notes.append(f"training: {pairs:,} pairs of a score from {positive:g} up are similar")
    return SimilarityData(name, list(ids), numbered, positive, related, tuple(notes))


def _divided(tables: dict[str, ScoredTable], how: Division, notes: list[str]) -> dict[str, list[Scored]]:
    """The pairs of each part, the given parts first."""
    if "train" not in tables:
        raise InputError("there is no training part", hint=HINT)
    read = {part: distinct(table.rows, part, notes) for part, table in tables.items()}
    rows = [row for one in read.values() for row in one]
    pairs: dict[tuple[str, ...], int] = {}
    contents = torch.tensor([pairs.setdefault(tuple(sorted(row[:2])), len(pairs)) for row in rows], dtype=torch.int64)
    given = Places.of({part: len(one) for part, one in read.items()}, contents)
    choice = choose(how.kind, tables, WAYS, notes)
    parts = divide(given, choice, how, WAYS, notes)
    held = (part for part in ("test", "valid") if choice.anew or part not in tables)
    notes += [f"split: {len(parts[part]):,} pairs held out as {part} part" for part in held]
    if len(parts["test"]) < 3:
        raise InputError("fewer than 3 pairs are left for the test", hint=HINT)
    return {part: [rows[place] for place in parts[part].places.tolist()] for part in dict.fromkeys([*tables, *PARTS])}


def _numbered(rows: list[Scored], ids: dict[str, int]) -> ScoredPairs:
    pairs = torch.tensor([(ids[left], ids[right]) for left, right, _ in rows], dtype=torch.int64).reshape(-1, 2)
    scores = torch.tensor([score for _, _, score in rows], dtype=torch.float64)
    return ScoredPairs(pairs[:, 0].contiguous(), pairs[:, 1].contiguous(), scores)
