"""``negatives predict``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from negatives.cli.options import Overwrite, named_columns, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from negatives.answering import Run
    from negatives.serving.batch import Asker
    from negatives.serving.outputs import Write
    from negatives.serving.questions import Asked

COLUMNS = "Column of a field of --queries, as user=Kunde; several with commas, or several times."


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """How a run is asked."""

    k: Annotated[int, Parameter(help="Answers to each question, at most.", converter=whole)] = 10
    include_known: Annotated[bool, Parameter(help="Answer items that are known already, too.", negative=())] = False
    skip_unknown: Annotated[bool, Parameter(help="Leave out names that the run does not know.", negative=())] = False
    similar: Annotated[bool, Parameter(help="Ask for the nearest to things of the run instead.", negative=())] = False
    kind: Annotated[str | None, Parameter(help="What these things are; items when left out.")] = None
    columns: Annotated[tuple[str, ...], Parameter(help=COLUMNS, negative=(), show_default=False)] = ()


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class OutOptions:
    """Where answers go."""

    out: Annotated[
        Path | None, Parameter(help="File to write: .csv, .tsv, .parquet, .jsonl or .arrow; else the terminal.")
    ] = None
    overwrite: Overwrite = False
    format: Annotated[
        Literal["table", "json", "csv", "tsv"], Parameter(help="How answers are printed; json is an object a line.")
    ] = "table"


def predict(
    run: Path,
    /,
    *query: str,
    queries: Path | None = None,
    ask: AskOptions | None = None,
    to: OutOptions | None = None,
) -> None:
    """Ask a finished run: the best items for each question.

    Parameters
    ----------
    run
        A run folder.
    query
        Questions: names, as ann bob; or fields, as history=milk,bread or head=aspirin relation=treats.
    queries
        A table of questions with the fields as columns, or a text with one a line; - for standard input.
    """
    from negatives.errors import ConfigError

    ask, to = ask or AskOptions(), to or OutOptions()
    if (queries is None) == (not query):
        both = "not both" if query else f"for instance: negatives predict {run} NAME"
        raise ConfigError(f"give questions as words, or --queries FILE, {both}")
    if ask.k < 1:
        raise ConfigError(f"--k {ask.k}: give a whole number from 1 on")
    if ask.kind is not None and not ask.similar:
        raise ConfigError("--kind says what the things of --similar are; give both, or neither")
    if to.out is not None:
        from negatives.serving.outputs import check_out

        check_out(to.out, to.overwrite, _read(run, queries))
    from negatives.runs.opening import opened
    from negatives.serving.batch import Asker, answer

    found = opened(run)
    kind = (ask.kind or found.items) if ask.similar else None
    asker = Asker(found, ask.k, ask.include_known, kind)
    blocks, told = _questions(asker, query, queries, ask)
    if told:
        print(told, file=sys.stderr)
    with _output(to, _read(run, queries)) as write:
        counts, left = answer(asker, _counted(blocks, queries is not None), write, queries, ask.skip_unknown)
    if left:
        print(f"negatives: {left}", file=sys.stderr)
    if to.out is not None:
        print(f"answers: {to.out} ({counts.rows:,} to {counts.questions:,} questions)")


def _questions(
    asker: Asker, words: tuple[str, ...], queries: Path | None, ask: AskOptions
) -> tuple[Iterable[Asked], str]:
    """The questions in blocks, and what was taken for what."""
    from negatives.answering.forms import written_questions
    from negatives.serving.batch import block_size
    from negatives.serving.questions import Asked, QuestionTable
    from negatives.tasks.schemas import schemas_of

    if queries is None:
        asked = written_questions(asker.forms, words)
        return [Asked(asked, range(1, len(asked) + 1))], ""
    task = asker.run.held.config.task
    table = QuestionTable(queries, asker.forms, named_columns(ask.columns), schemas_of(task), _whole(asker.run))
    return table.blocks(block_size(ask.k)), str(table)


def _whole(run: Run) -> Callable[[str, str], bool]:
    """Tells whether a text is one name of a kind."""
    return lambda kind, text: kind in run.held.names and bool(run.names(kind).find([text])[0] >= 0)


def _read(run: Path, queries: Path | None) -> list[Path]:
    """What is read, which no answer may replace."""
    return [run] if queries is None else [run, queries]


def _output(to: OutOptions, inputs: Sequence[Path]) -> AbstractContextManager[Write]:
    import shutil

    from negatives.serving.outputs import to_file, to_terminal

    if to.out is not None:
        return to_file(to.out, to.overwrite, inputs)
    return to_terminal(to.format, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)


def _counted(blocks: Iterable[Asked], shown: bool) -> Iterator[Asked]:
    """The blocks, with a bar that counts questions where the output of errors is a terminal."""
    from tqdm import tqdm

    bar = tqdm(unit=" questions", disable=None if shown else True, file=sys.stderr)
    with bar:
        for block in blocks:
            yield block
            bar.update(len(block.questions))
