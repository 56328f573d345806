"""Models that satisfy :class:`negatives.types.Scorer`; one file each, one row below."""

from __future__ import annotations

from negatives.models.base import Model, TableModel
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
        ("sparse", "negatives.models.classify.sparse:SparseClassifier"),
        ("lstm", "negatives.models.language.lstm:LstmModel"),
        ("transformer", "negatives.models.language.transformer:TransformerModel"),
        ("sentence", "negatives.models.language.sentence:SentenceModel"),
    ),
)

__all__ = ["Model", "TableModel", "registry"]
