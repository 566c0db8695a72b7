"""Kept results: made once for the same settings, written whole, and plain JSON."""

import json
from dataclasses import dataclass

import pytest

from mb_support.files.results import circumstances, keep, rounded, write_json


def test_a_result_is_made_once_and_again_when_its_settings_change(tmp_path):
    path, made = tmp_path / "results" / "part.json", []

    def make():
        made.append(1)
        return {"value": len(made)}

    said = []
    assert keep(path, {"length": (1, 2)}, make, report=said.append)
    assert not keep(path, {"length": (1, 2)}, make, report=said.append)
    assert said[-1] == "part is up to date"
    assert keep(path, {"length": (1, 3)}, make, report=said.append)
    kept = json.loads(path.read_text())
    assert kept["value"] == 2 and kept["length"] == [1, 3]
    assert {"wall_time_s", "threads", "machine", "versions", "commit"} <= set(kept["record"])


def test_a_result_may_not_overwrite_what_it_is_made_for(tmp_path):
    with pytest.raises(ValueError, match=r"result and settings both have \['n'\]"):
        keep(tmp_path / "a.json", {"n": 1}, lambda: {"n": 2}, packages=(), report=str)
    assert not (tmp_path / "a.json").exists()


def test_a_result_that_fails_leaves_the_one_that_was_there(tmp_path):
    path = tmp_path / "part.json"
    keep(path, {"seed": 1}, lambda: {"value": 1})
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        keep(path, {"seed": 2}, lambda: {"value": 1 / 0})
    with pytest.raises(TypeError):
        write_json(path, {"value": object()})
    assert path.read_bytes() == before


def test_floats_are_cut_to_digits_and_what_is_not_finite_is_null():
    @dataclass
    class Pair:
        value: float
        error: float

    assert rounded({1: (0.123456789, float("nan")), "p": Pair(2.0, float("inf"))}, 4) == {
        "1": [0.1235, None],
        "p": {"value": 2.0, "error": None},
    }


def test_versions_are_those_installed():
    import numpy

    assert circumstances("numpy")["versions"]["numpy"] == numpy.__version__
