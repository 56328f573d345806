"""Models that satisfy :class:`negatives.types.Scorer`; one file each, one row below.

A constructor names the facts that it needs of the data, and its own options; groups of options stand in
:class:`negatives.parameters.Settings`, facts never do. The same fact has the same name in all models:

- ``n_queries``, ``n_items``: numbers of queries and of items; nodes and words are both.
- ``known``: Csr of the pairs of the training part, a row per query; ``known_times``: ``(nnz,)`` float64, the time of
  each of them in the same order, where the data has times.
- ``histories``: Histories of the training part, where the order of each query's items is known; ``window``: items of
  a history that one run of a training batch holds at most.
- ``graph``: Csr of the neighbours of each node in the training part, in both directions; ``directed``: bool, whether
  edges have directions.
- ``features``: SparseFeatures of every node or row to be classified; ``item_features`` and
  ``query_features``: Features of every item and of every query, columns of several kinds.
- ``query_heads``, ``query_relations``: ``(n_queries,)`` int64 entity and directed relation of each query.
- ``tokens``: ``(n,)`` int64 running text; ``counts``: ``(n_items,)`` how often each item stands there;
  ``window``, ``streams``: words of one run, and runs of one training step.
- ``cell_counts``: ``(n_cells,)`` float32 co-occurrence of pairs of words.
- ``queries``, ``documents``: the texts; ``query_bags``, ``document_bags``: their tokens as SparseFeatures;
  ``tokenizer``: what made the bags; ``vectors``: ``(n_tokens, dim)`` vectors to start from, or None.
- ``real``, ``noise``: the real sentences and the bank of noise sentences; ``n_words``: number of their words.
- ``half``: bool, whether a pretrained encoder multiplies in bfloat16.
- ``seed``: of initial values and dropout; always the last.
"""

from __future__ import annotations

from negatives.models.base import Model, TableModel, device_of, extend
from negatives.models.restoring import files_from, is_restoring, own_files, restoring
from negatives.registry import Registry

registry: Registry[Model] = Registry(
    "models",
    (
        ("mf", "negatives.models.factorization:MatrixFactorization"),
        ("history", "negatives.models.history:HistoryTower"),
        ("lightgcn", "negatives.models.lightgcn:LightGCN"),
        ("two_tower", "negatives.models.two_tower:TwoTower"),
        ("transe", "negatives.models.knowledge.transe:TransE"),
        ("distmult", "negatives.models.knowledge.distmult:DistMult"),
        ("complex", "negatives.models.knowledge.complex:ComplEx"),
        ("rotate", "negatives.models.knowledge.rotate:RotatE"),
        ("gcn", "negatives.models.graph.gcn:Gcn"),
        ("sage", "negatives.models.graph.sage:GraphSage"),
        ("propagation", "negatives.models.graph.propagation:NodePropagation"),
        ("node2vec", "negatives.models.graph.vectors:NodeVectors"),
        ("line", "negatives.models.graph.line:Line"),
        ("skip_gram", "negatives.models.words.skip_gram:SkipGram"),
        ("cbow", "negatives.models.words.cbow:Cbow"),
        ("glove", "negatives.models.words.glove:Glove"),
        ("static", "negatives.models.encoders.static:StaticEncoder"),
        ("sentence_transformers", "negatives.models.encoders.sentence_transformers:SentenceEncoder"),
        ("sasrec", "negatives.models.sequence.sasrec:SasRec"),
        ("gru", "negatives.models.sequence.gru:GruModel"),
        ("sparse", "negatives.models.classify.sparse:SparseClassifier"),
        ("lstm", "negatives.models.language.lstm:LstmModel"),
        ("transformer", "negatives.models.language.transformer:TransformerModel"),
        ("sentence", "negatives.models.language.sentence:SentenceModel"),
        ("popularity", "negatives.models.baselines.popularity:Popularity"),
        ("item_knn", "negatives.models.baselines.item_knn:ItemKnn"),
        ("ease", "negatives.models.baselines.ease:Ease"),
        ("sequential_rules", "negatives.models.baselines.sequential_rules:SequentialRules"),
        ("relation_frequencies", "negatives.models.baselines.relation_frequencies:RelationFrequencies"),
        ("bm25", "negatives.models.baselines.bm25:Bm25"),
        ("tfidf", "negatives.models.baselines.tfidf:Tfidf"),
        ("nearest_rows", "negatives.models.baselines.nearest_rows:NearestRows"),
        ("linear", "negatives.models.baselines.linear:Linear"),
        ("ngram", "negatives.models.baselines.ngram:Ngrams"),
        ("ppmi_svd", "negatives.models.baselines.ppmi_svd:PpmiSvd"),
        ("common_neighbours", "negatives.models.baselines.common_neighbours:CommonNeighbours"),
        ("adamic_adar", "negatives.models.baselines.adamic_adar:AdamicAdar"),
        ("personalised_pagerank", "negatives.models.baselines.personalised_pagerank:PersonalisedPagerank"),
    ),
)

__all__ = [
    "Model",
    "TableModel",
    "device_of",
    "extend",
    "files_from",
    "is_restoring",
    "own_files",
    "registry",
    "restoring",
]
