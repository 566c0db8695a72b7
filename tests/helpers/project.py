"""Where things are, and what tests of the pages load."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def book_extension(name):
    """An extension of the book's pages, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
