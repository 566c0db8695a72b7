"""Every page of the built book, opened from disk in a real browser that has no network."""

import re

import chromium
import pytest
from axe_playwright_python.sync_playwright import Axe
from print_book import A0

from .conftest import HTML, ROOT, SCREENSHOTS, pages

pytestmark = pytest.mark.browser
WIDTHS = (360, 768, 1440)
THEMES = ("light", "dark")
PICTURED = {("light", 1440), ("dark", 360)}  # looked at by eye; all of them would take minutes

each_page = pytest.mark.parametrize("name", pages())


def set_theme(page, theme):
    page.evaluate(
        "theme => { document.documentElement.dataset.mode = theme;"
        " document.documentElement.dataset.theme = theme; }",
        theme,
    )


def test_there_are_pages():
    assert len(pages()) > 5, f"no book in {HTML}"


@each_page
def test_page_opens_complete_at_every_width_and_theme(visit, name):
    page = visit.open(name)
    unset = page.locator(".math").evaluate_all(
        "all => all.filter(m => !m.querySelector('mjx-container')).map(m => m.textContent)"
    )
    assert unset == [], "maths that was not set"
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    missing = page.locator("main img").evaluate_all(
        "all => all.filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
    )
    assert missing == [], "images that did not load"
    names = page.locator("main [id]").evaluate_all("all => all.map(e => e.id)")
    assert sorted(names) == sorted(set(names)), "two parts of the page with one name"
    for theme in THEMES:
        set_theme(page, theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{overflow} pixels too wide at {width}"
            if (theme, width) in PICTURED:
                shot = SCREENSHOTS / f"{width}-{theme}" / name.replace("/", "_")
                path = shot.with_suffix(".png")
                page.screenshot(path=path, full_page=True, animations="disabled", timeout=180_000)
    assert visit.problems == []


@each_page
def test_page_is_accessible(visit, name):
    page = visit.open(name)
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    grave = []
    for theme in THEMES:
        set_theme(page, theme)
        options = {"resultTypes": ["violations"]}  # the rest would take minutes on long pages
        if theme == "dark":  # only colours differ between the themes
            options["runOnly"] = ["color-contrast"]
        grave += [
            f"{theme}: {violation['id']} {node['target']} {node['html'][:120]}"
            for violation in Axe().run(page, options=options).response["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
    assert grave == []


def test_an_interactive_figure_follows_its_controls_and_the_width_of_the_screen(visit):
    page = visit.open("notebooks/07_attention.html")
    box = page.locator(".interactive")
    page.set_viewport_size({"width": 360, "height": 900})
    page.wait_for_function(
        "document.querySelector('.interactive .main-svg')?.getBoundingClientRect().right < 360"
    )
    before = box.locator(".main-svg").first.inner_html()
    box.locator("input[type=range]").focus()
    page.keyboard.press("End")
    last = box.locator("input[type=range]").get_attribute("max")
    assert box.locator("input[type=range]").input_value() == last
    page.wait_for_function(
        "old => document.querySelector('.interactive .main-svg').innerHTML !== old", arg=before
    )
    box.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "last => document.querySelector('.interactive input[type=range]').value !== last", arg=last
    )
    box.get_by_role("button", name="Pause").click()
    assert visit.problems == []


def test_the_poster_prints_on_one_sheet(browser, tmp_path):
    target = tmp_path / "poster.pdf"
    style = ROOT / "book" / "_static" / "poster-print.css"
    chromium.print_on_one_sheet(browser, HTML / "book" / "poster.html", target, style, *A0)
    pages = re.findall(rb"/Type\s*/Page\b", target.read_bytes())
    assert len(pages) == 1


def test_the_root_page_leads_to_the_introduction(visit):
    page = visit.open("index.html")
    page.wait_for_url("**/book/intro.html")
    assert page.locator(".bd-article h1").count() == 1
    assert visit.problems == []


def test_search_finds_words_of_the_book(visit):
    page = visit.open("book/intro.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("potential")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=potential*")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li").count() > 1
    assert visit.problems == []


def test_the_theme_button_switches_to_dark_and_is_remembered(visit):
    page = visit.open("book/intro.html")
    seen = set()
    for _ in range(3):  # automatic, light, dark in turn
        page.locator("button.theme-switch-button:visible").first.click()
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}
    while page.evaluate("document.documentElement.dataset.mode") != "dark":
        page.locator("button.theme-switch-button:visible").first.click()
    visit.open("book/how_to_read.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_keyboard_reaches_the_text_first(visit):
    page = visit.open("book/intro.html")
    page.keyboard.press("Tab")
    assert "Skip to main content" in page.evaluate("document.activeElement.textContent")


def test_the_contents_open_on_a_narrow_screen(visit):
    page = visit.open("book/intro.html")
    page.set_viewport_size({"width": 360, "height": 700})
    link = page.locator("nav.bd-links a.reference.internal").first
    assert link.bounding_box()["x"] < 0, "outside the screen"
    page.locator("button.primary-toggle:visible").first.click()
    page.wait_for_function(
        "document.querySelector('nav.bd-links a.reference.internal').getBoundingClientRect().x > 0"
    )
