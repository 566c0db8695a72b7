"""Results kept on disk, so that a chapter that runs again does not solve again."""

import hashlib
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from .paths import CACHE

#: Modules whose text decides what the solver returns.
SOLVER_MODULES = (
    "potential",
    "states",
    "grid",
    "linear_systems",
    "propagation",
    "reference",
    "forecast",
)


def cached(name, parameters, compute, modules=SOLVER_MODULES, folder=None):
    """Return `compute()`, from disk if it was computed before by the same code.

    Parameters
    ----------
    name : str
        What is computed; begins the file name.
    parameters : dict
        Everything the result depends on; must be writable as JSON.
    compute : callable
        Takes nothing, returns a dict of ndarrays.
    modules : tuple of str
        Modules of the package whose text is part of the key.
    folder : Path, optional
        Where to keep results, by default a folder in `paths.CACHE`.

    Returns
    -------
    dict of ndarray

    Raises
    ------
    ValueError
        If `parameters` cannot be written as JSON.
    """
    folder = Path(CACHE / "solver" if folder is None else folder)
    path = folder / f"{name}-{_digest(parameters, modules)}.npz"
    try:
        # Reading every array checks the file's checksums.
        with np.load(path) as stored:
            return {key: stored[key] for key in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        pass  # missing or damaged
    results = {key: np.asarray(value) for key, value in compute().items()}
    folder.mkdir(parents=True, exist_ok=True)
    # Written aside and moved into place: another process sees all of it or nothing.
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **results)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return results


def _digest(parameters, modules):
    try:
        text = json.dumps(parameters, sort_keys=True)
    except TypeError as error:
        raise ValueError(f"parameters must be writable as JSON: {error}") from None
    digest = hashlib.sha256(text.encode())
    for module in modules:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    return digest.hexdigest()[:20]
