"""The server's interface: JSON over HTTP, and the search page."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from negatives.answering import Run
from negatives.answering.forms import written_questions
from negatives.errors import ConfigError, NegativesError, UnknownName
from negatives.serving import answers, bodies
from negatives.serving.guarding import TOO_LARGE, Guard, refused
from negatives.serving.openapi import openapi

B = TypeVar("B", bound=bodies.Body)
Work = Callable[[Run, Any], dict[str, Any]]
Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(runs: Mapping[str, Run], bound: str = "127.0.0.1", names: Sequence[str] = ()) -> Starlette:
    """The application that answers for runs: the first at ``/``, and each at ``/runs/NAME/``.

    Args:
        runs: By name.
        bound: The address that the server listens at.
        names: Further names that requests may call it.
    """
    first = next(iter(runs))
    told = [answers.info(run, name) for name, run in runs.items()]

    async def every(request: Request) -> Response:
        return JSONResponse({"runs": told})

    routes: list[BaseRoute] = [Route("/runs", every)]
    routes += [Mount(f"/runs/{name}", routes=routes_of(run, name)) for name, run in runs.items()]
    routes += routes_of(runs[first], first)
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, bound=bound, names=tuple(names))],
        exception_handlers={HTTPException: _http_fault, NegativesError: _fault, Exception: _failure},
    )


def routes_of(run: Run, name: str) -> list[BaseRoute]:
    """The addresses of one run."""
    described, known = openapi(run, name), answers.info(run, name)
    return [
        Route("/", _page),
        Route("/health", _constant({"status": "ok"})),
        Route("/info", _constant(known)),
        Route("/openapi.json", _constant(described)),
        Route("/predict", _post(run, bodies.Predict, answers.predict), methods=["POST"]),
        Route("/predict", _predict_get(run), methods=["GET"]),
        Route("/similar", _post(run, bodies.Similar, answers.similar), methods=["POST"]),
        Route("/similar", _get(run, bodies.Similar, answers.similar, ("names",)), methods=["GET"]),
        Route("/score", _post(run, bodies.Score, answers.score), methods=["POST"]),
        Route("/encode", _post(run, bodies.Encode, answers.encode), methods=["POST"]),
        Route("/suggest", _get(run, bodies.Suggest, answers.suggest), methods=["GET"]),
    ]


def _constant(values: dict[str, Any]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(values)

    return endpoint


def _post(run: Run, kind: type[B], work: Work) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        asked = bodies.checked_body(kind, await _json(request))
        return JSONResponse(await run_in_threadpool(work, run, asked))

    return endpoint


def _get(run: Run, kind: type[B], work: Work, lists: Sequence[str] = ()) -> Endpoint:
    """An endpoint whose values stand in the address; a key of a list stands once for each of its values."""

    async def endpoint(request: Request) -> Response:
        given = request.query_params
        values = {key: given.getlist(key) if key in lists else given[key] for key in given}
        return JSONResponse(await run_in_threadpool(work, run, bodies.checked_body(kind, values, typed=False)))

    return endpoint


def _predict_get(run: Run) -> Endpoint:
    """Questions as in the address as on the command line: ``?history=milk,bread&k=5``."""
    fields = {one.name for form in run.forms for one in form.fields}

    async def endpoint(request: Request) -> Response:
        pairs = request.query_params.multi_items()
        words = [f"{key}={value}" for key, value in pairs if key in fields]
        values: dict[str, Any] = {key: value for key, value in pairs if key not in fields}
        if "queries" in values or not words:
            ways = " or ".join(form.written.replace(" ", "&") for form in run.forms)
            raise ConfigError(f"ask by {ways}, for instance /predict?{run.forms[0].fields[0].name}=NAME")
        values["queries"] = written_questions(run.forms, words)
        asked = bodies.checked_body(bodies.Predict, values, typed=False)
        return JSONResponse(await run_in_threadpool(answers.predict, run, asked))

    return endpoint


async def _json(request: Request) -> dict[str, Any]:
    """The object in a request's body.

    Raises:
        HTTPException: It is too large, or no JSON object.
    """
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > bodies.MOST_BYTES:
            raise HTTPException(413, TOO_LARGE)
    try:
        found = json.loads(held)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON ({str(error)[:80]})") from None
    if not isinstance(found, dict):
        raise HTTPException(400, 'the body is no JSON object; send for instance {"queries": ["..."]}')
    return found


@cache
def page() -> tuple[str, str]:
    """The search page, and the rule that lets it load nothing but itself."""
    text = files("negatives.serving").joinpath("page.html").read_text(encoding="utf-8")

    def digest(tag: str) -> str:
        inside = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        return f"'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'"

    rules = ("default-src 'none'", f"script-src {digest('script')}", f"style-src {digest('style')}")
    rest = ("connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
    return text, "; ".join((*rules, *rest))


async def _page(request: Request) -> Response:
    text, rule = page()
    return HTMLResponse(text, headers={"Content-Security-Policy": rule})


async def _http_fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = {404: f"nothing is at {request.url.path}; /openapi.json says what is", 405: "this address takes no "}
    sentence = told[404] if error.detail == "Not Found" else error.detail
    if error.detail == "Method Not Allowed":
        sentence = f"{told[405]}{request.method}"
    response = refused(error.status_code, sentence)
    response.headers.update(error.headers or {})
    return response


async def _fault(request: Request, error: Exception) -> Response:
    return refused(404 if isinstance(error, UnknownName) else 422, " ".join(str(error).split()))


async def _failure(request: Request, error: Exception) -> Response:
    return refused(500, "the server failed; its terminal says more")
