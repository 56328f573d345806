"""The README of a model that is handed on: what it is, how it is used, what it was trained on and how good it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from negatives.answering import Run
from negatives.config import Part, RunConfig, Values

LICENCE = (
    "Not chosen yet. Whoever publishes this model names it here and in the first lines of this file, with regard to "
    "the licence of the data and of the model that it started from."
)


def card(run: Run, use: str, head: Values, more: Sequence[str] = ()) -> str:
    """A card in Markdown, with the front matter that Hugging Face's hub reads.

    Args:
        run: The finished run.
        use: Python that shows how the files beside the card are used.
        head: ``library_name`` and other entries of the front matter; ``license`` is ``unknown`` until somebody
            chooses one.
        more: Paragraphs about this format.
    """
    config, metrics = run.held.config, run.held.metrics
    front = {**head, "license": "unknown", "tags": [*head.get("tags", ()), "negatives", config.task]}
    parts = [
        "---\n" + "\n".join(_entry(key, value) for key, value in front.items()) + "\n---",
        f"# {config.part('model')} for {config.task}, trained on {_plain(metrics.get('data', 'unknown data'))}",
        f"## Use\n\n```python\n{use.strip()}\n```",
        *more,
        "## Training\n\n" + _table(("what", "value"), _training(config, metrics)),
        "## Metrics\n\n" + _table(("metric", "test", "validation"), _metrics(metrics)),
        "## Data\n\n" + "\n".join(f"- {_plain(note)}" for note in metrics.get("notes", ())),
        f"## Licence\n\n{LICENCE}",
    ]
    return "\n\n".join(parts) + "\n"


def _training(config: RunConfig, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("task", config.task),
        ("data", metrics.get("data")),
        ("model", _part(config.model)),
        ("loss", _part(config.loss)),
        ("negatives drawn by", _part(config.sampler)),
        *((name, metrics.get(name)) for name in ("epochs", "steps", "seed")),
        ("version of negatives", metrics.get("environment", {}).get("negatives")),
    ]
    return [(name, _plain(value)) for name, value in rows if value is not None]


def _part(part: Part | None) -> str | None:
    """A part with its parameters, as in ``ance (pool = 48)``; no folders of the machine it was trained on."""
    if part is None:
        return None
    params = ", ".join(f"{name} = {one}" for name, one in part.params.items() if name != "path")
    return f"{part.name} ({params})" if params else str(part.name)


def _metrics(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    test, valid = metrics.get("test") or {}, metrics.get("valid") or {}
    return [(name, _figure(test.get(name)), _figure(valid.get(name))) for name in dict.fromkeys([*test, *valid])]


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plain(value: object) -> str:
    """Text that Markdown takes for text, in one line."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _entry(key: str, value: object) -> str:
    return f"{key}:\n" + "\n".join(f"- {one}" for one in value) if isinstance(value, list) else f"{key}: {value}"
