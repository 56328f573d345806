"""The tables of keys in docs/configuration.md, made from the descriptions that ``negatives keys`` prints.

``python tests/configuration.py`` writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from negatives.cli import described_parts as parts
from negatives.cli.described import Group, Known, all_tasks, columns, reading, sections, together
from negatives.cli.keys import as_markdown
from negatives.cli.options import KEYS
from negatives.integrations.loggers import registry as loggers
from negatives.registry import Registry
from negatives.sizing import FOLLOWING, SIZES
from negatives.tasks.schemas import SCHEMAS

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
COMMAND = "python tests/configuration.py"
END = "<!-- end -->\n"
TITLES = {"proposal": "Proposals", "guard": "Guards", "difficulty": "Difficulties", "selection": "Selections",
          "schedule or controller": "Schedules and controllers"}  # fmt: skip


def own(table: Registry[Any]) -> list[str]:
    """Names of the library's own rows, whatever other packages are installed."""
    return [name for name, target in table._rows.items() if target.startswith("negatives.")]


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = list(heading)
    return "".join("| " + " | ".join(one) + " |\n" for one in (heading, ["---"] * len(heading), *rows))


def options() -> str:
    return table(("option", "key"), ((f"`--{name.replace('_', '-')}`", f"`{key}`") for name, key in KEYS.items()))


def sizes() -> str:
    where = ", ".join(f"`{key}`" for key in sorted(FOLLOWING))
    return f"They may stand under {where}.\n\n" + table(
        ("size", "what it is"), ((f"`{name}`", what) for name, what in SIZES.items())
    )


def keys() -> str:
    tasks = [task for task in all_tasks() if task.name in SCHEMAS]
    known = Known({}, {"task": SCHEMAS, "log": own(loggers)})
    groups = sections(known=known)
    groups += together(map(reading, tasks), "reading") + together(map(columns, tasks), "columns")
    return as_markdown(groups, 3) + "\n"


def models() -> str:
    return _parts("model")


def losses() -> str:
    return _parts("loss")


def samplers() -> str:
    (whole, *_) = parts.sampler({"proposal": "uniform", "candidates": 1})
    plain = Group("the sampler itself", tuple(one for one in whole.keys))
    blocks = [as_markdown([plain], 4)]
    for kind, title in TITLES.items():
        blocks.append(f"### {title}\n\n{parts.KIND[kind].note}\n\n{_parts(kind).rstrip()}")
    return "\n\n".join(blocks) + "\n"


def _parts(kind: str) -> str:
    """One table of all parts of a kind: those without parameters have a row too."""
    rows = chain.from_iterable(_rows(parts.part(parts.KIND[kind], name), name) for name in own(parts.KIND[kind].table))
    return table(("name", "key", "left out", "range", "what"), rows)


def _rows(group: Group, name: str) -> Iterable[list[str]]:
    from negatives.cli.keys import cells, marked

    note = group.note.removesuffix(parts.KIND[group.title.removesuffix(f" {name}")].note).strip()
    yield [f"**`{name}`**", "", "", "", marked(note)]
    for key in group.keys:
        yield ["", *cells(key)]


BLOCKS = {"options": options, "sizes": sizes, "keys": keys, "models": models, "losses": losses, "samplers": samplers}


def begin(name: str) -> str:
    """The mark in front of a generated block."""
    return f"<!-- {name}: {COMMAND} -->\n"


def made(page: str) -> str:
    """The page with all its generated blocks made anew.

    Raises:
        ValueError: A mark is missing.
    """
    for name, make in BLOCKS.items():
        before, mark, rest = page.partition(begin(name))
        _, end, after = rest.partition(END)
        if not mark or not end:
            raise ValueError(f"the page has no marks for {name}")
        page = f"{before}{mark}\n{make()}\n{END}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text("utf-8")), "utf-8")
