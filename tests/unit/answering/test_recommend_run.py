"""A finished recommendation run answers without its data, as it did when it was trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl
import pytest
import torch

import negatives
from negatives.answering import Names, Run
from negatives.answering.forms import written_questions
from negatives.answering.pairs import RecommendRun
from negatives.config import build, load_config
from negatives.errors import ConfigError, InputError
from negatives.runs import runner
from opened import trained_and_opened

USERS, ITEMS = 30, 24
MODELS = ("mf", "history", "lightgcn", "popularity", "item_knn", "ease")


def data(folder: Path) -> Path:
    """Two halves of users, each of whom takes items of its own half."""
    path = folder / "data.csv"
    rows = [
        f"u{user},i{item}"
        for user in range(USERS)
        for item in range(ITEMS)
        if item % 2 == user % 2 and (user * 7 + item * 3) % 5 < 3
    ]
    path.write_text("user,item\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Run, Run]]:
    """Trains each model once."""

    @cache
    def of(model: str = "lightgcn") -> tuple[Run, Run]:
        folder = tmp_path_factory.mktemp(model)
        return trained_and_opened(folder, task="recommend", data=str(data(folder)), model=model)

    return of


Ready = Callable[..., tuple[Run, Run]]


@pytest.mark.parametrize("model", MODELS)
def test_answers_are_those_of_the_training_process(ready: Ready, model: str) -> None:
    trained, opened = ready(model)
    users = [f"u{user}" for user in range(5)]
    for run in (trained, opened):
        assert isinstance(run, RecommendRun)
    found = trained.predict(users, k=4)
    assert found.equals(opened.predict(users, k=4))
    assert found["rank"].to_list() == [1, 2, 3, 4] * 5
    assert not found["known"].any()
    assert trained.predict(users, k=ITEMS, include_known=True).equals(
        opened.predict(users, k=ITEMS, include_known=True)
    )
    new = [["i1", "i3"], ["i2"]]
    assert trained.predict(history=new, k=3).equals(opened.predict(history=new, k=3))
    assert trained.score("u1", ["i1", "i2"]).equals(opened.score("u1", ["i1", "i2"]))


@pytest.mark.parametrize("model", ["history", "ease", "item_knn"])
def test_a_history_that_is_known_is_answered_as_its_owner(ready: Ready, model: str) -> None:
    _, run = ready(model)
    names = run.names("item")
    assert run.held.known is not None
    known = [names[item] for item in run.held.known.row(3).tolist()]
    owner = run.names("query")[3]
    mine, new = run.predict(owner, k=5), run.predict(history=[known], k=5)
    assert mine["item"].to_list() == new["item"].to_list()
    assert mine["score"].to_list() == pytest.approx(new["score"].to_list(), abs=1e-6)


def test_scores_are_those_of_the_ranking(ready: Ready) -> None:
    _, run = ready()
    ranked = run.predict("u1", k=5)
    scored = run.score("u1", ranked["item"].to_list())
    assert scored["score"].to_list() == pytest.approx(ranked["score"].to_list(), abs=1e-6)
    folded = run.predict(history=[["i1", "i3"]], k=5)
    scored = run.score(None, folded["item"].to_list(), history=[["i1", "i3"]])
    assert scored["score"].to_list() == pytest.approx(folded["score"].to_list(), abs=1e-6)


def test_known_items_are_left_out_or_marked(ready: Ready) -> None:
    _, run = ready()
    assert run.held.known is not None
    known = {run.names("item")[item] for item in run.held.known.row(0).tolist()}
    user = run.names("query")[0]
    assert known.isdisjoint(run.predict(user, k=ITEMS)["item"])
    every = run.predict(user, k=ITEMS, include_known=True)
    assert set(every.filter("known")["item"]) == known
    assert len(every) == len(run.names("item"))
    folded = run.predict(history=[["i1"]], k=ITEMS, include_known=True)
    assert folded.filter("known")["item"].to_list() == ["i1"]


def test_questions_of_several_forms_keep_their_order(ready: Ready) -> None:
    _, run = ready()
    asked = [{"user": "u2"}, {"history": ["i1", "i3"]}, {"user": "u1"}]
    found = run.ask(asked, k=2)
    assert found["query"].to_list() == ["u2", "u2", "i1, i3", "i1, i3", "u1", "u1"]
    alone = pl.concat([run.ask([one], k=2) for one in asked])
    assert found["item"].to_list() == alone["item"].to_list()
    table = pl.DataFrame({"user": ["u2", None, "u1"], "history": [None, ["i1", "i3"], None]})
    assert run.predict(table, k=2).equals(found)


def test_vectors_are_those_of_the_tables(ready: Ready) -> None:
    _, run = ready()
    vectors, items = run.encode(["u1", "u2"]), run.encode(["i1", "i4"], kind="item")
    scores = (vectors * items).sum(1)
    assert scores.tolist() == pytest.approx(run.score(["u1", "u2"], ["i1", "i4"])["score"].to_list(), abs=1e-6)
    nearest = run.similar("i1", k=3)
    table = torch.nn.functional.normalize(run.held.table("item"), dim=1)
    cosines = table @ table[int(run.names("item").ids(["i1"]))]
    assert nearest["score"].to_list() == pytest.approx(cosines.topk(4).values[1:].tolist(), abs=1e-6)
    assert "i1" not in nearest["item"].to_list()


def test_faults_are_told_in_one_sentence(ready: Ready) -> None:
    _, run = ready("mf")
    with pytest.raises(InputError, match=r"no user is called 'u'.*did you mean 'u0'"):
        run.predict("u")
    with pytest.raises(InputError, match="no item is called 'x', nor are 1 more; known are for instance"):
        run.predict(history=[["x", "y", "i1"]])
    with pytest.raises(ConfigError, match=r"not asked by head; give user=\.\.\. .*or history=\.\.\.,\.\.\."):
        run.predict(head="u1")
    with pytest.raises(InputError, match="2 questions and 3 items make no pairs"):
        run.score(["u1", "u2"], ["i1", "i2", "i3"])
    with pytest.raises(ConfigError, match="k is 0"):
        run.predict("u1", k=0)
    with pytest.raises(ConfigError, match="give queries, or fields by name, not both"):
        run.predict("u1", user="u2")


def test_folders_that_cannot_be_asked(ready: Ready, tmp_path: Path) -> None:
    _, run = ready("mf")
    assert run.held.path is not None
    path = Path(shutil.copytree(run.held.path, tmp_path / "run"))
    (path / "kept.safetensors").rename(path / "away")
    with pytest.raises(InputError, match="written by a version that kept nothing to answer from; evaluate and export"):
        negatives.load(path)
    (path / "kept.safetensors").write_bytes((path / "sampler.safetensors").read_bytes())
    with pytest.raises(InputError, match="not in the format negatives-kept-1"):
        negatives.load(path)
    (path / "kept.safetensors").write_bytes((path / "away").read_bytes()[:-100])
    with pytest.raises(InputError, match="cut short"):
        negatives.load(path)
    (path / "metrics.json").unlink()
    with pytest.raises(InputError, match="the run is not finished"):
        negatives.load(path)
    with pytest.raises(ConfigError, match="no data"):
        negatives.load("recommend")


def test_a_project_can_be_moved_with_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    given = {"task": "recommend", "data": data(project).name, "model": "mf", "recipe": "pairwise"}
    quick = {"threads": 1, "epochs": 1, "baselines": "none"}
    run = runner.train(build([("test", given | quick)]), Path("runs/x"))
    assert load_config(run / "config.toml")["data"] == "runs/x/../../data.csv"
    before = runner.evaluate(run)
    project.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    assert runner.evaluate(Path("moved/runs/x")) == before
    elsewhere = runner.train(build([("test", given | quick | {"data": "moved/data.csv"})]), tmp_path.parent / "y")
    assert Path(load_config(elsewhere / "config.toml")["data"]).is_absolute()


@pytest.mark.parametrize("model", ["lightgcn", "mf", "popularity"])
def test_company_changes_no_answer(ready: Ready, model: str) -> None:
    _, run = ready(model)
    users = [f"u{user}" for user in range(USERS)]
    together = run.predict(users, k=6)
    alone = pl.concat([run.predict(user, k=6) for user in users])
    assert together.equals(alone)
    for user in reversed(users[:3]):
        assert (
            run.predict(users[::-1], k=6).filter(pl.col("query") == user).equals(alone.filter(pl.col("query") == user))
        )


def test_slips_are_answered_with_what_was_meant() -> None:
    names = Names("item", pl.Series(["heapq.merge", "heapq.heapify", "json"]))
    assert names.like("heapqq") == "did you mean 'heapq.merge' or 'heapq.heapify'?"
    assert names.like("JSON") == "did you mean 'json'?"
    assert names.like("xyz").startswith("known are for instance 'heapq.merge'")
    with pytest.raises(ConfigError, match=r"no question has the field 'histori'; did you mean history=\.\.\.\?"):
        written_questions(RecommendRun.forms, ["histori=milk"])
    assert written_questions(RecommendRun.forms, ["a=b"]) == [{"user": "a=b"}]


def test_vectors_of_a_kind_are_asked_by_name(ready: Ready) -> None:
    _, run = ready("mf")
    with pytest.raises(ConfigError, match="encode gives vectors of items by their names alone; give names"):
        run.encode(kind="item")
