"""What a comparison was begun with, written beside its runs, so that it can go on and only as what it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from negatives.config import Part, RunConfig, Values, build
from negatives.errors import ConfigError, InputError
from negatives.runs.contestants import Contestant
from negatives.tasks.base import Examples
from negatives.training.run_folder import BEGUN, COMPARE, RunFolder, plain
from negatives.types import Catalogue


@dataclass(frozen=True, slots=True)
class Asked:
    """What a comparison is asked to do.

    Args:
        config: Everything the runs share.
        contestants: The samplers; the first is the baseline.
        seeds: Runs of each sampler.
        tune: Candidates of each sampler's numbers.
    """

    config: RunConfig
    contestants: Sequence[Contestant]
    seeds: int
    tune: int

    def told(self) -> Values:
        """As JSON holds it."""
        samplers = {
            one.name: {"sampler": one.sampler.plain, "loss": one.loss.plain if one.loss else None}
            for one in self.contestants
        }
        return {"config": self.config.given(), "samplers": samplers, "seeds": self.seeds, "tune": self.tune}

    @staticmethod
    def of(told: Mapping[str, Any], label: str) -> Asked:
        """What :meth:`told` gave."""
        found = [
            Contestant(name, Part.of(one["sampler"]), Part.of(one["loss"]) if one["loss"] is not None else None)
            for name, one in told["samplers"].items()
        ]
        return Asked(build([(label, told["config"])]), found, told["seeds"], told["tune"])


def unfinished(folder: RunFolder) -> Asked | None:
    """What the comparison in a folder was asked for; None where there is none or it is finished."""
    if not (folder.path / BEGUN).exists() or (folder.path / COMPARE).exists():
        return None
    return Asked.of(folder.read_json(BEGUN)["asked"], str(folder.path / BEGUN))


def resumed(out: Path | None) -> Asked:
    """What the comparison that is to go on was asked for.

    Raises:
        ConfigError: No folder was given.
        InputError: There is none in the folder, or it is finished.
    """
    if out is None:
        raise ConfigError("--resume needs the folder of the comparison; give it with --out")
    if not (out / BEGUN).exists():
        raise InputError("no comparison was begun here", path=out, hint="give the folder of one with --out")
    found = unfinished(RunFolder(out))
    if found is None:
        raise InputError("the comparison is finished", path=out, hint="choose another --out to compare anew")
    return found


def facts(asked: Asked, filled: Mapping[str, Sequence[RunConfig]], examples: Examples[object]) -> Values:
    """All that must be the same for a comparison to go on: what was asked, filled in, and the data."""
    configs = {name: [form.given() for form in forms] for name, forms in filled.items()}
    told = {"asked": asked.told(), "filled": configs, "data": _digest(examples.catalogue)}
    same: Values = json.loads(json.dumps(plain(told)))
    return same


def check_same(folder: RunFolder, now: Values) -> None:
    """Refuse to go on with another comparison than was begun here.

    Raises:
        InputError: Names what differs.
    """
    before = folder.read_json(BEGUN)
    if before == now:
        return
    asked, was = now["asked"], before.get("asked", {})
    differing = [key for key in asked if asked[key] != was.get(key)]
    if not differing:
        differing = ["recipes"] if now["filled"] != before.get("filled") else ["data"]
    raise InputError(
        f"holds a comparison that was begun with other {' and '.join(differing)}",
        path=folder.path,
        hint="go on with: negatives compare --resume --out, or choose another folder",
    )


def _digest(catalogue: Catalogue) -> str:
    """A fingerprint of the training data."""
    digest = hashlib.sha256(f"{catalogue.n_queries} {catalogue.n_items}".encode())
    known: list[Tensor] = [catalogue.counts]
    if catalogue.known is not None:
        known += [catalogue.known.indptr, catalogue.known.indices]
    for tensor in known:
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
