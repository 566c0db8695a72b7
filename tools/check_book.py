"""Guards that Sphinx does not have: executed notebooks, nothing from the network, no dead links."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from bs4 import BeautifulSoup

#: Elements that make a browser fetch something, and the attribute that says what.
FETCHING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
}
#: Relations of <link> that fetch nothing.
PASSIVE_LINKS = {"canonical", "author", "search", "index", "next", "prev", "license"}


def notebook_problems(path):
    """What makes a notebook unfit for the book: never executed, or holding an error."""
    notebook = nbformat.read(path, as_version=4)
    problems = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        first_line = cell.source.strip().split("\n")[0]
        if cell.execution_count is None:
            problems.append(f"{Path(path).name}: cell {index} was never executed: {first_line}")
        for output in cell.outputs:
            if output.output_type == "error":
                problems.append(f"{Path(path).name}: cell {index} holds an error: {first_line}")
    return problems


def is_remote(address):
    """Whether an address leads off the disk."""
    return urlsplit(address.strip()).scheme in {"http", "https", "ftp", "ws", "wss"} or (
        address.strip().startswith("//")
    )


def remote_loads(soup):
    """Addresses off the disk that a page would load by itself."""
    found = [
        tag[attribute]
        for name, attribute in FETCHING.items()
        for tag in soup.find_all(name)
        if tag.get(attribute) and is_remote(tag[attribute])
    ]
    for tag in soup.find_all("link"):
        if tag.get("href") and is_remote(tag["href"]) and not PASSIVE_LINKS & set(tag["rel"]):
            found.append(tag["href"])
    for tag in soup.find_all(["style", "script"]):
        text = tag.string or ""
        found += re.findall(
            r"(?:@import|url\(|import\s|from\s|import\()\s*[\"']?((?:https?:)?//[^\s\"')]+)", text
        )
    return found


def dead_links(page, soup, anchors):
    """Links of a page to files or anchors of the book that do not exist."""
    dead = []
    for tag in soup.find_all("a", href=True):
        address = urlsplit(tag["href"])
        if address.scheme or address.netloc or tag["href"].startswith("//"):
            continue
        target = (page.parent / unquote(address.path)).resolve() if address.path else page
        if not target.exists():
            dead.append(tag["href"])
        elif address.fragment and target in anchors:
            if unquote(address.fragment) not in anchors[target]:
                dead.append(tag["href"])
    return dead


def html_problems(folder):
    """What makes built pages unfit to be read from disk without a network."""
    pages = {
        page.resolve(): BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for page in sorted(Path(folder).rglob("*.html"))
        if "_static" not in page.parts
    }
    anchors = {
        page: {tag["id"] for tag in soup.find_all(id=True)} | {""} for page, soup in pages.items()
    }
    problems = [] if pages else [f"no pages in {folder}"]
    for page, soup in pages.items():
        name = page.relative_to(Path(folder).resolve())
        problems += [f"{name}: loads {address}" for address in remote_loads(soup)]
        problems += [f"{name}: dead link {address}" for address in dead_links(page, soup, anchors)]
        problems += [
            f"{name}: image without alternative text: {tag.get('src')}"
            for tag in soup.select("main img")
            if not tag.get("alt")
        ]
    for sheet in sorted(Path(folder).rglob("*.css")):
        for address in re.findall(
            r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\s\"')]+)",
            sheet.read_text(errors="replace"),
        ):
            problems.append(f"{sheet.relative_to(folder)}: loads {address}")
    return problems
