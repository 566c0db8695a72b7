"""Does a longer window tell more? Windows of past frames, and the most they say of what comes next.

In overdamped dynamics the present position is all there is to know. In underdamped dynamics the
present is (x_t, v_t), and earlier positions tell of the velocity:

    H(future | x_t, v_t)  <=  H(future | x_{t-w+1}, ..., x_t)  <=  H(future | x_t).

Both ends are estimated by shooting many simulations from the same point; the middle is what a
small learner makes of windows. In overdamped dynamics both ends coincide.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.linalg import solve_toeplitz
from scipy.special import digamma
from sklearn.preprocessing import PolynomialFeatures

from ...datasets.sets import family_seed
from ...simulation.langevin import SimulationState, simulate
from ...states import DISKS, inside_disks
from ...statistics import mean_with_error
from .frames import exact_committor
from .readouts import fit_linear, fit_probe

#: Penalties on what the past adds, among which validation windows choose.
RIDGES = (1.0, 1e2, 1e3, 1e4, 1e5)
_HIT_STEPS = {"underdamped": 2}  # integrator steps between two looks at the disks
_PIECE = 100  # looks in a piece of simulation
_SURE = 3.29  # standard errors on each side of a normal distribution's 99.9 %
_PLACE = PolynomialFeatures(5, include_bias=False)
_FACTORS = PolynomialFeatures(2)


@dataclass(frozen=True)
class Arrivals:
    """Windows of equilibrium trajectories that end in the transition region, and their futures."""

    windows: np.ndarray  # (n, n_frames, 2) float32, the past; the last frame is the present
    velocities: np.ndarray | None  # (n, 2) at present; "underdamped" only
    next_frames: np.ndarray  # (n, 2) float32, one frame later
    outcomes: np.ndarray  # (n,) int64, 1 where the target is reached before the source, else 0


def transition_points(solver, committor, n, generator, low=0.2, high=0.8):
    """Draw (n, 2) points from the Boltzmann density where low < committor < high."""
    weight = np.where((committor > low) & (committor < high), solver.stationary_density(), 0.0)
    nodes = generator.choice(weight.size, size=n, p=weight.ravel() / weight.sum())
    offsets = (generator.random((n, 2)) - 0.5) * solver.grid_step
    return solver.positions.reshape(-1, 2)[nodes] + offsets


def thermal_velocities(config, n, generator):
    """Maxwell-Boltzmann velocities, (n, 2); None if the dynamics has none."""
    if config.integrator != "underdamped":
        return None
    return generator.normal(size=(n, 2)) / np.sqrt(config.beta * config.mass)


def first_reached(config, points, velocities, disks, seed, max_time=50.0):
    """Which of two disks each trajectory reaches first, 0 for the source, (n,); `RuntimeError` if
    one reaches neither by `max_time`: leaving it out would be a bias."""
    stride = _HIT_STEPS.get(config.integrator, 5)
    config = replace(config, stride=stride, n_frames=_PIECE + 1)
    outcome = np.full(len(points), -1, dtype=np.int64)
    running, state = np.arange(len(points)), SimulationState(points, velocities, 0)
    elapsed, used = 0.0, 0
    while len(running):
        if elapsed >= max_time:
            raise RuntimeError(f"{len(running)} trajectories reached neither disk by {max_time}")
        # a fresh index for each piece: those still running can close ranks
        frames, end = simulate(config, state, seed, first_trajectory=used, return_state=True)
        used += len(running)
        elapsed += config.total_time
        reached = inside_disks(frames, disks)
        first = (reached >= 0).argmax(axis=1)
        outcome[running] = reached[np.arange(len(running)), first]
        going = outcome[running] < 0
        running = running[going]
        left = None if velocities is None else end.velocities[going]
        state = SimulationState(end.positions[going], left, 0)
    return outcome


def sample_arrivals(config, solver, committor, n, n_frames, seed):
    """Draw n `Arrivals`: windows of n_frames whose last frame is in the transition region.

    The present is drawn from the Boltzmann distribution. Equilibrium trajectories look the same in
    reverse once velocities change sign, so the past is a simulation from (x_t, -v_t), read
    backwards.
    """
    generator = np.random.default_rng(seed)
    points = transition_points(solver, committor, n, generator)
    velocities = thermal_velocities(config, n, generator)
    past, future, end = (int(s) for s in generator.integers(2**62, size=3))
    reverse = SimulationState(points, None if velocities is None else -velocities, 0)
    windows = simulate(replace(config, n_frames=n_frames), reverse, past)[:, ::-1]
    present = SimulationState(points, velocities, 0)
    next_frames, after = simulate(replace(config, n_frames=2), present, future, return_state=True)
    # the outcome belongs to the same future as the next frame, unless a disk is reached before
    early = inside_disks(next_frames, DISKS)[:, 1]
    outcomes = first_reached(config, after.positions, after.velocities, DISKS, end)
    outcomes = np.where(early >= 0, early, outcomes)
    return Arrivals(np.ascontiguousarray(windows), velocities, next_frames[:, 1], outcomes)


# ---- limits ---------------------------------------------------------------------------------


def binomial_entropy(successes, n_shots):
    """Entropy of a coin, in nats, from its throws, with little bias even for few of them: digamma
    in place of the logarithm, P. Grassberger, Phys. Lett. A 128, 369 (1988)."""
    counts = np.stack([successes, n_shots - np.asarray(successes)]).astype(float)
    terms = np.where(counts > 0, counts * digamma(np.maximum(counts, 1)), 0.0)
    return digamma(n_shots) - terms.sum(axis=0) / n_shots


def shooting_bounds(config, points, velocities, n_shots, seed):
    """What can be known of the future from positions, or positions and velocities: mean entropy of
    the disk reached first, and variance of the next frame, with errors over points."""
    generator = np.random.default_rng(seed)
    starts = np.repeat(points, n_shots, axis=0)
    if velocities is None:
        velocities = thermal_velocities(config, len(starts), generator)
    else:
        velocities = np.repeat(velocities, n_shots, axis=0)
    step_seed, end_seed = (int(s) for s in generator.integers(2**62, size=2))
    reached = first_reached(config, starts, velocities, DISKS, end_seed)
    entropy = binomial_entropy(reached.reshape(-1, n_shots).sum(axis=1), n_shots)
    state = SimulationState(starts, velocities, 0)
    frames = simulate(replace(config, n_frames=2), state, step_seed)[:, 1].astype(float)
    variance = frames.reshape(-1, n_shots, 2).var(axis=1, ddof=1).sum(axis=-1)
    return {"outcome": mean_with_error(entropy), "next_frame": mean_with_error(variance)}


def free_flight_error(config, window_length):
    """Exact error of the best forecast from w positions of a free particle, length^2: displacements
    (Uhlenbeck and Ornstein, Phys. Rev. 36, 823, 1930) are Gaussian, so the best one is linear."""
    friction = config.friction_rate
    g = friction * config.frame_time
    scale = 2 / (config.beta * config.mass * friction**2)  # two coordinates
    variance = 2 * (g - 1 + np.exp(-g))
    if window_length == 1:
        return float(scale * variance)
    covariance = (1 - np.exp(-g)) ** 2 * np.exp(-g * np.arange(window_length - 1))
    first_row = np.concatenate([[variance], covariance[:-1]])
    return float(scale * (variance - covariance @ solve_toeplitz(first_row, covariance)))


# ---- a learner between them -----------------------------------------------------------------


def window_features(windows, window_length, velocities=None):
    """Polynomials of the last position, and displacements (or velocities) times polynomials."""
    last = windows[:, -1].astype(float)
    motion = np.diff(windows[:, -window_length:].astype(float), axis=1).reshape(len(windows), -1)
    if velocities is not None:
        motion = velocities
    # about the middle of the transition region, in its own size
    scaled = (last - np.array([-0.4, 0.6])) / 0.4
    factors = _FACTORS.fit_transform(scaled)
    products = (factors[:, :, None] * motion[:, None, :]).reshape(len(last), -1)
    return np.concatenate([_PLACE.fit_transform(scaled), products], axis=1)


def _log_loss(probe, features, outcomes):
    logit = probe.logit(features)
    return np.logaddexp(0, logit) - outcomes * logit


def _held_out_losses(train, validation, test, window_length, with_velocities=False):
    # losses on each test window, (n,) and (n,), with penalties chosen on validation windows
    parts = [
        window_features(part.windows, window_length, part.velocities if with_velocities else None)
        for part in (train, validation, test)
    ]
    moves = [part.next_frames - part.windows[:, -1] for part in (train, validation, test)]
    n_place = _PLACE.n_output_features_
    n_motion = parts[0].shape[1] - n_place
    # one position alone is fitted freely, so that a longer window starts from the same fit
    penalties = [np.repeat([1.0, ridge], [n_place, n_motion]) for ridge in RIDGES]
    penalties = penalties if n_motion else penalties[:1]
    probes = [fit_probe(parts[0], train.outcomes, ridge=ridge) for ridge in penalties]
    probe = min(probes, key=lambda p: _log_loss(p, parts[1], validation.outcomes).mean())
    steps = [fit_linear(parts[0], moves[0], ridge=ridge) for ridge in penalties]
    step = min(steps, key=lambda s: np.square(s(parts[1]) - moves[1]).sum(axis=1).mean())
    return {
        "outcome": _log_loss(probe, parts[2], test.outcomes),
        "next_frame": np.square(step(parts[2]) - moves[2]).sum(axis=1),
    }


def memory_curve(train, validation, test, window_lengths):
    """How well windows of several lengths forecast, on held-out windows, a row for each length.

    A last row, length 0, is for a learner that is given the present velocity. "outcome" is the
    log-loss (nats) of which disk comes first; gains are over the first length, on the same windows.
    """
    rows, reference = [], None
    cases = [(length, False) for length in window_lengths]
    if train.velocities is not None:
        cases.append((1, True))
    for length, with_velocities in cases:
        losses = _held_out_losses(train, validation, test, length, with_velocities)
        reference = reference or losses
        row = {"window_length": 0 if with_velocities else length}
        for name, loss in losses.items():
            row[name], row[f"{name}_error"] = mean_with_error(loss)
            gain = reference[name] - loss
            row[f"{name}_gain"], row[f"{name}_gain_error"] = mean_with_error(gain)
        rows.append(row)
    return pd.DataFrame(rows)


def compare_dynamics(dynamics, solver, window_lengths, n_arrivals, n_shots, index):
    """`memory_curve`, and `shooting_bounds` by what is known, of each {name: SimulationConfig}.

    `n_arrivals` windows to fit on, to choose on and to score; `n_shots`, points and simulations
    from each for the limits; `index` of the seeds.
    """
    committor = exact_committor(solver)
    n_points, n_each = n_shots
    curves, limits = {}, {}
    for name, config in dynamics.items():
        train, validation, test = (
            sample_arrivals(
                config, solver, committor, n_arrivals, max(window_lengths),
                family_seed(family, index),
            )
            for family in ("train", "validation", "test")
        )  # fmt: skip
        curves[name] = memory_curve(train, validation, test, window_lengths)
        known = {"position": None}
        if test.velocities is not None:
            known["position, velocity"] = test.velocities[:n_points]
        points, seed = test.windows[:n_points, -1], family_seed("test", index + 1)
        limits[name] = {
            words: shooting_bounds(config, points, given, n_each, seed)
            for words, given in known.items()
        }
    return curves, limits


# ---- tables and sentences -------------------------------------------------------------------


def memory_verdict(curve, window_length):
    """Whether windows of a length forecast the outcome better than one frame, by the 99.9 %
    interval of the gain: so wide because gains of several lengths are looked at."""
    row = curve.set_index("window_length").loc[window_length]
    if abs(row.outcome_gain) <= _SURE * row.outcome_gain_error:
        return "no effect seen"
    return "helps" if row.outcome_gain > 0 else "harms"


def gain_in_words(row):
    """The gain over one frame with its standard error; a bound where its 95% interval is too close
    to zero for four decimals."""
    gain, error = row.outcome_gain, row.outcome_gain_error
    if abs(gain) + 2 * error < 1e-4:
        return "within 0.0001 of zero"
    return f"{gain:.4f} ± {error:.4f}"


def gain_table(curves):
    """Losses and gains of `memory_curve` with standard errors, and the verdict, as text."""
    rows = {}
    for name, curve in curves.items():
        for row in curve.itertuples():
            length = row.window_length or "1, and its velocity"
            rows[name, length] = {
                "log-loss": f"{row.outcome:.4f} ± {row.outcome_error:.4f}",
                "gain": gain_in_words(row) if length != 1 else "",
                "verdict": memory_verdict(curve, row.window_length) if length != 1 else "",
                "next frame": f"{row.next_frame:.5f} ± {row.next_frame_error:.5f}",
            }
    table = pd.DataFrame(rows).T
    table.index.names = ["dynamics", "frames"]
    return table


def findings(curves, limits):
    """Numbers and words that sentences quote; the error of the velocity's worth takes two limits
    that share points as independent."""
    numbers = {}
    for name, curve in curves.items():
        rows = curve.set_index("window_length")
        for length in (2, max(rows.index)):
            key = f"{name}_gain_{length}"
            numbers[key] = float(rows.outcome_gain[length])
            numbers[f"{key}_error"] = float(rows.outcome_gain_error[length])
            numbers[f"{key}_words"] = gain_in_words(rows.loc[length])
            numbers[f"{key}_verdict"] = memory_verdict(curve, length)
    (without, e_without), (knowing, e_knowing) = (
        known["outcome"] for known in limits["underdamped"].values()
    )
    numbers["velocity_worth"] = without - knowing
    numbers["velocity_worth_error"] = float(np.hypot(e_without, e_knowing))
    return numbers
