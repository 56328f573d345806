"""Names in questions that a run does not know, found before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from negatives.answering.base import Run
from negatives.answering.forms import Form, Question
from negatives.errors import UnknownName


@dataclass(slots=True)
class Unknown:
    """What is left out of questions.

    Args:
        names: Pairs of kind and name, as often as they were asked.
        questions: Number of questions that nothing is left of.
    """

    names: list[tuple[str, str]] = field(default_factory=list)
    questions: int = 0

    def __bool__(self) -> bool:
        return bool(self.names)

    def add(self, other: Unknown) -> None:
        """Take those of other questions as well."""
        self.names += other.names
        self.questions += other.questions

    def error(self, run: Run, then: str = "") -> UnknownName:
        """An error that names the first, how many there are, and what to do.

        Args:
            run: Which does not know them.
            then: What else can be done.
        """
        kind = self.names[0][0]
        names, same = run.names(kind), [name for one, name in self.names if one == kind]
        return UnknownName(names.unknown(same), hint=" ".join((names.like(same[0]), then)).strip())

    def __str__(self) -> str:
        first = self.names[0][1]
        more = f" and {len(self.names) - 1:,} more" if len(self.names) > 1 else ""
        return f"{self.questions:,} question{'s' * (self.questions != 1)} left out; unknown: {first!r}{more}"


def without_unknown(
    run: Run, forms: Sequence[Form], questions: Sequence[Question]
) -> tuple[list[dict[str, Any]], list[int], Unknown]:
    """Questions without the names that a run does not know.

    Of a list the names that are known stay; a question that lacks a name, or all of a list, is left out.

    Returns:
        The questions that are left, the place of each among those given, and what was left out.
    """
    fields = {one.name: one for form in forms for one in form.fields}
    found = [{name: value for name, value in one.items() if value is not None} for one in questions]
    left, out = Unknown(), set()
    for name, one in fields.items():
        if one.kind is None or one.kind not in run.held.names:
            continue
        rows = [row for row, question in enumerate(found) if name in question]
        values = [_listed(found[row][name]) for row in rows]
        ids = iter(run.names(one.kind).find([value for some in values for value in some]).tolist())
        for row, some in zip(rows, values, strict=True):
            known = [value for value in some if next(ids) >= 0]
            if len(known) == len(some):
                continue
            left.names += [(one.kind, value) for value in some if value not in known]
            if known:
                found[row][name] = known
            else:
                out.add(row)
    left.questions = len(out)
    kept = [row for row in range(len(found)) if row not in out]
    return [found[row] for row in kept], kept, left


def _listed(value: Any) -> list[str]:
    return [str(value)] if isinstance(value, (str, int)) else [str(one) for one in value]
