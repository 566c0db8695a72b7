"""The reference pages of the package, written from its folders, its docstrings and its parsers."""

import ast
import os
import re
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from public_names import EXAMPLES

#: {page: its folders and files}; a folder stands for all of its modules.
PAGES = {
    "api_physics": ("potential", "states", "simulation", "datasets"),
    "api_exact": ("reference", "observer"),
    "api_model": ("model", "training"),
    "api_use": ("generation", "classification", "statistics", "checks"),
    "api_studies": ("studies",),
    "api_figures": ("plotting", "profiles", "compiled", "files"),
}
#: Characters of a line of help.
WIDTH = 88


def modules_of(package, name):
    """Dotted names of the modules of a folder or file of the package, without the faces."""
    folder = package / name
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    parts = [path.relative_to(package.parent).with_suffix("").parts for path in files]
    return [".".join(part) for part in parts if part[-1] != "__init__"]


def module_page(package, names):
    """Everything that the modules of some folders and files have."""
    text = ""
    for module in (module for name in names for module in modules_of(package, name)):
        title = module.partition(".")[2]
        text += f"## `{title}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n\n"
    return text


# ---- public names ---------------------------------------------------------------------------


def entry_of(package, folder, name):
    """Dotted name under which a public name is documented, and a line that says what it is.

    The line is the summary of its docstring, or the first sentence of the comment on a constant.
    """
    found = getattr(import_module(f"{package.name}.{folder}"), name)
    for module in modules_of(package, folder):
        text = package.parent.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8")
        for node in ast.parse(text).body:
            if getattr(node, "name", None) == name and found.__module__ == module:
                return f"{module}.{name}", ast.get_docstring(node).splitlines()[0]
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
                said = " ".join(_comment_above(text, node.lineno))
                return f"{module}.{name}", re.match(r".+?\.(?= |$)|.+", said)[0]
    raise ValueError(f"{folder} defines no {name}")


def _comment_above(text, line):
    lines = text.splitlines()[: line - 1]
    first = next(i for i in range(len(lines), 0, -1) if not lines[i - 1].startswith("#:"))
    return [comment.removeprefix("#:").strip() for comment in lines[first:]]


def names_page(package):
    """Table of the public names: a line and an example of each, with a link to its entry."""
    top = set(import_module(package.name).__all__)
    text = ""
    for folder, examples in EXAMPLES.items():
        text += f"### From `{package.name}.{folder}`\n\n"
        text += ":::{div} names\n\n| name | what it is | example |\n|---|---|---|\n"
        for name, example in examples.items():
            target, line = entry_of(package, folder, name)
            link = f"{{py:obj}}`{name} <{target}>`" + ("\\*" if name in top else "")
            line = re.sub(r"([|*])", r"\\\1", line)
            text += f"| {link} | {line} | `{example}` |\n"
        text += "\n:::\n\n"
    return text


# ---- command line ---------------------------------------------------------------------------


def commands(package):
    """Names of the modules that can be run with ``python -m``, as they are called, in order."""
    names = [
        name
        for folder in sorted(path.stem for path in package.iterdir() if path.is_dir())
        for name in modules_of(package, folder)
    ]
    path_of = {name: package.parent.joinpath(*name.split(".")).with_suffix(".py") for name in names}
    return [name for name in names if "def command_parser(" in path_of[name].read_text("utf-8")]


def parser_of(module):
    """The parser of a module's command line."""
    return import_module(module).command_parser()


def make_targets(makefile):
    """{target: what it does} of a Makefile whose targets say so after ``##``."""
    return dict(re.findall(r"(?m)^([a-z-]+):.*?## (.*)$", Path(makefile).read_text("utf-8")))


def command_line_page(package):
    """The targets of `make`, and the help of every command of the package."""
    text = "## `make`\n\n:::{div} names\n\n| command | what it does |\n|---|---|\n"
    for target, what in make_targets(package.parent / "Makefile").items():
        typed = re.sub(r"([A-Z]+=\S+)", r"`\1`", what)  # quotes stay as they have to be typed
        text += f"| `make {target}` | {typed} |\n"
    text += "\n:::\n"
    with patch.dict(os.environ, {"COLUMNS": str(WIDTH + 2), "NO_COLOR": "1"}):
        for module in commands(package):
            parser = parser_of(module)
            title = parser.prog.removeprefix(f"python -m {package.name}.")
            text += f"\n## `{title}`\n\n```text\n{parser.format_help().rstrip()}\n```\n"
    return text


def write_api_pages(package, site):
    """Write `book/_generated/<page>.md` for each page; text that is unchanged is kept."""
    texts = {page: module_page(package, names) for page, names in PAGES.items()}
    texts |= {"api_names": names_page(package), "command_line": command_line_page(package)}
    for page, text in texts.items():
        target = Path(site) / "book" / "_generated" / f"{page}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text("utf-8") != text:
            target.write_text(text, "utf-8")
