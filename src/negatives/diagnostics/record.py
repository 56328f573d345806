"""Writes what happened to ``history.jsonl``, one JSON object per line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from negatives.diagnostics.probes import Probes
from negatives.regular import TEXT, regular
from negatives.training.callbacks import Callback, Evaluation, Step
from negatives.training.files import write_bytes
from negatives.training.run_folder import plain
from negatives.types import State

FIRST_INTERVAL = 8
"""Steps between two lines at the start."""
LINES_PER_DOUBLING = 256
"""Once a run has this many lines, the interval doubles whenever the number of steps does; long runs stay small."""


@dataclass(slots=True)
class Recorder(Callback):
    """Appends a line per evaluation, per so many steps, and per change of a controlled number.

    Every line has ``kind``, ``step`` (steps done) and ``seconds`` (of training). Kind ``step`` adds ``epoch``,
    ``progress``, the means of the probes since the last such line, and ``parts``, the seconds so far by part of the
    step. Kind ``evaluation`` adds ``epoch``, ``metrics`` and ``best``; the one of step 0 is what :meth:`begin` was
    given. Kind ``control`` adds ``values``, each
    controlled number by its dotted path. Kind ``decision`` says in words what a controller or a run did: ``decision``
    is what it was about, such as a dotted path, ``seen`` what it saw, ``changed`` what it changed. Kinds ``decision``
    and ``race`` are also what :meth:`tell` was given. Numbers that are not finite become null.

    A new recorder replaces an old file; one that was resumed cuts off what was written after the resumed step.

    Args:
        path: The file.
        probes: Gives the measurements; it must stand before the recorder among the callbacks. Without it the
            signals of the sampler at that step are written.

    Raises:
        OSError: A line could not be written; names the path.
    """

    path: Path
    probes: Probes | None = None
    _fresh: bool = field(default=True, init=False, repr=False)
    _step: int = field(default=0, init=False, repr=False)
    _control: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _told: list[Mapping[str, Any]] = field(default_factory=list, init=False, repr=False)
    _untrained: list[Mapping[str, Any]] = field(default_factory=list, init=False, repr=False)

    def begin(self, metrics: Mapping[str, float]) -> None:
        """Note the metrics of the model before its first step; they are written first, unless a history goes on.

        Args:
            metrics: On the validation part, or on a sample of it.
        """
        line = {"kind": "evaluation", "step": 0, "seconds": 0.0, "epoch": 0.0, "metrics": dict(metrics), "best": False}
        self._untrained = [line]

    def tell(self, kind: str, line: Mapping[str, Any], step: int = 0, seconds: float = 0.0) -> None:
        """Note what was decided; it is written before the next line, so that nothing stands before the first step.

        Args:
            kind: ``decision`` (with ``decision``, ``seen``, ``changed`` and ``gain``) or ``race``.
            line: What was seen and done.
            step: Steps done.
            seconds: Seconds of training so far.
        """
        self._told.append({"kind": kind, "step": step, "seconds": seconds, **line})
        if not self._fresh:  # the training may have come to its end, after which nothing else is written
            self._write()

    def on_step(self, step: Step) -> None:
        self._step = step.context.step + 1
        control = {name[8:]: value for name, value in step.signals.items() if name.startswith("control.")}
        if control and control != self._control:
            self._control = control
            self._write({"kind": "control", "step": self._step, "seconds": step.seconds, "values": control})
        for one in step.decisions:
            line = {"decision": one.by, "seen": one.seen, "changed": one.changed}
            self._write({"kind": "decision", "step": self._step, "seconds": step.seconds} | line)
        if step.context.step % interval(step.context.step):
            return
        if self.probes is None:
            measured = {name: value for name, value in step.signals.items() if not name.startswith("control.")}
            measured |= {"loss": step.loss}
        else:
            measured = self.probes.take()
        head = {"kind": "step", "step": self._step, "seconds": step.seconds}
        place = {"epoch": step.context.epoch, "progress": step.context.progress}
        self._write(head | place | measured | {"parts": dict(step.parts)})

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self._write(
            {
                "kind": "evaluation",
                "step": evaluation.step,
                "seconds": evaluation.seconds,
                "epoch": evaluation.epoch,
                "metrics": dict(evaluation.metrics),
                "best": evaluation.best,
            }
        )

    def state(self) -> State:
        return {"step": self._step, "control": dict(self._control)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._step, self._control = state["step"], dict(state["control"])
        self._fresh = False
        self._untrained.clear()
        if self.path.exists():
            kept = [line for line in read_history(self.path)[0] if line["step"] <= self._step]
            write_bytes(self.path, "".join(_line(one) for one in kept).encode())

    def _write(self, *records: Mapping[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w" if self._fresh else "a", encoding="utf-8") as file:
                file.write("".join(map(_line, (*self._untrained, *self._told, *records))))
            self._untrained.clear()
            self._told.clear()
        except OSError as error:
            error.filename = str(self.path)
            raise
        self._fresh = False


def interval(step: int) -> int:
    """Steps between two lines around ``step``.

    >>> [interval(step) for step in (0, 2047, 4096, 16384)]
    [8, 8, 16, 64]
    """
    return int(
        FIRST_INTERVAL * 2 ** max(0, math.floor(math.log2(max(step, 1) / (FIRST_INTERVAL * LINES_PER_DOUBLING))))
    )


def is_line(value: object) -> bool:
    """Whether a value from a history has what every line has."""
    return isinstance(value, dict) and {"kind", "step", "seconds"} <= value.keys()


def read_history(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The lines of a history, and how many could not be read (a line cut short by an interruption)."""
    found, broken = [], 0
    for line in regular(path, TEXT).read_text(encoding="utf-8", errors="replace").split("\n"):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
            if not is_line(one):
                raise ValueError("not a line of a history")
            found.append(one)
        except (ValueError, RecursionError):
            broken += 1
    return found, broken


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(plain(record), ensure_ascii=False, allow_nan=False) + "\n"
