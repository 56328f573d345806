"""One recipe in a race: a training that can be paused, judged, and begun anew with a smaller step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from negatives.config import RunConfig, Values
from negatives.diagnostics import Recorder
from negatives.diagnostics.wording import seen_text
from negatives.errors import Interrupted, NonFiniteScores
from negatives.runs import steps
from negatives.runs.builder import Trained, prepare
from negatives.runs.race import Score
from negatives.tasks.base import AnyTask, Examples
from negatives.training.run_folder import HISTORY, RunFolder
from negatives.training.watcher import LOOK_AT, Watcher

log = logging.getLogger(__name__)

SMALLER = 0.1
"""Factor on the step size of a training that does not learn."""
RESTARTS = 2
"""How often a training is begun anew."""


@dataclass(slots=True)
class Decisions:
    """What was decided, in order; each is told at the terminal at once and in the history of the run that is kept."""

    lines: list[tuple[str, Values]] = field(default_factory=list)

    def tell(self, decision: str, seen: Mapping[str, object], changed: str, gain: float) -> None:
        """Note one decision; see :data:`negatives.runs.race.Tell`."""
        line = {"decision": decision, "seen": dict(seen), "changed": changed, "gain": gain}
        self.lines.append(("decision", line))
        log.info("%s: %s; %s", decision, seen_text(seen), changed)

    def row(self, values: Values) -> None:
        """Note how one recipe did, for metrics.json."""
        self.lines.append(("race", values))

    def hand_over(self, recorder: Recorder, trained: Trained) -> None:
        """Let the run that is kept write them."""
        for kind, line in self.lines:
            recorder.tell(kind, line, trained.loop.steps, trained.loop.seconds)
        self.lines.clear()


@dataclass(slots=True)
class Arm:
    """One recipe in a race.

    Args:
        config: Filled.
        task: The task.
        examples: The data.
        place: Where its history goes.
        begin: Called after its first step, before anything else is written.
        stop: Asked after every step.
        decisions: Told when it begins anew.
    """

    config: RunConfig
    task: AnyTask
    examples: Examples[object]
    place: RunFolder
    begin: Callable[[], object]
    stop: Callable[[], bool]
    decisions: Decisions
    trained: Trained = field(init=False)
    watcher: Watcher = field(init=False)
    restarts: int = field(default=0, init=False)
    last: Score | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._prepare()

    @property
    def name(self) -> str:
        return str(self.config.recipe)

    @property
    def recorder(self) -> Recorder:
        """Writes its history."""
        return steps.recorder(self.trained)

    def run(self, share: float) -> None:
        """See :class:`negatives.runs.race.Contender`; what does not learn begins anew with a smaller step."""
        while True:
            fault = self._until(min(share, 1.0))
            if self.trained.loop.interrupted:
                raise Interrupted(0, self.place.path)
            if fault is None:
                return
            if self.restarts == RESTARTS or not self.watcher.too_large:
                return
            self._smaller(fault)

    def settle(self) -> None:
        """Train until it is known whether it learns."""
        self.run(LOOK_AT + 0.01)

    def score(self) -> Score:
        """See :class:`negatives.runs.race.Contender`."""
        metrics, watch = self.trained.evaluate("valid"), self.trained.loop.plan.watch
        self.last = Score.of(metrics, watch)
        return self.last

    def row(self) -> Values:
        """For metrics.json: where it was judged last."""
        loop, last = self.trained.loop, self.last
        told = {"arm": self.name, "value": last.mean if last else None, "error": last.error if last else None}
        return told | {"train_seconds": loop.seconds, "epochs": loop.steps / loop.steps_per_epoch}

    def keep_in(self, folder: RunFolder) -> None:
        """Its history goes on in ``folder``."""
        recorder = self.recorder
        if recorder.path.exists():
            (folder.path / HISTORY).unlink(missing_ok=True)
            recorder.path.rename(folder.path / HISTORY)
            (self.place.path / "config.toml").unlink(missing_ok=True)
            self.place.path.rmdir()
        recorder.path = folder.path / HISTORY

    def _until(self, share: float) -> str | None:
        """What is wrong with the training once that share is done; None where nothing is."""
        told = self.watcher.told
        try:
            self.trained.loop.run(share)
        except NonFiniteScores as error:
            self.watcher.too_large = True
            if self.restarts == RESTARTS:
                raise
            return str(error)
        return self.watcher.told if told is None else None

    def _smaller(self, fault: str) -> None:
        choice = self.config.optimiser
        lr = (choice.lr or 0.01) * SMALLER
        self.config = self.config.model_copy(update={"optimiser": choice.model_copy(update={"lr": lr})})
        self.decisions.tell("does not learn", {self.name: fault}, f"begins anew with optimiser.lr={lr:g}", 0.0)
        self.restarts += 1
        self._prepare()

    def _prepare(self) -> None:
        self.trained = prepare(self.config, self.examples, self.task)
        self.watcher = steps.watcher(self.trained)
        steps.record(self.place, self.trained, self.watcher, within=self.begin)
        self.trained.loop.stop = self.stop
