"""What the page is told: the state, what the histories gained in words, and the report as far as it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from negatives.diagnostics.report import content, understood
from negatives.diagnostics.report.head import duration
from negatives.diagnostics.report.page import body
from negatives.diagnostics.report.runs import load
from negatives.diagnostics.watch.follow import Follower
from negatives.diagnostics.wording import seen_text
from negatives.errors import InputError
from negatives.training.run_folder import BEGUN, COMPARE, CONFIG, HISTORY, METRICS

MOST = 200
"""Entries of the feed that are sent at once; the newest."""
SHOWN = 4
"""Metrics of an evaluation that the feed tells."""
NOTHING = {
    "waiting": ("Waiting for {}", "Nothing is written there yet; the page goes on by itself as soon as something is."),
    "running": ("{} has begun", "Data is read or recipes are tried; nothing is recorded of the course yet."),
    "stopped": ("{} has stopped", "It ended before anything was recorded."),
    "finished": ("{} is finished", "Nothing was recorded of its course."),
}


@dataclass(slots=True)
class Told:
    """Answers the page.

    Args:
        follower: Follows the run.
    """

    follower: Follower
    _content: tuple[str, dict[str, Any]] | None = field(default=None, init=False, repr=False)

    def changes(self, generation: int, after: int, seen: str) -> dict[str, Any]:
        """What is new since the page asked last.

        Args:
            generation: Of the lines that the page has.
            after: How many lines it has.
            seen: What it was told to be the state of the report.
        """
        follower = self.follower
        follower.poll()
        start = min(after, len(follower.lines)) if generation == follower.generation else 0
        gained = follower.lines[start:]
        told = {
            "state": follower.state(),
            "generation": follower.generation,
            "lines": len(follower.lines),
            "gained": [line for line in gained if line["kind"] != "step"][-MOST:],
            "feed": [entry for line in gained if (entry := feed(line)) is not None][-MOST:],
            "said": said(follower.lines),
            "seen": self.mark(),
        }
        if told["seen"] == seen:
            return told
        found = self.content()
        return told | {"html": body(found), "drawn": found["drawn"], "title": found["title"]}

    def mark(self) -> str:
        """Changes whenever the report does."""
        return f"{self.follower.state()} {self.follower.fingerprint()}"

    def content(self) -> dict[str, Any]:
        """The report as far as it goes; see :func:`negatives.diagnostics.report.content`."""
        mark = self.mark()
        if self._content is None or self._content[0] != mark:
            self._content = (mark, self._made())
        return self._content[1]

    def _made(self) -> dict[str, Any]:
        follower, state = self.follower, self.follower.state()
        folders = [follower.path] if _whole(follower.path) else follower.folders()
        if not folders:
            return _nothing(state, follower.path)
        try:
            with understood(folders):
                loaded = load(folders)
                if not any(run.history or run.metrics for run in loaded.runs):
                    return _nothing(state, follower.path)
                found = content(loaded)
        except InputError as error:  # or something was taken away a moment ago
            return _nothing(state, follower.path) | {"problems": [str(error)]}
        return found if state != "running" else found | {"problems": []}


def _whole(path: Path) -> bool:
    begun = (path / BEGUN).exists() and not (path / CONFIG).exists()  # a comparison
    return begun or any((path / name).exists() for name in (HISTORY, METRICS, COMPARE))


def _nothing(state: str, path: Path) -> dict[str, Any]:
    """A page with a sentence."""
    title, subtitle = NOTHING[state]
    empty = {"verdicts": [], "parts": [], "notes": [], "problems": [], "environment": {}, "command": "", "config": ""}
    told = {"title": title.format(path.name or str(path)), "subtitle": subtitle}
    return told | empty | {"drawn": {"figures": {}, "grids": {}}}


def feed(line: Mapping[str, Any]) -> list[str] | None:
    """Time and wording of a line that a person wants to read; None for the others.

    >>> feed({"kind": "evaluation", "step": 5, "seconds": 1.5, "epoch": 0.5, "metrics": {"mrr": 0.25}, "best": True})
    ['1.5 s', 'evaluation after 0.5 epochs: mrr 0.2500, the best so far']
    """
    run = f"{line['run']}: " if line.get("run") else ""
    text = _worded(line)
    return None if text is None else [duration(line["seconds"] or 0.0), run + text]


def _worded(line: Mapping[str, Any]) -> str | None:
    if line["kind"] == "evaluation":
        values = ", ".join(
            f"{name} {value:.4f}" for name, value in [*(line.get("metrics") or {}).items()][:SHOWN] if value is not None
        )
        best = ", the best so far" if line.get("best") else ""
        when = f"after {line.get('epoch') or 0:.3g} epochs" if line["step"] else "before training"
        return f"evaluation {when}: {values}{best}"
    if line["kind"] == "decision":
        parts = (seen_text(line.get("seen")), str(line.get("changed") or ""))
        return f"{line.get('decision', 'decision')}: {' → '.join(filter(None, parts))}"
    if line["kind"] == "race":
        value = "" if line.get("value") is None else f" reached {line['value']:.4f}"
        return f"tried: {line.get('arm')}{value}{', kept' if line.get('kept') else ', left out'}"
    return None


def said(lines: Sequence[Mapping[str, Any]]) -> str:
    """Where the training is, by the newest line of steps; empty where there is none.

    >>> said([{"kind": "step", "step": 1200, "seconds": 90.0, "epoch": 2, "progress": 0.25, "loss": 0.5}])
    'step 1,200 · epoch 3 · 25 % of the plan · 1 min 30 s of training · loss 0.5'
    """
    line = next((one for one in reversed(lines) if one["kind"] == "step"), None)
    if line is None:
        return ""
    parts = [str(line.get("run") or ""), f"step {line['step']:,}"]
    parts += [f"epoch {line['epoch'] + 1}"] if line.get("epoch") is not None else []
    parts += [f"{line['progress']:.0%} of the plan".replace("%", " %")] if line.get("progress") is not None else []
    parts += [f"{duration(line['seconds'])} of training"]
    parts += [f"loss {line['loss']:.4g}"] if line.get("loss") is not None else []
    return " · ".join(filter(None, parts))
