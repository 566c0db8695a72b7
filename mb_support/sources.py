"""What a result was made by: a digest of a module's text and of all that it imports.

Compiled code and results kept on disk come from all of these modules. Nobody has to list them.
"""

import ast
import functools
import hashlib
import importlib.metadata
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _stamp(path):
    status = path.stat()
    return status.st_mtime_ns, status.st_size


#: Of every file when this module was loaded. Text that changed since is not what this process runs.
_LOADED = {path: _stamp(path) for path in PACKAGE.rglob("*.py")}


def digest(module):
    """20 hexadecimal digits of everything that the results of a module, given by name, depend on.

    That is its text, that of the modules of this package that it imports, directly or not, and the
    versions of the other packages that these import. For a module that is not of this package, such
    as a notebook's, the whole package counts. None if a file has changed since this process began:
    nobody knows what the process runs.
    """
    names = module.split(".")
    try:
        if names[0] == PACKAGE.name:
            paths = _reached(_file_of(names[1:]))
        else:
            paths = set(_LOADED)
        if not paths or any(_LOADED.get(path) != _stamp(path) for path in paths):
            return None
        packages = sorted(set().union(*(_imports(path)[1] for path in paths)))
        found = hashlib.sha256("".join(map(_version, packages)).encode())
        for path in sorted(paths):
            found.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
        own = getattr(sys.modules.get(module), "__file__", None)
        if names[0] != PACKAGE.name and own is not None:
            found.update(Path(own).read_bytes())
    except (OSError, SyntaxError):
        return None
    return found.hexdigest()[:20]


def _file_of(names):
    # the file of a module or package, given its name in this package; None if there is none
    path = PACKAGE.joinpath(*names)
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file in _LOADED:
            return file
    return None


def _reached(start):
    # a file and all that it imports
    if start is None:
        return set(_LOADED)
    reached, waiting = {start}, [start]
    while waiting:
        new = _imports(waiting.pop())[0] - reached
        reached |= new
        waiting += new
    return reached


@functools.cache
def _imports(path):
    # files of this package, and names of other packages, that a file imports anywhere in it
    text = path.read_text(encoding="utf-8")
    here = path.relative_to(PACKAGE).parts[:-1]
    files, packages = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            names = node.module.split(".") if node.module else []
            if node.level:
                names = [*here[: len(here) - node.level + 1], *names]
            elif names[0] == PACKAGE.name:
                names = names[1:]
            else:
                packages.add(names[0])
                continue
            modules = [_file_of([*names, alias.name]) for alias in node.names]
            files.update(filter(None, modules))
            if None in modules or node.module:
                files.add(_file_of(names))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                names = alias.name.split(".")
                if names[0] == PACKAGE.name:
                    files.add(_file_of(names[1:]))
                else:
                    packages.add(names[0])
    if "import_module(" in text and path.name == "__init__.py":  # it loads its folder on demand
        files.update(file for file in _LOADED if file.parent == path.parent)
    return files - {None, path}, packages - set(sys.stdlib_module_names)


@functools.cache
def _version(package):
    try:
        return f"{package} {importlib.metadata.version(package)};"
    except importlib.metadata.PackageNotFoundError:
        return f"{package};"
