"""``torchrun -m negatives train``: what one process finds, an interruption on one of two, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing

from negatives.cli import main
from negatives.config import build
from negatives.data.pairs import Pairs
from negatives.errors import ConfigError, InputError
from negatives.ranks import Ranks
from negatives.runs import runner, torchrun
from negatives.runs.processes import check_command, silent
from negatives.training.files import read_tensors
from planted import Planted
from quick import ALONE

SHORT = [*ALONE, "--epochs", "3", "--sampler", "dns"]
SETS = ["--set", "batch_size=300", "--set", "evaluation.every=0.5", "--set", "sampler.candidates=4"]
MODEL = ["--model", "history", *SHORT, *SETS]
TOWERS = {
    "two_tower": ["recommend", "content", "--model", "two_tower", *SHORT, *SETS],
    "sasrec": ["sequence", "sequences.jsonl", *ALONE, "--epochs", "2", "--dim", "16", "--set", "batch_size=64"],
    "static": ["similarity", "pairs.csv", *ALONE, "--epochs", "4", "--dim", "16", "--set", "batch_size=16"],
}
"""Task, data and options of models with towers."""
REFUSED = {
    "rows": (["--model", "mf", *SHORT, "--set", "optimiser.name=adagrad"], "mf with adagrad trains in one process"),
    "race": ([*ALONE, "--epochs", "1"], "recipes are tried in one process"),
}


class Later(list[int]):
    """Signals that come after some steps."""

    left = 4

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left < 0


class Dying(Later):
    """The process is gone after some steps, without a word."""

    def __bool__(self) -> bool:
        if Later.__bool__(self):
            os._exit(0)
        return False


@contextlib.contextmanager
def caught_later() -> Iterator[list[int]]:
    yield Later([15])


@contextlib.contextmanager
def dying() -> Iterator[list[int]]:
    yield Dying()


def write(folder: Path, planted: Planted) -> None:
    """Data of the models with towers."""
    planted.write_content(folder / "content")
    rows = [planted.known().row(user).tolist() for user in range(planted.n_users)]
    lines = [json.dumps({"user": f"u{user}", "items": row}) for user, row in enumerate(rows)]
    (folder / "sequences.jsonl").write_text("\n".join(lines) + "\n")
    texts = [
        [" ".join(f"t{n % 12}w{(n * 7 + at * (side + 1)) % 9}" for at in range(5)) for side in (0, 1)]
        for n in range(200)
    ]
    pairs = [f"{one},{texts[n + 12 * (n % 2) + n % 3 // 2][1]},{n % 3}" for n, (one, _) in enumerate(texts[:180])]
    (folder / "pairs.csv").write_text("sentence1,sentence2,score\n" + "\n".join(pairs) + "\n")


def of_towers(folder: Path, name: str, out: Path) -> list[str]:
    task, data, *options = TOWERS[name]
    return ["train", task, str(folder / data), *options, "--set", "precision=float32", "--out", str(out)]


def asked(data: str, out: Path) -> dict[str, list[str]]:
    """The commands, in order; every process gives them all."""
    train = ["train", "recommend", data]
    found = {"full": [*train, *MODEL, "--out", str(out / "full")], "cut": [*train, *MODEL, "--out", str(out / "cut")]}
    found["on"] = ["train", "--resume", "--out", str(out / "cut")]
    found["from"] = ["train", "--from", str(out / "full"), "--epochs", "1", "--out", str(out / "from")]
    found["budget"] = [*train, *MODEL, "--budget", "2s", "--out", str(out / "budget")]
    found |= {name: [*train, *words, "--out", str(out / name)] for name, (words, _) in REFUSED.items()}
    found |= {name: of_towers(out, name, out / name) for name in TOWERS}
    found |= {"other": ["samplers"], "typed": [*train, "--modle", "history"]}
    return found | {"dies": [*train, *MODEL, "--out", str(out / "dies")]}


def work(rank: int, count: int, data: str, folder: str, ports: list[int]) -> None:
    """One of the processes that torchrun would start."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank), "TORCHELASTIC_RUN_ID": "test"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "LOCAL_WORLD_SIZE": str(count)}
    torch.set_num_threads(1)
    seen, kept = {}, (runner.signals_caught, torchrun.signals_caught)
    for (name, words), port in zip(asked(data, Path(folder)).items(), ports, strict=False):
        os.environ["MASTER_PORT"] = str(port)
        if name == "cut" and rank == 1:
            torchrun.signals_caught = caught_later
        if name == "dies" and rank == 1:
            Path(folder, "1.json").write_text(json.dumps(seen))
            torchrun.signals_caught = dying
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(words)
            except SystemExit as stop:
                code = int(stop.code or 0)
        seen[name] = code, out.getvalue(), err.getvalue()
        runner.signals_caught, torchrun.signals_caught = kept
        if dist.is_initialized():
            dist.destroy_process_group()
        if name == "cut" and rank == 0:
            shutil.copytree(Path(folder, "cut"), Path(folder, "alone"))
    Path(folder, f"{rank}.json").write_text(json.dumps(seen))


def ports(n: int) -> list[int]:
    """Ports that nobody uses."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.nightly)])
def ran(
    request: pytest.FixtureRequest, planted: Planted, planted_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("torchrun")
    write(folder, planted)
    multiprocessing.spawn(work, (request.param, str(planted_file), str(folder), ports(15)), nprocs=request.param)
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(request.param)]


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "step"]


def metrics(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / "metrics.json").read_text())["test"]
    return found


def test_losses_and_metrics_are_those_of_one_process(
    ran: tuple[Path, list[dict[str, Any]]], planted_file: Path, tmp_path: Path
) -> None:
    folder, seen = ran
    assert [one["full"][0] for one in seen] == [0] * len(seen)
    assert f"run folder: {folder / 'full'}" in seen[0]["full"][1]
    assert all(one["full"][1:] == ["", ""] for one in seen[1:])  # the first process alone speaks
    assert main(["train", "recommend", str(planted_file), *MODEL, "--out", str(tmp_path / "one")]) == 0
    assert losses(folder / "full") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert metrics(folder / "full") == pytest.approx(metrics(tmp_path / "one"), abs=0.01)


@pytest.mark.parametrize("name", TOWERS)
def test_towers_are_trained_as_in_one_process(
    name: str, ran: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder, seen = ran
    assert [(one[name][0], one[name][2]) for one in seen] == [(0, "")] * len(seen)
    assert main(of_towers(folder, name, tmp_path / "one")) == 0
    assert losses(folder / name) == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert metrics(folder / name) == pytest.approx(metrics(tmp_path / "one"), abs=0.01)
    vectors, wanted = (read_tensors(run / "model.safetensors")[0] for run in (folder / name, tmp_path / "one"))
    for key in wanted:
        if not key.startswith("model."):  # Adam makes steps of the rounding errors of weights without a gradient
            torch.testing.assert_close(vectors[key], wanted[key], rtol=1e-2, atol=2e-3)


def test_one_that_is_stopped_stops_all_and_all_go_on(ran: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, seen = ran
    assert all(one["cut"][0] > 128 for one in seen)
    assert "a checkpoint is saved; go on with: negatives train --resume" in seen[0]["cut"][2]
    assert all(one["cut"][1:] == ["", ""] for one in seen[1:])
    assert [one["on"][0] for one in seen] == [0] * len(seen)
    assert losses(folder / "cut") == losses(folder / "full")
    assert metrics(folder / "cut") == metrics(folder / "full")
    assert main(["train", "--resume", "--out", str(folder / "alone")]) == 0
    assert losses(folder / "alone") == pytest.approx(losses(folder / "full"), rel=1e-4)


def test_a_run_goes_on_in_a_new_one(ran: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    folder, seen = ran
    assert [one["from"][0] for one in seen] == [0] * len(seen)
    assert main(["train", "--from", str(folder / "full"), "--epochs", "1", "--out", str(tmp_path / "one")]) == 0
    assert losses(folder / "from") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert losses(folder / "from")[0] < losses(folder / "full")[0]


def test_a_budget_ends_all_at_one_step(ran: tuple[Path, list[dict[str, Any]]]) -> None:
    """It leaves no time but for a step, whatever each one's clock says."""
    folder, seen = ran
    assert [one["budget"][0] for one in seen] == [0] * len(seen)
    assert len(losses(folder / "budget")) < len(losses(folder / "full"))
    assert metrics(folder / "budget")


def test_where_one_is_gone_one_of_the_others_says_so(ran: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, seen = ran
    left = [one["dies"] for one in seen if "dies" in one]
    assert [one[0] for one in left] == [2] * (len(seen) - 1)
    told = [line for one in left for line in one[2].splitlines()]
    assert len(told) == 1
    assert "another process of this training is gone" in told[0]
    assert "--resume" in told[0]
    assert not (folder / "dies" / "metrics.json").exists()


@pytest.mark.parametrize("name", [*REFUSED, "other", "typed"])
def test_what_one_process_does_is_refused_in_one_line(name: str, ran: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, seen = ran
    words = {"other": "only train can share", "typed": "Did you mean --model?"}
    assert [one[name][0] for one in seen] == [2] * len(seen)
    told = [line for one in seen for line in one[name][2].splitlines()]
    assert len(told) == 1
    assert (words | {key: one for key, (_, one) in REFUSED.items()})[name] in told[0]
    assert not (folder / name).exists()


def test_processes_that_cannot_meet_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchrun.kernels, "set_threads", lambda n: None)
    for name, value in {"TORCHELASTIC_RUN_ID": "test", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "here")
    monkeypatch.setenv("MASTER_PORT", "nowhere")
    with pytest.raises(ConfigError, match="cannot meet at here:nowhere"), torchrun.launched():
        pass


def test_other_data_is_told_by_the_process_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Told(Ranks):
        def told(self, value: Any) -> Any:
            return "of other data" if isinstance(value, str) else value

    examples = SimpleNamespace(data=Pairs(torch.arange(3), torch.arange(3)))
    trained: Any = SimpleNamespace(examples=examples, config=SimpleNamespace(data="pairs.csv"))
    with pytest.raises(InputError, match="process 1 has read other data than the first; give all the same pairs"):
        torchrun.divide(trained, Told(1, 2))


def test_other_commands_and_data_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_command(["samplers"])
    assert not silent()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not silent()  # the first of another machine, where other files may lie
    monkeypatch.setenv("LOCAL_RANK", "1")
    check_command(["train", "recommend"])
    assert silent()
    with pytest.raises(ConfigError, match="only train can share"):
        check_command(["--version"])
    config = build([("test", {"task": "recommend", "data": "-"})])
    torchrun.check(config, Ranks())
    with pytest.raises(ConfigError, match="standard input"):
        torchrun.check(config, Ranks(1, 2))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="2 processes for 1 CUDA devices"):
        torchrun.check(config.model_copy(update={"data": None, "device": "cuda"}), Ranks(1, 2))
