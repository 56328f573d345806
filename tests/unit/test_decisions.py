"""What controllers decide is told in words: by the sampler, in the history, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from negatives.control.decisions import LIMIT, Decision, Told
from negatives.diagnostics import Recorder
from negatives.diagnostics.record import read_history
from negatives.models.factorization import MatrixFactorization
from negatives.sampler import build
from negatives.training.callbacks import Step
from negatives.types import Catalogue, Context, Negatives

CLIMB = {"competence": "violation_rate", "start": 4.0, "stop": 1.0, "mastered": 2.0, "lost": 3.0, "patience": 1}


def test_a_sampler_tells_the_decisions_of_its_controllers_once_and_by_whom() -> None:
    select = {"name": "softmax", "temperature": CLIMB}
    sampler = build({"proposal": "uniform", "candidates": 8, "guards": ["own_positive"], "select": select})
    sampler.bind(Catalogue(4, 9, torch.ones(9, dtype=torch.int64)))
    model = MatrixFactorization(4, 9, dim=2)
    for _ in range(9):  # signals are measured at the steps 0 and 8
        sampler(torch.arange(4), torch.arange(4), model)
    told = sampler.decisions()
    assert [one.by for one in told] == ["select.temperature", "select.temperature"]
    assert told[0].changed == "4 to 3.28, level 2 of 8: harder"
    assert told[0].seen.endswith(", at most 2")
    assert sampler.decisions() == []


def test_a_decision_is_a_line_of_the_history(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl")
    ids = torch.zeros(1, 1, dtype=torch.int64)
    context = Context(ids[0], ids[0], ids[0], step=3)
    step = Step(context, Negatives(ids, None, ids == 0), torch.zeros(1), torch.zeros(1, 1), 1.0, {}, 2.5, {})
    recorder.on_step(step)
    recorder.on_step(replace(step, decisions=[Decision("y .1", "2 to 4", "select.m")]))
    lines, broken = read_history(tmp_path / "history.jsonl")
    assert broken == 0
    wanted = {"kind": "decision", "step": 4, "seconds": 2.5, "decision": "select.m", "seen": "y .1"}
    assert lines == [wanted | {"changed": "2 to 4"}]


def test_what_nobody_reads_does_not_pile_up() -> None:
    told = Told()
    for number in range(LIMIT + 9):
        told.add("", str(number))
    assert [one.changed for one in told.take()] == [str(number) for number in range(9, LIMIT + 9)]
