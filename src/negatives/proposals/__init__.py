"""Where candidates come from. One distribution, one file, one row of the table.

>>> from negatives.proposals import registry
>>> registry.build({"name": "uniform", "n_items": 9}).n_items
9
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from negatives.registry import Lazy, Registry

if TYPE_CHECKING:
    from negatives.proposals.adversarial_tree import AdversarialTree as AdversarialTree
    from negatives.proposals.base import Proposal as Proposal
    from negatives.proposals.bigram import Bigram as Bigram
    from negatives.proposals.buckets import Buckets as Buckets
    from negatives.proposals.cached import Cached as Cached
    from negatives.proposals.cluster import Cluster as Cluster
    from negatives.proposals.every import Every as Every
    from negatives.proposals.given import Given as Given
    from negatives.proposals.in_batch import InBatch as InBatch
    from negatives.proposals.learned_unigram import LearnedUnigram as LearnedUnigram
    from negatives.proposals.log_uniform import LogUniform as LogUniform
    from negatives.proposals.matched import Matched as Matched
    from negatives.proposals.mixed import Mixed as Mixed
    from negatives.proposals.nearest_items import NearestItems as NearestItems
    from negatives.proposals.neighbourhood import Neighbourhood as Neighbourhood
    from negatives.proposals.popularity import Popularity as Popularity
    from negatives.proposals.queue import Queue as Queue
    from negatives.proposals.retrieved import Retrieved as Retrieved
    from negatives.proposals.seen import Seen as Seen
    from negatives.proposals.shortlist import Shortlist as Shortlist
    from negatives.proposals.typed import Typed as Typed
    from negatives.proposals.uniform import Uniform as Uniform

ROWS = [
    ("uniform", "negatives.proposals.uniform:Uniform"),
    ("seen", "negatives.proposals.seen:Seen"),
    ("popularity", "negatives.proposals.popularity:Popularity"),
    ("log_uniform", "negatives.proposals.log_uniform:LogUniform"),
    ("learned_unigram", "negatives.proposals.learned_unigram:LearnedUnigram"),
    ("in_batch", "negatives.proposals.in_batch:InBatch"),
    ("mixed", "negatives.proposals.mixed:Mixed"),
    ("retrieved", "negatives.proposals.retrieved:Retrieved"),
    ("queue", "negatives.proposals.queue:Queue"),
    ("typed", "negatives.proposals.typed:Typed"),
    ("neighbourhood", "negatives.proposals.neighbourhood:Neighbourhood"),
    ("cached", "negatives.proposals.cached:Cached"),
    ("nearest_items", "negatives.proposals.nearest_items:NearestItems"),
    ("given", "negatives.proposals.given:Given"),
    ("every", "negatives.proposals.every:Every"),
    ("bigram", "negatives.proposals.bigram:Bigram"),
    ("cluster", "negatives.proposals.cluster:Cluster"),
    ("matched", "negatives.proposals.matched:Matched"),
    ("shortlist", "negatives.proposals.shortlist:Shortlist"),
    ("buckets", "negatives.proposals.buckets:Buckets"),
    ("adversarial_tree", "negatives.proposals.adversarial_tree:AdversarialTree"),
]

registry: Registry[Proposal] = Registry("proposals", ROWS)

__getattr__ = Lazy(__name__, *registry.targets, "negatives.proposals.base:Proposal")
__all__ = [*__getattr__.modules, "registry"]
