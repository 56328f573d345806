"""Samplers under their published names: each a composition of parts, given as plain values.

A preset is what ``--sampler NAME`` builds. ``negatives samplers NAME`` prints it as TOML to start a variant from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from negatives.errors import ConfigError
from negatives.registry import suggest


@dataclass(frozen=True, slots=True)
class Preset:
    """A named sampler.

    Args:
        family: baseline, hard, self-adaptive, curriculum or noise-contrastive.
        summary: One sentence.
        source: Where it was published.
        parts: What :func:`negatives.sampler.build` takes.
        loss: The loss it was published with, used where the user names none.
    """

    family: str
    summary: str
    source: str
    parts: Mapping[str, Any]
    loss: str


_KNOWN = ["known_positives"]
_PER_ROW = {"proposal": "uniform", "guards": _KNOWN}
_POOL = {"proposal": "uniform", "guards": _KNOWN, "pool": 2048, "select": "all"}


def _with_uniform(name: str) -> dict[str, Any]:
    """Nine draws in ten from a proposal that does not reach every item, the tenth from all."""
    return {"name": "mixed", "parts": [name, "uniform"], "weights": [9.0, 1.0]}


presets: dict[str, Preset] = {
    "uniform": Preset(
        "baseline",
        "One uniform negative per positive.",
        "BPR, Rendle et al., UAI 2009",
        _PER_ROW | {"candidates": 1, "select": "all"},
        "bpr",
    ),
    "popularity": Preset(
        "noise-contrastive",
        "Negatives by count to the power 0.75.",
        "Mikolov et al., NeurIPS 2013",
        _PER_ROW | {"proposal": {"name": "popularity", "alpha": 0.75}, "candidates": 4, "select": "all"},
        "logistic",
    ),
    "nce": Preset(
        "noise-contrastive",
        "Noise-contrastive estimation with unigram noise shared by the batch.",
        "Gutmann and Hyvärinen, AISTATS 2010; Mnih and Teh, ICML 2012",
        _POOL | {"proposal": {"name": "popularity", "alpha": 1.0}, "pool": 512},
        "nce",
    ),
    "learned_unigram": Preset(
        "noise-contrastive",
        "A pool from item frequencies that are re-estimated while training.",
        "Yi et al., RecSys 2019",
        _POOL | {"proposal": {"name": "learned_unigram", "alpha": 0.5}},
        "sampled_softmax",
    ),
    "softmax": Preset(
        "noise-contrastive",
        "Sampled softmax over a uniform pool shared by the batch.",
        "Wu et al., ACM TOIS 2024 (SSM)",
        _POOL,
        "sampled_softmax",
    ),
    "full": Preset(
        "baseline",
        "All items, each once: the exact softmax or one-vs-all, where items are few.",
        "no sampling",
        _POOL | {"proposal": "every", "pool": 1},
        "sampled_softmax",
    ),
    "in_batch": Preset(
        "baseline",
        "The other rows' positives, corrected for their popularity.",
        "Henderson et al., 2017; Yi et al., RecSys 2019",
        _POOL | {"proposal": "in_batch"},
        "sampled_softmax",
    ),
    "mixed": Preset(
        "baseline",
        "Half other rows' positives, half uniform, with the mixture's exact probability.",
        "MNS, Yang et al., WWW 2020",
        _POOL | {"proposal": {"name": "mixed", "parts": ["in_batch", "uniform"], "weights": [1.0, 1.0]}},
        "sampled_softmax",
    ),
    "dns": Preset(
        "hard",
        "The hardest of 32 uniform candidates.",
        "DNS, Zhang et al., SIGIR 2013",
        _PER_ROW | {"candidates": 32, "select": {"name": "hardest", "k": 1}},
        "bpr",
    ),
    "dns_mn": Preset(
        "hard",
        "One of the 4 hardest of 128 uniform candidates.",
        "DNS(M, N), Shi et al., WWW 2023",
        _PER_ROW | {"candidates": 128, "select": {"name": "top_m", "m": 4, "k": 1}},
        "bpr",
    ),
    "similar": Preset(
        "hard",
        "The candidate that looks most like the positive item, yet is not known to be relevant.",
        "content-aware hard negatives as in PinSage, Ying et al., KDD 2018",
        _PER_ROW | {"candidates": 16, "difficulty": "positive_similarity", "select": {"name": "top_m", "m": 4, "k": 1}},
        "bpr",
    ),
    "semi_hard": Preset(
        "hard",
        "The hardest of 32 candidates that still scores below the positive.",
        "FaceNet, Schroff et al., CVPR 2015",
        _PER_ROW | {"candidates": 32, "select": {"name": "semi_hard", "k": 1}},
        "bpr",
    ),
    "sir": Preset(
        "self-adaptive",
        "Resamples one of 32 candidates by the model's own softmax.",
        "SIR, Chen et al., WWW 2022",
        _PER_ROW | {"candidates": 32, "select": {"name": "softmax", "k": 1, "temperature": 0.5}},
        "bpr",
    ),
    "self_adversarial": Preset(
        "self-adaptive",
        "16 candidates weighted by the model's own belief.",
        "RotatE, Sun et al., ICLR 2019",
        _PER_ROW | {"candidates": 16, "select": {"name": "self_adversarial", "alpha": 1.0}},
        "logistic",
    ),
    "typed": Preset(
        "hard",
        "Items seen with the query's relation or group, and a tenth of any.",
        "Socher et al., NeurIPS 2013; Krompass et al., ISWC 2015",
        _PER_ROW | {"proposal": _with_uniform("typed"), "candidates": 16, "select": "all"},
        "logistic",
    ),
    "neighbourhood": Preset(
        "hard",
        "Items within two steps of the query in the graph of the items, and a tenth of any, weighted by belief.",
        "SANS, Ahrabian et al., EMNLP 2020",
        _PER_ROW
        | {
            "proposal": _with_uniform("neighbourhood"),
            "candidates": 16,
            "select": {"name": "self_adversarial", "alpha": 1.0},
        },
        "logistic",
    ),
    "nscaching": Preset(
        "self-adaptive",
        "Draws from a cache of hard items for each query, refreshed by the model's scores.",
        "NSCaching, Zhang et al., ICDE 2019",
        _PER_ROW | {"proposal": {"name": "cached", "size": 50, "fresh": 50}, "candidates": 16, "select": "all"},
        "logistic",
    ),
    "queue": Preset(
        "baseline",
        "The positives of the last batches, a quarter of the pool drawn uniformly.",
        "MoCo, He et al., CVPR 2020; XBM, Wang et al., CVPR 2020",
        _POOL | {"proposal": {"name": "mixed", "parts": ["queue", "uniform"], "weights": [3.0, 1.0]}, "pool": 512},
        "sampled_softmax",
    ),
    "ance": Preset(
        "hard",
        "A pool of documents that the model ranks high for the batch's queries, and of other rows' positives.",
        "ANCE, Xiong et al., ICLR 2021",
        _POOL
        | {
            "proposal": {
                "name": "mixed",
                "parts": [{"name": "retrieved", "stop": 15, "shared": True}, "in_batch"],
                "weights": [3.0, 1.0],
            },
            "pool": 512,
        },
        "info_nce",
    ),
    "simans": Preset(
        "hard",
        "8 of 50 highly ranked items, those that score about as the positive does.",
        "SimANS, Zhou et al., EMNLP 2022",
        _PER_ROW
        | {
            "proposal": {"name": "retrieved", "stop": 100},
            "candidates": 50,
            "select": {"name": "simans", "k": 8, "a": 0.5, "b": 0.0},
        },
        "info_nce",
    ),
    "nv_retriever": Preset(
        "hard",
        "8 of 50 highly ranked items that score below 95 % of the positive.",
        "NV-Retriever, Moreira et al., 2024",
        _PER_ROW
        | {
            "proposal": {"name": "retrieved", "stop": 100},
            "candidates": 50,
            "guards": [*_KNOWN, {"name": "relative_margin", "share": 0.95}],
            "select": {"name": "hardest", "k": 8},
        },
        "info_nce",
    ),
    "cluster": Preset(
        "self-adaptive",
        "64 draws close to the model's softmax: a cluster by its centre's score, then an item of it.",
        "PRIS, Lian et al., WWW 2020",
        _PER_ROW | {"proposal": "cluster", "candidates": 64, "select": "all"},
        "sampled_softmax",
    ),
    "adversarial_tree": Preset(
        "noise-contrastive",
        "16 draws from a tree of decisions that learns which items go with a query.",
        "Bamler and Mandt, ICLR 2020",
        _PER_ROW | {"proposal": "adversarial_tree", "candidates": 16, "select": "all"},
        "sampled_softmax",
    ),
    "matched": Preset(
        "hard",
        "32 items of the clusters that match the query best or hold its positives, and a tenth of any.",
        "AttentionXML, You et al., NeurIPS 2019; XR-Transformer, Zhang et al., NeurIPS 2021",
        _PER_ROW | {"proposal": "matched", "candidates": 32, "select": "all"},
        "logistic",
    ),
    "shortlist": Preset(
        "hard",
        "32 of the 100 items that a search by the row's vector finds, and a tenth of any.",
        "Slice, Jain et al., WSDM 2019",
        _PER_ROW | {"proposal": _with_uniform("shortlist"), "candidates": 32, "select": "all"},
        "logistic",
    ),
    "near_positive": Preset(
        "hard",
        "By count to the power 0.75, and a fifth of them near the positive in the model as it stands.",
        "neighbours that are found anew, after ANCE, Xiong et al., ICLR 2021; this library",
        _PER_ROW
        | {
            "proposal": {
                "name": "mixed",
                "parts": [{"name": "popularity", "alpha": 0.75}, {"name": "nearest_items", "n": 100, "skip": 10}],
                "weights": [4.0, 1.0],
            },
            "candidates": 5,
            "select": "all",
        },
        "logistic",
    ),
    "curriculum": Preset(
        "curriculum",
        "The hardest of M candidates, M growing from 2 to 128 as training goes.",
        "curriculum learning, Bengio et al., ICML 2009, on DNS",
        _PER_ROW
        | {
            "candidates": {"schedule": "linear", "start": 2, "stop": 128},
            "select": {"name": "hardest", "k": 1},
        },
        "bpr",
    ),
    "hold": Preset(
        "self-adaptive",
        "Softmax resampling whose temperature holds the violation rate at a target.",
        "feedback control of hardness; this library",
        _PER_ROW
        | {
            "candidates": 64,
            "select": {
                "name": "softmax",
                "k": 1,
                "temperature": {
                    "hold": "violation_rate",
                    "target": 0.35,
                    "start": 2.0,
                    "low": 0.05,
                    "high": 20.0,
                    "rises": False,
                },
            },
        },
        "bpr",
    ),
}


def preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        ConfigError: The name is not known.
    """
    if name not in presets:
        raise ConfigError(f"no sampler is called {name!r}; {suggest(name, presets)}")
    return presets[name]
