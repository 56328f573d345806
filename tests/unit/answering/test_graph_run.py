"""A finished run of a graph answers without its data, nodes that came after training among them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from negatives.answering import Run
from negatives.answering.graph import GraphRun
from negatives.errors import ConfigError, InputError
from negatives.models.baselines.base import CountedModel
from negatives.types import Csr
from opened import trained_and_opened

NODES, COLUMNS = 40, 8
COUNTED = ("common_neighbours", "adamic_adar", "personalised_pagerank", "item_knn", "ease", "popularity")
FREE = ("node2vec", "line")
LEARNT = ("gcn", "sage", "propagation", "mf", "history", "lightgcn")
FEATURES = ("gcn", "sage", "nearest_rows", "linear")
GRAPH = ("gcn", "sage", "propagation", "common_neighbours", "adamic_adar", "personalised_pagerank")


def edges() -> list[tuple[int, int]]:
    """Two halves, in each of which a node is linked to those one, two and four further on."""
    return [(node, (node + 2 * step) % NODES) for node in range(NODES) for step in (1, 2, 4)]


def data(folder: Path, features: bool = False) -> Path:
    lines = "\n".join(f"{a} {b}" for a, b in edges()) + "\n"
    if not features:
        path = folder / "data.txt"
        path.write_text("\n".join(f"n{a} n{b}" for a, b in edges()) + "\n")
        return path
    path = folder / "data"
    path.mkdir()
    (path / "edges.txt").write_text(lines)
    rows = [f"{node % 2} {2 + node % 6}" for node in range(NODES)]
    (path / "features.txt").write_text("\n".join([f"{NODES} {COLUMNS}", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Run, Run]]:
    """Trains each model once."""

    @cache
    def of(model: str = "propagation", features: bool = False, directed: bool = False) -> tuple[Run, Run]:
        folder = tmp_path_factory.mktemp(model)
        narrow: dict[str, Any] = {} if model in (*COUNTED, "nearest_rows", "linear") else {"dim": 8}
        reading = {"directed": directed, "wrong": 4, "bipartite": "ignore"}
        return trained_and_opened(
            folder, task="graph", data=str(data(folder, features)), model={"name": model} | narrow, reading=reading
        )

    return of


Ready = Callable[..., tuple[Run, Run]]


def same(trained: Run, opened: Run, names: list[str]) -> None:
    """Both runs answer alike, by nodes and by targets, and score alike."""
    for known in (False, True):
        found = trained.predict(names, k=5, include_known=known)
        assert found.equals(opened.predict(names, k=5, include_known=known))
        assert not (found["query"] == found["item"]).any()
        back = trained.predict(target=names, k=5, include_known=known)
        assert back.equals(opened.predict(target=names, k=5, include_known=known))
    best = opened.predict(names[0], k=4)
    scored = trained.score(names[0], best["item"].to_list())
    assert scored.equals(opened.score(names[0], best["item"].to_list()))
    assert scored["score"].to_list() == pytest.approx(best["score"].to_list(), abs=1e-5)


@pytest.mark.parametrize("model", COUNTED + FREE + LEARNT)
def test_answers_are_those_of_the_training_process(ready: Ready, model: str) -> None:
    trained, opened = ready(model)
    assert isinstance(opened, GraphRun)
    same(trained, opened, ["n1", "n4", "n7"])
    if model in FREE:
        with pytest.raises(ConfigError, match=f"{model} knows nodes by name only; ask for nodes.*train propagation"):
            opened.predict(neighbours=["n1", "n3"])
        return
    new = [["n1", "n3"], ["n2"]]
    found = opened.predict(neighbours=new, k=4)
    assert found.equals(trained.predict(neighbours=new, k=4))
    assert {"n1", "n3"}.isdisjoint(found.filter(found["query"] == "n1, n3")["item"])
    scored = opened.score(None, found["item"][:4].to_list(), neighbours=["n1", "n3"])
    assert scored["score"].to_list() == pytest.approx(found["score"][:4].to_list(), abs=1e-5)


@pytest.mark.parametrize("model", FEATURES)
def test_models_of_features(ready: Ready, model: str) -> None:
    trained, opened = ready(model, features=True)
    names = opened.names("node")
    same(trained, opened, [names[1], names[4]])
    if model in ("nearest_rows", "linear"):
        with pytest.raises(ConfigError, match="reads no features; leave features out"):
            opened.predict(features=["1"])
        return
    with pytest.raises(ConfigError, match=f"{model} reads features of nodes; give features beside neighbours"):
        opened.predict(neighbours=[names[1]])
    asked: dict[str, Any] = {"neighbours": [[names[1], names[3]]], "features": [["1", "3"]]}
    assert opened.predict(**asked, k=4).equals(trained.predict(**asked, k=4))
    alone = opened.predict(features=["0", "2"], k=4)
    assert alone.equals(trained.predict(features=["0", "2"], k=4))
    assert not alone.equals(opened.predict(features=["1", "3"], k=4))
    with pytest.raises(InputError, match="the feature '8' is no number of a column; give numbers from 0 to 7"):
        opened.predict(features=["8"])


@pytest.mark.parametrize("model", ["common_neighbours", "adamic_adar", "gcn", "sage"])
def test_a_node_with_the_links_and_features_of_another_is_answered_alike(ready: Ready, model: str) -> None:
    """Those simple methods, and networks from features, know nothing of a node but these."""
    network = model in ("gcn", "sage")
    _, run = ready(model, features=network)
    names, node = run.names("node"), 5
    graph: Any = run.held.model._graph
    linked = [names[one] for one in graph.indices[graph.indptr[node] : graph.indptr[node + 1]].tolist()]
    asked: dict[str, Any] = {"neighbours": [linked]}
    if network:
        number = int(names[node])
        asked["features"] = [[str(number % 2), str(2 + number % 6)]]
    every = [one for one in names.series if one != names[node]]
    mine = run.score(names[node], every)["score"].to_list()
    new = run.score(None, every, **asked)["score"].to_list()
    assert new == pytest.approx(mine, abs=1e-5)


def test_pagerank_walks_from_a_new_node(ready: Ready) -> None:
    """By hand: two steps from a new node whose only neighbour is n1."""
    _, run = ready("personalised_pagerank")
    model: Any = run.held.model
    model.steps = 2
    try:
        found = run.score(None, ["n1", "n3", "n5"], neighbours=["n1"])["score"].to_list()
    finally:
        model.steps = 7
    a, names = model.restart, run.names("node")
    degrees = {name: model._degrees[int(names.ids([name]))].item() for name in ("n1", "n3", "n5")}
    ends, others, _ = model._back.backward
    row = int(names.ids(["n1"]))
    linked = {names[one] for one in others[ends[row] : ends[row + 1]].tolist()}
    assert linked & {"n3", "n5"}
    walked = {"n1": a * (1 - a)} | {
        name: a * (1 - a) ** 2 / degrees["n1"] if name in linked else 0.0 for name in ("n3", "n5")
    }
    assert found == pytest.approx([walked[name] * (1 + 1 / degrees[name]) / 2 for name in walked], abs=1e-6)


@pytest.mark.parametrize("model", GRAPH)
def test_known_neighbours_are_left_out_or_marked_and_a_node_is_never_its_own(ready: Ready, model: str) -> None:
    _, run = ready(model)
    names = run.names("node")
    linked = {names[one] for one in run.known(run.forms[0], {"node": "n5"})}
    assert linked
    assert linked <= {"n1", "n3", "n7", "n9", "n13", "n37"}
    assert (linked | {"n5"}).isdisjoint(run.predict("n5", k=NODES)["item"])
    every = run.predict("n5", k=NODES, include_known=True)
    assert set(every.filter("known")["item"]) == linked
    assert len(every) == NODES - 1


def test_directions(ready: Ready) -> None:
    trained, run = ready("gcn", directed=True)
    same(trained, run, ["n1", "n4"])
    names = run.names("node")
    there = {names[one] for one in run.known(run.forms[0], {"node": "n5"})}
    back = {names[one] for one in run.known(run.forms[1], {"target": "n5"})}
    assert there <= {"n7", "n9", "n13"}
    assert back <= {"n3", "n1", "n37"}
    assert there
    assert back
    assert run.score("n1", "n8")["score"][0] == pytest.approx(run.score(None, "n1", target="n8")["score"][0], abs=1e-5)
    assert run.score("n1", "n8")["score"][0] != pytest.approx(run.score("n8", "n1")["score"][0], abs=1e-5)
    assert torch.equal(run.encode(target="n5")[0], run.encode("n5", kind="context")[0])


def test_an_edge_without_direction_scores_alike_both_ways(ready: Ready) -> None:
    """As in the test: the mean, where a node has two vectors."""
    _, run = ready("node2vec")
    assert set(run.held.tables) == {"node", "context"}
    score = run.score("n1", "n8")["score"][0]
    assert score == pytest.approx(run.score("n8", "n1")["score"][0], abs=1e-6)
    ends = run.encode(["n1", "n8"], kind="node"), run.encode(["n8", "n1"], kind="context")
    assert score == pytest.approx(float((ends[0] * ends[1]).sum(1).mean()), abs=1e-6)


@pytest.mark.parametrize("model", ["common_neighbours", "adamic_adar", "personalised_pagerank"])
def test_one_question_scores_one_row(ready: Ready, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, run = ready(model)
    asked: list[int] = []
    score_all = type(run.held.model).score_all

    def counting(self: CountedModel, queries: torch.Tensor) -> torch.Tensor:
        asked.append(queries.numel())
        return score_all(self, queries)

    monkeypatch.setattr(type(run.held.model), "score_all", counting)
    run.predict("n1")
    run.score("n1", "n2")
    run.predict(target="n3")
    assert asked
    assert max(asked) == 1


def test_two_sides(tmp_path: Path) -> None:
    """A node is answered with nodes of the other side, a new one too."""
    path = tmp_path / "data.txt"
    pairs = [(who, what) for who in range(20) for what in range(15) if (who + what) % 3]
    path.write_text("\n".join(f"u{who} v{what}" for who, what in pairs) + "\n")
    trained, run = trained_and_opened(
        tmp_path, task="graph", data=str(path), model={"name": "propagation", "dim": 8}, reading={"wrong": 4}
    )
    for one in (trained, run):
        assert all(name.startswith("v") for name in one.predict("u1", k=40)["item"])
        assert all(name.startswith("u") for name in one.predict("v1", k=40, include_known=True)["item"])
        assert all(name.startswith("u") for name in one.predict(neighbours=["v1"], k=40)["item"]) is False
        assert all(name.startswith("u") for name in one.predict(neighbours=["u1"], k=40)["item"])
    new = run.predict(neighbours=["v1", "v4"], k=40)
    assert all(name.startswith("v") for name in new["item"])
    assert new.equals(trained.predict(neighbours=["v1", "v4"], k=40))
    assert run.score("u1", "v3").equals(trained.score("u1", "v3"))


def test_a_node_without_edges_in_training_can_be_a_neighbour() -> None:
    """Its degree of 0 gives no infinite weight."""
    from negatives.models.propagation import received

    linked = Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([0, 1]), 1, 2)
    weights = received(linked, torch.tensor([0, 4]), 0.5, 0.5).forward[2]
    assert weights.tolist() == pytest.approx([2**-0.5, 8**-0.5])
