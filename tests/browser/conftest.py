"""A headless Chromium without network, for the pages of the built book."""

import os
from pathlib import Path

import chromium
import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The book under test: `make test-browser` says which; both profiles have the same pages.
HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "smoke" / "_build" / "html"))
LEFT_OUT = ("_static", "_modules")
SCREENSHOTS = ROOT / "_build" / "screenshots"


def pages():
    """Pages of the book, relative to its folder; those without content of their own left out.

    So are those with sources, which are all alike.
    """
    found = sorted(path.relative_to(HTML) for path in HTML.rglob("*.html"))
    return [
        str(path) for path in found if path.parts[0] not in LEFT_OUT and path.name != "index.html"
    ]


@pytest.fixture(scope="session")
def browser():
    if not chromium.find():
        pytest.skip("no Chromium: install it, or set CHROMIUM to its path")
    if not HTML.exists():
        pytest.skip(f"no book in {HTML}: run `make smoke` or `make book` first")
    with chromium.launched() as browser:
        yield browser


class Visit:
    """A page of the book with everything that went wrong while it was open."""

    def __init__(self, context):
        self.page = context.new_page()
        self.problems = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda r: self.problems.append(f"not loaded: {r.url}"))

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text}")

    def _request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.problems.append(f"network: {request.url}")

    def open(self, name, query=""):
        """Open a page from disk and wait until its maths is set."""
        self.page.goto((HTML / name).resolve().as_uri() + query)
        self.page.wait_for_load_state("load")
        if self.page.locator(".math").count():
            self.page.wait_for_function("window.MathJax?.startup?.promise !== undefined")
            self.page.evaluate("MathJax.startup.promise")
        return self.page


@pytest.fixture
def visit(browser):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    yield Visit(context)
    context.close()
