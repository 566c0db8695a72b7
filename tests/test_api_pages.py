"""The pages on the package: names that exist, examples that run, commands as they are."""

import re
from importlib import import_module

import api_pages
import numpy as np
import pytest
import torch
from project import ROOT
from public_names import EXAMPLES

PACKAGE = ROOT / "mb_support"
FACES = {"potential", "simulation", "reference", "observer", "datasets", "model", "training"}


def test_the_table_has_every_name_of_every_face():
    for folder in FACES:
        assert sorted(EXAMPLES[folder]) == sorted(import_module(f"mb_support.{folder}").__all__)
    listed = {name for names in EXAMPLES.values() for name in names}
    assert set(import_module("mb_support").__all__) <= listed


@pytest.mark.parametrize("folder", EXAMPLES)
def test_every_name_of_the_table_exists_and_is_used_by_its_example(folder):
    module = import_module(f"mb_support.{folder}")
    for name, example in EXAMPLES[folder].items():
        assert getattr(module, name) is not None
        written, line = api_pages.entry_of(PACKAGE, folder, name)
        where, _, short = written.rpartition(".")
        assert getattr(import_module(where), short) is getattr(module, name)
        assert len(line) > 20, name
        assert re.search(rf"\b{name}\b", example) or name == "SimulationState"


@pytest.mark.slow
def test_quickstart_and_examples_run(tmp_path, monkeypatch):
    (tmp_path / "checkpoints").symlink_to(ROOT / "checkpoints")
    monkeypatch.chdir(tmp_path)
    space = {"torch": torch, "np": np}
    page = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, space)
    assert space["future"].shape == (2, 420, 2) and space["committor"].shape == (20, 512)
    right = space["states"] == (space["committor"][:, 0] > 0.5)
    assert right.mean() > 0.7
    for folder, examples in EXAMPLES.items():
        exec(f"from mb_support.{folder} import {', '.join(examples)}", space)
        for example in examples.values():
            exec(example, space)


def test_the_page_has_every_command_with_every_option_explained():
    text = api_pages.command_line_page(PACKAGE)
    runnable = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    assert sorted(api_pages.commands(PACKAGE)) == sorted(runnable)
    for module in runnable:
        parser = api_pages.parser_of(module)
        assert parser.prog == f"python -m {module.removesuffix('.__main__')}"
        assert f"usage: {parser.prog} " in text and parser.description
        assert f"## `{parser.prog.removeprefix('python -m mb_support.')}`\n" in text
        for action in parser._actions:
            assert action.help, f"{parser.prog}: {action.dest}"
            assert all(option in text for option in action.option_strings)
    assert max(map(len, text.partition("```text")[2].splitlines())) <= 100


def test_the_page_has_every_target_of_make():
    targets = api_pages.make_targets(ROOT / "Makefile")
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert set(targets) == set(phony)
    text = api_pages.command_line_page(PACKAGE)
    plain = text.replace("`", "")
    assert all(f"| make {target} | {what} |" in plain for target, what in targets.items())
    assert '`SET="beta=0.05"`' in text, "quotes that a shell understands"
