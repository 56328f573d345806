"""The parts at work through the command: trained, resumed, compared, reported, and served in the library's own task."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from baskets import planted
from negatives.cli import main
from negatives.runs import runner, terminal
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors

QUICK = ["--epochs", "3", "--threads", "1", "--set", "batch_size=256"]
CHANCE = 3 / 48
"""Share of the items that a next basket holds."""


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of planted baskets."""
    path = tmp_path_factory.mktemp("data") / "shop.baskets"
    path.write_text("\n".join(planted.lines()) + "\n")
    return path


@pytest.fixture(scope="session")
def run(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the example's own task, with the recipe's parts, which are the example's."""
    out = tmp_path_factory.mktemp("runs") / "own"
    assert main(["train", "next_basket", str(shop), "--out", str(out), *QUICK]) == 0
    return out


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def test_the_recipe_trains_every_part(run: Path) -> None:
    found = metrics(run)
    parts = [found[name] for name in ("task", "sampler", "model", "loss")]
    assert parts == ["next_basket", "oversampled", "recent_items", "squared_hinge"]
    assert found["test"].keys() == {"recall@10", "ndcg@10", "rbp@10"}
    assert found["test"]["rbp@10"] > 3 * CHANCE
    assert any("1,400 baskets" in note for note in found["notes"])


def test_the_order_of_the_baskets_counts(run: Path, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "unordered"
    options = ["--recipe", "unordered", "--sampler", "uniform", "--loss", "bpr", *QUICK]
    assert main(["train", "next_basket", str(shop), "--out", str(out), *options]) == 0
    assert metrics(run)["test"]["recall@10"] > 1.5 * metrics(out)["test"]["recall@10"]


def test_the_report_shows_the_watched_metric(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "Next_basket on shop: sampler oversampled" in page
    assert f"{metrics(run)['test']['rbp@10']:.4f}" in page
    assert main(["evaluate", str(run)]) == 0
    assert f"{metrics(run)['test']['rbp@10']:.4f}" in capsys.readouterr().out


def test_an_interrupted_run_goes_on_bit_by_bit(
    run: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard's strikes are part of the state: without them the negatives would differ."""

    class StopInTheMiddle(terminal.Bar):
        def on_step(self, step: Step) -> None:
            if step.context.step == 11:
                signal.raise_signal(signal.SIGINT)

    out = tmp_path / "resumed"
    with monkeypatch.context() as patch:
        patch.setattr(runner, "Bar", StopInTheMiddle)
        assert main(["train", "next_basket", str(shop), "--out", str(out), *QUICK]) == 130
    assert main(["train", "--resume", "--out", str(out)]) == 0
    mine, theirs = (read_tensors(one / "model.safetensors")[0] for one in (out, run))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert metrics(out)["test"] == metrics(run)["test"]


def test_samplers_are_compared(shop: Path, tmp_path: Path) -> None:
    options = ["--samplers", "uniform,oversampled", "--seeds", "1", *QUICK]
    assert main(["compare", "next_basket", str(shop), "--out", str(tmp_path / "c"), *options]) == 0
    found = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert found["metric"] == "rbp@10"
    assert {row["sampler"] for row in found["summary"] if row["metric"] == "rbp@10"} == {"uniform", "oversampled"}
    assert "rbp@10" in found["verdict"]
    assert "oversampled" in (tmp_path / "c" / "report.html").read_text()


@pytest.mark.parametrize(
    "options",
    [
        ["--model", "recent_items", "--set", "loss.temperature=0.1", "--set", "evaluation.metric=rbp@5"],
        ["--sampler", "oversampled", "--set", "evaluation.metric=rbp"],
        ["--set", "sampler.proposal=geometric", "--set", "sampler.select=by_rank", "--set", "sampler.candidates=8"],
    ],
    ids=["model", "preset", "parts"],
)
def test_the_parts_serve_the_library_s_own_task(options: list[str], shop: Path, tmp_path: Path) -> None:
    assert main(["train", "recommend", str(shop), "--out", str(tmp_path / "r"), *options, *QUICK]) == 0
    found = metrics(tmp_path / "r")
    assert any("split: leave_last_out" in note for note in found["notes"])
    watched = found["watched"]
    assert watched == (options[-1].partition("=")[2] if "evaluation" in options[-1] else "recall@20")
    assert 0 < found["test"][watched] < 1


def test_data_without_times_has_no_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\n" + "".join(f"u{i % 9},i{i * 7 % 20}\n" for i in range(180)))
    assert main(["train", "recommend", str(path), "--out", str(tmp_path / "r"), "--model", "recent_items", *QUICK]) == 2
    assert "the model recent_items does not fit this data: it needs known_times" in capsys.readouterr().err
    assert main(["train", "next_basket", str(path), "--out", str(tmp_path / "n"), *QUICK]) == 2
    assert "baskets need an order, and no times were found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "next_baskets"], "did you mean next_basket?"),
        (["train", "recommend", "--sampler", "oversampeld"], "did you mean oversampled"),
        (["train", "recommend", "--loss", "squared_hing"], "squared_hinge"),
        (["train", "recommend", "--model", "recent_itms"], "recent_items"),
        (["train", "recommend", "--set", "sampler.proposal=geometrc"], "geometric"),
        (["train", "recommend", "--sampler", "dns", "--set", 'sampler.guards=["strike"]'], "strikes"),
        (["train", "recommend", "--sampler", "dns", "--set", "sampler.select=by_rnk"], "by_rank"),
        (["train", "next_basket", "--recipe", "unorderd"], "did you mean unordered"),
        (["train", "next_basket", "--set", "reading.leest=4"], "did you mean least"),
        (["train", "next_basket", "--set", "model.lenght=4", "--model", "recent_items"], "did you mean length"),
        (["train", "next_basket", "--set", "evaluation.metric=rpb@10"], "rbp@10"),
        (["train", "recommend", "--set", "evaluation.metric=rbp@x"], "rbp@10"),
        (["train", "words", "--model", "recent_items"], "choose another task: recommend, next_basket"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_messages_know_the_names(
    arguments: list[str], told: str, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*arguments[:2], str(shop), *arguments[2:]]
    assert main([*words, "--out", str(tmp_path / "r")]) == 2
    assert told in capsys.readouterr().err


def test_samplers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samplers"]) == 0
    assert "oversampled" in capsys.readouterr().out
    assert main(["samplers", "oversampled"]) == 0
    out = capsys.readouterr().out
    assert 'loss = "squared_hinge"' in out
    for part in ("geometric(share=0.1)", "strikes(most=3)", "by_rank(k=1, scale=4.0)", "squared_hinge(margin=1.0)"):
        assert part in out


def test_the_command_in_a_process_of_its_own(tmp_path: Path) -> None:
    words = ["demo", "next_basket", "--out", str(tmp_path / "demo")]
    done = subprocess.run([sys.executable, "-m", "negatives", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "will buy: " in done.stdout
    assert (tmp_path / "demo" / "report.html").exists()
