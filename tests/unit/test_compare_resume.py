"""A comparison that is interrupted anywhere goes on and ends as if it had never been."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from negatives.cli import main
from negatives.runs import folds
from negatives.runs.results import Curve
from negatives.training.callbacks import Evaluation
from negatives.training.loop import Loop
from quick import ALONE

SETS = ["batch_size=256", "model.name=mf", "optimiser.name=adagrad", "optimiser.schedule=cosine", "optimiser.lr=0.1"]
ONE_FOLD = ["--set", "split.valid=0.15"]
WORDS = [*ALONE, *(word for pair in SETS for word in ("--set", pair))]
OPTIONS = ["--samplers", "curriculum,dns", "--seeds", "2", "--tune", "4", "--epochs", "4", *WORDS, *ONE_FOLD]
CLOCKS = ("train_seconds", "seconds_to_baseline", "seconds", "command", "verdict", "environment")


def run(data: Path, out: Path, *options: str) -> int:
    return main(["compare", "recommend", str(data), "--out", str(out), *options])


def steady(value: Any) -> Any:
    """What does not depend on the clock."""
    if isinstance(value, dict):
        return {
            key: [point[1:] for point in one] if key == "curve" else steady(one)
            for key, one in value.items()
            if key not in CLOCKS
        }
    return [steady(one) for one in value] if isinstance(value, list) else value


def outcome(folder: Path) -> Any:
    return steady(json.loads((folder / "compare.json").read_text()))


@pytest.fixture(scope="module")
def whole(planted_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison in one go."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert run(planted_file, out, *OPTIONS) == 0
    return out


def interrupting(after: int) -> Callable[[Curve, Evaluation], None]:
    """A listener that raises Ctrl-C at the evaluation of a number, counted over all trainings."""
    count, usual = 0, Curve.on_evaluation

    def listen(self: Curve, evaluation: Evaluation) -> None:
        nonlocal count
        count += 1
        usual(self, evaluation)
        if count == after:
            signal.raise_signal(signal.SIGINT)

    return listen


@pytest.mark.parametrize(("after", "again"), [(5, "same"), (70, "bare"), (150, "resume")])
def test_it_ends_as_if_it_had_never_been_interrupted(
    after: int, again: str, whole: Path, planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In the first trial, in a later round, and in a run."""
    out = tmp_path / "c"
    with monkeypatch.context() as patch:
        patch.setattr(Curve, "on_evaluation", interrupting(after))
        assert run(planted_file, out, *OPTIONS) == 130
    assert f"a checkpoint is saved; go on with: negatives compare --resume --out {out}" in capsys.readouterr().err
    assert not (out / "compare.json").exists()
    assert list(out.glob("**/checkpoints/*.safetensors"))
    if again == "bare":
        assert main(["compare", "--resume", "--out", str(out)]) == 0
    else:
        assert run(planted_file, out, *OPTIONS, *(["--resume"] if again == "resume" else [])) == 0
    assert "going on with the comparison" in capsys.readouterr().out
    assert outcome(out) == outcome(whole)
    assert not list(out.glob("**/checkpoints/*"))


def test_trials_are_judged_by_folds_and_go_on_in_each(
    planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a few hundred questions chooses by chance; its mean over folds is what counts."""
    monkeypatch.setattr(folds, "MOST", 2)
    options = ["--samplers", "dns", "--seeds", "1", "--tune", "2", "--epochs", "1", *WORDS]
    assert run(planted_file, tmp_path / "whole", *options) == 0
    said = capsys.readouterr().out
    assert "queries are too few to choose by, so split.valid is 0.15" in said
    assert "1 seed and 2 trials on 2 folds, which are worth 4 runs" in said
    whole = json.loads((tmp_path / "whole" / "compare.json").read_text())
    trials = tmp_path / "whole" / "trials"
    for one in whole["chosen"]["dns"]["trials"]:
        each = [
            json.loads((trials / f"dns-{one['number']}{end}" / "trial.json").read_text()) for end in ("", "-fold-1")
        ]
        values = [fold["rounds"]["1.0"]["valid"] for fold in each]
        assert values[0] != values[1], "another part of the data, and another start"
        assert one["valid"] == pytest.approx(sum(values) / 2)
    with monkeypatch.context() as patch:
        patch.setattr(Curve, "on_evaluation", interrupting(15))  # the first trial's second fold
        assert run(planted_file, tmp_path / "c", *options) == 130
    assert (tmp_path / "c" / "trials" / "dns-0-fold-1" / "checkpoints").exists()
    assert not (tmp_path / "c" / "trials" / "dns-1").exists()
    assert run(planted_file, tmp_path / "c", *options) == 0
    assert outcome(tmp_path / "c") == outcome(tmp_path / "whole")
    assert not list((tmp_path / "c").glob("**/checkpoints/*"))


def test_after_a_crash_a_training_without_a_checkpoint_starts_anew(
    whole: Path, planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, count = tmp_path / "c", 0

    def crash(self: Curve, evaluation: Evaluation) -> None:
        nonlocal count
        count += 1
        if count == 160:
            raise RuntimeError("power failure")
        self.points.append([evaluation.seconds, evaluation.epoch, evaluation.metrics[self.metric]])

    with monkeypatch.context() as patch:
        patch.setattr(Curve, "on_evaluation", crash)
        with pytest.raises(RuntimeError, match="power failure"):
            run(planted_file, out, *OPTIONS)
    assert (out / "trials").exists()
    assert run(planted_file, out, *OPTIONS) == 0
    assert outcome(out) == outcome(whole)


def test_seconds_are_a_budget_too(whole: Path, planted_file: Path, tmp_path: Path) -> None:
    """By now the kernels are compiled."""
    out = tmp_path / "c"
    options = ["--samplers", "uniform,dns", "--seeds", "1", "--tune", "3", "--max-seconds", "0.4", "--epochs", "9999"]
    assert run(planted_file, out, *options, *WORDS, *ONE_FOLD) == 0
    for path in (out / "trials").glob("dns-*/trial.json"):
        rounds = json.loads(path.read_text())["rounds"]
        seconds = [one["seconds"] for one in rounds.values()]
        assert seconds == sorted(set(seconds))
        assert all(float(share) * 0.4 <= one["seconds"] for share, one in rounds.items())


def test_finished_trainings_are_read_back(
    whole: Path, planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "c"
    assert run(planted_file, out, *OPTIONS) == 0
    (out / "compare.json").unlink()

    def no_step(self: Loop) -> None:
        raise AssertionError("a step was taken")

    monkeypatch.setattr(Loop, "advance", no_step)
    assert run(planted_file, out, *OPTIONS) == 0
    assert outcome(out) == outcome(whole)


def test_the_first_seeds_run_is_the_best_trial_trained_on(whole: Path) -> None:
    found = json.loads((whole / "compare.json").read_text())
    for name, chosen in found["chosen"].items():
        trial = json.loads((whole / "trials" / f"{name}-{chosen['trial']}" / "trial.json").read_text())
        first = next(one for one in found["runs"] if one["sampler"] == name)
        assert trial["curve"] == first["curve"]
        assert list(trial["rounds"]) == ["0.5", "1.0"]
        best = next(one for one in chosen["trials"] if one["number"] == chosen["trial"])
        assert max(value for _, _, value in first["curve"][1:]) == best["valid"]


def test_a_trial_that_goes_on_learns_what_one_in_one_go_learns(whole: Path, planted_file: Path, tmp_path: Path) -> None:
    """The winner stopped at half of its schedule; its configuration trained by itself gives the same bits."""
    metrics = json.loads((whole / "dns-0" / "metrics.json").read_text())
    out = tmp_path / "alone"
    assert main(["train", "--config", str(whole / "dns-0" / "config.toml"), "--out", str(out)]) == 0
    alone = json.loads((out / "metrics.json").read_text())
    assert alone["test"] == metrics["test"]
    assert (out / "model.safetensors").read_bytes() == (whole / "dns-0" / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--seeds", "3"], "other seeds"),
        (["--samplers", "uniform,dns"], "other samplers"),
        (["--seed", "7"], "other config"),
    ],
)
def test_another_comparison_does_not_go_on(
    changed: list[str], said: str, whole: Path, planted_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = json.loads((whole / "compare.json").read_text())
    (whole / "compare.json").rename(whole / "aside.json")
    try:
        options = list(OPTIONS)
        for place in range(0, len(changed), 2):
            if changed[place] in options:
                at = options.index(changed[place])
                del options[at : at + 2]
        assert run(planted_file, whole, *options, *changed) == 2
    finally:
        (whole / "aside.json").rename(whole / "compare.json")
    assert said in capsys.readouterr().err
    assert json.loads((whole / "compare.json").read_text()) == begun


def test_other_data_does_not_go_on(tmp_path: Path, planted_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "d.csv", tmp_path / "c"
    lines = planted_file.read_text().splitlines()
    data.write_text("\n".join(lines) + "\n")
    options = ["--samplers", "uniform", "--seeds", "1", "--tune", "0", "--epochs", "1", *WORDS]
    assert run(data, out, *options) == 0
    (out / "compare.json").unlink()
    data.write_text("\n".join(lines[:-40]) + "\n")
    capsys.readouterr()
    assert run(data, out, *options) == 2
    assert "other data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resume"], "give it with --out"),
        (["--resume", "--out", "missing"], "no comparison was begun here"),
        (["--resume", "--out", "WHOLE"], "the comparison is finished"),
        (["recommend", "--samplers", "uniform,dns", "--out", "WHOLE"], "holds a finished comparison already; choose"),
        (["--resume", "--out", "WHOLE", "--seeds", "5"], "leave the rest out"),
    ],
)
def test_what_cannot_go_on_is_told(
    words: list[str], said: str, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *(str(whole) if word == "WHOLE" else word for word in words)]) == 2
    assert said in capsys.readouterr().err
