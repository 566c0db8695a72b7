"""Digests of what results and compiled code are made of, tried on a copy of the package."""

import shutil
import subprocess
import sys

import pytest
from project import ROOT


@pytest.fixture
def package(tmp_path):
    """The folder of a copy of the package."""
    copy = tmp_path / "mb_support"
    shutil.copytree(ROOT / "mb_support", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def digests(package, *modules):
    """Digests of modules, as a new process finds them."""
    code = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r});"
        "from mb_support.files.sources import digest;"
        f"print(*[digest('mb_support.' + name) for name in {modules!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def edit(package, name):
    path = package / f"{name}.py"
    path.write_text(path.read_text() + "\nADDED = 1\n")


@pytest.mark.parametrize(
    ("edited", "user"),
    [
        ("simulation/forces", "simulation.kernels"),
        ("simulation/random_numbers", "simulation.kernels"),
        ("compiled", "simulation.kernels"),
        ("potential/mueller_brown", "simulation"),
        ("potential/base", "simulation.langevin"),
        ("simulation/kernels", "simulation.passages"),
        ("reference/grid", "reference.solver"),
        ("reference/elimination", "reference.solver"),
        ("observer/transition_density", "observer.ideal"),
        ("model/transformer", "model.inference"),
    ],
)
def test_a_module_has_another_digest_once_what_it_draws_on_has_changed(package, edited, user):
    before = digests(package, user, "files.paths")
    edit(package, edited)
    after = digests(package, user, "files.paths")
    assert before[0] != after[0] and before[1] == after[1]


def test_what_a_figure_looks_like_changes_no_result(package):
    users = ("simulation.kernels", "reference.solver", "observer.ideal", "model.inference")
    before = digests(package, *users)
    edit(package, "plotting/style")
    assert digests(package, *users) == before


def test_a_process_whose_text_has_changed_under_it_knows_no_digest(package):
    code = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r});"
        "from mb_support.files.sources import digest; from pathlib import Path;"
        f"path = Path({str(package / 'simulation/forces.py')!r});"
        "path.write_text(path.read_text() + '# more');"
        "print(digest('mb_support.simulation.kernels'),"
        "digest('mb_support.plotting.style') is None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False"]
