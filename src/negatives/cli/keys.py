"""``negatives keys``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from negatives.cli.described import Group, Key

MORE = (
    "Any of them: --set KEY=VALUE, or a line in a file for --config. Those of another part: negatives keys TASK "
    "--model NAME, --sampler NAME or --loss NAME."
)
MARK = re.compile(r":\w+:`~?([^`]*)`|``([^`]*)``")
"""What docstrings put around names and code."""


def keys(
    *words: str,
    model: str | None = None,
    sampler: str | None = None,
    loss: str | None = None,
    recipe: str | None = None,
    format: Literal["text", "md", "json"] = "text",
) -> None:
    """List the keys of a configuration: what each means, what it may be, and what it is where it is left out.

    Parameters
    ----------
    words
        A task, for what is left out there; and what to look for: the beginning of keys, such as optimiser or
        split.kind, the name of a part, or a word of a key or its meaning.
    model
        Show the parameters of this model.
    sampler
        Show the parameters of this sampler and its parts.
    loss
        Show the parameters of this loss.
    recipe
        Recipe of the task; its default one where this is left out.
    format
        text, md for a table in Markdown, or json.
    """
    from negatives.cli.described_keys import Asked, chosen

    groups = chosen(Asked(words, model, sampler, loss, recipe))
    if format == "json":
        print(as_json(groups))
    elif format == "md":
        print(as_markdown(groups))
    else:
        print(as_text(groups))
        if not (model or sampler or loss):
            from negatives.cli.wrapping import wrapped

            print("\n" + wrapped(MORE))


def as_text(groups: Iterable[Group]) -> str:
    """For a terminal: a line with key, default and range, and the meaning under it."""
    from negatives.cli.wrapping import wrapped

    found = []
    for group in groups:
        lines = [wrapped(f"[{group.title}]" + (f"  {unmarked(group.note)}" if group.note else ""), after="    ")]
        for key in group.keys:
            default = f" = {key.shown}" if key.shown else ""
            lines.append(wrapped(f"{key.name}{default}  ({_state(key)}{key.range})", after="    "))
            lines.append(wrapped(unmarked(key.meaning), "    "))
        found.append("\n".join(lines))
    return "\n\n".join(found)


def as_markdown(groups: Iterable[Group], level: int = 2) -> str:
    """Tables, each under a heading of that level."""
    found = []
    for group in groups:
        lines = ["#" * level + f" {group.title}", ""]
        lines += [marked(group.note), ""] if group.note else []
        if group.keys:
            lines += ["| key | left out | range | what |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(cells(key)) + " |" for key in group.keys]
        found.append("\n".join(lines))
    return "\n\n".join(found)


def as_json(groups: Iterable[Group]) -> str:
    """A list of objects with ``key``, ``default``, ``range``, ``meaning``, ``needed`` and ``group``."""
    import json

    from negatives.training.run_folder import plain

    rows = [
        {"key": key.name, "default": plain(key.default), "range": key.range, "meaning": unmarked(key.meaning),
         "needed": key.needed, "group": group.title}
        for group in groups
        for key in group.keys
    ]  # fmt: skip
    return json.dumps(rows, indent=2, ensure_ascii=False)


def unmarked(text: str) -> str:
    """A docstring's text without its marks.

    >>> unmarked("``T``, see :class:`negatives.losses.Loss`")
    'T, see negatives.losses.Loss'
    """
    return MARK.sub(lambda one: one.group(1) or one.group(2), text)


def cells(key: Key) -> list[str]:
    """A row of a table in Markdown: key, what it is where it is left out, range, and meaning."""
    default = f"`{key.shown}`" if key.shown else "needed" if key.needed else ""
    return [one.replace("|", "\\|") for one in (f"`{key.name}`", default, key.range, marked(key.meaning))]


def marked(text: str) -> str:
    """A docstring's text in Markdown."""
    return MARK.sub(lambda one: f"`{one.group(1) or one.group(2)}`", text)


def _state(key: Key) -> str:
    return "needed, " if key.needed else ""
