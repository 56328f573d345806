"""What loggers are told of a run: the history line by line, once, also over an interruption; real ones read back."""

from __future__ import annotations

import json
import signal
import struct
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import sleep
from typing import Any, ClassVar

import pytest

from negatives.cli import main
from negatives.config import RunConfig
from negatives.errors import ConfigError
from negatives.integrations import loggers
from negatives.integrations.loggers import following
from negatives.integrations.loggers.base import Begun, Logger
from negatives.runs import terminal
from negatives.training.callbacks import Step
from negatives.training.run_folder import RunFolder

SMALL = ["--threads", "1", "--baselines", "popularity", "--set", "batch_size=512", "evaluation.every=1.0"]
OPTIONS = [*SMALL, "optimiser.name=adagrad", "--model", "mf", "--sampler", "hold", "--epochs", "4"]
"""Seven steps an epoch; the history has lines at the steps 1, 9, 17 and 25 and after each epoch."""


class Notes(Logger):
    """Keeps what it is told, over several runs of the command."""

    module, install = "json", "json"
    opened: ClassVar[list[Begun]] = []
    told: ClassVar[list[tuple[int, str, Any]]] = []
    closed: ClassVar[list[Mapping[str, float] | None]] = []

    def open(self, run: Begun) -> str:
        self.opened.append(run)
        return run.before or f"id of {run.name}"

    def where(self) -> str:
        return "in memory"

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self.told.append((step, "numbers", dict(values)))

    def text(self, name: str, text: str, step: int) -> None:
        self.told.append((step, name, text))

    def close(self, final: Mapping[str, float] | None, step: int) -> None:
        self.closed.append(final)


class Breaks(Notes):
    """Its package fails in the middle of the training."""

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        if step > 8:
            raise RuntimeError("the disk\nis full")


class Absent(Notes):
    """Its package is not there."""

    module, install = "no_such_module", "negatives[absent]"


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE", 0.0)
    for kind in (Notes, Breaks, Absent):
        monkeypatch.setitem(loggers.registry._rows, kind.__name__.lower(), f"{__name__}:{kind.__name__}")
    for kept in (Notes.opened, Notes.told, Notes.closed):
        kept.clear()


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", *(["recommend", str(data)] if data else []), "--out", str(out), *options])


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def expected(run: Path) -> list[tuple[int, str, Any]]:
    """What a logger must have been told of a finished run, but for the times that it took."""
    found: list[tuple[int, str, Any]] = []
    for line in lines(run):
        found += [(line["step"], name, text) for name, text in following.texts(line)]
        if values := following.numbers(line):
            found.append((line["step"], "numbers", timeless(values)))
    return found


def timeless(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if "seconds" not in name and "_share" not in name}


def heard() -> list[tuple[int, str, Any]]:
    return [(step, kind, timeless(one) if kind == "numbers" else one) for step, kind, one in Notes.told]


def interrupt(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step + 1 == at:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(terminal.Bar, "on_step", on_step)


def test_all_of_the_history_and_the_end_is_told(planted_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "r"
    assert train(planted_file, run, *OPTIONS, "--log", "notes") == 0
    assert heard() == expected(run)
    named = {name for _, kind, one in heard() if kind == "numbers" for name in one}
    assert {"train/loss", "train/violation_rate", "valid/recall@20", "control/select.temperature"} <= named
    assert any(kind == "numbers" and "seconds/draw" in one for _, kind, one in Notes.told)
    config = dict(following.flat(tomllib.loads((run / "config.toml").read_text())))
    assert Notes.opened == [Begun(run, "recommend", config)]
    assert config["optimiser.name"] == "adagrad"
    assert config["log"] == "notes"
    whole = json.loads((run / "metrics.json").read_text())
    (final,) = Notes.closed
    assert final is not None
    assert final["test/recall@20"] == whole["test"]["recall@20"]
    assert final["baselines/popularity/ndcg@20"] == whole["baselines"]["popularity"]["ndcg@20"]


def test_a_logger_may_join_when_a_run_goes_on(planted_file: Path, tmp_path: Path) -> None:
    """It is told from the first line on."""
    run = tmp_path / "r"
    with pytest.MonkeyPatch.context() as patch:
        interrupt(9, patch)
        assert train(planted_file, run, *OPTIONS) == 130
    assert Notes.opened == []
    assert train(None, run, "--resume", "--log", "notes") == 0
    assert heard() == expected(run)
    assert Notes.opened[0].before is None


def test_decisions_of_a_race_stand_before_the_run_that_is_kept(tmp_path: Path) -> None:
    """They are written at once, with the history of the recipe that won, after its first steps."""
    folder = RunFolder(tmp_path / "r")
    folder.write_text("config.toml", 'task = "recommend"\n[model]\nname = "mf"\n')
    row = {"arm": "soft", "value": 0.5, "kept": True}
    at = {"step": 8, "seconds": 1.0}
    written: list[dict[str, Any]] = [
        {"kind": "step", "step": 1, "seconds": 0.5, "epoch": 0, "progress": 0.1, "loss": 0.7, "parts": {"draw": 0.1}},
        {
            "kind": "decision",
            **at,
            "decision": "race",
            "seen": {"soft": 0.5},
            "changed": "goes on with soft",
            "gain": 0.1,
        },
        {"kind": "race", **at, **row},
    ]
    with following.Following(folder, ["notes"]) as told:
        (folder.path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
        told.on_end()
    assert Notes.told == [
        (1, "numbers", {"train/epoch": 0.0, "train/progress": 0.1, "train/loss": 0.7, "train/seconds": 0.5,
                        "seconds/draw": 0.1}),
        (8, "decision", "race: soft 0.5000; goes on with soft"),
        (8, "race", "arm soft, value 0.5, kept True"),
    ]  # fmt: skip
    assert Notes.opened == [Begun(folder.path, "recommend", {"task": "recommend", "model.name": "mf"})]
    assert Notes.closed == [None]  # there is no metrics.json


def test_a_resumed_run_goes_on_and_tells_nothing_twice(
    planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint is at 9; what the loggers were told of later steps before the end of the process stays."""
    run = tmp_path / "r"
    with pytest.MonkeyPatch.context() as patch:
        interrupt(9, patch)
        assert train(planted_file, run, *OPTIONS, "--log", "notes") == 130
    assert Notes.closed == [None]
    known = json.loads((run / following.LOGGED).read_text())["notes"]
    assert (known["id"], known["step"]) == ("id of r", lines(run)[-1]["step"])
    assert train(None, run, "--resume") == 0
    assert heard() == expected(run)
    assert [one.before for one in Notes.opened] == [None, "id of r"]
    assert Notes.opened[1].after == known["step"]
    assert Notes.closed[1] is not None


def test_each_run_of_a_comparison_is_told_at_its_end(planted_file: Path, tmp_path: Path) -> None:
    """Trials of tuning are not."""
    options = [*SMALL, "--samplers", "uniform,dns", "--seeds", "1", "--tune", "2", "--model", "mf", "--epochs", "1"]
    words = ["compare", "recommend", str(planted_file), "--out", str(tmp_path / "c"), *options, "--log", "notes"]
    assert main(words) == 0
    assert {(one.name, one.group) for one in Notes.opened} == {("uniform-0", "c"), ("dns-0", "c")}
    assert heard() == [one for name in ("uniform-0", "dns-0") for one in expected(tmp_path / "c" / name)]
    assert all(final is not None and "test/recall@20" in final for final in Notes.closed)


def test_lines_that_are_written_anew_are_not_told_anew() -> None:
    """And those of the step that was told last are told, where they come later."""
    one = following.Followed("notes", Notes(), "id", step=9, lines=2)
    written: list[dict[str, Any]] = [{"step": 8}, {"step": 9}, {"step": 9}, {"step": 9, "n": 3}, {"step": 16}]
    assert one.new(written[:2]) == []
    assert one.new(written[2:]) == written[3:]
    for line in written[3:]:
        one.told(line)
    assert (one.step, one.lines) == (16, 1)
    assert one.new([{"step": 16, "n": 2}, {"step": 17}]) == [{"step": 16, "n": 2}, {"step": 17}]


def test_a_logger_that_fails_is_left_out_with_one_line(
    planted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "r"
    assert train(planted_file, run, *OPTIONS, "--log", "breaks,notes") == 0
    out = capsys.readouterr().out
    assert out.count("breaks: RuntimeError: the disk is full; the run goes on without it") == 1
    assert heard() == expected(run)
    assert len(Notes.closed) == 1
    assert (run / "metrics.json").exists()


def test_a_server_that_does_not_answer_is_left_out(
    planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing listens at that port; the library's own wait is shorter than MLflow's, here there is none."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert train(planted_file, tmp_path / "r", *OPTIONS, "--log", "mlflow") == 0
    assert capsys.readouterr().out.count("mlflow: MlflowException: API request to http://127.0.0.1:9") == 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("absent", "log: no_such_module is not installed; run: pip install 'negatives[absent]'"),
        ("notes, tensorbord", "no logger is called 'tensorbord'; did you mean tensorboard?"),
    ],
)
def test_what_cannot_be_told_is_said_before_the_data_is_read(
    asked: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "no_such_file", tmp_path / "r", "--log", asked) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_nobody_is_told_where_nobody_asked(planted_file: Path, tmp_path: Path) -> None:
    assert train(planted_file, tmp_path / "r", *OPTIONS) == 0
    assert Notes.told == []
    assert not (tmp_path / "r" / following.LOGGED).exists()
    assert RunConfig(task="recommend").log is None


@pytest.fixture(scope="module")
def told(planted_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted, went on, and was told to every logger of the library, all without network."""
    base = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("MLFLOW_TRACKING_URI", (base / "mlflow").as_uri()), ("MLFLOW_ALLOW_FILE_STORE", "true"),
            ("WANDB_MODE", "offline"), ("TRACKIO_DIR", str(base / "trackio")), ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ):  # fmt: skip
            patch.setenv(name, value)
        patch.setattr(following, "PAUSE", 0.0)
        with pytest.MonkeyPatch.context() as inner:
            interrupt(9, inner)
            names = ",".join(loggers.registry._rows)
            assert train(planted_file, base / "r", *OPTIONS, "--log", names) == 130
        assert train(None, base / "r", "--resume") == 0
    return base


def curve(run: Path, prefix: str, name: str) -> list[tuple[int, float]]:
    """Steps and values of a number in the history."""
    found = [(line["step"], following.numbers(line).get(f"{prefix}/{name}")) for line in lines(run)]
    return [(step, value) for step, value in found if value is not None]


def final(run: Path, metric: str = "recall@20") -> float:
    return float(json.loads((run / "metrics.json").read_text())["test"][metric])


def test_tensorboard_reads_it_back(told: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(told / "r" / "tensorboard"))
    found.Reload()
    for prefix, name in (("train", "loss"), ("valid", "recall@20"), ("control", "select.temperature")):
        events = found.Scalars(f"{prefix}/{name}")
        right = curve(told / "r", prefix, name)
        assert [event.step for event in events] == [step for step, _ in right]
        assert [event.value for event in events] == pytest.approx([value for _, value in right])
    text = found.Tensors("configuration/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| optimiser.name | adagrad |" in text
    assert found.Scalars("test/recall@20")[0].value == pytest.approx(final(told / "r"))


def test_mlflow_reads_it_back(told: Path) -> None:
    from mlflow import MlflowClient

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        client = MlflowClient(tracking_uri=(told / "mlflow").as_uri())
        experiment = client.get_experiment_by_name("negatives")
        (run,) = client.search_runs([experiment.experiment_id])
        for prefix, name in (("train", "loss"), ("valid", "recall@20")):
            key = f"{prefix}/{name.replace('@', '_at_')}"
            history = [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, key)]
            assert history == curve(told / "r", prefix, name)
    assert (run.info.status, run.info.run_name, run.data.tags["task"]) == ("FINISHED", "r", "recommend")
    assert run.data.params["optimiser.name"] == "adagrad"
    assert run.data.metrics["test/recall_at_20"] == final(told / "r")
    assert "baselines/popularity/recall_at_20" in run.data.metrics


@pytest.mark.nightly
def test_mlflow_keeps_it_in_a_database_where_nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    folder = RunFolder(tmp_path / "r")
    folder.write_text("config.toml", 'task = "recommend"\n')
    line = {"kind": "evaluation", "step": 8, "seconds": 1.0, "epoch": 1.0, "metrics": {"mrr": 0.5}, "best": True}
    folder.write_text("history.jsonl", json.dumps(line) + "\n")
    following.tell(folder, "mlflow", "recommend")
    known = json.loads((folder.path / following.LOGGED).read_text())["mlflow"]
    found = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db").get_run(known["id"])
    assert (found.data.metrics["valid/mrr"], found.info.status) == (0.5, "KILLED")


def test_wandb_keeps_it_offline(told: Path) -> None:
    found: list[dict[str, Any]] = []
    summary: dict[str, Any] = {}
    files = sorted((told / "r" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    assert len({path.name for path in files}) == 1  # one id: they are one run
    for path in files:
        for kind, items in wandb_records(path):
            if kind == "history":
                found.append(items)
            elif kind == "summary":
                summary |= items
    assert [(one["_step"], one["train/loss"]) for one in found if "train/loss" in one] == curve(
        told / "r", "train", "loss"
    )
    assert [one["valid/recall@20"] for one in found if "valid/recall@20" in one] == [
        value for _, value in curve(told / "r", "valid", "recall@20")
    ]
    assert summary["test/recall@20"] == final(told / "r")


def test_wandb_keeps_all_sentences_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    one = loggers.registry.build("wandb")
    one.open(Begun(tmp_path, "recommend", {}))
    one.text("decision", "a", 8)
    one.text("decision", "b", 8)
    one.numbers({"train/loss": 0.5}, 9)
    one.text("decision", "c", 9)
    one.close(None, 9)
    (path,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    assert [items["decision"] for kind, items in wandb_records(path) if kind == "history"] == ["a\nb", "c"]


def wandb_records(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Kind and values of the records in a file of W&B, whose own process writes a moment longer than the run lasts."""
    found: list[tuple[str, dict[str, Any]]] = []
    for _ in range(200):
        found = list(_records(path.read_bytes()))
        if any(kind == "exit" for kind, _ in found):
            return found
        sleep(0.05)
    raise AssertionError(f"{path} has no end: {[kind for kind, _ in found]}")


def _records(data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """The file is a log in the format of LevelDB."""
    from wandb.proto.wandb_internal_pb2 import Record

    at, whole = 7, b""
    while at + 7 <= len(data):
        if (left := 32_768 - at % 32_768) < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        if at + 7 + length > len(data):
            return
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            name = str(record.WhichOneof("record_type"))
            items = {"history": record.history.item, "summary": record.summary.update}.get(name, ())
            yield name, {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in items}


def test_trackio_keeps_it_here(told: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(told / "trackio"))
        found = trackio_rows(told / "trackio" / "negatives.db")
    assert [(step, row["train/loss"]) for step, row in found if "train/loss" in row] == curve(
        told / "r", "train", "loss"
    )
    assert [row["test/recall@20"] for _, row in found if "test/recall@20" in row] == [final(told / "r")]


def trackio_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Steps and values that Trackio's database holds."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT step, metrics FROM metrics ORDER BY id").fetchall()
    return [(step, json.loads(values)) for step, values in rows]


def test_every_logger_is_an_extra(capsys: pytest.CaptureFixture[str]) -> None:
    """And stands in the help."""
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    for name in ("tensorboard", "wandb", "mlflow", "trackio"):
        kind = loggers.registry.get(name)
        assert kind.install == f"negatives[{name}]"
        assert any(one.startswith(kind.module) for one in extras[name])
        assert set(extras[name]) <= set(extras["test"])
        assert name in shown


def test_wandb_without_a_login_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import wandb

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "login", lambda **_: False)
    monkeypatch.setattr(wandb, "setup", lambda: type("S", (), {"settings": type("T", (), {"mode": "online"})}))
    with pytest.raises(ConfigError, match="run: wandb login, or set WANDB_MODE=offline"):
        loggers.check("wandb")
