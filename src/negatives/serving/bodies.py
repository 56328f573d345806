"""What requests may hold: checked by pydantic, which also describes them for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from negatives.errors import ConfigError, InputError

MOST_ANSWERS = 10_000
"""Answers to a question."""
MOST_QUESTIONS = 1_000
"""Questions, or names, of one request."""
MOST_ITEMS = 10_000
"""Items that one request scores."""
MOST_CELLS = 200_000
"""Answers of one request."""
MOST_BYTES = 4 << 20
"""Bytes of a request's body."""
MOST_SUGGESTIONS = 50

Text = str | int
"""Names that are numbers may be written so."""
Value = Text | list[Text] | None
Query = Text | dict[str, Value]
Kind = Annotated[str | None, Field(description="Kind of things, one of those of /info; items when left out.")]
Answers = Annotated[int, Field(ge=1, le=MOST_ANSWERS, description="Answers to each, at most.")]
Queries = Annotated[
    list[Query],
    Field(min_length=1, max_length=MOST_QUESTIONS, description="Questions; a text alone is one of the first form."),
]
NamesOf = Annotated[list[Text], Field(min_length=1, max_length=MOST_QUESTIONS, description="Names of things.")]


class Body(BaseModel):
    """A JSON object without keys that nothing reads."""

    model_config = ConfigDict(extra="forbid")


class Predict(Body):
    """The best items for each question."""

    queries: Queries
    k: Answers = 10
    include_known: Annotated[bool, Field(description="Answer items that are known already, too.")] = False
    why: Annotated[bool, Field(description="Say what speaks for the first answers, and what is known.")] = False


class Similar(Body):
    """The nearest to things of the run."""

    names: NamesOf
    k: Answers = 10
    kind: Kind = None


class Score(Body):
    """The model's score of pairs of a question and an item: as many of each, or one of either."""

    queries: Queries
    items: Annotated[list[Text], Field(min_length=1, max_length=MOST_ITEMS, description="Names of items.")]


class Encode(Body):
    """Vectors of questions, or of things by name."""

    queries: Queries | None = None
    names: NamesOf | None = None
    kind: Kind = None


class Suggest(Body):
    """Names that begin with a text, or hold it."""

    kind: Kind = None
    text: Annotated[str, Field(max_length=200, description="What was typed so far.")] = ""
    k: Annotated[int, Field(ge=1, le=MOST_SUGGESTIONS, description="Suggestions, at most.")] = 8


B = TypeVar("B", bound=Body)


def checked_body(kind: type[B], values: Mapping[str, Any], *, typed: bool = True) -> B:
    """A request's values.

    Args:
        kind: What they should be.
        values: The values.
        typed: Whether they have types, as JSON has; the parts of an address are all text.

    Raises:
        ConfigError: A key is not known, a value is missing, or it is of another type or out of bounds.
    """
    try:
        found = kind.model_validate(dict(values), strict=typed)
    except ValidationError as error:
        raise ConfigError(_sentence(kind, error)) from None
    k, n = getattr(found, "k", 1), len(getattr(found, "queries", None) or getattr(found, "names", None) or ())
    if k * n > MOST_CELLS:
        raise InputError(f"{n:,} questions with k = {k:,} are more than {MOST_CELLS:,} answers", hint="ask in parts")
    return found


def _sentence(kind: type[Body], error: ValidationError) -> str:
    """The first thing that is wrong, as a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = str(first["loc"][0]) if first["loc"] else "the body"
    if first["type"] == "extra_forbidden":
        return f"nothing is called {where!r} here; there are {', '.join(kind.model_fields)}"
    if first["type"] == "missing":
        return f"{where} is missing"
    if where == "queries" and first["type"] not in ("too_short", "too_long"):
        return "queries is no list of texts or of objects with text, or a list of texts, by field"
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}"
