"""A file replaced as a whole: what was there, or all of what is new."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_file(path):
    """Give the path of a fresh file to write to; it takes the place of `path` if the block ends.

    An error inside the block leaves `path` as it was. Missing folders are made. A `ValueError` says
    why a file cannot be written.
    """
    path = Path(path)
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # the same ending: some writers look at it
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".new-", suffix=path.suffix)
        os.close(handle)
        yield Path(aside)
        os.chmod(aside, 0o666 & ~_umask())  # made for its owner alone
        os.replace(aside, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error}") from error
    finally:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
