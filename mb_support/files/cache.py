"""Results kept on disk, so that what ran once does not run again.

A cache is a convenience: where it cannot be read, what it holds is computed; where it cannot be
written, a folder in the temporary directory serves instead, or none, and one line says so.
"""

import hashlib
import io
import json
import os
import stat
import sys
import tempfile
from pathlib import Path

import numpy as np

from . import sources
from .paths import CACHE

_said = set()


def cached(name, parameters, compute, source=None, folder=None):
    """Return `compute()`, a dict of ndarrays, from disk if the same code computed it before.

    `parameters` is a dict of everything the result depends on, writable as JSON. The key also holds
    the module of `source`, the function that does the work (by default `compute`), and all that
    this module imports. `folder` is by default one in `paths.CACHE`.
    """
    try:
        settings = json.dumps(parameters, sort_keys=True)
    except TypeError as error:
        raise ValueError(f"parameters must be writable as JSON: {error}") from None
    code = sources.digest((compute if source is None else source).__module__)
    folder = Path(CACHE / "solver" if folder is None else folder)
    prefix = f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:20]}-"
    if code is not None:
        content = fetch(folder, f"{prefix}{code}.npz")
        if content is not None:
            try:
                with np.load(io.BytesIO(content)) as stored:
                    return {key: stored[key] for key in stored.files}
            except ValueError:
                pass  # arrays of objects, which are not read back
    results = {key: np.asarray(value) for key, value in compute().items()}
    if code is not None:
        content = io.BytesIO()
        np.savez(content, **results)
        keep(folder, f"{prefix}{code}.npz", content.getvalue(), replaces=f"{prefix}*")
    return results


def fetch(folder, name):
    """Bytes that `keep` wrote, or None if there are none or they are damaged."""
    own = temporary_folder(make=False)
    for place in (folder,) if own is None else (folder, own / Path(folder).name):
        try:
            content = (Path(place) / name).read_bytes()
        except OSError:
            continue
        if content[:32] == hashlib.sha256(content[32:]).digest():
            return content[32:]
    return None


def keep(folder, name, content, replaces=None):
    """Write bytes to a file of a folder, or of one in the temporary directory; or say why not.
    Other files that fit `replaces` are removed. Another process sees all of the file or
    nothing."""
    reason = None
    for place in _places(folder):
        try:
            _write(place / name, hashlib.sha256(content).digest() + content)
        except OSError as error:
            reason = reason or error.strerror or str(error)
            continue
        for old in place.glob(replaces) if replaces else ():
            if old.name != name:
                _remove(old)
        if reason is not None:
            _say(folder, reason, place.parent)
        return
    _say(folder, reason, None)


def writable(folder):
    """A folder if it can be written, else one in the temporary directory, as a line says; or
    `OSError`."""
    folder, reason = Path(folder), None
    for place in _places(folder):
        try:
            place.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place).close()
        except OSError as error:
            reason = reason or error
            continue
        if reason is not None:
            _say(folder, reason.strerror, place.parent)
        return place
    raise reason


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        _remove(Path(temporary))
        raise


def _remove(path):
    try:
        path.unlink()
    except OSError:
        pass


def _places(folder):
    yield Path(folder)
    own = temporary_folder()
    if own is not None:
        yield own / Path(folder).name


def temporary_folder(make=True):
    """A folder in the temporary directory that this user alone can write, or None."""
    try:
        user = os.getuid() if hasattr(os, "getuid") else "user"
        folder = Path(tempfile.gettempdir()) / f"mb_support-{user}"
        if make:
            folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISDIR(status.st_mode) and os.access(folder, os.W_OK)
    if hasattr(os, "getuid"):  # compiled code of somebody else's would run as ours
        is_ours &= status.st_uid == os.getuid() and not status.st_mode & 0o022
    return folder if is_ours else None


def _say(folder, reason, place):
    # one line for all folders: what is wrong with one is wrong with its neighbours
    if place not in _said:
        _said.add(place)
        kept = "nothing is kept" if place is None else f"using {place} for caches"
        print(f"mb_support: {folder} cannot be written ({reason}): {kept}", file=sys.stderr)
