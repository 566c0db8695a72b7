"""The book as built with small numbers; `make test` builds it first."""

import json
import re

import api_pages
import chapters
import check_book
import nbformat
import pytest
import references
import yaml
from bs4 import BeautifulSoup
from build_book import html_folder
from figures import figures
from project import ROOT
from try_chapter import try_chapter

pytestmark = pytest.mark.book
HTML = html_folder("smoke")
NAMES = chapters.chapter_names()
PICTURES = {"image/png", "image/svg+xml", "image/jpeg"}

each_chapter = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module", autouse=True)
def built():
    if not HTML.exists():
        pytest.skip(f"no book in {HTML}: run `make smoke` first")


def notebook(name):
    return nbformat.read(chapters.notebook_path(name, "smoke"), as_version=4)


def page(name):
    return BeautifulSoup((HTML / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_the_root_page_and_every_page_of_the_contents_are_there():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    missing = [name for name in [toc["root"], *files] if not (HTML / f"{name}.html").exists()]
    assert missing == []
    assert "book/intro.html" in (HTML / "index.html").read_text()


def test_pages_read_from_disk_without_network_and_dead_links():
    assert check_book.html_problems(HTML) == []


def test_maths_comes_from_the_disk():
    script = HTML / "_static" / "mathjax" / "tex-svg-full.js"
    assert script.stat().st_size > 1_000_000


@each_chapter
def test_hidden_cells_without_output_are_one_bar(name):
    def only_hides_code(tag):
        return bool(tag.select("details.above-input")) and not tag.select(".cell_output")

    for cell in filter(only_hides_code, page(f"notebooks/{name}").select("div.cell")):
        after = cell.find_next_sibling()
        assert not (after and "cell" in after.get("class", []) and only_hides_code(after))


@each_chapter
def test_marked_numbers_are_those_stored(name):
    assert references.differences(name) == []


@each_chapter
def test_numbers_below_zero_have_a_minus_and_zeros_none(name):
    text = " ".join(
        cell.get_text() for cell in page(f"notebooks/{name}").select("table.dataframe td")
    )
    assert not re.search(r"(?<!\w)-\d", text)
    assert not re.search(r"\N{MINUS SIGN}0(\.0*)?(?![\d.])", text)


@each_chapter
def test_chapters_were_executed_without_error(name):
    assert check_book.notebook_problems(chapters.notebook_path(name, "smoke")) == []


@each_chapter
def test_every_picture_is_a_labelled_figure_shown_once(name):
    for cell in notebook(name).cells:
        shown = [o for o in cell.get("outputs", []) if PICTURES & set(o.get("data", {}))]
        labelled = "figure" in cell.metadata.get("mystnb", {})
        first_line = cell.source.split("\n")[0]
        assert len(shown) == (1 if labelled else 0), first_line


@each_chapter
def test_every_figure_has_its_number_on_the_page(name):
    names = [
        cell.metadata["mystnb"]["figure"]["name"]
        for cell in notebook(name).cells
        if "figure" in cell.metadata.get("mystnb", {})
    ]
    soup = page(f"notebooks/{name}")
    for figure in names:
        tag = soup.find(id=figure)
        assert tag is not None, figure
        assert "Fig." in tag.select_one(".caption-number").text


@each_chapter
def test_no_warning_reaches_the_reader(name):
    shown = [
        output
        for cell in notebook(name).cells
        if not {"remove-stderr", "remove-output"} & set(cell.metadata.get("tags", []))
        for output in cell.get("outputs", [])
    ]
    assert [o.text for o in shown if o.output_type == "stream" and o.name == "stderr"] == []


@each_chapter
def test_executed_notebooks_can_be_downloaded(name):
    source = HTML / "_sources" / "notebooks" / f"{name}.ipynb"
    assert json.loads(source.read_text())["cells"]


def test_the_provenance_page_lists_every_chapter():
    text = page("book/provenance").get_text()
    assert all(f"results/{name}" in text for name in ("attention", "kinetics", "trainings"))
    assert "smoke" in text
    links = {a["href"] for a in page("book/provenance").find_all("a", href=True)}
    assert {f"../notebooks/{name}.html" for name in NAMES} <= links


def test_the_reference_has_every_module():
    text = "".join(page(f"book/{name}").get_text() for name in api_pages.PAGES)
    modules = [
        ".".join(path.relative_to(ROOT / "mb_support").with_suffix("").parts)
        for path in sorted((ROOT / "mb_support").rglob("*.py"))
        if path.name != "__init__.py"
    ]
    assert [name for name in modules if name not in text] == []


@pytest.mark.slow
def test_the_command_of_the_readme_changes_figures_and_leaves_the_book_alone():
    command = re.search(r"make try CHAPTER=(\w+) SET=\"(.+)\"", (ROOT / "README.md").read_text())
    name, assignment = command.groups()
    built = chapters.notebook_path(name, "smoke").read_bytes()
    before = figures(notebook(name))
    folder = try_chapter(name, [assignment])
    after = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert set(after) == set(before)
    assert after["fig-potential-committor.png"] != before["fig-potential-committor.png"]
    assert after["fig-potential-surface.png"] == before["fig-potential-surface.png"]
    assert chapters.notebook_path(name, "smoke").read_bytes() == built


def test_the_paper_cites_what_the_bibliography_has():
    paper = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(), re.M))
    cited = set(re.findall(r"\[@(\w+)\]", paper))
    assert cited and cited <= keys
