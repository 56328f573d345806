"""What a sampler did while a model trained: probes, a record of the training, and a report."""

from negatives.diagnostics.probes import Probes
from negatives.diagnostics.record import Recorder
from negatives.diagnostics.report import write_report

__all__ = ["Probes", "Recorder", "write_report"]
