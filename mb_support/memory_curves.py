"""What a small learner makes of windows of past frames, between the limits of `memory`."""

import numpy as np
import pandas as pd

from .collective_variable import SOURCE, TARGET, exact_committor
from .datasets import family_seed
from .memory import sample_arrivals, shooting_bounds
from .readouts import fit_linear, fit_probe, monomials

#: Penalties on what the past adds, among which validation windows choose.
RIDGES = (1.0, 1e2, 1e3, 1e4, 1e5)
FAMILIES = ("train", "validation", "test")
_SURE = 3.29  # standard errors on each side of a normal distribution's 99.9 %


def window_features(windows, window_length, velocities=None):
    """Features of the last frames of windows: where, and how it came there.

    Polynomials of degree five of the last position, and the displacements between the last
    `window_length` frames (or the present velocity), each times polynomials of degree two.

    Parameters
    ----------
    windows : (n, n_frames, 2) ndarray
    window_length : int
        1 to n_frames.
    velocities : (n, 2) ndarray, optional
        Used in place of the displacements.

    Returns
    -------
    (n, n_features) ndarray

    Raises
    ------
    ValueError
        If the windows hold fewer frames than `window_length`.
    """
    if not 1 <= window_length <= windows.shape[1]:
        raise ValueError(
            f"window_length must be from 1 to {windows.shape[1]}; got {window_length!r}"
        )
    last = windows[:, -1].astype(float)
    motion = np.diff(windows[:, -window_length:].astype(float), axis=1).reshape(len(windows), -1)
    if velocities is not None:
        motion = velocities
    # about the middle of the transition region, in its own size
    place = monomials(last, 5, centre=(-0.4, 0.6), scale=0.4)[:, 1:]
    factors = monomials(last, 2, centre=(-0.4, 0.6), scale=0.4)
    products = (factors[:, :, None] * motion[:, None, :]).reshape(len(last), -1)
    return np.concatenate([place, products], axis=1)


def _log_loss(probe, features, outcomes):
    logit = probe.logit(features)
    return np.logaddexp(0, logit) - outcomes * logit


def _held_out_losses(train, validation, test, window_length, with_velocities=False):
    """Losses on each test window, (n,) and (n,), with penalties chosen on validation windows."""
    parts = [
        window_features(part.windows, window_length, part.velocities if with_velocities else None)
        for part in (train, validation, test)
    ]
    moves = [part.next_frames - part.windows[:, -1] for part in (train, validation, test)]
    n_place = window_features(train.windows[:1], 1).shape[1]
    n_motion = parts[0].shape[1] - n_place
    # one position alone is fitted freely, so that a longer window starts from the same fit
    penalties = [np.repeat([1.0, ridge], [n_place, n_motion]) for ridge in RIDGES]
    penalties = penalties if n_motion else penalties[:1]
    probes = [fit_probe(parts[0], train.outcomes, ridge=ridge) for ridge in penalties]
    probe = min(probes, key=lambda p: _log_loss(p, parts[1], validation.outcomes).mean())
    steps = [fit_linear(parts[0], moves[0], ridge=ridge) for ridge in penalties]
    step = min(steps, key=lambda s: np.square(s(parts[1]) - moves[1]).sum(axis=1).mean())
    return (
        _log_loss(probe, parts[2], test.outcomes),
        np.square(step(parts[2]) - moves[2]).sum(axis=1),
    )


def memory_curve(train, validation, test, window_lengths):
    """How well windows of several lengths forecast, on held-out windows.

    Parameters
    ----------
    train, validation, test : Arrivals
    window_lengths : sequence of int
        The first is what the others are compared with.

    Returns
    -------
    pandas.DataFrame
        A row for each length, and a last one (`window_length` 0) for a learner that is given the
        present velocity, if there is one. `outcome` is the mean log-loss (nats) of which disk
        comes first, `next_frame` the mean squared error of the next frame (length^2);
        `*_error` are standard errors, `*_gain` what is gained over the first length and
        `*_gain_error` its standard error, from differences on the same windows.
    """
    rows, reference = [], None
    cases = [(length, False) for length in window_lengths]
    if train.velocities is not None:
        cases.append((1, True))
    for length, with_velocities in cases:
        losses = _held_out_losses(train, validation, test, length, with_velocities)
        reference = losses if reference is None else reference
        row = {"window_length": 0 if with_velocities else length}
        for name, loss, first in zip(("outcome", "next_frame"), losses, reference, strict=True):
            root = np.sqrt(len(loss))
            row |= {
                name: loss.mean(),
                f"{name}_error": loss.std(ddof=1) / root,
                f"{name}_gain": (first - loss).mean(),
                f"{name}_gain_error": (first - loss).std(ddof=1) / root,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def memory_verdict(curve, window_length):
    """Whether windows of a length forecast the outcome better than one frame, as far as seen.

    Parameters
    ----------
    curve : pandas.DataFrame
        From `memory_curve`.
    window_length : int

    Returns
    -------
    str
        "helps" or "harms" if the 99.9 % interval of the gain leaves out zero, else "no effect
        seen"; so wide because gains of several lengths are looked at.

    Raises
    ------
    ValueError
        If the curve has no such length.
    """
    rows = curve[curve.window_length == window_length]
    if len(rows) != 1:
        raise ValueError(
            f"window_length must be one of {curve.window_length.tolist()}; got {window_length!r}"
        )
    gain, error = rows.outcome_gain.iloc[0], rows.outcome_gain_error.iloc[0]
    if abs(gain) <= _SURE * error:
        return "no effect seen"
    return "helps" if gain > 0 else "harms"


def compare_dynamics(dynamics, solver, window_lengths, n_arrivals, n_shots, index):
    """Held-out losses by window length, and their limits, for several kinds of dynamics.

    Parameters
    ----------
    dynamics : dict of str to SimulationConfig
        All at the solver's temperature.
    solver : GridSolver
    window_lengths : sequence of int
    n_arrivals : int
        Windows on which the learner is fitted, as many on which its penalty is chosen, and as many
        on which it is scored.
    n_shots : (int, int)
        Points of the scored windows from which limits are found, and simulations from each.
    index : int
        Which seeds of the families; the next one for the limits.

    Returns
    -------
    curves : dict of str to pandas.DataFrame
        From `memory_curve`.
    limits : dict of str to dict of str to dict
        From `shooting_bounds`, by what is known: "position", and "position, velocity" where the
        dynamics has velocities.
    """
    committor = exact_committor(solver)
    n_points, n_each = n_shots
    curves, limits = {}, {}
    for name, config in dynamics.items():
        sets = [
            sample_arrivals(
                config, solver, committor, SOURCE, TARGET, n_arrivals, max(window_lengths),
                family_seed(family, index),
            )
            for family in FAMILIES
        ]  # fmt: skip
        curves[name] = memory_curve(*sets, window_lengths)
        points, velocities = sets[-1].windows[:n_points, -1], sets[-1].velocities
        known = {"position": None}
        if velocities is not None:
            known["position, velocity"] = velocities[:n_points]
        limits[name] = {
            words: shooting_bounds(
                config, points, given, SOURCE, TARGET, n_each, family_seed("test", index + 1)
            )
            for words, given in known.items()
        }
    return curves, limits


def gain_table(curves):
    """Losses and gains of `memory_curve` with standard errors, and the verdict, as text.

    Parameters
    ----------
    curves : dict of str to pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        Index: dynamics and frames in the window.
    """
    rows = {}
    for name, curve in curves.items():
        for row in curve.itertuples():
            length = row.window_length or "1, and its velocity"
            rows[name, length] = {
                "log-loss": f"{row.outcome:.4f} ± {row.outcome_error:.4f}",
                "gain": f"{row.outcome_gain:.4f} ± {row.outcome_gain_error:.4f}",
                "verdict": memory_verdict(curve, row.window_length) if length != 1 else "",
                "next frame": f"{row.next_frame:.5f} ± {row.next_frame_error:.5f}",
            }
    table = pd.DataFrame(rows).T
    table.index.names = ["dynamics", "frames"]
    return table


def limits_of(limits, quantity):
    """Limits of `compare_dynamics` for one quantity, as `plot_memory` draws them.

    Parameters
    ----------
    limits : dict of str to dict of str to dict
    quantity : {"outcome", "next_frame"}

    Returns
    -------
    dict of str to dict of str to (float, float)
        Value and standard error, by dynamics and by what is known.
    """
    return {
        name: {words: (b[quantity], b[f"{quantity}_error"]) for words, b in known.items()}
        for name, known in limits.items()
    }


def worth_of_velocity(known):
    """How much the exact velocity lowers the least log-loss, and its standard error, nats.

    Parameters
    ----------
    known : dict of str to dict
        Limits given "position" and given "position, velocity".

    Returns
    -------
    float, float
        The error takes the limits as independent; they share points, so it is rather too large.
    """
    without, with_velocity = known["position"], known["position, velocity"]
    error = np.hypot(without["outcome_error"], with_velocity["outcome_error"])
    return without["outcome"] - with_velocity["outcome"], float(error)
