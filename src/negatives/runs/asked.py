"""What a comparison was begun with, written beside its runs, so that it can go on and only as what it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from negatives.config import Part, RunConfig, Values, build
from negatives.data.digest import digest
from negatives.errors import ConfigError, InputError
from negatives.runs import begun
from negatives.runs.contestants import Contestant
from negatives.tasks.base import Examples
from negatives.training.run_folder import BEGUN, COMPARE, RunFolder, plain
from negatives.training.taken import tidy

ANEW = "choose another --out to compare anew"


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
        """What :meth:`told` gave.

        Raises:
            InputError: It is not what that gives; names of samplers are part of names of folders.
        """
        try:
            found = [
                Contestant(name, Part.of(one["sampler"]), Part.of(one["loss"]) if one["loss"] is not None else None)
                for name, one in told["samplers"].items()
            ]
            seeds, tune, config = int(told["seeds"]), int(told["tune"]), dict(told["config"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError("holds no comparison that can go on", path=label, hint=ANEW) from error
        if odd := [one.name for one in found if set(one.name) & set("/\\\0")]:
            raise InputError(f"the sampler {odd[0]!r} has no name for a folder", path=label, hint=ANEW)
        return Asked(build([(label, config)]), found, seeds, tune)


def unfinished(folder: RunFolder) -> Asked | None:
    """What the comparison in a folder was asked for; None where there is none or it is finished.

    Raises:
        InputError: It was begun by another version.
    """
    if not _compared(folder) or (folder.path / COMPARE).exists():
        return None
    return Asked.of(begun.read(folder, "asked", ANEW)["asked"], str(folder.path / BEGUN))


def _compared(folder: RunFolder) -> bool:
    """Whether a comparison was begun here, and not a run."""
    return (folder.path / BEGUN).exists() and "config" not in folder.read_json(BEGUN)


def resumed(out: Path | None) -> Asked:
    """What the comparison that is to go on was asked for.

    Raises:
        ConfigError: No folder was given.
        InputError: There is none in the folder, it is finished, or it was begun by another version.
    """
    if out is None:
        raise ConfigError("--resume needs the folder of the comparison; give it with --out")
    tidy(out)
    if not _compared(RunFolder(out)):
        raise InputError("no comparison was begun here", path=out, hint="give the folder of one with --out")
    found = unfinished(RunFolder(out))
    if found is None:
        raise InputError("the comparison is finished", path=out, hint=ANEW)
    return found


def facts(asked: Asked, filled: Mapping[str, Sequence[RunConfig]], examples: Examples[object]) -> Values:
    """All that must be the same for a comparison to go on: what was asked, filled in, and the data."""
    configs = {name: [form.given() for form in forms] for name, forms in filled.items()}
    told = begun.head() | {"asked": asked.told(), "filled": configs, "data": digest(examples.data)}
    same: Values = json.loads(json.dumps(plain(told)))
    return same


def check_same(folder: RunFolder, now: Values) -> None:
    """Refuse to go on with another comparison than was begun here.

    Raises:
        InputError: Names what differs.
    """
    before = begun.read(folder, "asked", ANEW)
    asked, was = now["asked"], before["asked"]
    one = begun.differing(was["config"], asked["config"])
    differing = [f"config: {one}"] if one else []
    differing += [key for key in ("samplers", "seeds", "tune") if asked[key] != was.get(key)]
    if not differing and _fixed(now["filled"]) != _fixed(before["filled"]):
        differing = ["recipes"]
    if not differing and now["data"] != before["data"]:
        differing = ["data"]
    if differing:
        raise InputError(
            f"holds a comparison that was begun with other {' and '.join(differing)}",
            path=folder.path,
            hint="go on with: negatives compare --resume --out, or choose another folder",
        )


def _fixed(filled: Mapping[str, Sequence[Mapping[str, Any]]]) -> Values:
    """Filled configurations without what may differ."""
    return {
        name: [{key: value for key, value in one.items() if key not in begun.FREE} for one in forms]
        for name, forms in filled.items()
    }
