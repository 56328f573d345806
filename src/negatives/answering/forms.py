"""The forms that questions to a run may have: what a question is made of, wherever it comes from.

A question is a mapping of field to value, ``{"user": "ann"}`` or ``{"head": "aspirin", "relation": "treats"}``. So the
same question can be asked from Python, on the command line as ``head=aspirin relation=treats``, as a row of a table
with columns of these names, and as JSON.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from negatives.errors import ConfigError, InputError

CLOSE = 0.8
"""How like the name of a field a word before = must be to be taken for a slip, from 0 to 1."""
Question = Mapping[str, Any]
"""Text by field; a list of texts where :attr:`Field.many`."""


@dataclass(frozen=True, slots=True)
class Field:
    """A part of a question.

    Args:
        name: Its name in Python, on the command line, and as a column.
        about: What it is, in a few words.
        many: Whether its value is a list.
        optional: Whether it may be left out.
        kind: Kind of things whose names it takes; None where it takes any text.
    """

    name: str
    about: str
    many: bool = False
    optional: bool = False
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """What one kind of question is made of.

    Args:
        name: Short name.
        about: What it asks, in a few words.
        fields: Its parts.
    """

    name: str
    about: str
    fields: tuple[Field, ...]

    def fits(self, given: Sequence[str]) -> bool:
        """Whether a question with these fields is of this form."""
        needed = {one.name for one in self.fields if not one.optional}
        return needed <= set(given) <= {one.name for one in self.fields}

    def field(self, name: str) -> Field:
        """The field of a name."""
        return next(one for one in self.fields if one.name == name)

    @property
    def written(self) -> str:
        """As one writes it on the command line.

        >>> Form("pair", "", (Field("head", ""), Field("items", "", many=True))).written
        'head=... items=...,...'
        """
        return " ".join(f"{one.name}=...{',...' * one.many}" for one in self.fields)


def form_of(forms: Sequence[Form], question: Question) -> Form:
    """The form of a question.

    Raises:
        ConfigError: It is of none; names those that there are.
    """
    given = [name for name, value in question.items() if value is not None]
    for form in forms:
        if form.fits(given):
            return form
    ways = "; or ".join(f"{form.written} ({form.about})" for form in forms)
    raise ConfigError(f"this run is not asked by {' and '.join(given) or 'nothing'}; give {ways}")


def checked(form: Form, question: Question) -> dict[str, Any]:
    """A question with text where text is meant, and lists where lists are.

    Raises:
        InputError: A value is of another type.
    """
    found: dict[str, Any] = {}
    for name, value in question.items():
        if value is None:
            continue
        many = form.field(name).many
        if many and isinstance(value, str):
            value = [value]
        if isinstance(value, (str, int)) and not many:
            found[name] = str(value)
        elif many and isinstance(value, Sequence | pl.Series):
            found[name] = [str(one) for one in value]
        else:
            what = "a list of texts" if many else "a text"
            raise InputError(f"{name} is {type(value).__name__} where {what} is needed", hint=f"give {form.written}")
    return found


def questions_of(forms: Sequence[Form], queries: Any, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Questions as Python gives them: a text, texts, a table, or values by field.

    Args:
        forms: Those of the run; the first has one field where texts alone are given.
        queries: A text or texts, for the only field of the first form; mappings; a table with fields as columns.
        fields: Values by field, each one value for all or a list of one length; a field that is a list takes a list
            of texts for one question, or a list of lists.

    Raises:
        ConfigError: There is no question, or both ways are used.
        InputError: Lists differ in length.
    """
    if (queries is None) == (not fields):
        ways = "; or ".join(form.written for form in forms)
        raise ConfigError(f"give queries, or fields by name, not {'both' if fields else 'neither'}: {ways}")
    if queries is None:
        return _by_field(forms, fields)
    if isinstance(queries, (str, int)):
        queries = [queries]
    if hasattr(queries, "__arrow_c_stream__") and not isinstance(queries, pl.Series):
        return pl.DataFrame(queries).to_dicts()
    return [dict(one) if isinstance(one, Mapping) else {forms[0].fields[0].name: one} for one in queries]


def _by_field(forms: Sequence[Form], fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = {name: value for name, value in fields.items() if value is not None}
    form = form_of(forms, given)
    lists = {name: _listed(form.field(name), value) for name, value in given.items()}
    sizes = {name: len(values) for name, values in lists.items() if len(values) != 1}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{n} of {name}" for name, n in sizes.items())
        raise InputError(f"fields differ in length: {told}", hint="give as many of each, or one for all")
    n = max(sizes.values(), default=1) if 0 not in sizes.values() else 0
    return [{name: values[0 if len(values) == 1 else at] for name, values in lists.items()} for at in range(n)]


def _listed(field: Field, value: Any) -> list[Any]:
    """Values of one field, one for each question."""
    if isinstance(value, (str, int)):
        return [[value] if field.many else value]
    values = list(value)
    if field.many and (not values or isinstance(values[0], (str, int))):
        return [values]
    return values


def written_questions(forms: Sequence[Form], words: Sequence[str]) -> list[dict[str, Any]]:
    """Questions as the command line gives them.

    ``field=value`` sets a field where the run has one of that name, with commas between the values of a list; a field
    that stands again, or that no form has beside the ones before it, begins the next question. Any other word is a
    question of the first form.

    Raises:
        ConfigError: A word sets a field that is misspelt.

    >>> pair = Form("pair", "", (Field("head", ""), Field("relation", "")))
    >>> written_questions([pair], ["head=a", "relation=r", "head=b=c", "relation=r"])
    [{'head': 'a', 'relation': 'r'}, {'head': 'b=c', 'relation': 'r'}]
    >>> written_questions([pair, Form("node", "", (Field("node", "", many=True),))], ["node=a,b", "head=c"])
    [{'node': ['a', 'b']}, {'head': 'c'}]
    """
    together = [{one.name for one in form.fields} for form in forms]
    fields = {one.name: one for form in forms for one in form.fields}
    found: list[dict[str, Any]] = []
    open_: dict[str, Any] | None = None
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name not in fields and (near := difflib.get_close_matches(name, fields, 1, CLOSE)):
            raise ConfigError(f"no question has the field {name!r}; did you mean {near[0]}=...?")
        if not (equals and name in fields):
            found.append({forms[0].fields[0].name: word})
            open_ = None
            continue
        if open_ is None or name in open_ or not any({*open_, name} <= names for names in together):
            open_ = {}
            found.append(open_)
        open_[name] = [one.strip() for one in value.split(",")] if fields[name].many else value
    return found
