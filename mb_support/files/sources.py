"""What a result was made by: a digest of a module's text and of all that it imports.

Compiled code and results kept on disk come from all of these modules. Nobody has to list them.
"""

import ast
import functools
import hashlib
import importlib.metadata
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


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
        own = _file_of(names[1:], PACKAGE) if names[0] == PACKAGE.name else None
        paths = {own} | imported_by(own) if own else set(_LOADED)
        if any(_LOADED.get(path) != _stamp(path) for path in paths):
            return None
        packages = sorted(set().union(*(_imports(path, PACKAGE)[1] for path in paths)))
        found = hashlib.sha256("".join(map(_version, packages)).encode())
        for path in sorted(paths):
            found.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
        outside = getattr(sys.modules.get(module), "__file__", None)
        if names[0] != PACKAGE.name and outside is not None:
            found.update(Path(outside).read_bytes())
    except (OSError, SyntaxError):
        return None
    return found.hexdigest()[:20]


def imported_by(path, package=PACKAGE):
    """Files of a package that a Python file imports, directly or not, as a set of `Path`."""
    reached, waiting = set(), [Path(path)]
    while waiting:
        new = _imports(waiting.pop(), package)[0] - reached
        reached |= new
        waiting += new
    return reached


def _file_of(names, package):
    # the file of a module or package, given its name in this package; None if there is none
    path = package.joinpath(*names)
    found = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in found if file.is_file()), None)


def _imports(path, package):
    # files of this package, and names of other packages, that a file imports anywhere in it
    return _imports_of_text(path, package, path.read_text(encoding="utf-8"))


@functools.cache
def _imports_of_text(path, package, text):
    here = path.relative_to(package).parts[:-1] if path.is_relative_to(package) else ()
    files, packages = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            names = node.module.split(".") if node.module else []
            if node.level:
                names = [*here[: len(here) - node.level + 1], *names]
            elif names[0] == package.name:
                names = names[1:]
            else:
                packages.add(names[0])
                continue
            face = _file_of(names, package)
            on_demand = _handed_on(face)
            files |= {_file_of(names[:n], package) for n in range(len(names) + 1)}
            for alias in node.names:
                files.add(_file_of([*names, alias.name], package) or on_demand.get(alias.name))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                names = alias.name.split(".")
                if names[0] == package.name:
                    face = _file_of(names[1:], package)
                    files |= {_file_of(names[1:n], package) for n in range(1, len(names) + 1)}
                    files |= {*_handed_on(face).values()}
                else:
                    packages.add(names[0])
    return files - {None, path}, packages - set(sys.stdlib_module_names)


def _handed_on(face):
    # {name: file} of what an `__init__.py` loads on demand, which its `_PUBLIC` says
    if face is None or face.name != "__init__.py":
        return {}
    for node in ast.parse(face.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PUBLIC":
            public = ast.literal_eval(node.value)
            return {
                name: _file_of(module.split("."), face.parent)
                for module, names in public.items()
                for name in names
            }
    return {}


@functools.cache
def _version(package):
    try:
        return f"{package} {importlib.metadata.version(package)};"
    except importlib.metadata.PackageNotFoundError:
        return f"{package};"
