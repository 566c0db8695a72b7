"""Find Chromium, or install Debian's where that is allowed; print pages with it.

python tools/chromium.py           # print its path; exit status 3 if there is none
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name resolves: there is no network
]


def find():
    """Path of a Chromium or Chrome, or None; the variable CHROMIUM goes before a search."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def install():
    """Install Debian's package where there is apt and the right to use it; says if it worked."""
    if find() or not shutil.which("apt-get") or os.geteuid() != 0:
        return find() is not None
    print("installing Debian's chromium ...", file=sys.stderr, flush=True)
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            return False
    return find() is not None


@contextmanager
def launched():
    """A headless browser without network, for `with`; `RuntimeError` if there is none."""
    if not install():
        raise RuntimeError("no Chromium: install it, or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        yield browser
        browser.close()


#: Makes figures smaller, two per cent at a time, until the page is as high as the paper.
FIT = """height => {
  const root = document.documentElement;
  for (let width = 100; width >= 40; width -= 2) {
    root.style.setProperty("--figure-width", width + "%");
    if (document.querySelector(".bd-article").scrollHeight <= height) return width;
  }
  return 0;
}"""
PIXELS_PER_MM = 96 / 25.4


def print_on_one_sheet(browser, html, target, style, width_mm, height_mm):
    """Print a page to PDF on one sheet: figures shrink until it fits.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
        As from `launched`.
    html, target : Path
    style : Path
        Style sheet on top of those of the page; figures are `--figure-width` wide.
    width_mm, height_mm : float

    Raises
    ------
    RuntimeError
        If it does not fit with figures of two fifths of their width.
    """
    size = {"width": round(width_mm * PIXELS_PER_MM), "height": round(height_mm * PIXELS_PER_MM)}
    page = browser.new_page(color_scheme="light", viewport=size)
    page.goto(html.resolve().as_uri())
    page.evaluate("window.MathJax?.startup?.promise")
    page.evaluate("document.fonts.ready")
    page.emulate_media(media="print")
    page.add_style_tag(path=style)
    if not page.evaluate(FIT, size["height"]):
        raise RuntimeError(f"{html} does not fit on one sheet")
    page.pdf(path=target, print_background=True, prefer_css_page_size=True)
    page.close()


def print_pdf(browser, html, target, width, height):
    """Print a page to PDF.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
        As from `launched`.
    html, target : Path
    width, height : str
        Size of the paper with its unit, such as "210mm".
    """
    page = browser.new_page(color_scheme="light")
    page.goto(html.resolve().as_uri())
    page.evaluate("window.MathJax?.startup?.promise")
    page.evaluate("document.fonts.ready")
    page.pdf(path=target, print_background=True, width=width, height=height)
    page.close()


if __name__ == "__main__":
    if not install():
        print("no Chromium here, and none that may be installed", file=sys.stderr)
        sys.exit(3)
    print(find())
