"""Folders replaced as a whole: what was there, or all of what is new."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

#: Sizes and SHA-256 of the files beside it.
MANIFEST = "manifest.json"


def place_of(folder):
    """Where a symbolic link points, so that the link itself stays; else the folder."""
    return folder.resolve() if folder.is_symlink() else folder


def beside(folder, ending):
    """The folder's name, hidden and with an ending: a name that nobody else gives."""
    return folder.with_name(f".{folder.name}.{ending}")


@contextmanager
def replace_folder(folder):
    """Give a fresh folder to write to; it takes the place of `folder` when the block ends well.

    An error or a kill inside the block leaves `folder` as it was. A symbolic link stays one: what
    it points to is replaced. The place of a mount point, or of a folder among others that may not
    be written, cannot be taken; there each file is.
    """
    folder = place_of(Path(folder))
    is_fixed = folder.is_dir() and (os.path.ismount(folder) or not _may_write(folder.parent))
    fresh, old = beside(folder, "new"), beside(folder, "old")
    if is_fixed:
        fresh = folder / fresh.name
    elif old.exists() and not folder.exists():  # an earlier replacement stopped half-way
        old.rename(folder)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _flush(fresh)
    if is_fixed:
        _replace_files(folder, fresh)
        return
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _may_write(folder):
    return os.access(folder, os.W_OK | os.X_OK)


def _replace_files(folder, fresh):
    # the manifest last: until it is there, checksums tell that the others do not belong together
    names = sorted((path.name for path in fresh.iterdir()), key=lambda name: name == MANIFEST)
    for name in names:
        (fresh / name).replace(folder / name)
    fresh.rmdir()
    for path in folder.iterdir():
        if path.is_file() and path.name not in names:
            path.unlink()


def _flush(folder):
    # names reach the disk before contents do; after a power cut that would be an empty file
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
