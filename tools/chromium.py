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


def print_pdf(html, target, width=None, height=None, style=None):
    """Print a page to PDF, in the given size or the one its style sheet asks for.

    Parameters
    ----------
    html, target : Path
    width, height : str, optional
        Size of the paper with its unit, such as "210mm".
    style : Path, optional
        Style sheet on top of those of the page.
    """
    with launched() as browser:
        page = browser.new_page(color_scheme="light")
        page.goto(html.resolve().as_uri())
        page.evaluate("window.MathJax?.startup?.promise")
        page.evaluate("document.fonts.ready")
        if style:
            page.add_style_tag(path=style)
        paper = {"width": width, "height": height} if width else {"prefer_css_page_size": True}
        page.pdf(path=target, print_background=True, **paper)


if __name__ == "__main__":
    if not install():
        print("no Chromium here, and none that may be installed", file=sys.stderr)
        sys.exit(3)
    print(find())
