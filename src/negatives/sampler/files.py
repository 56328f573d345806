"""Samplers in TOML files, as ``negatives samplers NAME`` prints them."""

from __future__ import annotations

from pathlib import Path

from negatives.config import load_config
from negatives.control import build_part
from negatives.errors import ConfigError
from negatives.losses import registry as losses
from negatives.registry import Part, suggest
from negatives.sampler.build import build

KEYS = ("sampler", "loss")
ABOUT = ("family", "summary", "source")
"""What a preset tells of itself; a file may too."""


def from_file(path: Path) -> tuple[Part, Part | None]:
    """What a file says of its sampler, and of its loss where it names one.

    Raises:
        ConfigError: The file holds something else than a sampler.
        InputError: It cannot be read.
    """
    values = load_config(path)
    for key in values:
        if key not in (*KEYS, *ABOUT):
            raise ConfigError(f"{path}: no key is called {key!r} in a sampler's file; {suggest(key, KEYS)}")
    if "sampler" not in values:
        raise ConfigError(f"{path}: there is no table [sampler]; see: negatives samplers dns")
    try:
        sampler, loss = Part.of(values["sampler"]), Part.of(values["loss"]) if "loss" in values else None
        build(sampler)
        if loss is not None:
            build_part(losses, loss)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return sampler, loss
