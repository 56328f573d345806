"""Every preset of the library, changed so that a small problem can tell."""

from __future__ import annotations

from typing import Any

CASES_OF: dict[str, dict[str, Any]] = {
    "uniform": {"candidates": 3},
    "popularity": {},
    "nce": {"pool": 40},
    "learned_unigram": {"pool": 40},
    "softmax": {"pool": 40},
    "full": {},
    "in_batch": {},
    "mixed": {"pool": 40},
    "dns": {},
    "dns_mn": {"candidates": 16},
    "similar": {},
    "semi_hard": {},
    "sir": {},
    "self_adversarial": {},
    "impressions": {"candidates": 4},
    "typed": {},
    "neighbourhood": {},
    "nscaching": {},
    "queue": {"pool": 40},
    "ance": {"pool": 60},
    "simans": {},
    "nv_retriever": {},
    "cluster": {},
    "adversarial_tree": {},
    "matched": {},
    "shortlist": {},
    "near_positive": {},
    "curriculum": {},
    "hold": {},
    "auto": {"candidates": 8},
}
"""What is changed of each preset, so that a small problem can tell."""
OF_BATCH = {"in_batch", "mixed", "ance"}
"""Their draws depend on the other rows of a batch."""
