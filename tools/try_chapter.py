"""Run one chapter with other parameters and write its figures, without touching the book.

Examples
--------
    make try CHAPTER=01_potential SET="beta=0.05"
"""

import argparse
import ast
import re
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import chapters
import nbformat
from chapters import ROOT, ChapterError, literal_parameters, to_notebook
from figures import figures, write

from mb_support.files.cache import writable

FOLDER = ROOT / "_build" / "try"


def parsed(assignments, known):
    """Parameters from texts like "beta=0.05"; `ValueError` for what the chapter does not have."""
    values = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator or name not in known:
            raise ValueError(
                f"{assignment!r} sets no parameter of the chapter: write name=value without "
                f"spaces, with a name of {known}"
            )
        values[name] = _value(text)
    return values


def _value(text):
    # a Python literal; a fraction such as 1/20; anything else as it stands
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        pass
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        return text


def try_chapter(name, assignments):
    """Run a chapter with other parameters; returns the folder of its notebook and figures.

    Every choice of parameters has a folder of its own, so that figures can be compared.
    """
    name = Path(name).stem
    source = ROOT / "notebooks" / f"{name}.py"
    if not source.exists():
        known = sorted(path.stem for path in source.parent.glob("*.py"))
        raise ValueError(f"unknown chapter {name!r}: choose one of {known}")
    defaults = literal_parameters(to_notebook(source))
    values = parsed(assignments, defaults)
    choice = re.sub(r"[^\w.=,-]", "_", ",".join(assignments) or "defaults")
    folder = writable(FOLDER) / name / choice
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    notebook = folder / f"{name}.ipynb"
    chapters.execute(name, notebook, {"profile": "smoke"} | values)
    write(figures(nbformat.read(notebook, as_version=4)), folder)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "chapter", nargs="?", default="", help="name as in notebooks/, such as 01_potential"
    )
    parser.add_argument("parameters", nargs="*", help="such as beta=0.05")
    arguments = parser.parse_args()
    try:
        folder = try_chapter(arguments.chapter, arguments.parameters)
    except (ChapterError, ValueError) as error:
        sys.exit(f"\n{error}")
    for path in sorted(folder.glob("*.png")):
        print(path)
    print(f"\nFigures and notebook: {folder}")


if __name__ == "__main__":
    main()
