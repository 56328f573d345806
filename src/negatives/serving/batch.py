"""Many questions answered in blocks: no more than one block of questions and answers is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from negatives.answering import Field, Form, Run
from negatives.answering.unknown import Unknown, without_unknown
from negatives.errors import InputError
from negatives.serving.outputs import Write
from negatives.serving.questions import Asked

CELLS = 1 << 18
"""Answers that are held at a time."""
MOST, LEAST = 8192, 16
"""Questions of a block."""


def block_size(k: int) -> int:
    """Questions that are answered at a time.

    >>> block_size(10), block_size(10_000)
    (8192, 26)
    """
    return min(MOST, max(LEAST, CELLS // max(k, 1)))


@dataclass(frozen=True, slots=True)
class Asker:
    """How a run is asked.

    Args:
        run: The run.
        k: Answers to each question.
        include_known: Whether known items are answered too.
        kind: Kind of the things whose nearest are asked for; None to ask for answers.
    """

    run: Run
    k: int = 10
    include_known: bool = False
    kind: str | None = None

    @property
    def forms(self) -> tuple[Form, ...]:
        """What a question is made of."""
        if self.kind is None:
            return self.run.forms
        name = self.run.called.get(self.kind, self.kind)
        return (Form("similar", f"the nearest to a {name}", (Field(name, "its name", kind=self.kind),)),)

    def answers(self, questions: Sequence[dict[str, Any]]) -> pl.DataFrame:
        """The table of answers to questions, each a mapping of field to value."""
        if self.kind is None:
            return self.run.ask(questions, self.k, self.include_known)
        field = self.forms[0].fields[0].name
        return self.run.similar([str(one[field]) for one in questions], k=self.k, kind=self.kind)


@dataclass(slots=True)
class Counts:
    """What was done.

    Args:
        questions: That were answered.
        rows: Of answers.
    """

    questions: int = 0
    rows: int = 0


def answer(
    asker: Asker, blocks: Iterable[Asked], write: Write, path: Any = None, skip_unknown: bool = False
) -> tuple[Counts, Unknown]:
    """Answer questions block by block.

    Args:
        asker: How the run is asked.
        blocks: The questions.
        write: Takes the answers.
        path: What errors name as the place of the questions.
        skip_unknown: Whether what the run does not know is left out, and not an error.

    Returns:
        What was done, and what was left out.

    Raises:
        InputError: A name is not known: the first, and how many; or a question is empty.
    """
    counts, left = Counts(), Unknown()
    blocks = iter(blocks)
    for block in blocks:
        kept, _, unknown = without_unknown(asker.run, asker.forms, block.questions)
        if unknown and not skip_unknown:
            for later in blocks:
                unknown.add(without_unknown(asker.run, asker.forms, later.questions)[2])
            raise unknown.error(asker.run, "(--skip-unknown leaves such out)")
        left.add(unknown)
        if not all(kept):
            line = next(at for at, one in zip(block.lines, block.questions, strict=True) if not one)
            raise InputError("a question is empty", path=path, line=line, hint="fill or remove such rows")
        if kept:
            found = asker.answers(kept)
            write(found)
            counts.questions, counts.rows = counts.questions + len(kept), counts.rows + len(found)
    return counts, left
