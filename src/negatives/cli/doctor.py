"""``negatives doctor``."""

from __future__ import annotations


def doctor() -> int:
    """Check this machine and installation; exit code 1 if something is broken."""
    from negatives.cli.checks import CHECKS, Status

    worst = Status.OK
    for name, check in CHECKS.items():
        try:
            status, text = check()
        except Exception as error:
            status, text = Status.BROKEN, f"{type(error).__name__}: {' '.join(str(error).split())}"
        worst = max(worst, status)
        print(f"{status.name.lower():<7} {name:<12} {text}")
    return 1 if worst is Status.BROKEN else 0
