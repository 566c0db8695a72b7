"""PDF of the whole book (`make pdf`) and of the poster page (`make poster`), through Chromium."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from build_book import build, html_folder
from chapters import ROOT, ChapterError
from chromium import launched, print_on_one_sheet, print_pdf

#: Width and height of the poster, in millimetres.
A0 = 841, 1189


def whole_book():
    """The book as one html page; returns its path."""
    output = ROOT / "_build" / "single"
    shutil.rmtree(output, ignore_errors=True)
    command = [Path(sys.executable).parent / "jupyter-book", "build", ROOT]
    command += ["--builder", "singlehtml", "--path-output", output, "--all"]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    if done.returncode:
        raise ChapterError(f"the single page does not build:\n{done.stdout[-3000:]}{done.stderr}")
    folder = output / "_build" / "singlehtml"
    page = folder / "book" / "intro.html"
    # the root page lies in a sub-folder, while its links count from the top
    text = re.sub(r'((?:href|src)=")\.\./', r"\1", page.read_text(encoding="utf-8"))
    target = folder / "whole-book.html"
    target.write_text(text, encoding="utf-8")
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["book", "poster"])
    what = parser.parse_args().what
    try:
        build("poster")
        target = ROOT / "_build" / f"{what}.pdf"
        if what == "poster":
            page = html_folder("poster") / "book" / "poster.html"
            style = ROOT / "book" / "_static" / "poster-print.css"
            with launched() as browser:
                print_on_one_sheet(browser, page, target, style, *A0)
        else:
            page = whole_book()
            with launched() as browser:
                print_pdf(browser, page, target, width="210mm", height="297mm")
    except (ChapterError, RuntimeError) as error:
        sys.exit(f"\n{error}")
    print(f"\nPDF of the {what}: {target}")


if __name__ == "__main__":
    main()
