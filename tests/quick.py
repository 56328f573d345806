"""Words that all trainings of tests share which are about anything else than threads or simple methods."""

from __future__ import annotations

ALONE = ("--threads", "1", "--baselines", "none")
