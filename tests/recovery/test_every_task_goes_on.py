"""Every task's run is known again from its folder: configuration, data and state."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from negatives.config import RunConfig, build
from negatives.errors import Interrupted
from negatives.runs import begun, runner, steps
from negatives.runs.builder import fill, prepare, task_of
from negatives.runs.terminal import Bar, Begin
from negatives.tasks.registry import registry
from negatives.training.callbacks import Step
from negatives.training.run_folder import RunFolder


@pytest.mark.nightly
@pytest.mark.parametrize("name", list(registry))
def test_an_interrupted_run_is_known_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, of = Begin.on_step, task_of(RunConfig(task=name))

    def listen(self: Begin, step: Step) -> None:
        usual(self, step)
        if step.context.step == 2:
            signal.raise_signal(signal.SIGTERM)

    asked = RunConfig(task=name, **of.demo, threads=1, baselines="none", recipe=next(iter(of.recipes())))
    with monkeypatch.context() as patch:
        patch.setattr(Begin, "on_step", listen)
        with pytest.raises(Interrupted):
            runner.train(asked, tmp_path / "run")
    folder, values = RunFolder(tmp_path / "run"), begun.layer(tmp_path / "run")
    config = build([values])
    begun.check_config(folder, config)
    config, task, examples = steps.load(config)
    begun.check_data(folder, examples)
    trained = prepare(fill(config, task, examples), examples, task)
    assert trained.config.given() == values[1]
    steps.record(folder, trained, steps.watcher(trained))
    trained.loop.callbacks = [*trained.loop.callbacks, Bar(trained.loop)]
    assert steps.go_on(folder, trained)
    assert trained.loop.steps == 3
