"""Reads run folders for the report; what is missing is said, never guessed."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from negatives.diagnostics.record import read_history
from negatives.diagnostics.report import asked
from negatives.diagnostics.report.asked import Asked
from negatives.errors import InputError
from negatives.regular import TEXT, regular
from negatives.training.run_folder import BEGUN, COMPARE, CONFIG, HISTORY, METRICS, QUERIES

Values = Mapping[str, Any]
UNFINISHED = (
    "The comparison was interrupted or is still going on; whether its differences are chance is tested at its end."
)


@dataclass(slots=True)
class Run:
    """One run folder.

    Args:
        path: The folder; None for a run that only stands in compare.json.
        config: Contents of config.toml.
        metrics: Contents of metrics.json; empty for a run that did not end.
        history: Lines of history.jsonl.
        sampler: Name of the sampler.
        seed: Seed.
        curve: ``[seconds, epoch, value]`` from compare.json, used where the history has no evaluation.
        problems: What is missing or broken, one sentence each.
        label: Name in graphs and tables; runs of the same label differ by seed only.
        compare: Contents of the compare.json of the comparison that it is part of; empty if there is none.
        asked: Test values of each query; None where none were kept.
    """

    path: Path | None
    config: Values
    metrics: Values
    history: list[dict[str, Any]]
    sampler: str
    seed: int
    curve: list[list[float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    label: str = ""
    compare: Values = field(default_factory=dict)
    asked: Asked | None = None

    @property
    def task(self) -> str:
        """Name of its task."""
        return str(self.metrics.get("task") or self.compare.get("task") or self.config.get("task") or "training")

    @property
    def data(self) -> str | None:
        """Name of its data; None for a run that did not end."""
        return self.metrics.get("data") or self.compare.get("data")

    @property
    def source(self) -> str:
        """Name of the file or folder of its data, as configured; empty for the offline dataset."""
        return str(self.config.get("data") or "").rstrip("/").rsplit("/", 1)[-1]

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Lines of one kind, in order."""
        return [line for line in self.history if line["kind"] == kind]

    def steps_per_epoch(self) -> float | None:
        """Steps of one pass over the training data, or None if nothing tells."""
        if self.metrics.get("epochs") and self.metrics.get("steps"):
            return float(self.metrics["steps"] / self.metrics["epochs"])
        for line in self.lines("evaluation"):
            if line.get("epoch") and line["step"]:
                return float(line["step"] / line["epoch"])
        return None

    def seconds_by_part(self) -> dict[str, float]:
        """Seconds by part of the step over the whole run, ``other`` for what no part covers; empty if unknown."""
        steps = self.lines("step")
        parts = self.metrics.get("seconds") or (steps[-1].get("parts") if steps else None) or {}
        total = self.metrics.get("train_seconds") or (steps[-1]["seconds"] if steps else 0.0)
        found = {str(name): float(value) for name, value in parts.items() if isinstance(value, (int, float))}
        rest = float(total) - sum(found.values())
        return found | {"other": rest} if found and rest > 0 else found


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that a report is made of.

    Args:
        runs: The runs, those of one label side by side.
        compare: Contents of compare.json; empty if there is none.
        problems: What is missing or broken in general.
    """

    runs: list[Run]
    compare: Values
    problems: list[str]

    def groups(self) -> dict[str, list[Run]]:
        """Runs by label, in order of appearance."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.label, []).append(run)
        return found

    def parts(self) -> list[Loaded]:
        """The runs by task and data, each with its own comparison; problems stay here."""
        found = _alike(self.runs)
        if len(found) == 1:
            return [Loaded(self.runs, self.compare, [])]
        for runs in found:
            _label(runs)
        return [Loaded(runs, next((run.compare for run in runs if run.compare), {}), []) for runs in found]


def load(folders: Iterable[Path]) -> Loaded:
    """Read run folders and folders of comparisons.

    Raises:
        InputError: A folder holds neither a run nor a comparison.
    """
    runs: list[Run] = []
    compare: Values = {}
    problems: list[str] = []
    for folder in folders:
        if (folder / COMPARE).exists():
            found = _json(folder / COMPARE, problems)
            compare = compare or found
            runs += _compared(folder, found)
        elif (folder / BEGUN).exists() and not (folder / CONFIG).exists():
            found = {"verdict": UNFINISHED}
            compare = compare or found
            runs += _in_order(_compared(folder, found), _json(folder / BEGUN, problems))
        elif any((folder / name).exists() for name in (CONFIG, METRICS, HISTORY)):
            runs.append(_run(folder))
        else:
            raise InputError("holds no run", path=folder, hint="give a folder that train or compare has written")
    if not runs:
        raise InputError("there is no run to report on", hint="give a folder that train or compare has written")
    _label(runs)
    if any(len({id(run.compare) for run in found if run.compare}) > 1 for found in _alike(runs)):
        problems.append("Of several comparisons on the same data, only the first one's tests are shown.")
    return Loaded(runs, compare, problems)


def _in_order(runs: list[Run], begun: Values) -> list[Run]:
    """Runs in the order in which their samplers were asked for."""
    asked = begun.get("asked")
    samplers = list(asked.get("samplers") or ()) if isinstance(asked, Mapping) else []
    return sorted(runs, key=lambda run: samplers.index(run.sampler) if run.sampler in samplers else len(samplers))


def _alike(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs by task and data, in order of appearance; one that did not end is known by where its data lies."""
    names = {(run.task, run.source): run.data for run in runs if run.data}
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.task, run.data or names.get((run.task, run.source)) or run.source), []).append(run)
    return list(found.values())


def _run(folder: Path) -> Run:
    problems: list[str] = []
    config, history = _toml(folder / "config.toml", problems), _history(folder / "history.jsonl", problems)
    if (folder / "metrics.json").exists():
        metrics = _json(folder / "metrics.json", problems)
    else:
        metrics = {}
        reached = f" It reached step {history[-1]['step']:,}." if history else ""
        problems.append(
            f"There are no test metrics: the run was interrupted or is still going on.{reached}{_resume(folder)}"
        )
    sampler = metrics.get("sampler") or part_name(config.get("sampler"))
    seed = metrics.get("seed", config.get("seed", 0))
    found = Run(folder, config, metrics, history, str(sampler), int(seed), problems=problems)
    try:
        found.asked = asked.read(folder)
    except InputError:
        problems.append(f"{QUERIES} cannot be read, so nothing is said of single queries.")
    return found


def _compared(folder: Path, compare: Values) -> list[Run]:
    """The runs of a comparison: from their own folders where these exist, else from compare.json alone."""
    named = {(one.get("sampler"), one.get("seed")): one for one in compare.get("runs", [])}
    runs = []
    for (sampler, seed), one in named.items():
        own = folder / f"{sampler}-{seed}"
        run = (
            _run(own) if own.parent == folder and own.is_dir() else Run(None, {}, {}, [], str(sampler), int(seed or 0))
        )
        if run.path is None:
            run.metrics = {"test": one.get("test", {}), "train_seconds": one.get("train_seconds")}
            run.problems.append("Its folder is missing, so only its learning curve and test metrics are shown.")
        run.sampler, run.curve = str(sampler), list(one.get("curve", []))
        runs.append(run)
    if not named:
        runs = [_run(own) for own in sorted(folder.iterdir()) if (own / "config.toml").exists()]
    for run in runs:
        run.compare = compare
    return runs


def _resume(folder: Path) -> str:
    if not (folder / "checkpoints").is_dir():
        return ""
    return f" To go on: negatives train --resume --out {shlex.quote(str(folder))}"


def part_name(spec: Any) -> str:
    """Name of a part in a configuration."""
    if isinstance(spec, Mapping):
        return str(spec.get("name", "custom"))
    return str(spec) if spec else "unknown sampler"


def _label(runs: Sequence[Run]) -> None:
    """The sampler's name, and of model, loss and data whatever differs between the runs."""
    keys = {id(run): [str(run.metrics.get(name, "")) for name in ("model", "loss", "data")] for run in runs}
    differing = [place for place in range(3) if len({key[place] for key in keys.values() if key[place]}) > 1]
    one_loss_each = len({(run.sampler, keys[id(run)][1]) for run in runs}) == len({run.sampler for run in runs})
    for run in runs:
        extra = [keys[id(run)][place] for place in differing if not (place == 1 and one_loss_each)]
        run.label = ", ".join([run.sampler, *filter(None, extra)])
    taken: set[tuple[str, int]] = set()
    for run in runs:
        if (run.label, run.seed) in taken and run.path is not None:
            run.label = f"{run.label} ({run.path.name})"
        taken.add((run.label, run.seed))


def _json(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        value = json.loads(regular(path, TEXT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, InputError) as error:
        problems.append(f"{path.name} cannot be read: {error}.")
        return {}
    return value if isinstance(value, dict) else {}


def _toml(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(regular(path, TEXT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append("config.toml is missing, so the configuration is not shown.")
    except (OSError, ValueError, RecursionError, InputError) as error:
        problems.append(f"config.toml cannot be read: {error}.")
    return {}


def _history(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    try:
        history, broken = read_history(path)
    except InputError as error:
        problems.append(f"history.jsonl cannot be read: {error}.")
        return []
    except OSError:
        problems.append("history.jsonl is missing, so nothing is known of the course of the training.")
        return []
    if broken:
        problems.append(f"Lines of history.jsonl that could not be read and were left out: {broken}.")
    return history
