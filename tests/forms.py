"""Small data of every task in every form that it may come in, and the tables of formats in docs/data.md.

``python tests/forms.py`` writes these tables anew.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from negatives.data.pairs import PARTS

Rows = Mapping[str, list[Any]]
"""Columns by name, all of one length."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a task is given.

    Args:
        rows: Columns by names that the task knows.
        right: Something of the loaded data that must be as it is, by the data.
        expected: What it must be.
        options: Options of reading that so little data needs.
    """

    rows: Rows
    right: Callable[[Any], Any]
    expected: Any
    options: Mapping[str, Any] = field(default_factory=dict)


def _pairs() -> list[tuple[int, int]]:
    return [(user, item) for user in range(1, 13) for item in range(1, 9) if (user * item + user) % 3]


PAIRS = _pairs()
TEXTS = [
    f"the {colour} {animal} runs over the {place} and {what} there"
    for colour in ("red", "green", "white")
    for animal in ("fox", "dog", "cat")
    for place, what in (("hill", "sleeps"), ("river", "drinks"), ("road", "waits"))
]
STORIES = [f"{when} {text}" for when in ("in spring", "one summer day", "often", "late in the year") for text in TEXTS]
ANSWERS = [f"{text}, as everybody knows" for text in TEXTS]


def _words(data: Any) -> Any:
    """Whether the texts were read, and the name of their column was not."""
    return {"fox", "river"} <= set(map(str, data)) and "text" not in set(map(str, data))


SAMPLES: dict[str, Sample] = {
    "recommend": Sample(
        {"user": [user for user, _ in PAIRS], "item": [item for _, item in PAIRS]},
        lambda data: (sorted(map(int, data.query_names)), sorted(map(int, data.item_names))),
        (sorted({user for user, _ in PAIRS}), sorted({item for _, item in PAIRS})),
    ),
    "sequence": Sample(
        {"user": [user for user, _ in PAIRS], "item": [item for _, item in PAIRS]},
        lambda data: [list(map(int, data.item_names[data.histories(PARTS).row(row).tolist()])) for row in range(3)],
        [[item for user, item in PAIRS if user == row] for row in sorted({user for user, _ in PAIRS})[:3]],
    ),
    "knowledge": Sample(
        {"head": [user for user, _ in PAIRS], "relation": [f"r{sum(pair) % 2}" for pair in PAIRS],
         "tail": [item + 20 for _, item in PAIRS]},
        lambda data: (sorted(map(int, data.entity_names)), sum(len(part) for part in data.parts.values())),
        (sorted({user for user, _ in PAIRS} | {item + 20 for _, item in PAIRS}), len(PAIRS)),
    ),
    "graph": Sample(
        {"source": [user for user, _ in PAIRS], "target": [item + 20 for _, item in PAIRS]},
        lambda data: sorted(map(int, data.edges.node_names)),
        sorted({user for user, _ in PAIRS} | {item + 20 for _, item in PAIRS}),
        {"wrong": 2},
    ),
    "words": Sample({"text": STORIES}, lambda data: _words(data.corpus.words), True, {"min_count": 1}),
    "search": Sample(
        {"anchor": TEXTS, "positive": ANSWERS}, lambda data: sorted(data.item_texts), sorted(ANSWERS)
    ),
    "similarity": Sample(
        {"sentence1": TEXTS, "sentence2": ANSWERS, "score": [float(place % 6) for place in range(len(TEXTS))]},
        lambda data: sorted(data.sentences), sorted(TEXTS + ANSWERS),
    ),
    "classify": Sample(
        {"text": TEXTS, "label": [text.split()[2] for text in TEXTS]},
        lambda data: sorted(data.label_names), ["cat", "dog", "fox"],
    ),
    "language": Sample({"text": STORIES}, lambda data: _words(data.words), True),
    "sentences": Sample({"text": STORIES}, lambda data: _words(data.text.words), True),
    "mine": Sample({"anchor": TEXTS, "positive": ANSWERS}, lambda data: sorted(data.items), sorted(ANSWERS)),
}  # fmt: skip


def _csv(rows: Rows, separator: str = ",") -> str:
    return pl.DataFrame(rows).write_csv(separator=separator)


def _objects(rows: Rows) -> list[dict[str, Any]]:
    return pl.DataFrame(rows).to_dicts()


def _file(name: str, content: Callable[[Rows], str | bytes]) -> Callable[[Rows, Path], Any]:
    def write(rows: Rows, folder: Path) -> Path:
        text = content(rows)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder / name

    return write


def _zipped(rows: Rows) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("data.csv", _csv(rows))
    return target.getvalue()


def _zstd(rows: Rows) -> bytes:
    import zstandard

    return zstandard.compress(_csv(rows).encode())


def _binary(rows: Rows, kind: str) -> bytes:
    target = io.BytesIO()
    getattr(pl.DataFrame(rows), f"write_{kind}")(target)
    return target.getvalue()


def _lists(rows: Rows) -> str:
    first, second = list(rows.values())[:2]
    grouped: dict[Any, list[Any]] = {}
    for key, value in zip(first, second, strict=True):
        grouped.setdefault(key, []).append(value)
    return "".join(f"{key} {' '.join(map(str, values))}\n" for key, values in grouped.items())


def _bare(rows: Rows, separator: str) -> str:
    return pl.DataFrame(rows).write_csv(separator=separator, include_header=False)


def _pieces(rows: Rows, folder: Path) -> Path:
    """A Hugging Face folder: ``data/train-00000-of-00002.parquet``."""
    frame, inner = pl.DataFrame(rows), folder / "hf" / "data"
    inner.mkdir(parents=True)
    half = len(frame) // 2
    for place, part in enumerate((frame[:half], frame[half:])):
        part.write_parquet(inner / f"train-{place:05d}-of-00002.parquet")
    return folder / "hf"


def _standard_input(rows: Rows, folder: Path) -> str:
    lines = _csv(rows) if len(rows) > 1 else _bare(rows, "\t")  # running text has no header
    sys.stdin = io.TextIOWrapper(io.BytesIO(lines.encode()))
    return "-"


def _sparse(rows: Rows, folder: Path) -> Any:
    from scipy.sparse import csr_array

    left, right = (np.asarray(column) for column in list(rows.values())[:2])
    return csr_array((np.ones(len(left)), (left, right)))


def _edge_index(rows: Rows, folder: Path) -> Any:
    import torch

    return torch.tensor(list(rows.values())[:2])


def _tuples(rows: Rows, folder: Path) -> Any:
    return list(zip(*rows.values(), strict=True))


def _frame(module: str, make: str) -> Callable[[Rows, Path], Any]:
    def build(rows: Rows, folder: Path) -> Any:
        import importlib

        found: Any = importlib.import_module(module)
        for name in make.split("."):
            found = getattr(found, name)
        return found(dict(rows))

    return build


FORMS: dict[str, Callable[[Rows, Path], Any]] = {
    "CSV": _file("data.csv", _csv),
    "CSV with semicolons": _file("data.csv", lambda rows: _csv(rows, ";")),
    "TSV": _file("data.tsv", lambda rows: _csv(rows, "\t")),
    "TSV without a header": _file("data.tsv", lambda rows: _bare(rows, "\t")),
    "JSON Lines": _file("data.jsonl", lambda rows: "".join(json.dumps(one) + "\n" for one in _objects(rows))),
    "JSON, a list of objects": _file("data.json", lambda rows: json.dumps(_objects(rows))),
    "Parquet": _file("data.parquet", lambda rows: _binary(rows, "parquet")),
    "Arrow IPC (Feather)": _file("data.arrow", lambda rows: _binary(rows, "ipc")),
    "lines `user item item ...`": _file("data.txt", _lists),
    "plain text, one a line": _file("data.txt", lambda rows: "\n".join(map(str, next(iter(rows.values())))) + "\n"),
    "CSV in gzip": _file("data.csv.gz", lambda rows: gzip.compress(_csv(rows).encode())),
    "CSV in xz": _file("data.csv.xz", lambda rows: lzma.compress(_csv(rows).encode())),
    "CSV in zstandard": _file("data.csv.zst", _zstd),
    "CSV in zip": _file("data.csv.zip", _zipped),
    "Hugging Face folder": _pieces,
    "standard input (`-`)": _standard_input,
    "pandas": _frame("pandas", "DataFrame"),
    "polars": _frame("polars", "DataFrame"),
    "pyarrow": _frame("pyarrow", "table"),
    "datasets": _frame("datasets", "Dataset.from_dict"),
    "mapping of columns": lambda rows, folder: dict(rows),
    "list of tuples": _tuples,
    "SciPy CSR": _sparse,
    "tensor `(2, n)`": _edge_index,
}
"""What the rows are written as, by the name that the page gives it."""


TWO_IDS = {"lines `user item item ...`": {"recommend", "sequence"}, "SciPy CSR": {"recommend", "sequence", "graph"},
           "tensor `(2, n)`": {"recommend", "sequence", "graph"}}  # fmt: skip
RUNNING = {"words", "language", "sentences"}
IN_MEMORY = ("pandas", "polars", "pyarrow", "datasets", "mapping of columns", "list of tuples")
PAGE = Path(__file__).parents[1] / "docs" / "data.md"
BEGIN, END = "<!-- formats by task: python tests/forms.py -->\n", "<!-- end of formats by task -->\n"


def carries(task: str, form: str) -> bool:
    """Whether a form can hold the columns of a task at all; mine is a command, to which tables in memory mean nothing.

    Numbers alone stand in lists, matrices and tensors, one text on each line in plain text.
    """
    if form == "plain text, one a line":
        return task in RUNNING
    if form in IN_MEMORY:
        return task != "mine"
    return task in TWO_IDS.get(form, SAMPLES)


def loaded(task: str, form: str, folder: Path) -> Any:
    """What a task makes of its sample in one form; the part of it that must be right."""
    import negatives

    sample, before = SAMPLES[task], sys.stdin
    try:
        data = FORMS[form](sample.rows, folder)
        if task == "mine":
            from negatives.mining.data import read_texts

            return sample.right(read_texts(Path(data)))
        return sample.right(negatives.load(task, data, **sample.options))
    finally:
        sys.stdin = before


def cell(task: str, form: str, folder: Path) -> str:
    """What the page says: ``yes``; ``no`` where the form is refused in a sentence; nothing where it cannot carry it.

    Raises:
        AssertionError: The data was read, and not as it stands there.
    """
    from negatives.errors import NegativesError

    if not carries(task, form):
        return ""
    try:
        found = loaded(task, form, folder)
    except NegativesError:
        return "no"
    assert found == SAMPLES[task].expected, f"{task} reads {form} wrongly: {str(found)[:200]}"
    return "yes"


def fitting(name: str) -> list[str]:
    """Tasks whose rows a format of the registry can hold."""
    from negatives.data.readers import registry
    from negatives.tasks.schemas import SCHEMAS

    reader = registry.build(name)
    return [task for task, schemas in SCHEMAS.items() if any(map(reader.fits, schemas))]


def registered() -> list[list[str]]:
    """Every format of the registry, what it is, and the tasks whose rows it can hold."""
    from negatives.data.readers import registry
    from negatives.tasks.schemas import SCHEMAS

    rows = []
    for name in registry:
        tasks = fitting(name)
        shown = "every task over tables" if len(tasks) == len(SCHEMAS) else ", ".join(tasks)
        rows.append([f"`{name}`", registry.summary(name).rstrip(".").replace("``", "`"), shown])
    return rows


def table(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join("|" + "|".join(f" {cell} " if cell else " " for cell in one) + "|\n" for one in lines)


def generated(cells: Mapping[tuple[str, str], str]) -> str:
    """What stands between the marks of the page."""
    tasks = list(SAMPLES)
    rows = [[form, *(cells[task, form] for task in tasks)] for form in FORMS]
    return (
        BEGIN + "\n" + table(["", *tasks], rows) + "\n"
        "Formats that `--set reading.format=` may name; without it, name and content decide:\n\n"
        + table(["format", "what it is", "holds rows for"], registered()) + "\n" + END
    )  # fmt: skip


def written(page: str) -> dict[tuple[str, str], str]:
    """The cells that a page holds, by task and form."""
    block = page.partition(BEGIN)[2].partition(END)[0]
    lines = [[one.strip() for one in line.strip("|\n ").split("|")] for line in block.splitlines() if line[:1] == "|"]
    tasks = list(SAMPLES)
    return {
        (task, row[0]): value
        for row in lines
        if row[0] in FORMS
        for task, value in zip(tasks, [*row[1:], *[""] * len(tasks)], strict=False)
    }


def main() -> None:
    """Write the tables into the page."""
    import tempfile

    cells = {}
    for task in SAMPLES:
        for form in FORMS:
            with tempfile.TemporaryDirectory() as folder:
                cells[task, form] = cell(task, form, Path(folder))
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(before + generated(cells) + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main()
