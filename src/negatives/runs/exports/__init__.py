"""Formats of a whole run, one file each: a row of :data:`negatives.runs.export.WHOLE` names its function."""
