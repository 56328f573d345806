"""Small data with every fact that a model of the table may ask for, and one case for each row."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, partial
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor

from negatives.data.edges import symmetric
from negatives.data.ngrams import Ngram, sentences_of
from negatives.data.pairs import SparseFeatures
from negatives.data.tokens import bags_of, learn_tokenizer
from negatives.models import Model, registry
from negatives.models.language.noise import NoiseBank
from negatives.testing.models import ModelCase
from negatives.testing.problems import problem
from negatives.types import Context, Csr

PROBLEM = problem(20)
QUERIES, ITEMS, WORDS = PROBLEM.catalogue.n_queries, 20, 11
TEXTS = ["the cat sat on the mat", "dogs and cats and dogs", "a mat for the dog", "stars shine at night", "night"]
ASKED = ["cat mat", "night stars", "dog"]


def features(rows: int) -> SparseFeatures:
    """Two words for each row."""
    places = torch.arange(rows)
    cols = torch.stack([places % 9, (places + 4) % 9], 1).sort(1).values
    values = 1.0 + torch.arange(2 * rows) % 3
    return SparseFeatures(torch.arange(rows + 1) * 2, cols.reshape(-1).int(), values, 9)


def ring() -> Csr:
    """Every item with the next two, in both directions."""
    places = torch.arange(ITEMS)
    ends = torch.cat([(places + 1) % ITEMS, (places + 2) % ITEMS])
    return symmetric(Csr.from_pairs(torch.cat([places, places]), ends, ITEMS, ITEMS))


def words() -> Tensor:
    places = torch.arange(120)
    return places * 7 % 11 * (places % 3) % WORDS


def stories() -> Tensor:
    """Sentences that count up by one, each closed by word 0."""
    rows = [[1 + (i * 5 + at) % 8 for at in range(3 + i % 4)] + [0] for i in range(60)]
    return torch.tensor([word for row in rows for word in row])


@cache
def encoder_folder() -> str:
    """A tiny Sentence Transformers model in a folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    folder = mkdtemp()
    tokenizer = learn_tokenizer(TEXTS, 60)
    weights = torch.randn(tokenizer.get_vocab_size(), 8, generator=torch.Generator().manual_seed(0)).numpy()
    module = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[module], device="cpu").save(folder)
    return folder


FACTS: dict[str, Callable[[], Any]] = {
    "n_queries": lambda: QUERIES,
    "n_items": lambda: ITEMS,
    "known": lambda: PROBLEM.known,
    "features": lambda: features(ITEMS),
    "query_heads": lambda: torch.arange(QUERIES) % ITEMS,
    "query_relations": lambda: torch.arange(QUERIES) * 5 % 6,
    "tokens": words,
    "counts": lambda: torch.bincount(words(), minlength=WORDS),
    "real": lambda: sentences_of(stories(), 0),
    "noise": lambda: NoiseBank(Ngram(stories(), 0, 2), 40, 5, longest=12, seed=3),
    "n_words": lambda: 9,
}
"""Facts by the names that constructors give them."""


def build(name: str, options: dict[str, Any], seed: int) -> Model:
    """A model from the facts that its constructor names, and options."""
    asked = inspect.signature(registry.get(name)).parameters
    facts = {fact: value() for fact, value in FACTS.items() if fact in asked}
    return registry.build({"name": name} | facts | options | ({"seed": seed} if "seed" in asked else {}))


def case(name: str, options: dict[str, Any] | None = None, **more: Any) -> ModelCase:
    return ModelCase(partial(build, name, options or {}), **more)


def named(name: str, *values: tuple[tuple[str, ...], Any]) -> dict[str, Any]:
    """Each value under that one of its names which the constructor knows."""
    asked = inspect.signature(registry.get(name)).parameters
    return {next(one for one in names if one in asked): value for names, value in values}


def graph(name: str, ranks_by_tables: bool = True, **options: Any) -> ModelCase:
    """A model of nodes, whose queries and items are the same."""
    data = named(name, (("graph", "known"), ring()))
    return case(name, data | {"dim": 8} | options, ranks_by_tables=ranks_by_tables)


def nodes(name: str, ranks_by_tables: bool = True, **options: Any) -> ModelCase:
    """A model of free vectors of nodes."""
    data = named(name, (("n_items", "n_nodes"), ITEMS))
    return case(name, data | {"dim": 8} | options, ranks_by_tables=ranks_by_tables)


def of_words(name: str, n: int = 9) -> dict[str, Any]:
    """The size of a vocabulary."""
    return named(name, (("n_items", "n_words"), n)) | {"dim": 8}


def glove(n: int, counts: Tensor) -> dict[str, Any]:
    """The size of a vocabulary, and counted cells."""
    return of_words("glove", n) | named("glove", (("cell_counts", "counts"), counts))


def static(**options: Any) -> ModelCase:
    tokenizer = learn_tokenizer(TEXTS, 60)
    texts = {"queries": bags_of(ASKED, tokenizer), "documents": bags_of(TEXTS, tokenizer), "tokenizer": tokenizer}
    return case("static", texts | {"dim": 8, "scale": 4.0} | options)


def from_folder(seed: int) -> Model:
    return build("sentence_transformers", {"queries": ASKED, "documents": TEXTS, "path": encoder_folder()}, seed)


def reading(rows: int, window: int) -> Context:
    """Two streams side by side, as the feed of running text gives them."""
    starts = torch.tensor([10, 60])
    queries = (starts[:, None] + torch.arange(window)).reshape(-1)[:rows]
    return Context(queries, words()[queries + 1], queries, step=3)


def sentences() -> Context:
    rows = torch.arange(6)
    return Context(rows, torch.zeros_like(rows), rows, step=3)


CASES: dict[str, ModelCase] = {
    "mf": case("mf", {"dim": 8}),
    "mf by cosine": case("mf", {"dim": 8, "similarity": "cosine"}),
    "history": case("history", {"dim": 8, "own": 0.5}),
    "history by cosine": case("history", {"dim": 8, "similarity": "cosine"}),
    "lightgcn": case("lightgcn", {"dim": 8, "layers": 2}),
    "lightgcn by cosine": case("lightgcn", {"dim": 8, "similarity": "cosine", "spectral": False}),
    "two_tower": case("two_tower", {"dim": 8, "free_items": True, "own": 0.3}),
    "two_tower by dot": case("two_tower", {"dim": 8, "similarity": "dot"}),
    "transe": case("transe", {"dim": 6, "init": 0.5}, ranks_by_tables=False),
    "distmult": case("distmult", {"dim": 6, "init": 0.5, "n3": 0.01, "dropout": 0.2}),
    "complex": case("complex", {"dim": 6, "init": 0.5, "relation_weight": 0.5}),
    "rotate": case("rotate", {"dim": 6, "init": 0.5}, ranks_by_tables=False),
    "gcn": graph("gcn", scale=7.0),
    "sage": graph("sage", features=None, directed=True),
    "propagation": graph("propagation", scale=7.0),
    "node2vec": nodes("node2vec", link="context"),
    "node2vec of centres": nodes("node2vec", link="centre", ranks_by_tables=False),
    "line": nodes("line", order=1),
    "line of second order": nodes("line", order=2, similarity="cosine"),
    "skip_gram": case("skip_gram", of_words("skip_gram")),
    "cbow": case("cbow", of_words("cbow")),
    "glove": case("glove", glove(9, 1.0 + torch.arange(30) % 7)),
    "static": static(),
    "static at random": static(start="random", weights="ones"),
    "sentence_transformers": ModelCase(from_folder, drawn=False),
    "sparse": case("sparse", {"features": features(QUERIES), "dim": 8}),
    "lstm": case("lstm", {"dim": 8, "window": 5, "streams": 2}, batch=reading(10, 5)),
    "transformer": case("transformer", {"dim": 8, "window": 5, "heads": 2, "layers": 1}, batch=reading(10, 5)),
    "sentence": case("sentence", {"dim": 8}, tables=False, batch=sentences()),
}
