"""Small data with every fact that a model of the table may ask for, and one case for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from tempfile import mkdtemp
from typing import Any

import polars as pl
import torch
from torch import Tensor

from negatives.data.cooccurrence import Cooccurrence
from negatives.data.edges import symmetric
from negatives.data.features import Features
from negatives.data.histories import Histories
from negatives.data.loading.cells import feature
from negatives.data.ngrams import Ngram, sentences_of
from negatives.data.pairs import SparseFeatures
from negatives.data.tokens import bags_of, learn_tokenizer
from negatives.models import Model
from negatives.models.language.noise import NoiseBank
from negatives.registry import Part
from negatives.tasks.facts import build_model
from negatives.testing.models import ModelCase
from negatives.testing.problems import problem
from negatives.types import Context, Csr

PROBLEM = problem(20)
QUERIES, ITEMS, WORDS = PROBLEM.catalogue.n_queries, 20, 11
TEXTS = ["the cat sat on the mat", "dogs and cats and dogs", "a mat for the dog", "stars shine at night", "night"]
ASKED = ["cat mat", "night stars", "dog"]
TEXTS_OF = {"queries": ASKED, "documents": TEXTS}


def features(rows: int) -> SparseFeatures:
    """Two words for each row."""
    places = torch.arange(rows)
    cols = torch.stack([places % 9, (places + 4) % 9], 1).sort(1).values
    values = 1.0 + torch.arange(2 * rows) % 3
    return SparseFeatures(torch.arange(rows + 1) * 2, cols.reshape(-1).int(), values, 9)


def described(rows: int) -> Features:
    """A number and a category of each row."""
    places = pl.Series("number", [None if row % 5 == 0 else row * 7 % 11 for row in range(rows)])
    return Features(rows, (feature(places, "number"), feature((places % 3).alias("kind"), "category")))


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


def histories() -> Histories:
    """Of each query some items in an order of its own; the first has none."""
    return Histories.of_rows([[(q * 7 + at * at) % ITEMS for at in range(q % 6)] for q in range(QUERIES)], ITEMS)


def next_items() -> Context:
    """All places of some histories, as the feed of sequences gives them."""
    own, queries = histories(), [3, 1, 5, 9]
    places = torch.cat([torch.arange(int(own.indptr[q]), int(own.indptr[q + 1])) for q in queries])
    return Context(own.owners()[places], own.items[places], places, step=3)


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
    "histories": histories,
    "features": lambda: features(ITEMS),
    "item_features": lambda: Features.of_bag(features(ITEMS)),
    "query_features": lambda: described(QUERIES),
    "graph": ring,
    "cell_counts": lambda: 1.0 + torch.arange(30) % 7,
    "query_heads": lambda: torch.arange(QUERIES) % ITEMS,
    "query_relations": lambda: torch.arange(QUERIES) * 5 % 6,
    "tokens": words,
    "counts": lambda: torch.bincount(words(), minlength=WORDS),
    "real": lambda: sentences_of(stories(), 0),
    "noise": lambda: NoiseBank(Ngram(stories(), 0, 2), 40, 5, longest=12, seed=3),
    "n_words": lambda: 9,
}
"""Facts by the names that constructors give them."""


def build(name: str, facts: Mapping[str, Any], options: Mapping[str, Any], seed: int) -> Model:
    """A model from the facts that its constructor names, as a task builds it."""
    offered = FACTS | {fact: partial(_same, value) for fact, value in facts.items()}
    return build_model(Part(name, options), offered, seed)


def _same(value: Any) -> Any:
    return value


def case(name: str, facts: Mapping[str, Any] | None = None, **options: Any) -> ModelCase:
    """A model of the table with facts of its own and options; some of them are the contract's."""
    known = ("ranks_by_tables", "drawn", "tables", "batch", "learns")
    flags = {flag: options.pop(flag) for flag in known if flag in options}
    return ModelCase(partial(build, name, facts or {}, options), **flags)


def near() -> Cooccurrence:
    """Words that stand near the next three."""
    rows = torch.arange(ITEMS - 3).repeat(3)
    steps = torch.arange(1, 4).repeat_interleave(ITEMS - 3)
    return Cooccurrence(rows.int(), (rows + steps).int(), 1.0 + (rows * 7 % 5).float() / steps, ())


def counted(name: str, facts: Mapping[str, Any] | None = None, **options: Any) -> ModelCase:
    """A model that is computed, with options of its own."""
    return case(name, facts, drawn=False, learns=False, **options)


def static(**options: Any) -> ModelCase:
    tokenizer = learn_tokenizer(TEXTS, 60)
    bags = {"query_bags": bags_of(ASKED, tokenizer), "document_bags": bags_of(TEXTS, tokenizer)}
    return case("static", bags | {"tokenizer": tokenizer}, dim=8, scale=4.0, **options)


def from_folder(seed: int) -> Model:
    return build("sentence_transformers", {"queries": ASKED, "documents": TEXTS}, {"path": encoder_folder()}, seed)


def reading(rows: int, window: int) -> Context:
    """Two streams side by side, as the feed of running text gives them."""
    starts = torch.tensor([10, 60])
    queries = (starts[:, None] + torch.arange(window)).reshape(-1)[:rows]
    return Context(queries, words()[queries + 1], queries, step=3)


def sentences() -> Context:
    rows = torch.arange(6)
    return Context(rows, torch.zeros_like(rows), rows, step=3)


CASES: dict[str, ModelCase] = {
    "mf": case("mf", dim=8),
    "mf by cosine": case("mf", dim=8, similarity="cosine"),
    "history": case("history", dim=8, own=0.5),
    "history by cosine": case("history", dim=8, similarity="cosine"),
    "lightgcn": case("lightgcn", dim=8, layers=2),
    "lightgcn by cosine": case("lightgcn", dim=8, similarity="cosine", spectral=False),
    "two_tower": case("two_tower", dim=8, free_items=True, own=0.3),
    "two_tower by dot": case("two_tower", dim=8, similarity="dot"),
    "two_tower with hidden layers": case("two_tower", dim=8, hidden=12, layers=2),
    "two_tower without features of items": case("two_tower", {"item_features": Features(ITEMS)}, dim=8),
    "transe": case("transe", dim=6, init=0.5, ranks_by_tables=False),
    "distmult": case("distmult", dim=6, init=0.5, n3=0.01, dropout=0.2),
    "complex": case("complex", dim=6, init=0.5, relation_weight=0.5),
    "rotate": case("rotate", dim=6, init=0.5, ranks_by_tables=False),
    "gcn": case("gcn", dim=8, scale=7.0),
    "sage": case("sage", {"features": None, "directed": True}, dim=8),
    "propagation": case("propagation", dim=8, scale=7.0),
    "node2vec": case("node2vec", dim=8, link="context"),
    "node2vec of centres": case("node2vec", dim=8, link="centre", ranks_by_tables=False),
    "line": case("line", dim=8, order=1),
    "line of second order": case("line", dim=8, order=2, similarity="cosine"),
    "skip_gram": case("skip_gram", dim=8),
    "cbow": case("cbow", dim=8),
    "glove": case("glove", dim=8),
    "static": static(),
    "static at random": static(start="random", weights="ones"),
    "sentence_transformers": ModelCase(from_folder, drawn=False),
    "sparse": case("sparse", {"features": features(QUERIES)}, dim=8),
    "lstm": case("lstm", dim=8, window=5, streams=2, batch=reading(10, 5)),
    "transformer": case("transformer", dim=8, window=5, heads=2, layers=1, batch=reading(10, 5)),
    "sasrec": case("sasrec", dim=8, heads=2, batch=next_items()),
    "sasrec by dot": case("sasrec", dim=8, similarity="dot", gated=False, popularity=0.3, window=3, batch=next_items()),
    "gru": case("gru", dim=8, popularity=0.3, batch=next_items()),
    "sentence": case("sentence", dim=8, tables=False, batch=sentences()),
    "popularity": counted("popularity", {"counts": PROBLEM.catalogue.counts}),
    "item_knn": counted("item_knn", neighbours=5, shrinkage=1.0),
    "sequential_rules": counted("sequential_rules", {"histories": histories()}, reach=2, recent=2),
    "ease": counted("ease", l2=2.0),
    "relation_frequencies": counted("relation_frequencies", {"counts": PROBLEM.catalogue.counts}),
    "bm25": counted("bm25", TEXTS_OF),
    "tfidf": counted("tfidf", TEXTS_OF),
    "nearest_rows": counted("nearest_rows", {"features": features(QUERIES)}, neighbours=5),
    "linear": counted("linear", {"features": features(QUERIES)}),
    "ngram": counted("ngram", order=3),
    "ppmi_svd": counted("ppmi_svd", {"cooccurrence": near()}, dim=6),
    "common_neighbours": counted("common_neighbours"),
    "adamic_adar": counted("adamic_adar"),
    "personalised_pagerank": counted("personalised_pagerank"),
}
