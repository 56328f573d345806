"""Every task reads every format that can carry its columns, as the table in docs/data.md says: a test for each cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from forms import BEGIN, END, FORMS, PAGE, SAMPLES, cell, fitting, generated, registered, written
from negatives.data.readers import Options, registry
from negatives.errors import InputError
from negatives.tasks.schemas import SCHEMAS

CELLS = written(PAGE.read_text("utf-8"))
AGAIN = "python tests/forms.py"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("task", SAMPLES)
def test_a_cell_says_what_happens(task: str, form: str, tmp_path: Path) -> None:
    assert cell(task, form, tmp_path) == CELLS[task, form], f"write the table anew: {AGAIN}"


def test_the_page_is_what_the_registry_and_the_cells_say() -> None:
    page = PAGE.read_text("utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert BEGIN + page.partition(BEGIN)[2].partition(END)[0] + END == generated(CELLS), f"write it anew: {AGAIN}"
    assert [row[0] for row in registered()] == [f"`{name}`" for name in registry]


def test_what_can_be_carried_is_read() -> None:
    """The tasks over tables read all that can carry their rows; the others say so at least."""
    for task in ("recommend", "knowledge", "graph", "classify"):
        assert "no" not in {CELLS[task, form] for form in FORMS}, task
    assert set(CELLS.values()) <= {"yes", "no", ""}


@pytest.mark.parametrize("name", sorted(registry))
def test_a_format_refuses_rows_that_it_cannot_hold(name: str, tmp_path: Path) -> None:
    """And names what it lacks, before anything is opened."""
    reader = registry.build(name)
    for task, schemas in SCHEMAS.items():
        if task in fitting(name):
            continue
        with pytest.raises(InputError, match="this format has no"):
            reader.parts(tmp_path / "missing", schemas[0], Options())
