"""Probes on batches whose answer is known, and what the recorder writes, cuts off and survives."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from negatives.control.signals import signals
from negatives.diagnostics import Probes, Recorder
from negatives.diagnostics.diversity import relative_entropy, strata
from negatives.diagnostics.record import interval, read_history
from negatives.training.callbacks import Evaluation, Step
from negatives.types import Context, Negatives

N_ITEMS = 100


def make_step(
    at: int,
    ids: Tensor | None = None,
    *,
    ok: Tensor | None = None,
    signals: dict[str, float] | None = None,
    loss: float = 1.0,
) -> Step:
    source = torch.Generator().manual_seed(at)
    ids = torch.randint(N_ITEMS, (16, 3), generator=source) if ids is None else ids
    rows = ids.shape[0]
    negatives = Negatives(ids, None, torch.ones_like(ids, dtype=torch.bool) if ok is None else ok)
    context = Context(*torch.zeros(3, rows, dtype=torch.int64), step=at, epoch=at // 50, progress=at / 200)
    positive, negative = torch.randn(rows, generator=source), torch.randn(ids.shape, generator=source)
    parts = {"draw": 0.1 * at, "guard": 0.05 * at, "select": 0.05 * at, "score": 0.3 * at, "update": 0.4 * at}
    return Step(context, negatives, positive, negative, loss, signals or {}, 1.0 * at, parts)


def counts() -> Tensor:
    return torch.arange(N_ITEMS, 0, -1)


def test_probes_measure_what_the_sampler_did_not() -> None:
    probes, step = Probes(counts()), make_step(8)
    probes.on_step(step)
    found = probes.take()
    expected = signals(step.positive, step.negative, step.negatives)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["positive_score"] == pytest.approx(step.positive.mean().item())
    assert found["negative_score"] == pytest.approx(step.negative.mean().item())
    assert found["hardest_score"] == pytest.approx(step.negative.amax(1).mean().item())


def test_probes_take_over_signals_and_average_them() -> None:
    probes = Probes(counts())
    for at, value in ((8, 0.2), (12, 0.4), (16, math.nan)):
        probes.on_step(make_step(at, signals={"staleness": value, "control.pool": 3.0}, loss=value))
    found = probes.take()
    assert found["staleness"] == pytest.approx(0.3)
    assert found["loss"] == pytest.approx(0.2)
    assert "control.pool" not in found
    assert "gap" not in found


def test_diversity_of_known_draws() -> None:
    probes = Probes(counts())
    ids = torch.tensor([[0, 19, 20], [49, 50, 99]])
    ok = torch.tensor([[True, True, True], [True, True, False]])
    probes.on_step(make_step(0, ids, ok=ok))
    found = probes.take()
    assert found["head_share"] == pytest.approx(2 / 5)
    assert found["tail_share"] == pytest.approx(1 / 5)
    assert found["coverage"] == pytest.approx(5 / N_ITEMS)
    assert found["ok_share"] == pytest.approx(5 / 6)


def test_coverage_goes_on_and_windows_start_anew() -> None:
    probes = Probes(counts())
    probes.on_step(make_step(0, torch.arange(10).view(1, 10)))
    assert probes.take()["coverage"] == pytest.approx(0.10)
    assert probes.take() == {}
    probes.on_step(make_step(8, torch.arange(90, 100).view(1, 10)))
    found = probes.take()
    assert found["coverage"] == pytest.approx(0.20)
    assert found["head_share"] == 0.0


def test_a_shared_pool_counts_once() -> None:
    probes = Probes(counts())
    pool = torch.tensor([0, 0, 30]).expand(16, 3)
    probes.on_step(make_step(0, pool))
    found = probes.take()
    assert found["head_share"] == pytest.approx(2 / 3)
    assert found["coverage"] == pytest.approx(2 / N_ITEMS)


def test_share_of_the_time_is_that_of_the_window() -> None:
    probes = Probes(counts())
    probes.on_step(make_step(8))
    probes.take()
    probes.on_step(make_step(16))
    found = probes.take()
    assert found["sampler_share"] == pytest.approx(0.2)
    assert found["score_share"] == pytest.approx(0.3)


def test_steps_between_measurements_cost_nothing() -> None:
    probes = Probes(counts(), every=8)
    probes.on_step(make_step(3))
    assert probes.take() == {}


def test_rows_without_an_allowed_negative_do_not_spoil_the_means() -> None:
    probes = Probes(counts())
    probes.on_step(make_step(0, ok=torch.zeros(16, 3, dtype=torch.bool)))
    found = probes.take()
    assert found["ok_share"] == 0.0
    assert all(math.isfinite(value) for value in found.values())
    assert "negative_score" not in found


def test_probes_go_on_after_a_resume() -> None:
    first = Probes(counts())
    for at in (0, 8):
        first.on_step(make_step(at))
    second = Probes(counts())
    second.load_state(first.state())
    for probes in (first, second):
        probes.on_step(make_step(16))
    assert first.take() == second.take()


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_entropy_is_right_with_fewer_draws_than_items(power: float) -> None:
    n_items = 2000
    share = torch.arange(1, n_items + 1).double() ** -power
    share /= share.sum()
    exact = float(-(share * share.log()).sum()) / math.log(n_items)
    drawn = torch.multinomial(share, 1500, replacement=True, generator=torch.Generator().manual_seed(0))
    times = torch.unique(drawn, return_counts=True)[1]
    plain = times / times.sum()
    naive = float(-(plain * plain.log()).sum()) / math.log(n_items)
    assert relative_entropy(times, n_items) == pytest.approx(exact, abs=0.03)
    assert abs(relative_entropy(times, n_items) - exact) < 0.5 * abs(naive - exact)


def test_entropy_at_its_ends() -> None:
    assert relative_entropy(torch.tensor([50]), N_ITEMS) == 0.0
    assert math.isnan(relative_entropy(torch.empty(0, dtype=torch.int64), N_ITEMS))
    assert relative_entropy(torch.ones(5, dtype=torch.int64), N_ITEMS) <= 1.0


def test_strata_break_ties_by_id() -> None:
    head, tail = strata(torch.tensor([1, 1, 7, 1, 1]))
    assert head.tolist() == [False, False, True, False, False]
    assert tail.tolist() == [False, False, False, True, True]


def test_recorder_writes_probes_evaluations_and_controls(tmp_path: Path) -> None:
    probes = Probes(counts())
    recorder = Recorder(tmp_path / "new" / "history.jsonl", probes)
    for at in range(17):
        step = make_step(at, signals={"control.pool": 64.0 + at // 16} if at % 8 == 0 else {})
        for callback in (probes, recorder):
            callback.on_step(step)
    recorder.on_evaluation(Evaluation(17, 0.5, 17.0, {"recall@20": 0.1, "mrr": math.nan}, True))
    lines, broken = read_history(recorder.path)
    assert broken == 0
    assert [(one["kind"], one["step"]) for one in lines] == [
        ("control", 1),
        ("step", 1),
        ("step", 9),
        ("control", 17),
        ("step", 17),
        ("evaluation", 17),
    ]
    assert lines[0]["values"] == {"pool": 64.0}
    assert lines[2]["seconds"] == 8.0
    assert lines[2]["parts"]["draw"] == pytest.approx(0.8)
    assert {"entropy", "gap", "loss", "sampler_share", "epoch", "progress"} <= lines[2].keys()
    assert lines[5]["metrics"] == {"recall@20": 0.1, "mrr": None}
    assert lines[5]["best"] is True


def test_recorder_without_probes_writes_the_signals(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl")
    recorder.on_step(make_step(0, signals={"gap": 0.5, "control.pool": 64.0}))
    line = read_history(recorder.path)[0][1]
    assert (line["gap"], line["loss"]) == (0.5, 1.0)
    assert "control.pool" not in line


def test_a_resume_cuts_off_what_came_later(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    first = Recorder(path)
    for at in range(9):
        first.on_step(make_step(at))
    state = first.state()
    kept = path.read_text()
    for at in range(9, 40):
        first.on_step(make_step(at))
    whole = path.read_text()
    with path.open("a") as file:
        file.write('{"kind": "step", "st')
    second = Recorder(path)
    second.load_state(state)
    assert path.read_text() == kept
    for at in range(9, 40):
        second.on_step(make_step(at))
    assert path.read_text() == whole


def test_a_new_run_replaces_an_old_history(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"kind": "step", "step": 900, "seconds": 1.0}\n')
    Recorder(path).on_step(make_step(0))
    assert [one["step"] for one in read_history(path)[0]] == [1]


def test_a_history_that_cannot_be_written_names_its_path(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.mkdir()
    with pytest.raises(OSError, match=r"history\.jsonl"):
        Recorder(path).on_step(make_step(0))


def test_long_runs_write_few_lines() -> None:
    steps = range(0, 1_000_000, 8)
    lines = sum(step % interval(step) == 0 for step in steps)
    assert 2000 < lines < 3000


def test_lines_are_strict_json(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl")
    recorder.on_step(make_step(0, signals={"gap": math.inf}))

    def refuse(text: str) -> float:
        raise AssertionError(text)

    line = json.loads(recorder.path.read_text().splitlines()[-1], parse_constant=refuse)
    assert line["gap"] is None


def test_the_untrained_model_stands_first_and_once(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    first = Recorder(path)
    first.begin({"mrr": 0.01})
    first.tell("decision", {"decision": "race"})
    first.on_step(make_step(0))
    lines = read_history(path)[0]
    assert [(one["kind"], one["step"]) for one in lines[:2]] == [("evaluation", 0), ("decision", 0)]
    assert lines[0]["metrics"] == {"mrr": 0.01}
    assert not lines[0]["best"]
    state, kept = first.state(), path.read_text()
    second = Recorder(path)
    second.begin({"mrr": 0.5})  # a resumed model is looked at again
    second.load_state(state)
    assert path.read_text() == kept
    second.on_step(make_step(8))
    assert [one["step"] for one in read_history(path)[0] if one["kind"] == "evaluation"] == [0]
