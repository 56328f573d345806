"""A finished run of a knowledge graph answers without its data, pairs that it never saw among them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from negatives.answering import Run
from negatives.answering.knowledge import KnowledgeRun
from negatives.errors import ConfigError, InputError
from opened import trained_and_opened

PEOPLE, TOWNS, LANDS = 24, 6, 3
COMPOSED = ("transe", "distmult", "complex", "rotate", "relation_frequencies")
BY_NUMBER = ("mf", "history", "lightgcn", "popularity", "item_knn", "ease")


def facts() -> list[tuple[str, str, str]]:
    """Who lives where, which town lies in which land, and who is born where; not everyone's is told."""
    lives = [(f"p{person}", "lives in", f"t{person % TOWNS}") for person in range(PEOPLE)]
    born = [(f"p{person}", "born in", f"l{person % LANDS}") for person in range(0, PEOPLE, 2)]
    lies = [(f"t{town}", "lies in", f"l{town % LANDS}") for town in range(TOWNS)]
    knows = [(f"p{person}", "knows", f"p{(person + TOWNS * 2) % PEOPLE}") for person in range(PEOPLE)]
    return lives + born + lies + knows


def data(folder: Path) -> Path:
    path = folder / "data.tsv"
    path.write_text("\n".join("\t".join(fact) for fact in facts()) + "\n")
    return path


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Run, Run]]:
    """Trains each model once."""

    @cache
    def of(model: str = "complex") -> tuple[Run, Run]:
        folder = tmp_path_factory.mktemp(model)
        narrow = {} if model in ("popularity", "item_knn", "ease", "relation_frequencies") else {"dim": 8}
        return trained_and_opened(
            folder, task="knowledge", data=str(data(folder)), model={"name": model} | narrow, epochs=20
        )

    return of


Ready = Callable[..., tuple[Run, Run]]


@pytest.mark.parametrize("model", COMPOSED + BY_NUMBER)
def test_answers_are_those_of_the_training_process(ready: Ready, model: str) -> None:
    trained, opened = ready(model)
    assert isinstance(opened, KnowledgeRun)
    heads = [f"p{person}" for person in range(5)]
    for known in (False, True):
        tails = trained.predict(head=heads, relation="lives in", k=4, include_known=known)
        assert tails.equals(opened.predict(head=heads, relation="lives in", k=4, include_known=known))
        people = trained.predict(tail=["t0", "t1"], relation="lives in", k=30, include_known=known)
        assert people.equals(opened.predict(tail=["t0", "t1"], relation="lives in", k=30, include_known=known))
    scored = trained.score(None, ["t0", "t1"], head="p1", relation="lives in")
    assert scored.equals(opened.score(None, ["t0", "t1"], head="p1", relation="lives in"))
    every = opened.predict(head="p1", relation="lives in", k=40, include_known=True)
    wanted = dict(zip(every["item"], every["score"], strict=True))
    assert scored["score"].to_list() == pytest.approx([wanted[item] for item in scored["item"]], abs=1e-5)
    if model == "relation_frequencies":
        return
    assert trained.similar("p1", k=3).equals(opened.similar("p1", k=3)) if opened.held.tables else True


@pytest.mark.parametrize("model", COMPOSED)
def test_pairs_that_training_never_showed_are_answered(ready: Ready, model: str) -> None:
    trained, opened = ready(model)
    asked = {"head": ["l0", "p1"], "relation": "lies in"}
    found = opened.predict(**asked, k=3)
    assert found.equals(trained.predict(**asked, k=3))
    assert found["query"].to_list() == ["l0 lies in ?"] * 3 + ["p1 lies in ?"] * 3
    assert not found["known"].any()
    for entity in ("l0", "l1", "t2"):
        assert opened.known(opened.forms[0], {"head": entity, "relation": "knows"}) == []
    related = opened.predict(head="p1", tail="t1", k=4, include_known=True)
    assert related.equals(trained.predict(head="p1", tail="t1", k=4, include_known=True))
    assert sorted(related["item"]) == ["born in", "knows", "lies in", "lives in"]


def test_what_was_learnt_is_answered(ready: Ready) -> None:
    _, run = ready("relation_frequencies")
    towns = [f"t{town}" for town in range(TOWNS)]
    found = run.predict(head="l0", relation="lives in", k=TOWNS)["item"].to_list()
    assert sorted(found) == towns
    lands = run.predict(tail="p1", relation="lies in^-1", k=LANDS)["item"].to_list()
    assert lands == run.predict(head="p1", relation="lies in", k=LANDS)["item"].to_list()
    assert sorted(lands) == [f"l{land}" for land in range(LANDS)]
    related = run.predict(head="p1", tail="t1", include_known=True)
    assert related["item"][0] == "lives in"


@pytest.mark.parametrize("model", BY_NUMBER)
def test_models_of_queries_by_number_say_what_they_cannot(ready: Ready, model: str) -> None:
    _, run = ready(model)
    sentence = f"the model {model} knows pairs of its data only, and l0 lies in is none.*train complex"
    with pytest.raises(InputError, match=sentence):
        run.predict(head="l0", relation="lies in")
    with pytest.raises(ConfigError, match=f"{model} knows pairs of its data only; to ask for relations"):
        run.predict(head="p1", tail="t1")


@pytest.mark.parametrize("model", ["complex", "relation_frequencies"])
def test_known_answers_are_left_out_or_marked(ready: Ready, model: str) -> None:
    _, run = ready(model)
    assert run.held.known is not None
    form = run.forms[0]
    places = [one for one in facts() if one[1] == "lives in" and run.known(form, {"head": one[0], "relation": one[1]})]
    assert len(places) > PEOPLE // 2
    for head, relation, tail in places[:6]:
        names = [run.names("entity")[one] for one in run.known(form, {"head": head, "relation": relation})]
        assert names == [tail]
        assert tail not in run.predict(head=head, relation=relation, k=50)["item"]
        every = run.predict(head=head, relation=relation, k=50, include_known=True)
        assert every.filter("known")["item"].to_list() == [tail]
        back = run.predict(tail=tail, relation=relation, k=50, include_known=True)
        assert head in back.filter("known")["item"]
        between = run.predict(head=head, tail=tail, include_known=True)
        assert between.filter("known")["item"].to_list() == [relation]
        assert relation not in run.predict(head=head, tail=tail)["item"]


def test_scores_and_vectors_are_those_of_the_model(ready: Ready) -> None:
    _, run = ready("complex")
    vectors = run.encode(head=["p1", "l0"], relation="lives in")
    towns = run.encode(["t1", "t2"], kind="entity")
    scored = run.score(None, ["t1", "t2"], head=["p1", "l0"], relation="lives in")
    assert (vectors * towns).sum(1).tolist() == pytest.approx(scored["score"].to_list(), abs=1e-5)
    back = run.encode(tail="t1", relation="lives in")
    assert torch.equal(back, run.encode(head="t1", relation="lives in^-1"))
    there = run.score(None, "t1", head="p1", relation="lives in")["score"][0]
    other = run.score(None, "p1", tail="t1", relation="lives in")["score"][0]
    between = run.score(None, "lives in", head="p1", tail="t1")["score"][0]
    assert between == pytest.approx((there + other) / 2, abs=1e-5)
    assert run.similar("lives in", kind="relation", k=2)["item"].len() == 2


def test_a_form_says_what_it_takes_and_what_answers_it(ready: Ready) -> None:
    _, run = ready("complex")
    taken = [[field.kind for field in form.fields] for form in run.forms]
    assert taken == [["entity", "relation"], ["entity", "relation"], ["entity", "entity"]]
    assert [run.answered(form) for form in run.forms] == ["entity", "entity", "relation"]
    known = next(
        fact
        for fact in facts()
        if fact[1] == "lives in" and run.known(run.forms[2], {"head": fact[0], "tail": fact[2]})
    )
    found = run.why({"head": known[0], "tail": known[2]}, ["lives in", "born in"])
    assert set(found["because"]) <= {"lives in"}


def test_facts_are_counted_for_suggestions(ready: Ready) -> None:
    _, run = ready("complex")
    assert isinstance(run, KnowledgeRun)
    assert run.held.known is not None
    entities, relations = run.known_facts(), run.known_facts("relation")
    assert int(entities.sum()) == int(relations.sum()) == run.held.known.nnz
    mine = run.known(run.forms[0], {"head": "p1", "relation": "lives in"})
    mine += run.known(run.forms[0], {"head": "p1", "relation": "knows"})
    mine += run.known(run.forms[1], {"tail": "p1", "relation": "knows"})
    assert int(entities[int(run.names("entity").ids(["p1"]))]) == len(mine)


def test_faults_are_told_in_one_sentence(ready: Ready) -> None:
    _, run = ready("complex")
    with pytest.raises(InputError, match=r"no relation is called 'livesin'.*did you mean"):
        run.predict(head="p1", relation="livesin")
    with pytest.raises(InputError, match="no entity is called 'q7'"):
        run.predict(head="q7", relation="lives in")
    with pytest.raises(ConfigError, match=r"not asked by head; give head=\.\.\. relation=\.\.\. \(what a relation"):
        run.predict("p1")
    with pytest.raises(ConfigError, match="gives no vectors of relations"):
        run.encode(head="p1", tail="t1")
