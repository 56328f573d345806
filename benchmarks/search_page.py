"""The search page of ``negatives serve`` in a real browser: what a person does, checked, and pictures to look at.

    python benchmarks/search_page.py RUN --out pictures

Serves the run, opens its page in Chromium at 1280 and 390 pixels, in light and dark, and takes a picture of the empty
page, the suggestions, the answers with reasons, and an error; then asks by the keyboard alone. It needs the package
playwright and a Chromium (``apt-get install chromium``); what is missing it says, and ends with 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

import negatives
from negatives.answering import Run
from negatives.serving.app import make_app
from negatives.serving.server import address, bind

SIZES = {"wide": (1280, 900), "phone": (390, 844)}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def served(run: Run, name: str) -> Iterator[str]:
    """The address of a server in a thread."""
    with bind("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(make_app({name: run}), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address(listening)
        finally:
            server.should_exit = True
            thread.join()


def first_form(run: Run) -> tuple[Any, str]:
    """The first field of the first form, and what to type into it."""
    field = run.forms[0].fields[0]
    text = run.names(field.kind)[0] if field.kind else "0:1" if field.many else "what is new"
    return field, text


def walk(page: Any, run: Run, shot: Any) -> list[str]:
    """Use the page as a person does; what went wrong."""
    faults: list[str] = []
    field, text = first_form(run)
    box = page.locator(f"#field-{field.name}")
    page.wait_for_selector("#ways input", state="attached")
    page.wait_for_timeout(300)
    shot("empty")
    if field.kind:
        box.press_sequentially(text[: max(2, len(text) // 2)])
        page.wait_for_selector("[role=option]")
        shot("suggestions")
        box.press("Escape")
        box.press("ArrowDown")
        page.wait_for_selector("[role=option]")
        box.press("ArrowDown")
        active = page.locator("[role=option][aria-selected=true]").inner_text()
        box.press("Enter")
        if not active.startswith(box.input_value()) or not box.input_value():
            faults.append(f"Enter took {box.input_value()!r} where {active!r} was marked")
    box.fill(text)
    for other in run.forms[0].fields[1:]:
        if other.kind:
            page.locator(f"#field-{other.name}").fill(run.names(other.kind)[0])
    box.press("Enter")
    if field.many:
        box.press("Enter")
    page.wait_for_selector("ol.answers li")
    page.wait_for_timeout(200)
    shot("answers")
    found = page.locator("ol.answers > li .name").all_inner_texts()
    question = {one.name: run.names(one.kind)[0] if one.kind else text for one in run.forms[0].fields}
    wanted = run.ask([question], k=10)["item"].to_list()
    if [one.strip() for one in found] != [one.strip() for one in wanted]:
        faults.append(f"the page shows {found[:3]} where the run says {wanted[:3]}")
    if field.kind:
        box.fill(text + " and nobody")
        box.press("Enter")
        page.wait_for_selector("#error:not([hidden])")
        shot("error")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        faults.append(f"the page is {wide} pixels wider than its window")
    return faults


def heard(faults: list[str], message: Any) -> None:
    """Keep what the browser complains about, but for the unknown name that is asked for."""
    if message.type == "error" and "404" not in message.text:
        faults.append(message.text)


def picture(page: Any, out: Path, suffix: str, what: str) -> None:
    """Take a picture of the whole page."""
    page.screenshot(path=out / f"{what}-{suffix}.png", full_page=True)


def look(run: Run, name: str, out: Path, playwright: Any, browser_path: str) -> list[str]:
    """All sizes and colours; what went wrong."""
    faults: list[str] = []
    with served(run, name) as address, playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                asked: list[str] = []
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                page.on("console", partial(heard, faults))
                page.on("pageerror", lambda error, faults=faults: faults.append(str(error)))
                page.goto(address)
                label = f"{size}, {scheme}"
                found = walk(page, run, partial(picture, page, out, f"{size}-{scheme}"))
                faults += [f"{label}: {one}" for one in found]
                faults += [f"{label}: asks {url}" for url in asked if not url.startswith((address, "data:"))]
                page.close()
        browser.close()
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    options = parser.parse_args()
    browser = next((found for one in BROWSERS if (found := shutil.which(one))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("no playwright here; run: pip install playwright", file=sys.stderr)
        return 1
    if browser is None:
        print("no Chromium here; run: apt-get install chromium", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    run = negatives.load(options.run)
    assert isinstance(run, Run)
    faults = look(run, options.run.resolve().name, options.out, sync_playwright, browser)
    print("\n".join(faults) if faults else f"the page works; pictures: {options.out}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
