"""The command ``negatives``."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: Words after ``negatives``; None takes those of the process.
    """
    import os
    import sys

    from negatives.cli.stopping import stopping

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads would slow whatever else runs here
    with stopping():
        from negatives.cli.app import run

        return run(list(sys.argv[1:] if arguments is None else arguments))


__all__ = ["main"]
