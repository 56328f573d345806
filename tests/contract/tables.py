"""What the tables of cases share: one parameter for each case and promise, faults that are known, and full tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

Faults = Mapping[tuple[str, str], str]
"""Case and promise that is broken for now, and why; ``"*"`` stands for every case."""


def pairs(cases: Mapping[str, Any], checks: Iterable[Callable[..., None]], faults: Faults) -> pytest.MarkDecorator:
    """Every case with every promise, as arguments ``case`` and ``check``; a known fault must fail."""
    checks = list(checks)
    names = {check.__name__ for check in checks}
    for case, check in faults:
        assert case in {*cases, "*"}, f"a fault is noted of {case}, which is no case"
        assert check in names, f"a fault is noted of {check}, which is no promise"
    found = []
    for name, case in cases.items():
        for check in checks:
            reason = faults.get((name, check.__name__), faults.get(("*", check.__name__)))
            marks = [] if reason is None else [pytest.mark.xfail(strict=True, reason=reason)]
            found.append(pytest.param(case, check, id=f"{name}-{check.__name__}", marks=marks))
    return pytest.mark.parametrize(("case", "check"), found)
