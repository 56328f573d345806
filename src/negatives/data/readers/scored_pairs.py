"""Pairs of sentences with a score: STS-B's layout and any table; inference and triples with scores that stand for them.

A triple ``anchor, positive, negative`` is two pairs, with the scores 1 and 0. Labels of inference are 1 for entailment,
0.5 for neutral and 0 for contradiction, as in Sentence Transformers' ``pair-score`` of All-NLI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from negatives.data.readers.read import read
from negatives.data.readers.schema import SCORED, Options, plain
from negatives.data.table import Table
from negatives.errors import InputError

PARTS = ("valid", "test", "train")
"""Parts in the order in which their sentences are numbered."""
HINT = "give the columns sentence1, sentence2 and score, or STS-B's seven columns with tabs between"
CLASSES = np.array([1.0, 0.5, 0.0])
"""What the classes 0, 1 and 2 of inference are worth."""
Scored = tuple[str, str, float]
"""Two sentences and their score."""


@dataclass(frozen=True, slots=True)
class ScoredTable:
    """The pairs of one part.

    Args:
        rows: Sentences and scores.
        notes: What was read and what was skipped.
    """

    rows: list[Scored]
    notes: tuple[str, ...]


def read_scored(data: Any, options: Options | None = None) -> dict[str, ScoredTable]:
    """Graded pairs by part, ``train`` always among them.

    Args:
        data: As :func:`negatives.data.readers.read` takes it.
        options: What the caller says about the table.

    Raises:
        InputError: The data cannot be used, or nothing in it tells how similar two sentences are.
    """
    tables = read(data, SCORED, options)
    return graded({part: tables[part] for part in PARTS if part in tables})


def graded(tables: Mapping[str, Table]) -> dict[str, ScoredTable]:
    """The pairs of each part; a part whose scores are all alike tells nothing and is left out.

    Raises:
        InputError: There are neither scores nor negatives, or no pair is left.
    """
    classes = _are_classes(tables)
    found = {part: _graded(part, table, classes) for part, table in tables.items()}
    dull = [part for part, table in found.items() if part != "train" and len({row[2] for row in table.rows}) == 1]
    for part in dull:
        score = found[part].rows[0][2]
        note = f"{part}: left out, all {len(found[part].rows):,} scores are {score:g}, as of a part without answers"
        found["train"] = ScoredTable(found["train"].rows, (*found["train"].notes, note))
        del found[part]
    return found


def _are_classes(tables: Mapping[str, Table]) -> bool:
    """Whether scores are the numbers of classes of inference: 0, 1 and 2 of a premise and a hypothesis."""
    if any(plain(table.named.get("sentence1", "")) != "premise" for table in tables.values()):
        return False
    scores = [scores for table in tables.values() if (scores := table.numbers("score")) is not None]
    values = set(np.concatenate(scores).tolist()) if scores else set()
    return 2.0 in values and values <= {-1.0, 0.0, 1.0, 2.0}


def _graded(part: str, table: Table, classes: bool) -> ScoredTable:
    scores, notes = table.numbers("score"), list(table.notes)
    if scores is None and "negative" not in table.columns:
        hint = "name the column with --columns score=..., or give triples with a column negative"
        raise InputError(f"{part}: nothing tells how similar two sentences are", hint=hint)
    left, right = table.texts("sentence1").to_list(), table.texts("sentence2").to_list()
    worth = np.ones(len(left)) if scores is None else _inferred(scores, classes, part, table, notes)
    rows: list[Scored] = []
    empty = unknown = 0
    for one, others, score in zip(left, right, worth.tolist(), strict=True):
        if score != score:
            unknown += 1
        elif one is None or not others:
            empty += 1
        else:
            rows += [(one.strip(), other.strip(), score) for other in others]
    if scores is None:
        for one, others in zip(left, table.texts("negative").to_list(), strict=True):
            rows += [(one.strip(), other.strip(), 0.0) for other in others if one is not None]
        notes.append(f"{part}: positives have the score 1, negatives 0")
    if not rows:
        raise InputError(f"{part}: holds no pair", hint=HINT)
    values = [row[2] for row in rows]
    notes.append(f"{part}: {len(rows):,} pairs, scores from {min(values):g} to {max(values):g}")
    if empty:
        notes.append(f"{part}: {empty:,} pairs with an empty sentence skipped")
    if unknown:
        notes.append(f"{part}: {unknown:,} pairs without a label skipped")
    return ScoredTable(rows, tuple(notes))


def _inferred(
    scores: npt.NDArray[np.float64], classes: bool, part: str, table: Table, notes: list[str]
) -> npt.NDArray[np.float64]:
    """Scores; those of classes and words of inference as similarities, NaN for pairs that nobody agreed on."""
    if classes:
        notes.append(f"{part}: the labels 0, 1 and 2 are entailment (1), neutral (0.5) and contradiction (0)")
        found = np.full(scores.size, np.nan)
        found[scores >= 0] = CLASSES[scores[scores >= 0].astype(np.int64)]
        return found
    inference = plain(table.named.get("score", "")) == "goldlabel" or (
        plain(table.named.get("sentence1", "")) == "premise"
    )
    return np.where(inference & (scores == -1.0), np.nan, scores)
