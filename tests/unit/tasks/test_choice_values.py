"""Which recipe a task prefers, what it tells models and samplers, and what it asks: small data with known answers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from negatives.config import RunConfig
from negatives.data import ngrams
from negatives.data.corpus import encode
from negatives.data.edges import EdgeData
from negatives.data.labelled import LabelledData
from negatives.data.pairs import Pairs, SparseFeatures
from negatives.data.retrieval import Judgements, RetrievalData
from negatives.data.text import TextData
from negatives.data.triples import TripleData, Triples
from negatives.models.factorization import MatrixFactorization
from negatives.tasks import classify, graph, knowledge, search, sentences, words
from negatives.tasks.base import Examples
from negatives.tasks.language import Language
from negatives.types import Csr


def names(n: int, word: str = "n") -> pl.Series:
    return pl.Series([f"{word}{index}" for index in range(n)])


def config(task: str, **more: Any) -> RunConfig:
    return RunConfig(task=task, **more)


class Table(nn.Module):
    """A model of given scores of every query with every item."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores)

    def refresh(self, context: None = None) -> None:
        pass

    def score_all(self, queries: Tensor) -> Tensor:
        return self.scores.detach()[queries]

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        return self.scores[queries, items]


def triples(*rows: tuple[int, int, int]) -> Triples:
    return Triples(*torch.tensor(rows).T.contiguous())


def facts_of_six() -> TripleData:
    """Entity 0 leads to 1 in training, and to 2 and 3 in the test part."""
    parts = {"train": triples((0, 0, 1), (4, 0, 5)), "test": triples((0, 0, 2), (0, 0, 3)), "valid": triples((4, 0, 1))}
    return TripleData("d", parts, names(6), names(1, "r"))


def test_known_answers_do_not_compete() -> None:
    data = facts_of_six()
    scores = torch.tensor([0.0, 6.0, 5.0, 4.0, 3.0, 2.0]).expand(data.n_queries, 6)
    found, queries = knowledge.ranks(Table(scores), data, "test")  # type: ignore[arg-type]
    tails = found[queries == int(data.queries(data.part("test"))[0][0])]
    assert tails.tolist() == [1, 1]


def test_a_triple_has_the_mean_of_both_directions() -> None:
    data = facts_of_six()
    scores = torch.arange(data.n_queries * 6.0).view(-1, 6)
    model = Table(scores)
    found = knowledge._labelled(model, data, data.part("test"), Triples.empty())  # type: ignore[arg-type]
    for row, (head, relation, tail) in enumerate(((0, 0, 2), (0, 0, 3))):
        forth = data.query_codes.tolist().index(head * 2 + relation)
        back = data.query_codes.tolist().index(tail * 2 + relation + 1)
        assert float(found.scores[row].detach()) == float((scores[forth, tail] + scores[back, head]) / 2)


def test_reciprocal_relations_ask_for_heads() -> None:
    data = TripleData("d", {"train": triples((0, 0, 1), (0, 1, 1), (0, 2, 1))}, names(2), names(3, "r"))
    directed = torch.tensor([0, 1, 3, 5])
    rows = knowledge.by_relation(data, {"mrr": torch.tensor([0.1, 0.2, 0.3, 0.4])}, directed)
    assert [(row["relation"], row["direction"]) for row in rows] == [
        ("r0", "tail"), ("r1", "tail"), ("r0", "head"), ("r2", "head"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "recipe"),
    [({}, "default"), ({"loss": "sampled_softmax"}, "default"), ({"loss": "logistic"}, "pairwise"),
     ({"sampler": "uniform"}, "pairwise"), ({"sampler": "nce"}, "default")],
)  # fmt: skip
def test_a_graph_of_few_triples_takes_the_recipe_of_what_is_asked(asked: dict[str, Any], recipe: str) -> None:
    assert knowledge.Knowledge().preferred(config("knowledge", **asked), facts_of_six()) == recipe


def edges() -> EdgeData:
    """Eight nodes in a ring; one chord each is held back."""

    def one(*pairs: tuple[int, int]) -> Pairs:
        return Pairs(*torch.tensor(pairs).T.contiguous())

    ring = one(*((node, (node + 1) % 8) for node in range(8)))
    return EdgeData("d", ring, one((0, 3), (1, 4)), one((0, 4), (1, 5)), one((0, 5), (1, 6)), names(8))


def test_no_known_edge_is_a_wrong_answer() -> None:
    data = edges()
    made = graph._questions(data, config("graph"), graph.GraphOptions(wrong=40))["test"]
    known = data.known(("train", "valid", "test", "canaries"))
    for kind in (made.random, made.hard):
        for row, (source, target) in enumerate(zip(made.sources.tolist(), made.targets.tolist(), strict=True)):
            half = kind.shape[1] // 2
            for end, wrong in ((source, kind[row, :half]), (target, kind[row, half:])):
                assert not set(wrong.tolist()) & set(known.row(end).tolist())
    left = [sorted(set(made.random[row, :20].tolist())) for row in range(2)]
    assert left == [[2, 6], [3, 7]]


@pytest.mark.parametrize(("asked", "known"), [(False, 10), (True, 12)])
def test_messages_pass_along_validation_edges_only_where_asked(
    asked: bool, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Csr] = []
    examples: Any = SimpleNamespace(data=SimpleNamespace(edges=edges(), valid_at_test=asked))
    model = MatrixFactorization(1, 1, 1)
    monkeypatch.setattr(model, "extend", seen.append)
    graph.Graph().complete(model, examples)
    assert [one.nnz for one in seen] == [2 * known]


def test_a_node_is_not_linked_to_itself() -> None:
    shown = graph._sample(1, torch.tensor([1.0, 9.0, 2.0, 3.0]), torch.tensor([1, 3]), names(4), torch.tensor([2]))
    assert shown["known"] == ["n3"]
    assert [one["item"] for one in shown["recommended"]] == ["n2", "n0"]
    assert [one.get("right", False) for one in shown["recommended"]] == [True, False]


@pytest.mark.parametrize(
    ("labels", "rows", "recipe"),
    [(2_000, 20_000, "neighbours"), (2_000, 20_001, "full"), (2_001, 9, "sampled")],
)
def test_few_labels_are_all_looked_at(labels: int, rows: int, recipe: str) -> None:
    data: Any = SimpleNamespace(n_labels=labels, n_rows=rows)
    assert classify.Classify().preferred(config("classify"), data) == recipe


def test_propensities_are_those_of_the_training_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.arange(4)
    features = SparseFeatures(torch.arange(5), rows.int(), torch.ones(4), 4)
    parts = {"train": Pairs(rows[:2], rows[:2]), "test": Pairs(rows[2:], rows[:2])}
    data = LabelledData("d", features, names(4), names(3), parts, 2)
    seen: list[int] = []
    usual: Callable[..., Tensor] = classify.propensities

    def told(counts: Tensor, n: int, a: float, b: float) -> Tensor:
        seen.append(n)
        return usual(counts, n, a, b)

    monkeypatch.setattr(classify, "propensities", told)
    examples: Any = SimpleNamespace(data=data)
    found = classify.Classify().evaluate(
        MatrixFactorization(4, 3, 2, seed=1), examples, "test", config("classify", evaluation={"k": 3})
    )
    assert seen == [2]
    assert 0 <= found.mean["precision@1"] <= 1


@pytest.mark.parametrize(("tokens", "recipe"), [(1_999_999, "small"), (2_000_000, "default")])
def test_a_short_text_is_passed_over_more_often(tokens: int, recipe: str) -> None:
    data: Any = SimpleNamespace(corpus=SimpleNamespace(n_tokens=tokens))
    assert words.Words().preferred(config("words"), data) == recipe


def test_a_word_is_about_itself_and_knows_itself() -> None:
    data: Any = SimpleNamespace(corpus=encode([["a", "b", "c"]] * 5, min_count=1), name="d", notes=())
    found = words.Words().examples(data, config("words"), "corpus").catalogue
    assert found.query_anchors is not None
    assert found.query_anchors.tolist() == [0, 1, 2]
    assert found.known is not None
    assert found.known.indices.tolist() == [0, 1, 2]


def test_each_word_set_counts_as_much_as_any_other() -> None:
    found = words._together([torch.tensor([1.0]), torch.tensor([0.0, 0.0, 6.0])])
    assert found.numel() == 4
    assert float(found.mean()) == pytest.approx((1.0 + 2.0) / 2)
    assert words._together([]).tolist() == [0.0]


def judged(*rows: tuple[int, int, int]) -> Judgements:
    return Judgements(*torch.tensor(rows).reshape(-1, 3).T.contiguous())


def collection() -> RetrievalData:
    """Query 0 is trained on document 0; queries 1 and 2 are tested, 3 is a title."""
    parts = {
        "train": judged((0, 0, 1), (0, 1, 0)),
        "test": judged((1, 0, 2), (1, 2, 1), (2, 0, 0), (2, 2, 1)),
        "titles": judged((3, 2, 1)),
    }
    return RetrievalData("d", names(4), ["w"] * 4, names(3), ["a", "b", "c"], parts, ())


def test_judged_pairs_come_as_often_as_asked_beside_titles() -> None:
    feed = search._feed(collection(), 3)
    assert sorted(zip(feed.queries.tolist(), feed.items.tolist(), strict=True)) == [(0, 0)] * 3 + [(3, 2)]


def test_only_relevant_answers_have_been_seen_before() -> None:
    assert search._answered_before(collection(), torch.tensor([1, 2])).tolist() == [True, False]


def text() -> TextData:
    """Words 0 to 3, of which 3 ends a sentence."""
    tokens = torch.tensor([0, 1, 2, 3, 1, 0, 3, 2, 2, 1, 3, 0, 3])
    parts = {"train": tokens, "valid": tokens[:7], "test": tokens[7:]}
    return TextData("d", pl.Series(["a", "b", "c", "<eos>"]), parts, torch.bincount(tokens))


def test_what_is_known_of_a_prefix_is_the_word_that_follows() -> None:
    data = text()
    found = Language().examples(data, config("language", reading={"window": 4}), "text").catalogue
    tokens = data.parts["train"].tolist()
    assert found.known is not None
    assert found.query_anchors is not None
    assert [found.known.row(at).tolist() for at in range(13)] == [*([word] for word in tokens[1:]), []]
    assert found.query_anchors.tolist() == tokens


def told() -> sentences.SentenceData:
    data = text()
    real = {part: ngrams.sentences_of(tokens, data.end, 9) for part, tokens in data.parts.items()}
    return sentences.SentenceData(data, real, 9, ())


@pytest.mark.parametrize(("noise", "order"), [("unigram", 1), ("bigram", 2), ("trigram", 3)])
def test_noise_is_of_the_order_asked_and_lasts_as_many_epochs(noise: str, order: int) -> None:
    asked = config("sentences", reading={"noise": noise, "every": 3.0}, batch_size=2)
    task = sentences.Sentences()
    examples: Examples[sentences.SentenceData] = task.examples(told(), asked, "pairs")
    bank = task._bank(asked, examples)
    assert bank.start.order == order
    assert bank.every == 3 * 2
    assert bank.size == examples.catalogue.n_items - 1 == 4


def test_parts_have_noise_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def drawn(real: object, tokens: object, end: int, seed: int, longest: int) -> dict[str, Any]:
        seeds.append(seed)
        return {}

    monkeypatch.setattr(sentences, "noise_of_every_kind", drawn)
    data = told()
    for part in ("valid", "test", "valid"):
        data.noise(part)
    assert len(seeds) == len(set(seeds)) == 2
