"""The loop's counting, stopping, keeping and resuming, with an engine that only counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from negatives.control import AdaptiveTemperature, Competence, Decision, Linear
from negatives.errors import InputError
from negatives.losses import InfoNCE
from negatives.training import checkpoint, loop
from negatives.training.callbacks import Callback, Evaluation, Step
from negatives.training.checkpoint import Checkpoints
from negatives.training.engines.base import Outcome
from negatives.training.feeds import PairFeed
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import RowOptimiser, StepSize
from negatives.types import Context, Negatives


class Part:
    """A sampler that counts what it is told."""

    def __init__(self) -> None:
        self.seen, self.seconds = 0, {"draw": 0.0}
        self.signals: dict[str, float] = {}

    def observe(self, *_: object) -> dict[str, float]:
        self.seen += 1
        return dict(self.signals)

    def decisions(self) -> list[Decision]:
        return []

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.seen = state["seen"]


class Engine:
    """Adds one to its only number in each step, and remembers what it was given."""

    most: int | None = None

    def __init__(self) -> None:
        self.model, self.sampler, self.seconds = nn.Linear(1, 1, bias=False), Part(), {"loss": 0.0}
        self.model.weight.data.zero_()
        self.loss, self.most = InfoNCE(), None
        self.temperatures: list[float] = []
        self.contexts: list[Context] = []
        self.rates: list[float] = []
        self.taken = 0

    def step(self, context: Context, lr: float) -> Outcome:
        self.contexts.append(context)
        self.rates.append(lr)
        self.taken += 1
        self.temperatures.append(self.loss.now("temperature"))
        self.model.weight.data += 1.0
        rows = torch.zeros(context.rows, 1)
        return Outcome(0.0, Negatives(rows.long(), None, rows == 0), rows[:, 0], rows)

    def state(self) -> dict[str, Any]:
        return {"taken": self.taken}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.taken = state["taken"]


class Trace(Callback):
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.evaluations: list[Evaluation] = []
        self.remembered = 0

    def on_step(self, step: Step) -> None:
        self.steps.append(step)
        self.remembered += 1

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self.evaluations.append(evaluation)

    def state(self) -> dict[str, Any]:
        return {"remembered": self.remembered}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.remembered = state["remembered"]


def made(values: list[float] | None = None, **plan: Any) -> Loop:
    """Ten pairs in batches of four: three steps an epoch."""
    feed = PairFeed(torch.arange(10), torch.arange(10))
    given: dict[str, Any] = {"epochs": 2, "batch_size": 4, "step_size": StepSize(1.0, "linear"), "watch": "m"} | plan
    one = Loop(Engine(), feed, Plan(**given), dict)  # type: ignore[arg-type]
    if values is not None:
        left: Iterator[float] = iter(values)
        one.evaluate = lambda: {"m": next(left)}
    one.callbacks = [Trace()]
    return one


def engine(one: Loop) -> Engine:
    return one.engine  # type: ignore[return-value]


def trace(one: Loop) -> Trace:
    return one.callbacks[0]  # type: ignore[return-value]


def weight(one: Loop) -> float:
    return float(engine(one).model.weight.detach())


def test_steps_epochs_progress_and_step_sizes_are_counted() -> None:
    one = made(seed=3)
    one.run()
    assert [(c.step, c.epoch, c.rows, c.seed) for c in engine(one).contexts] == [
        (0, 0, 4, 3), (1, 0, 4, 3), (2, 0, 2, 3), (3, 1, 4, 3), (4, 1, 4, 3), (5, 1, 2, 3),
    ]  # fmt: skip
    assert [c.progress for c in engine(one).contexts] == pytest.approx([i / 6 for i in range(6)])
    assert engine(one).rates == pytest.approx([1 - i / 6 for i in range(6)])
    seen = torch.cat([c.examples for c in engine(one).contexts[:3]])
    assert seen.sort().values.tolist() == list(range(10))
    assert engine(one).sampler.seen == 6
    assert one.progress == 1.0


def test_the_last_state_is_evaluated_though_no_evaluation_is_due() -> None:
    one = made([0.1, 0.2], evaluate_every=5 / 3)
    one.run()
    assert [(e.step, e.epoch, e.best) for e in trace(one).evaluations] == [(5, 5 / 3, True), (6, 2.0, True)]


def test_the_first_of_equal_states_is_kept() -> None:
    one = made([0.1, 0.5, 0.5, 0.3], epochs=4)
    one.run()
    assert (one.best, one.best_step, weight(one)) == (0.5, 6, 6.0)
    assert [e.best for e in trace(one).evaluations] == [True, True, False, False]


def test_an_interrupted_training_keeps_its_last_state_and_saves_it() -> None:
    one = made([0.5, 0.1], epochs=4)
    saved: list[Any] = []
    one.save = saved.append
    one.stop = lambda: one.steps == 7
    one.run()
    assert (one.interrupted, weight(one)) == (True, 7.0)
    assert [state["steps"] for state in saved] == [7]
    assert float(saved[0]["best_model"]["weight"]) == 3.0


def test_patience_counts_evaluations_without_a_new_best_also_over_a_resume() -> None:
    values = [0.5, 0.1, 0.2, 0.3, 0.4]
    one = made(values, epochs=9, patience=3)
    one.run()
    assert (one.steps, weight(one)) == (12, 3.0)
    first, second = made(values, epochs=9, patience=3), made(values[3:], epochs=9, patience=3)
    first.stop = lambda: first.steps == 10
    first.run()
    second.load_state(first.state())
    second.run()
    assert (second.steps, weight(second)) == (12, 3.0)


def test_a_resumed_loop_has_all_that_the_interrupted_one_had(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(loop, "perf_counter", lambda: float(next(ticks)))  # a step takes one second
    first, second = made([0.5] * 9, epochs=4), made([0.5] * 9, epochs=4, save_every=2.5, evaluate_seconds=2.0)
    first.stop = lambda: first.steps == 5
    first.run()
    state = first.state()
    monkeypatch.setattr(loop, "monotonic", lambda: second.seconds)
    second.load_state(state)
    for name in ("steps", "seconds", "best", "best_metrics", "best_step", "stale", "engine", "sampler", "callbacks"):
        assert second.state()[name] == state[name], name
    assert (second.steps, second.seconds, second.best_step) == (5, 5.0, 3)
    assert (engine(second).taken, engine(second).sampler.seen, trace(second).remembered) == (5, 5, 5)
    assert weight(second) == 5.0
    saved: list[int] = []
    second.save = lambda state: saved.append(state["steps"])
    second.run()
    assert saved == [8, 11]  # counted from the resume
    assert [e.step for e in trace(second).evaluations] == [6, 8, 10, 12]  # two seconds after that at 3


def test_a_temperature_of_the_loss_follows_the_progress() -> None:
    one = made()
    engine(one).loss = InfoNCE(Linear(1.0, 2.2))
    one.run()
    assert engine(one).temperatures == pytest.approx([1.0, 1.2, 1.4, 1.6, 1.8, 2.0])


def test_a_controller_of_the_loss_is_shown_the_samplers_signals_and_goes_on_after_a_resume() -> None:
    one, other = made(epochs=4), made(epochs=4)
    for each in (one, other):
        engine(each).loss = InfoNCE(AdaptiveTemperature("lead", 1.0, 0.01, 9.0, 0.5 / math.e, smoothing=0.5))
    one.advance()  # nothing was measured
    engine(one).sampler.signals = {"lead": 0.4}
    one.advance()
    engine(one).sampler.signals = {"lead": 0.2}
    one.advance()
    assert engine(one).temperatures == pytest.approx([1.0, 1.0, 0.4])
    assert [step.signals for step in trace(one).steps] == [
        {},
        {"lead": 0.4, "control.loss.temperature": pytest.approx(0.4)},
        {"lead": 0.2, "control.loss.temperature": pytest.approx(0.3)},
    ]
    other.load_state(one.state())
    engine(other).sampler.signals = {"lead": 0.1}
    other.advance()
    other.advance()
    assert engine(other).temperatures == pytest.approx([0.3, 0.2])


def test_what_a_controller_of_the_loss_decides_is_told() -> None:
    one = made()
    engine(one).loss = InfoNCE(Competence("rate", 1.0, 0.25, mastered=0.5, lost=0.9, levels=3, patience=1))
    engine(one).sampler.signals = {"rate": 0.4}
    one.advance()
    assert trace(one).steps[0].decisions == [
        Decision("rate 0.4, at most 0.5", "1 to 0.5, level 2 of 3: harder", "loss.temperature")
    ]


def test_time_and_steps_whichever_is_nearer_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(loop, "perf_counter", lambda: float(next(ticks)))
    hurried, slow = made(epochs=4, max_seconds=5.0), made(epochs=2, max_seconds=500.0)
    hurried.run()
    slow.run()
    assert (hurried.steps, slow.steps) == (5, 6)


def test_step_sizes_warm_up_and_fall() -> None:
    assert [StepSize(2.0, "linear", 0.2).at(p) for p in (0.2, 0.6, 1.0)] == pytest.approx([2.0, 1.0, 0.0])
    assert [StepSize(2.0, "cosine").at(p) for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([2.0, 1.7071068, 1.0, 0.0])
    assert StepSize(2.0, "constant", 0.5).at(0.25) == pytest.approx(2.0 * 0.251 / 0.501)


def test_a_row_optimisers_state_goes_on() -> None:
    rows, grad = torch.tensor([0, 2]), torch.ones(2, 3)
    for name in ("sgd", "adagrad", "adam"):
        first, second = (RowOptimiser(torch.ones(4, 3), name) for _ in range(2))
        first.step(rows, grad, 0.1)
        second.load_state(first.state())
        second.table.copy_(first.table)
        for one in (first, second):
            one.step(rows, 2 * grad, 0.1)
        assert torch.equal(first.table, second.table)
        assert torch.equal(first.table[1], torch.ones(3))
        if name == "adam":  # the first steps of Adam have the full step size
            fresh = RowOptimiser(torch.ones(4, 3), name)
            fresh.step(rows, grad, 0.1)
            torch.testing.assert_close(fresh.table[0], torch.full((3,), 0.9))


STATE: dict[str, Any] = {
    "pair": (1, [2.5, None]),
    "flag": True,
    "large": 1 << 70,
    "inner": {"table": torch.arange(6, dtype=torch.int32).view(2, 3), "empty": torch.empty(0)},
}


def test_a_checkpoint_gives_back_every_kind_of_value(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "c", STATE)
    found = checkpoint.load(tmp_path / "c")
    assert {name: found[name] for name in ("pair", "flag", "large")} == {k: STATE[k] for k in ("pair", "flag", "large")}
    assert isinstance(found["pair"], tuple)
    table: Tensor = found["inner"]["table"]
    assert table.dtype == torch.int32
    assert torch.equal(table, STATE["inner"]["table"])


def test_a_changed_number_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "c"
    checkpoint.save(path, {"table": torch.arange(64, dtype=torch.int64)})
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="checksum"):
        checkpoint.load(path)


def test_the_newest_two_checkpoints_stay_and_the_newest_is_taken(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    for step in (5, 30, 200):
        kept.save(step, {"steps": step})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000000030.safetensors",
        "step-000000000200.safetensors",
    ]
    newest = kept.latest()
    assert newest is not None
    assert checkpoint.load(newest)["steps"] == 200
