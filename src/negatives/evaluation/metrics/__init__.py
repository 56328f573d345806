"""The metrics: one file, one formula each. Other packages add rows by the entry-point group ``negatives.metrics``."""

from __future__ import annotations

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Value
from negatives.registry import Registry

_HERE = "negatives.evaluation.metrics"
registry: Registry[Metric[Value]] = Registry(
    "metrics",
    (
        ("recall", f"{_HERE}.recall:Recall"),
        ("precision", f"{_HERE}.precision:Precision"),
        ("ndcg", f"{_HERE}.ndcg:NDCG"),
        ("mrr", f"{_HERE}.mrr:MRR"),
        ("hits", f"{_HERE}.hit_rate:HitRate"),
        ("hr", f"{_HERE}.hit_rate:HitRate"),
        ("coverage", f"{_HERE}.coverage:Coverage"),
        ("popularity", f"{_HERE}.popularity:Popularity"),
        ("psp", f"{_HERE}.psp:PSP"),
        ("auc", f"{_HERE}.auc:AUC"),
        ("ap", f"{_HERE}.ap:AveragePrecision"),
        ("accuracy", f"{_HERE}.accuracy:Accuracy"),
        ("spearman", f"{_HERE}.spearman:Spearman"),
        ("log_likelihood", f"{_HERE}.log_likelihood:LogLikelihood"),
        ("perplexity", f"{_HERE}.perplexity:Perplexity"),
        ("log_z", f"{_HERE}.log_z:LogZ"),
        ("log_z_sd", f"{_HERE}.log_z_sd:LogZSpread"),
    ),
)

__all__ = ["Metric", "registry"]
