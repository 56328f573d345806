"""Losses over one positive and ``k`` negatives per row.

Every loss is a class for the registry and a function of the same name in lower case that gives the mean over
the rows: ``losses.bpr(positive, negative, negatives)``. Classes and functions load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from negatives.registry import Lazy, Registry

if TYPE_CHECKING:
    from negatives.losses.base import Loss as Loss
    from negatives.losses.bpr_loss import BPR as BPR
    from negatives.losses.bpr_loss import bpr as bpr
    from negatives.losses.bsl_loss import BSL as BSL
    from negatives.losses.bsl_loss import bsl as bsl
    from negatives.losses.ccl_loss import CosineContrastive as CosineContrastive
    from negatives.losses.ccl_loss import ccl as ccl
    from negatives.losses.gbce_loss import GBCE as GBCE
    from negatives.losses.gbce_loss import gbce as gbce
    from negatives.losses.hinge_loss import Hinge as Hinge
    from negatives.losses.hinge_loss import hinge as hinge
    from negatives.losses.info_nce_loss import InfoNCE as InfoNCE
    from negatives.losses.info_nce_loss import info_nce as info_nce
    from negatives.losses.logistic_loss import Logistic as Logistic
    from negatives.losses.logistic_loss import logistic as logistic
    from negatives.losses.nce_loss import NCE as NCE
    from negatives.losses.nce_loss import nce as nce
    from negatives.losses.psl_loss import PSL as PSL
    from negatives.losses.psl_loss import psl as psl
    from negatives.losses.sampled_softmax_loss import SampledSoftmax as SampledSoftmax
    from negatives.losses.sampled_softmax_loss import sampled_softmax as sampled_softmax
    from negatives.losses.sl_at_k_loss import SLAtK as SLAtK
    from negatives.losses.sl_at_k_loss import sl_at_k as sl_at_k
    from negatives.losses.squared_loss import Squared as Squared
    from negatives.losses.squared_loss import squared as squared
    from negatives.losses.talos_loss import Talos as Talos
    from negatives.losses.talos_loss import talos as talos

_ROWS = (
    ("bpr", "negatives.losses.bpr_loss:BPR"),
    ("hinge", "negatives.losses.hinge_loss:Hinge"),
    ("ccl", "negatives.losses.ccl_loss:CosineContrastive"),
    ("logistic", "negatives.losses.logistic_loss:Logistic"),
    ("gbce", "negatives.losses.gbce_loss:GBCE"),
    ("sampled_softmax", "negatives.losses.sampled_softmax_loss:SampledSoftmax"),
    ("info_nce", "negatives.losses.info_nce_loss:InfoNCE"),
    ("bsl", "negatives.losses.bsl_loss:BSL"),
    ("psl", "negatives.losses.psl_loss:PSL"),
    ("sl_at_k", "negatives.losses.sl_at_k_loss:SLAtK"),
    ("talos", "negatives.losses.talos_loss:Talos"),
    ("nce", "negatives.losses.nce_loss:NCE"),
    ("squared", "negatives.losses.squared_loss:Squared"),
)
registry: Registry[Loss] = Registry("losses", _ROWS, "loss")

__getattr__ = Lazy(
    __name__,
    *registry.targets,
    *(target.partition(":")[0] + ":" + name for name, target in _ROWS),
    "negatives.losses.base:Loss",
)
__all__ = [*__getattr__.modules, "registry"]
