"""The sampler: the composition of all parts, and the presets with the published names."""

from negatives.sampler.build import build, resolve
from negatives.sampler.core import Sampler
from negatives.sampler.presets import Preset, preset
from negatives.sampler.presets import registry as presets

__all__ = ["Preset", "Sampler", "build", "preset", "presets", "resolve"]
