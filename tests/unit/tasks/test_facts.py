"""Models get the facts that their constructors name, in every task that has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from negatives.cli import main
from negatives.config import Part, RunConfig
from negatives.errors import ConfigError
from negatives.models import Model, registry
from negatives.models.language.base import LanguageModel
from negatives.runs.builder import task_of
from negatives.tasks.facts import build_model, require
from negatives.types import Csr
from quick import ALONE

ROWS = {"recommend", "sequence", "knowledge", "graph", "classify"}
FITTING = {
    "recommend": {"sasrec", "gru", "mf", "history", "lightgcn", "two_tower"},
    "sequence": {"sasrec", "gru", "mf", "history", "lightgcn", "two_tower"},
    "knowledge": {"mf", "history", "lightgcn", "transe", "distmult", "complex", "rotate"},
    "graph": {"mf", "history", "lightgcn", "gcn", "sage", "propagation", "node2vec", "line"},
    "words": {"skip_gram", "cbow", "glove"},
    "search": {"static", "sentence_transformers"},
    "similarity": {"static", "sentence_transformers"},
    "classify": {"mf", "history", "lightgcn", "sparse"},
    "language": {"lstm", "transformer"},
    "sentences": {"sentence"},
}


COMPUTED = {
    "recommend": {"ease", "item_knn", "popularity", "sequential_rules"},
    "sequence": {"ease", "item_knn", "popularity", "sequential_rules"},
    "knowledge": {"ease", "item_knn", "popularity", "relation_frequencies"},
    "graph": {
        "adamic_adar",
        "common_neighbours",
        "ease",
        "item_knn",
        "linear",
        "nearest_rows",
        "personalised_pagerank",
        "popularity",
    },
    "words": {"ppmi_svd"},
    "search": {"bm25", "tfidf"},
    "similarity": {"bm25", "tfidf"},
    "classify": {"ease", "item_knn", "linear", "nearest_rows", "popularity"},
    "language": {"ngram"},
    "sentences": set[str](),
}
"""Models without training that fit."""


class Popular(Model):
    """A third party's model: one number per item, which begins at the item's count."""

    def __init__(self, n_queries: int, counts: Tensor, start: float = 1.0) -> None:
        super().__init__(n_queries, counts.numel(), 1)
        self.weights = nn.Parameter(start * counts.float().log1p())

    def encode_queries(self, queries: Tensor) -> Tensor:
        return torch.ones(queries.numel(), 1)

    def encode_items(self, items: Tensor) -> Tensor:
        return self.weights[items][..., None]


@pytest.fixture
def popular(monkeypatch: pytest.MonkeyPatch) -> str:
    """Registered as an entry point would register it."""
    assert "popular" not in registry
    monkeypatch.setitem(registry._rows, "popular", f"{__name__}:Popular")
    return "popular"


@pytest.mark.parametrize("task", sorted(FITTING))
def test_which_models_fit_follows_from_their_signatures(task: str) -> None:
    assert set(task_of(RunConfig(task=task)).offer().fitting()) == FITTING[task] | COMPUTED[task]


def test_every_model_fits_a_task() -> None:
    assert set(registry) == set().union(*FITTING.values(), *COMPUTED.values())


def test_a_third_party_s_model_fits_wherever_its_facts_are(popular: str) -> None:
    assert {task for task in FITTING if task_of(RunConfig(task=task)).offer().fits(popular)} == ROWS


@pytest.mark.parametrize(("task", "metric"), [("recommend", "recall@20"), ("graph", "auc")])
def test_a_third_party_s_model_is_trained_and_tested(
    task: str, metric: str, popular: str, planted_file: Path, tmp_path: Path
) -> None:
    options = ["--model", popular, "--sampler", "uniform", "--loss", "bpr", "--epochs", "1", *ALONE]
    options += ["--set", "model.start=0.5", "--set", "optimiser.weight_decay=0.0"]
    assert main(["train", task, str(planted_file), *options, "--out", str(tmp_path / "r")]) == 0
    found = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert found["model"] == "popular"
    assert found["test"][metric] > 0.05


def test_a_fact_is_computed_only_when_it_is_asked_for(popular: str) -> None:
    def never() -> object:
        raise AssertionError

    facts = {"n_queries": lambda: 3, "counts": lambda: torch.tensor([0, 1]), "features": never}
    model = build_model(Part(popular, {"start": 2.0}), facts, seed=0)
    assert model.tables()[1][:, 0].tolist() == pytest.approx([0.0, 2 * 0.6931472])


def test_what_a_model_lacks_is_named(popular: str) -> None:
    with pytest.raises(ConfigError, match="the model popular needs n_queries and counts, which this data does not"):
        build_model(Part(popular), {}, seed=0)


def test_the_configuration_wins_over_a_fact_that_has_a_default_and_over_no_other() -> None:
    known = Csr(torch.tensor([0, 1]), torch.tensor([0], dtype=torch.int32), 1)
    facts = {"n_queries": lambda: 4, "n_items": lambda: 5, "dim": lambda: 3, "known": lambda: known}
    assert build_model(Part("mf"), facts, 0).dim == 3
    assert build_model(Part("mf", {"dim": 2}), facts, 0).dim == 2
    with pytest.raises(ConfigError, match=r"mf\.n_items comes from the data; leave it out"):
        build_model(Part("mf", {"n_items": 99}), facts, 0)


def test_a_model_is_trained_on_a_feed_that_the_task_has() -> None:
    offer = task_of(RunConfig(task="graph")).offer()
    assert offer.misfit(Part("sparse")) == "it is trained on the feed grouped, not on pairs or edges or walks"


def test_a_family_is_required_in_words(popular: str) -> None:
    model = build_model(Part(popular), {"n_queries": lambda: 1, "counts": lambda: torch.ones(1)}, 0)
    assert require(model, Popular) is model
    with pytest.raises(ConfigError, match="the model is a Popular, where a LanguageModel is needed"):
        require(model, LanguageModel)
