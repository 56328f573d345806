"""The sampler: the composition of all parts, and the presets with the published names.

The package itself can be called: ``negatives.sampler("dns", train=(users, items))`` is
:func:`negatives.sampler.own.sampler`.
"""

import sys

from negatives.sampler.build import build, resolve
from negatives.sampler.core import Sampler
from negatives.sampler.own import Package
from negatives.sampler.presets import Preset, preset
from negatives.sampler.presets import registry as presets

__all__ = ["Preset", "Sampler", "build", "preset", "presets", "resolve"]

sys.modules[__name__].__class__ = Package
