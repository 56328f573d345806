"""The description of the server's interface, OpenAPI 3.1, made from the forms of a run and the bodies of requests."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from negatives.answering import Form, Run
from negatives.serving import bodies

Json = dict[str, Any]
DIALECT = "3.1.0"
ERRORS = {
    "400": "Not JSON, or an address that is none of this server's.",
    "404": "A name is not known.",
    "413": "The body is too large.",
    "422": "A value is missing, of another type, out of bounds, or the model cannot do it.",
}


def openapi(run: Run, name: str) -> Json:
    """The description of one run's part of the server.

    Args:
        run: The run.
        name: Its name.
    """
    return {
        "openapi": DIALECT,
        "info": {
            "title": f"negatives: {name}",
            "version": version("negatives"),
            "description": f"A {run.held.config.task} run with the model {run.held.config.part('model')}.",
        },
        "servers": [{"url": "."}],
        "paths": {
            "/predict": {
                "get": _get("predict", bodies.Predict, "Answers", leave="queries", more=_fields(run)),
                "post": _post("predict", bodies.Predict, "Answers"),
            },
            "/similar": {
                "get": _get("similar", bodies.Similar, "Answers", many=("names",)),
                "post": _post("similar", bodies.Similar, "Answers"),
            },
            "/score": {"post": _post("score", bodies.Score, "Scores")},
            "/encode": {"post": _post("encode", bodies.Encode, "Vectors")},
            "/suggest": {"get": _get("suggest", bodies.Suggest, "Suggestions")},
            "/info": {"get": _plain("info", "What the run is and how it can be asked.")},
            "/health": {"get": _plain("health", "Whether the server works.")},
        },
        "components": {"schemas": _schemas(run)},
    }


def _schemas(run: Run) -> Json:
    found: Json = {"Query": {"anyOf": [{"type": ["string", "integer"]}, *map(form_schema, run.forms)]}}
    for kind in (bodies.Predict, bodies.Similar, bodies.Score, bodies.Encode):
        schema = kind.model_json_schema()
        schema.pop("$defs", None)
        _refer(schema["properties"].get("queries"))
        found[f"{kind.__name__}Request"] = schema
    text, number = {"type": "string"}, {"type": ["number", "null"]}
    reason = _object({"because": text, "score": number})
    thing = _object({"name": text, "text": text}, needed=("name",))
    item = _object(
        {
            "rank": {"type": "integer", "minimum": 1},
            "item": text,
            "score": number,
            "known": {"type": "boolean"},
            "text": {"type": ["string", "null"]},
            "why": _list(reason),
        },
        needed=("rank", "item", "score"),
    )
    answer = _object(
        {"query": text, "items": _list(item), "known": _list(thing), "n_known": {"type": "integer"}},
        needed=("query", "items"),
    )
    return found | {
        "Answers": _object({"answers": _list(answer)}),
        "Scores": _object({"scores": _list(_object({"query": text, "item": text, "score": number}))}),
        "Vectors": _object({"vectors": _list(_list(number))}),
        "Suggestions": _object({"names": _list(thing)}),
        "Error": _object({"error": {"type": "string", "description": "One sentence."}}),
    }


def form_schema(form: Form) -> Json:
    """A question of one form."""
    text = {"type": ["string", "integer"]}
    fields = {one.name: (_list(text) if one.many else dict(text)) | {"description": one.about} for one in form.fields}
    needed = tuple(one.name for one in form.fields if not one.optional)
    return _object(fields, needed) | {"title": form.name, "description": form.about, "additionalProperties": False}


def _refer(schema: Json | None) -> None:
    """Questions are what the run's forms say, not any object."""
    if schema is None:
        return
    for one in (schema, *schema.get("anyOf", ())):
        if one.get("type") == "array":
            one["items"] = {"$ref": "#/components/schemas/Query"}


def _fields(run: Run) -> list[Json]:
    fields = {one.name: one for form in run.forms for one in form.fields}
    return [
        _parameter(name, one.about + ("; names with commas between" if one.many else ""), _list({"type": "string"}))
        for name, one in fields.items()
    ]


def _get(
    name: str,
    body: type[bodies.Body],
    answer: str,
    leave: str = "",
    many: tuple[str, ...] = (),
    more: list[Json] | None = None,
) -> Json:
    properties = body.model_json_schema()["properties"]
    parameters = [
        _parameter(key, str(schema.pop("description", "")), schema, key in many)
        for key, schema in properties.items()
        if key != leave
    ]
    told = {"operationId": f"{name}_get", "summary": body.__doc__, "parameters": [*(more or []), *parameters]}
    return told | {"responses": _responses(answer)}


def _post(name: str, body: type[bodies.Body], answer: str) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}Request"}}}
    told = {"operationId": name, "summary": body.__doc__, "requestBody": {"required": True, "content": content}}
    return told | {"responses": _responses(answer)}


def _plain(name: str, about: str) -> Json:
    schema = {"application/json": {"schema": {"type": "object"}}}
    return {"operationId": name, "summary": about, "responses": {"200": {"description": about, "content": schema}}}


def _responses(answer: str) -> Json:
    def of(about: str, schema: str) -> Json:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
        return {"description": about, "content": content}

    return {"200": of("The answer.", answer)} | {code: of(about, "Error") for code, about in ERRORS.items()}


def _parameter(name: str, about: str, schema: Json, required: bool = False) -> Json:
    return {"name": name, "in": "query", "description": about, "required": required, "schema": schema}


def _object(properties: Json, needed: tuple[str, ...] | None = None) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties if needed is None else needed)}


def _list(item: Json) -> Json:
    return {"type": "array", "items": item}
