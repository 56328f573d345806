"""Samplers under their published names: each a composition of parts, given as plain values.

A preset is what ``--sampler NAME`` builds. ``negatives samplers NAME`` prints it as TOML to start a variant from. The
library's own stand in ``presets.toml``; other packages add theirs by entry points of the group ``negatives.presets``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from negatives.errors import ConfigError
from negatives.losses.base import Loss
from negatives.registry import Registry, suggest


@dataclass(frozen=True, slots=True)
class Preset:
    """A named sampler.

    Args:
        family: baseline, hard, self-adaptive, curriculum or noise-contrastive.
        summary: One sentence.
        source: Where it was published.
        parts: What :func:`negatives.sampler.build` takes.
        loss: The loss it was published with, used where the user names none.
        listwise: Parts that take the place of ``parts`` under a loss whose negatives meet in one sum, such as a
            softmax; None where one composition serves all losses.
        pointwise: Parts that do so under a loss that judges each score by itself, such as the logistic; None likewise.
    """

    family: str
    summary: str
    source: str
    parts: Mapping[str, Any]
    loss: str
    listwise: Mapping[str, Any] | None = None
    pointwise: Mapping[str, Any] | None = None

    @property
    def brings(self) -> str | None:
        """The loss that it brings to a recipe; None where it has forms for several, so that the recipe's stays."""
        return self.loss if len(self.losses) == 1 else None

    @property
    def losses(self) -> tuple[str, ...]:
        """Its own loss, and one of each other kind for which it has a form."""
        others = (("sampled_softmax", self.listwise), ("logistic", self.pointwise))
        return self.loss, *(name for name, parts in others if parts is not None)

    def for_loss(self, loss: Loss | None) -> Mapping[str, Any]:
        """The parts that fit a loss; ``parts`` for None."""
        forms = {"listwise": self.listwise, "pointwise": self.pointwise}
        found = None if loss is None else forms.get(loss.kind())
        return self.parts if found is None else found


_OWN = {
    name: Preset(
        one["family"],
        one["summary"],
        one["source"],
        one["sampler"],
        one["loss"],
        one.get("listwise"),
        one.get("pointwise"),
    )
    for name, one in tomllib.loads(files(__package__).joinpath("presets.toml").read_text("utf-8")).items()
}
registry: Registry[Preset] = Registry("presets", ((name, f"{__name__}:{name}") for name in _OWN))


def __getattr__(name: str) -> Preset:
    """One of the library's own, where the registry looks for it."""
    if name not in _OWN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _OWN[name]


def preset(name: str | None) -> Preset:
    """The preset of a name; None, which is the name of a sampler that has none, is not known.

    Raises:
        ConfigError: The name is not known, or stands for something else in another package.
    """
    if name is None or name not in registry:
        raise ConfigError(f"no sampler is called {name!r}; {suggest(name or '', registry)}")
    found: object = registry.get(name)
    if not isinstance(found, Preset):
        raise ConfigError(f"the sampler {name!r} of another package is a {type(found).__name__}, not a Preset")
    return found
