"""Load graded pairs of sentences and divide them into parts."""

from __future__ import annotations

from typing import Any

import torch

from negatives.data.loading.named import short_name
from negatives.data.readers import Options
from negatives.data.readers.scored_pairs import Scored, ScoredTable, read_scored
from negatives.data.similarity import ScoredPairs, SimilarityData, distinct
from negatives.data.splits import key_of
from negatives.errors import InputError
from negatives.randomness import permutation

HINT = "give files called train, dev and test, or one file of pairs"


def load_similarity(
    data: Any, positive: float | None, related: float | None, valid: float = 0.1, test: float = 0.2,
    seed: int = 0, options: Options | None = None, cache: bool = True,
) -> SimilarityData:  # fmt: skip
    """Read a folder or a file, or the offline pairs.

    Args:
        data: Graded pairs as :func:`negatives.data.readers.read` takes them; what has no parts is divided at random;
            None for the standard library's docstrings.
        positive: Score from which pairs are trained on; None for four fifths of the range.
        related: Score from which a pair is no negative; None for half of the range.
        valid: Share held out for validation where there is no such part.
        test: Share held out for the test where there is no such part.
        seed: Seed of the division.
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
    parts = _parts(tables, {"test": test, "valid": valid}, seed, notes)
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


def _parts(
    tables: dict[str, ScoredTable], shares: dict[str, float], seed: int, notes: list[str]
) -> dict[str, list[Scored]]:
    if "train" not in tables:
        raise InputError("there is no training part", hint=HINT)
    parts = {part: distinct(table.rows, part, notes) for part, table in tables.items()}
    for part, share in shares.items():
        if part in parts:
            continue
        rows = parts["train"]
        order = permutation(key_of(part, seed), len(rows)).tolist()
        count = round(share * len(rows))
        parts[part] = [rows[index] for index in order[:count]]
        parts["train"] = [rows[index] for index in sorted(order[count:])]
        notes.append(f"split: {count:,} pairs held out as {part} part")
    if len(parts["test"]) < 3:
        raise InputError("fewer than 3 pairs are left for the test", hint=HINT)
    return parts


def _numbered(rows: list[Scored], ids: dict[str, int]) -> ScoredPairs:
    pairs = torch.tensor([(ids[left], ids[right]) for left, right, _ in rows], dtype=torch.int64).reshape(-1, 2)
    scores = torch.tensor([score for _, _, score in rows], dtype=torch.float64)
    return ScoredPairs(pairs[:, 0].contiguous(), pairs[:, 1].contiguous(), scores)
