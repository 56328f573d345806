"""``negatives keys`` and the page on the configuration: nothing is left out, nothing stale, and what they say holds."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from negatives.cli import described_parts as parts
from negatives.cli import main
from negatives.cli.described import Group, Key, all_tasks, sections, words_of
from negatives.cli.described_keys import Asked, chosen
from negatives.cli.options import RunOptions, configuration
from negatives.cli.wrapping import NARROWEST
from negatives.config import RunConfig, Section
from negatives.runs.builder import check
from negatives.sizing import is_rule
from negatives.tasks import recipes
from negatives.tasks.registry import registry

TESTS = Path(__file__).parents[1]
sys.path.append(str(TESTS))

import configuration as page  # noqa: E402

TASKS = [name for name in registry if registry.get(name).__module__.startswith("negatives.")]


def names(groups: list[Group]) -> list[str]:
    return [key.name for group in groups for key in group.keys]


def fields(section: type[Section], prefix: str = "") -> set[str]:
    """Every key of a section and of the sections in it."""
    found = set()
    for name, info in section.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found |= fields(kind, f"{prefix}{name}.")
        elif name not in ("reading", "columns"):
            found.add(prefix + name)
    return found


def too_short(key: Key) -> bool:
    """Whether a key says too little: a symbol of a formula is no meaning."""
    return len(key.meaning.split()) < 3 or not key.range


def test_no_key_is_left_out() -> None:
    shown = names(chosen(Asked()))
    assert fields(RunConfig) <= set(shown)
    readings = {f"reading.{name}" for task in all_tasks() for name in task.reading.model_fields}
    assert {one for one in shown if one.startswith("reading.")} == readings
    assert {"columns.user", "columns.head", "columns.sentence1"} <= set(shown)


@pytest.mark.parametrize("task", TASKS)
def test_every_key_of_a_task_says_what_it_does(task: str) -> None:
    groups = chosen(Asked((task,)))
    assert [key.name for group in groups for key in group.keys if too_short(key)] == []
    assert not any("``" in line for line in _text(groups))


def _text(groups: list[Group]) -> list[str]:
    from negatives.cli.keys import as_text

    return as_text(groups).splitlines()


@pytest.mark.parametrize("kind", parts.KINDS, ids=lambda kind: kind.title)
def test_every_parameter_of_every_part_says_what_it_does(kind: parts.Kind) -> None:
    for name in kind.table:
        group = parts.part(kind, name)
        assert group.note, name
        assert [key.name for key in group.keys if too_short(key)] == [], name


@pytest.mark.parametrize("task", TASKS)
def test_every_key_can_be_set_to_what_it_is(task: str) -> None:
    """The names are those that ``--set`` takes, and the defaults those that the checks allow."""
    groups = [group for group in chosen(Asked((task,))) if not group.title.startswith("guard ")]
    pairs = [
        f"{key.name}={key.shown}"
        for group in groups
        for key in group.keys
        if key.default is not None and not is_rule(key.default) and key.name not in ("sampler.pool", "task")
    ]
    assert len(pairs) > 20
    pairs += [f"{key}={json.dumps(value)}" for key, value in _sizes(groups).items()]
    config = configuration(task, None, None, RunOptions(set=tuple(pairs)))
    check(config)
    assert config.recipe == ("full" if task == "classify" else "default")


def _sizes(groups: list[Group]) -> dict[str, Any]:
    found = {key.name: key.default for group in groups for key in group.keys}
    return {} if found["sampler.pool"] is None else {"sampler.pool": found["sampler.pool"]}


def test_defaults_are_those_of_the_recipe() -> None:
    own = tomllib.loads((Path(recipes.__file__).parent / "recommend.toml").read_text("utf-8"))["default"]
    found = {key.name: key.default for group in chosen(Asked(("recommend",))) for key in group.keys}
    assert found["batch_size"] == own["batch_size"]
    assert found["optimiser.lr"] == own["optimiser"]["lr"]
    assert found["model.layers"] == own["model"]["layers"]
    assert (found["sampler"], found["sampler.pool"]) == (own["sampler"], 2048)  # what it is under that loss
    assert (found["model"], found["loss"], found["evaluation.metric"]) == ("lightgcn", "sampled_softmax", "recall@20")
    best = {key.name: key.default for group in chosen(Asked(("recommend",), recipe="best")) for key in group.keys}
    assert (best["loss.positive_temperature"], best["model.dim"]) == (0.125, 256)


def test_a_part_shows_its_own_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "recommend", "--model", "mf", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["key"] for row in rows] == ["model.dim", "model.similarity", "model.init"]
    assert rows[0] == {"key": "model.dim", "default": 64, "range": "a whole number", "needed": False,
                       "meaning": "Length of an embedding.", "group": "model mf"}  # fmt: skip
    assert main(["keys", "--sampler", "dns", "--format", "json"]) == 0
    rows = {row["key"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["sampler.candidates"]["default"] == 32
    assert rows["sampler.select.k"]["meaning"].startswith("Negatives per row")
    assert main(["keys", "--loss", "hinge"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "loss.margin = 1 (a number; worth trying: 0.25 to 4 times its value)" in out
    assert "batch_size" not in out


def test_words_look_for_keys(capsys: pytest.CaptureFixture[str]) -> None:
    own = ("name", "lr", "weight_decay", "schedule", "warm_up")
    assert names(chosen(Asked(("optimiser",)))) == [f"optimiser.{one}" for one in own]
    assert names(chosen(Asked(("recommend", "split.kind")))) == ["split.kind"]
    assert "optimiser.lr" in names(chosen(Asked(("learning rate",))))
    assert names(chosen(Asked(("back_off",))))[:2] == ["back_off", "start"]
    assert main(["keys", "classify", "optimiser", "--format", "md"]) == 0
    assert "| `optimiser.lr` |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["recomend"], "did you mean recommend"),
        (["recommend", "xyzzy"], "no key and no task has 'xyzzy'; negatives keys lists them all"),
        (["recommend", "--model", "mff"], "did you mean mf"),
        (["recommend", "--model", "glove"], "the model glove does not fit the task recommend"),
        (["--loss", "bprr"], "no loss is called 'bprr'; did you mean bpr"),
        (["--sampler", "dnss"], "no sampler is called 'dnss'"),
        (["recommend", "--recipe", "bestt"], "no recipe is called 'bestt'; did you mean best"),
        (["--recipe", "best"], "--recipe goes with a task"),
    ],
)
def test_what_is_not_there_is_told(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", [["keys"], ["keys", "recommend"], ["samplers"]])
@pytest.mark.parametrize("columns", [None, 80, 60, NARROWEST])
def test_lines_fit_the_terminal(
    command: list[str], columns: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is none, 80; the longest words of a key stand alone."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= (columns or 80)
    assert len(lines) > 50


def test_comments_of_a_sampler_fit_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    for name in ("auto", "hold"):
        assert main(["samplers", name]) == 0
        comments = [line for line in capsys.readouterr().out.splitlines() if line.startswith("#")]
        assert max(map(len, comments)) <= 80


def test_several_pairs_may_follow_one_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what follows them is the task, as before."""
    seen: dict[str, Any] = {}

    def train(config: RunConfig, out: Path | None, **_: object) -> Path:
        seen.update(config.given())
        return Path("r")

    monkeypatch.setattr("negatives.runs.runner.train", train)
    words = ["--set", "seed=3", "model.dim=8", "--set", "epochs=2", "--columns", "user=Kunde", "item=Artikel, rot"]
    assert main(["train", *words, "recommend", "a=b.csv"]) == 0
    assert seen == {"task": "recommend", "data": "a=b.csv", "seed": 3, "epochs": 2, "model": {"dim": 8},
                    "columns": {"user": "Kunde", "item": "Artikel, rot"}}  # fmt: skip


def test_the_page_is_as_the_code_says() -> None:
    text = page.PAGE.read_text("utf-8")
    assert page.made(text) == text, f"docs/configuration.md is stale; run: {page.COMMAND}"
    assert text.count("| `epochs` |") >= 1
    for name in ("skip_gram", "bsl", "adversarial_tree", "known_positives", "warm_up"):
        assert f"**`{name}`**" in text


def test_a_stale_page_is_noticed() -> None:
    text = page.PAGE.read_text("utf-8")
    stale = text.replace("Passes over the training part.", "Passes over the data.")
    assert page.made(stale) == text != stale
    with pytest.raises(ValueError, match="no marks for keys"):
        page.made(text.replace(page.begin("keys"), ""))


def test_the_file_on_the_page_trains(planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (body,) = re.findall(r"<!-- run: train -->\n```toml\n(.*?)```", page.PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "mine.toml").write_text(body)
    (tmp_path / "ratings.csv").write_bytes(planted_file.read_bytes())
    short = ["--set", "epochs=1", "log=", "threads=1", "baselines=none"]
    assert main(["train", "--config", "mine.toml", "--out", "r", *short]) == 0
    found = tomllib.loads((tmp_path / "r" / "config.toml").read_text())
    said = tomllib.loads(body)
    assert found["sampler"] == said["sampler"]
    assert (found["optimiser"]["lr"], found["evaluation"]["metric"], found["seed"]) == (0.05, "ndcg@10", 1)


def test_ranges_in_words() -> None:
    shown = {key.name: key.range for group in sections() for key in group.keys}
    assert shown["optimiser.lr"] == "a number above 0"
    assert shown["split.valid"] == "a number from 0 to 1"
    assert shown["evaluation.k"] == "a whole number, at least 1"
    assert shown["budget"] == "a number above 0, or a time such as 90s, 10m or 1h"
    assert shown["device"] == "cpu, cuda or auto"
    assert words_of(bool | None) == "true or false"
