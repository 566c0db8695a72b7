"""Reference outputs of the chapters, and the notebooks in which nbval compares them.

A cell marked `# NBVAL_CHECK_OUTPUT` prints rounded numbers that every run has to repeat. Its
output is kept in `tests/stored_outputs/<chapter>.ipynb`, which holds nothing else: the code always
comes from the chapter itself. `make reference` writes these files anew after a result moved.
"""

import configparser
import re
import shutil
from pathlib import Path

import nbformat
from chapters import ROOT, chapter_names, notebook_path, to_notebook

MARK = "# NBVAL_CHECK_OUTPUT"


class ReferenceError(Exception):
    """A marked cell has no stored output; the message says which."""


def reference_path(name, root=ROOT):
    """Where the stored outputs of a chapter are."""
    return root / "tests" / "stored_outputs" / f"{name}.ipynb"


def is_marked(cell):
    """Whether nbval compares the output of a cell."""
    return cell.cell_type == "code" and cell.source.lstrip().startswith(MARK)


def plain(source):
    """Source of a cell as the book shows it, without the mark."""
    return source.replace(f"{MARK}\n", "", 1).strip()


def stored_outputs(path):
    """Outputs kept in a reference notebook, as {source: outputs}."""
    if not path.exists():
        return {}
    cells = nbformat.read(path, as_version=4).cells
    return {plain(cell.source): cell.outputs for cell in cells if cell.outputs}


def comparison_notebook(source, reference):
    """Chapter as nbval shall run it: its own code, with the stored outputs of marked cells.

    Parameters
    ----------
    source : Path
        The chapter in percent format.
    reference : Path
        Its reference notebook.

    Returns
    -------
    nbformat.NotebookNode

    Raises
    ------
    ReferenceError
        If the chapter marks no cell, or a marked cell has no stored output.
    """
    notebook, outputs = to_notebook(source), stored_outputs(reference)
    marked = [cell for cell in notebook.cells if is_marked(cell)]
    if not marked:
        raise ReferenceError(f"{source.name}: no cell is marked {MARK}, so nothing is compared")
    for cell in marked:
        if not outputs.get(plain(cell.source)):
            first_line = plain(cell.source).split("\n")[0]
            raise ReferenceError(
                f"{source.name}: no stored output for the cell that begins {first_line!r}; "
                "if the change is meant, run `make reference` and look at its diff"
            )
        cell.outputs = outputs[plain(cell.source)]
    # nbval skips a notebook that looks as if it had never been executed
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
    return notebook


def prepare(folder, names=None, root=ROOT):
    """Write the comparison notebooks of chapters, by default of all, into an empty `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in names or chapter_names(root):
        source = root / "notebooks" / f"{name}.py"
        notebook = comparison_notebook(source, reference_path(name, root))
        nbformat.write(notebook, folder / f"{name}.ipynb")


def sanitised(text, root=ROOT):
    """Text as nbval compares it: without the digits that depend on the processor."""
    rules = configparser.ConfigParser(interpolation=None)
    rules.read(root / "tests" / "nbval_sanitize.cfg")
    for rule in rules.values():
        if "regex" in rule:
            text = re.sub(rule["regex"], rule["replace"], text)
    return text


def printed(outputs):
    """What a cell printed and returned, as one text."""
    parts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs]
    return "".join(parts)


def differences(name, profile="smoke", root=ROOT):
    """Marked cells of an executed chapter whose output is not the stored one.

    Returns a list of texts, one for each such cell; an empty one if all agree.
    """
    source = root / "notebooks" / f"{name}.py"
    reference = comparison_notebook(source, reference_path(name, root))
    executed = nbformat.read(notebook_path(name, profile, root), as_version=4)
    found = {plain(cell.source): cell.get("outputs", []) for cell in executed.cells}
    texts = []
    for cell in filter(is_marked, reference.cells):
        stored = sanitised(printed(cell.outputs), root)
        now = sanitised(printed(found[plain(cell.source)]), root)
        if stored != now:
            texts.append(f"{plain(cell.source)}\nstored:\n{stored}\nnow:\n{now}")
    return texts


def update(name, root=ROOT):
    """Write the reference of a chapter from its executed smoke notebook.

    Returns the path of the reference.
    """
    executed = nbformat.read(notebook_path(name, "smoke", root), as_version=4)
    outputs = {plain(cell.source): cell.get("outputs") for cell in executed.cells}
    kept = []
    for cell in to_notebook(root / "notebooks" / f"{name}.py").cells:
        if is_marked(cell):
            cell.outputs = outputs[plain(cell.source)]
            kept.append(cell)
    if not kept:
        raise ReferenceError(f"{name}: no cell is marked {MARK}")
    notebook = nbformat.v4.new_notebook(cells=kept)
    target = reference_path(name, root)
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    return Path(target)


if __name__ == "__main__":
    for chapter in chapter_names():
        print(update(chapter).relative_to(ROOT))
