"""Bring the figure of README.md and the introduction up to date from the executed book."""

import sys

import figures
import nbformat
from chapters import ROOT, notebook_path

CHAPTER, FIGURE = "01_potential", "fig-potential-committor.png"
TARGET = ROOT / "book" / "_static" / "overview.png"


def main():
    notebook = notebook_path(CHAPTER, "poster")
    if not notebook.exists():
        sys.exit(f"{CHAPTER} was not executed yet: run `make book` first")
    TARGET.write_bytes(figures.figures(nbformat.read(notebook, as_version=4))[FIGURE])
    print(f"{TARGET.relative_to(ROOT)}: {FIGURE} of {CHAPTER}")


if __name__ == "__main__":
    main()
