"""Hands the history of a run on to loggers while it is written."""

from __future__ import annotations

import json
import logging
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from time import perf_counter
from types import TracebackType
from typing import Any

from negatives.diagnostics.wording import seen_text
from negatives.integrations.loggers import names_of, registry
from negatives.integrations.loggers.base import Begun, Logger, Plain
from negatives.training.callbacks import Callback, Evaluation, Step
from negatives.training.run_folder import CONFIG, HISTORY, METRICS, RunFolder

log = logging.getLogger(__name__)

LOGGED = "logged.json"
"""Where a run folder says which runs of the loggers are its own, and how far each was told."""
PAUSE = 1.0
"""Seconds of training between two looks at the history."""


@dataclass(slots=True)
class Followed:
    """A logger and how far it was told.

    Args:
        name: Its name.
        logger: It.
        id: What it goes on with; None before it was opened.
        step: The last step that it was told of.
        lines: So many lines of that step.
        opened: Whether it is open in this process.
    """

    name: str
    logger: Logger
    id: str | None = None
    step: int = 0
    lines: int = 0
    opened: bool = False
    _before: tuple[int, int] = field(init=False, repr=False)
    """Where another process has left off: a step, and so many lines of it that are still to come once more."""

    def __post_init__(self) -> None:
        self._before = self.step, self.lines

    def new(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The lines that it was not told yet; each process reads all of them, and a resumed run writes some anew.

        Args:
            lines: Those that follow the ones of the last call.
        """
        found = []
        for line in lines:
            step, left = self._before
            if line["step"] == step and left:
                self._before = step, left - 1
            elif line["step"] >= step:
                found.append(line)
        return found

    def told(self, line: Mapping[str, Any]) -> None:
        """Note that it was told of a line."""
        self.lines = self.lines + 1 if line["step"] == self.step else 1
        self.step = line["step"]


@dataclass(slots=True)
class Following(Callback):
    """Reads ``history.jsonl`` as it grows, and tells loggers; a context that ends with the run.

    What a logger was told stands in ``logged.json``, so that a run which goes on after an interruption goes on there
    too, and nothing is told twice. A logger that raises an error is left out from then on, with one warning.

    Args:
        folder: Of the run.
        names: Of the loggers.
        group: What the run belongs to; its task where it is left out.
    """

    folder: RunFolder
    names: list[str]
    group: str | None = None
    _loggers: list[Followed] = field(default_factory=list, init=False, repr=False)
    _at: int = field(default=0, init=False, repr=False)
    _lines: list[dict[str, Any]] = field(default_factory=list, init=False, repr=False)
    _looked: float = field(default=0.0, init=False, repr=False)

    def __enter__(self) -> Following:
        path = self.folder.path / LOGGED
        known = (_json(path.read_bytes()) if path.exists() else None) or {}
        for name in self.names:
            self._loggers.append(Followed(name, registry.build(name), **known.get(name, {})))
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._look()
        final = None if kind is not None else final_of(self.folder)
        for one in list(self._loggers):
            if one.opened:
                self._guarded(one, partial(one.logger.close, final, one.step))

    def on_step(self, step: Step) -> None:
        if self._loggers and perf_counter() - self._looked > PAUSE:
            self._look()

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self._look()

    def on_end(self) -> None:
        self._look()

    def _look(self) -> None:
        """Tell what is new."""
        if not self._loggers or not (self.folder.path / CONFIG).exists():
            return
        self._lines += self._grown()
        for one in list(self._loggers):
            if fresh := one.new(self._lines):
                self._guarded(one, partial(self._tell, one, fresh))
        self._lines.clear()
        self._looked = perf_counter()
        told = {one.name: {"id": one.id, "step": one.step, "lines": one.lines} for one in self._loggers if one.opened}
        if told:
            self.folder.write_json(LOGGED, told)

    def _tell(self, one: Followed, lines: list[dict[str, Any]]) -> None:
        if not one.opened:
            one.id = one.logger.open(self._begun(one))
            one.opened = True
            log.info("%s: %s", one.name, one.logger.where())
        for line in lines:
            for name, text in texts(line):
                one.logger.text(name, text, line["step"])
            if values := numbers(line):
                one.logger.numbers(values, line["step"])
            one.told(line)
        one.logger.flush()

    def _begun(self, one: Followed) -> Begun:
        config = tomllib.loads((self.folder.path / CONFIG).read_text("utf-8"))
        group = self.group or str(config.get("task", ""))
        return Begun(self.folder.path, group, dict(flat(config)), one.id, one.step)

    def _grown(self) -> list[dict[str, Any]]:
        """The lines of the history since the last look."""
        path = self.folder.path / HISTORY
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._at)
            whole, end, _ = file.read().rpartition(b"\n")
        self._at += len(whole) + len(end)
        return [one for line in whole.split(b"\n") if (one := _json(line)) is not None]

    def _guarded(self, one: Followed, act: Callable[[], object]) -> None:
        """Do something with a logger; whatever it raises ends its part, and not the training."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # theirs, about themselves
                warnings.simplefilter("ignore", FutureWarning)
                act()
        except Exception as error:
            self._loggers.remove(one)
            told = " ".join(str(error).split())[:200]
            log.warning("%s: %s: %s; the run goes on without it", one.name, type(error).__name__, told)


def following(folder: RunFolder, asked: str | None) -> Following:
    """What tells the loggers that a configuration asks for; with none of them it does nothing.

    Args:
        folder: Of the run.
        asked: The key ``log``.
    """
    return Following(folder, names_of(asked))


def tell(folder: RunFolder, asked: str | None, group: str) -> None:
    """Tell the loggers of a run that is at its end.

    Args:
        folder: Of the run.
        asked: The key ``log``.
        group: What the run belongs to.
    """
    with Following(folder, names_of(asked), group):
        pass


def numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of the history, under names that loggers group by their first word.

    >>> numbers({"kind": "evaluation", "step": 8, "seconds": 1.5, "epoch": 0.5, "metrics": {"mrr": 0.25}, "best": True})
    {'valid/mrr': 0.25, 'train/epoch': 0.5, 'train/seconds': 1.5}
    """
    kind = line["kind"]
    if kind == "control":
        return _numbers("control", line["values"])
    if kind == "evaluation":
        own = {key: line[key] for key in ("epoch", "seconds")}
        return _numbers("valid", line["metrics"]) | _numbers("train", own)
    if kind == "step":
        own = {key: value for key, value in line.items() if key not in ("kind", "step", "parts")}
        return _numbers("train", own) | _numbers("seconds", line.get("parts", {}))
    return {}


def texts(line: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The sentences of a line of the history, by their names."""
    if line["kind"] == "decision":
        yield "decision", f"{line['decision']}: {seen_text(line['seen'])}; {line['changed']}"
    elif line["kind"] == "race":
        row = {key: value for key, value in line.items() if key not in ("kind", "step", "seconds")}
        yield "race", ", ".join(f"{key} {value}" for key, value in row.items())


def final_of(folder: RunFolder) -> dict[str, float] | None:
    """Test metrics of a run and of the simple methods beside it; None where it is not finished."""
    if not (folder.path / METRICS).exists():
        return None
    whole = folder.read_json(METRICS)
    found = _numbers("test", whole["test"])
    simple = (_numbers(f"baselines/{name}", one) for name, one in whole.get("baselines", {}).items())
    return found | dict(chain.from_iterable(one.items() for one in simple))


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Plain]]:
    """Nested values by dotted keys; lists become text.

    >>> dict(flat({"model": {"name": "mf", "dim": 8}, "seed": 0}))
    {'model.name': 'mf', 'model.dim': 8, 'seed': 0}
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value if isinstance(value, (bool, int, float, str)) else str(value)


def _json(text: bytes) -> dict[str, Any] | None:
    """An object in JSON; None where it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _numbers(prefix: str, values: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{prefix}/{name}": float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
