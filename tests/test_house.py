"""The house: which folder may import from which, and how long a module may be."""

import ast
from graphlib import TopologicalSorter

import pytest
from project import ROOT

PACKAGE = ROOT / "mb_support"
#: From the ground up; each imports only from those before it. A name alone is a folder or a file.
FLOORS = (
    "files",
    "checks",
    "statistics",
    "compiled",
    "potential",
    "profiles",
    "states",
    "simulation",
    "reference",
    "observer",
    "datasets",
    "model",
    "training",
    "generation",
    "classification",
    "studies",
    "plotting",
)
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path):
    """Dotted names, without the package's, of what a module imports from the package."""
    here = ["mb_support", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            if base[0] == "mb_support":
                yield from (".".join([*base[1:], alias.name]) for alias in node.names)


def room(name):
    """The folder or file at the top of the package that a dotted name belongs to."""
    return name.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own == "__init__":  # the face of the whole hands everything on
        return
    above = {room(name) for name in imported(path)} - set(FLOORS[: FLOORS.index(own) + 1])
    assert not above, f"{own} imports from {sorted(above)}"


def test_rooms_of_studies_form_no_circle():
    below = {}
    for path in (PACKAGE / "studies").rglob("*.py"):
        own = path.relative_to(PACKAGE / "studies").with_suffix("").parts[0]
        names = [name.split(".")[1] for name in imported(path) if room(name) == "studies"]
        below.setdefault(own, set()).update(set(names) - {own})
    assert list(TopologicalSorter(below).static_order())


def test_the_top_of_the_package_is_a_short_list():
    ground = {"potential", "states", "checks", "statistics", "compiled", "profiles", "__init__"}
    top = {path.stem for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert top == ground | {name for name in FLOORS if name not in ground}
    assert len(top - ground) <= 12


def test_every_chapter_has_its_rooms():
    chapters = {path.stem.partition("_")[2] for path in (ROOT / "notebooks").glob("*.py")}
    chapters -= {"own_system"}  # a page of instructions: it measures nothing
    for folder in ("studies", "plotting"):
        rooms = {path.stem for path in (PACKAGE / folder).iterdir()}
        assert chapters <= rooms, folder


def test_no_module_is_long():
    lengths = {path: len(path.read_text().splitlines()) for path in MODULES}
    assert [path.name for path, n in lengths.items() if n > 400] == []
