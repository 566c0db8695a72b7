"""Take the labelled figures out of executed notebooks, as files named after their labels."""

import base64
from pathlib import Path

import nbformat
from chapters import chapter_names, notebook_path

SUFFIX = {"image/png": ".png", "image/svg+xml": ".svg"}


def figures(notebook):
    """Labelled pictures of a notebook, as {file name: content}."""
    found = {}
    for cell in notebook.cells:
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", []) if name else []:
            for kind, suffix in SUFFIX.items():
                content = output.get("data", {}).get(kind)
                if content and suffix == ".png":
                    found[name + suffix] = base64.b64decode(content)
                elif content:
                    found[name + suffix] = content.encode()
    return found


def write(pictures, folder):
    """Write pictures into a folder, leaving alone those that did not change."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        target = folder / name
        if not target.exists() or target.read_bytes() != content:
            target.write_bytes(content)


def write_all(profile, site):
    """Write the figures of all chapters where prose pages find them."""
    folder = Path(site) / "book" / "_generated" / "figures"
    wanted = {}
    for chapter in chapter_names():
        wanted |= figures(nbformat.read(notebook_path(chapter, profile), as_version=4))
    write(wanted, folder)
    for stale in folder.iterdir():
        if stale.name not in wanted:
            stale.unlink()
