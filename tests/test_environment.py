"""pyproject.toml, requirements.lock, environment.yml and what is installed tell one story."""

import importlib.metadata
import subprocess
import sys
import tomllib

import lock
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from project import ROOT

LINES = (ROOT / "requirements.lock").read_text().splitlines()
PINS = dict(line.split("==") for line in LINES if line and not line.startswith("#"))


def test_every_requirement_is_locked_in_a_version_it_allows():
    for text in lock.wanted():
        requirement = Requirement(text)
        pinned = PINS[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pinned), text


def test_the_lock_holds_what_the_project_needs_and_nothing_else():
    assert set(lock.closure(lock.wanted())) == set(PINS)


def test_the_tests_run_with_the_locked_versions():
    installed = {name: importlib.metadata.version(name).split("+")[0] for name in PINS}
    assert installed == PINS


def test_torch_is_locked_without_a_build_suffix():
    assert PINS["torch"] == "2.13.0"


@pytest.mark.parametrize("name", sorted(PINS))
def test_locked_versions_accept_the_python_of_debian_12(name):
    wanted = importlib.metadata.metadata(name).get("Requires-Python")  # not every package says
    assert SpecifierSet(wanted or "").contains("3.11.2")


def test_conda_environment_takes_everything_from_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, nested = environment["dependencies"]
    assert set(nested["pip"]) >= {"-r requirements.lock", "-e ."}
    python = next(entry.split("=")[1] for entry in conda if entry.startswith("python="))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SpecifierSet(project["requires-python"]).contains(f"{python}.2")
    assert {entry.split("=")[0] for entry in conda} <= {"python", "pip", "make"}


def test_the_package_imports_quickly_and_without_side_effects():
    code = (
        "import sys, time, random; state = random.getstate(); start = time.perf_counter();"
        "import mb_support; seconds = time.perf_counter() - start;"
        "assert seconds < 5, seconds; assert random.getstate() == state;"
        "assert not {'torch', 'transformers', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
