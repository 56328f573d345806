"""Load graded pairs of sentences and divide them into parts."""

from __future__ import annotations

from pathlib import Path

import torch

from negatives.data.readers.scored_pairs import Scored, ScoredTable, read_scored, read_scored_folder
from negatives.data.similarity import ScoredPairs, SimilarityData, distinct
from negatives.data.splits import key_of
from negatives.errors import InputError
from negatives.randomness import permutation

HINT = "give files called train, dev and test, or one file of pairs"


def load_similarity(
    path: Path | None, positive: float | None, related: float | None, valid: float = 0.1, test: float = 0.2,
    seed: int = 0, cache: bool = True,
) -> SimilarityData:  # fmt: skip
    """Read a folder or a file, or the offline pairs.

    Args:
        path: A folder of parts, or one file that is divided at random; None for the standard library's docstrings.
        positive: Score from which pairs are trained on; None for four fifths of the range.
        related: Score from which a pair is no negative; None for half of the range.
        valid: Share held out for validation where there is no such part.
        test: Share held out for the test where there is no such part.
        seed: Seed of the division.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: The data cannot be used.
    """
    if path is None:
        from negatives.data.offline.sentences import related_docstrings

        tables, name = {"train": related_docstrings(cache=cache)}, "stdlib"
    elif path.is_dir():
        tables, name = read_scored_folder(path), path.name
    else:
        tables, name = {"train": read_scored(path)}, path.name.split(".")[0]
    notes = [note for table in tables.values() for note in table.notes]
    parts = _parts(tables, {"test": test, "valid": valid}, seed, notes)
    texts = {text: None for rows in parts.values() for row in rows for text in row[:2]}
    ids = {text: index for index, text in enumerate(texts)}
    numbered = {part: _numbered(rows, ids) for part, rows in parts.items()}
    scores = numbered["train"].scores
    low, high = float(scores.min()), float(scores.max())
    positive = low + 0.8 * (high - low) if positive is None else positive
    related = low + 0.5 * (high - low) if related is None else related
    data = SimilarityData(name, list(ids), numbered, positive, related, ())
    pairs = data.similar(positive).nnz // 2
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
