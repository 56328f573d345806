"""Samplers for libraries in which a number of their own says how many negatives a row has."""

from __future__ import annotations

from negatives import selection
from negatives.errors import ConfigError
from negatives.registry import Part, Spec
from negatives.sampler import Sampler, build
from negatives.sampler.build import resolve


def sized(spec: Spec | Sampler, k: int | None, seed: int = 0) -> Sampler:
    """A sampler that gives ``k`` negatives for each row.

    A selection that chooses ``k`` of its candidates chooses so many; one that keeps all has so many to begin with, each
    row's own or in the pool of the batch. A sampler that is built already is left as it is.

    Args:
        spec: A preset's name, parts as in a configuration, or a sampler.
        k: Negatives for each row; None for the sampler's own number.
        seed: Seed of all draws, for a sampler that is built here.

    Raises:
        ConfigError: The sampler is not known, or ``k`` is below 1.

    >>> sized("dns", 4).select, sized("softmax", 64).pool
    (Hardest(k=4), 64)
    """
    if isinstance(spec, Sampler):
        return spec
    if k is None:
        return build(spec, seed)
    if k < 1:
        raise ConfigError(f"{k} negatives for each row; give at least 1")
    parts = resolve(spec)
    chosen = Part.of(parts.get("select", "all"))
    if chosen.name and "k" in selection.registry.parameters(chosen.name):
        parts["select"] = Part(chosen.name, {**chosen.params, "k": k}).plain
    else:
        parts["pool" if "pool" in parts else "candidates"] = k
    return build(parts, seed)
