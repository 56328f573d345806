"""The report of a run while it trains: a server on this machine, and a page that asks it what is new."""

from __future__ import annotations

from negatives.diagnostics.watch.server import Server

__all__ = ["Server"]
