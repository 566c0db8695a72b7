"""Arguments checked at the door: what passes is returned in a plain form, the rest is refused."""

import numpy as np

#: Most states of a classifier: a larger label is an identifier, or a mistake.
MOST_STATES = 10_000


def checked_positive(name, value, allow_zero=False):
    """`value` as a float; `ValueError` unless it is one positive (or zero) finite number."""
    least = "zero or positive" if allow_zero else "positive"
    if isinstance(value, bool | str) or np.ndim(value) != 0:
        raise ValueError(f"{name} must be one {least} number; got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be one {least} number; got {value!r}") from None
    if not np.isfinite(number) or number < 0 or (number == 0 and not allow_zero):
        raise ValueError(f"{name} must be {least} and finite; got {value!r}")
    return number


def checked_count(name, value, smallest=1, largest=None):
    """`value` as an int; `ValueError` unless it is an integer in the range."""
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or value < smallest or (largest is not None and value > largest):
        allowed = f"of at least {smallest}" if largest is None else f"from {smallest} to {largest}"
        raise ValueError(f"{name} must be an integer {allowed}; got {value!r}")
    return int(value)


class Named(dict):
    """A dictionary of {name: thing}; asking for a name that is not there is a `ValueError`."""

    def __missing__(self, name):
        raise ValueError(f"there is no {name!r}: choose one of {list(self)}")


def checked_name(what, name, known):
    """`name`; `ValueError` unless it is one of those `known`."""
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"unknown {what} {name!r}: choose one of {list(known)}")
    return name


def checked_array(name, values):
    """`values` as an array of real numbers; `ValueError` for ragged rows, texts, masked numbers."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} must not be masked in part: leave out or replace what is masked")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be a regular array; got rows of different lengths") from None
    except (TypeError, RuntimeError) as error:  # tensors that learn, or lie elsewhere
        raise ValueError(f"{name} cannot be read as an array: {error}") from None
    if not (np.issubdtype(array.dtype, np.number) and np.isrealobj(array)):
        raise ValueError(f"{name} must hold real numbers; got dtype {array.dtype}")
    return array


def checked_positions(positions, name="positions", finite=True):
    """`positions` as a floating-point array (..., 2); `ValueError` for other shapes or NaN."""
    positions = checked_array(name, positions)
    if positions.ndim == 0 or positions.shape[-1] != 2:
        raise ValueError(
            f"{name} must have shape (..., 2), one (x, y) per point; got {positions.shape}"
        )
    if finite and not np.isfinite(positions).all():
        bad = np.argwhere(~np.isfinite(positions).all(axis=-1))[0].tolist()
        raise ValueError(f"{name} must be finite; got {positions[tuple(bad)].tolist()} at {bad}")
    is_precise = np.issubdtype(positions.dtype, np.floating) and positions.dtype.itemsize >= 4
    return positions if is_precise else positions.astype(float)


def checked_disk(name, disk):
    """A (centre, radius) disk as a (2,) array and a float; `ValueError` if it is not one."""
    try:
        centre, radius = disk
        centre = np.asarray(centre, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a pair (centre, radius); got {disk!r}") from None
    if centre.shape != (2,) or not np.isfinite(centre).all():
        raise ValueError(f"{name} must have a finite centre (x, y); got {disk[0]!r}")
    return centre, checked_positive(f"{name} radius", radius)
