"""Trained models that can be asked: the same few verbs for every task.

:class:`~negatives.answering.base.Run` has the verbs; one file for each kind of question says how a model answers it.
What a run holds for that stands in :class:`~negatives.answering.held.Held`.
"""

from __future__ import annotations

from negatives.answering.base import Run
from negatives.answering.forms import Field, Form
from negatives.answering.held import Held, Kept
from negatives.answering.names import Names

__all__ = ["Field", "Form", "Held", "Kept", "Names", "Run"]
