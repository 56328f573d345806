"""A bounded record of a controller's values."""

from __future__ import annotations

LIMIT = 512
History = list[tuple[int, float]]


def append(history: History, count: int, value: float) -> None:
    """Add ``(observations so far, value)``; a full record loses every second entry, so that it spans the run."""
    if len(history) >= LIMIT:
        del history[1::2]
    history.append((count, value))


def restore(pairs: object) -> History:
    """A record out of a loaded state."""
    return [(int(count), float(value)) for count, value in pairs]  # type: ignore[attr-defined]
