"""What a controller saw and what it changed, in words for a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

LIMIT = 64


@dataclass(frozen=True, slots=True)
class Decision:
    """One change that a person may want to know of.

    Args:
        seen: What was measured: the signal, its value, what it was compared with.
        changed: From which value to which, and why.
        by: Dotted path of the controller in its sampler; empty until the sampler hands the decision on.
    """

    seen: str
    changed: str
    by: str = ""


@dataclass(slots=True)
class Told:
    """Decisions that nobody has read yet; of more than 64 the newest stay. They are not part of a state.

    >>> told = Told()
    >>> told.add("violation_rate .08, below .10", "level 1 to 2")
    >>> [one.changed for one in told.take()], told.take()
    (['level 1 to 2'], [])
    """

    _waiting: list[Decision] = field(default_factory=list, repr=False)

    def add(self, seen: str, changed: str) -> None:
        """One decision more."""
        self._waiting = [*self._waiting, Decision(seen, changed)][-LIMIT:]

    def take(self) -> list[Decision]:
        """What was told since the last call, oldest first."""
        taken, self._waiting = self._waiting, []
        return taken


def by(path: str, decisions: Iterable[Decision]) -> list[Decision]:
    """The same decisions, with the path of who took them.

    >>> by("select.share", [Decision("a", "b")])
    [Decision(seen='a', changed='b', by='select.share')]
    """
    return [Decision(one.seen, one.changed, path) for one in decisions]
