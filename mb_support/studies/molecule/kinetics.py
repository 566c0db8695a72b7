"""Passages, a Markov state model, and the diffusion model on the torus, each with its errors."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from ...reference.solver import GridSolver
from ...statistics import bootstrap, jackknife, resamples
from ..kinetics.markov import markov_model
from ..kinetics.passage_counts import passage_time_at_frames
from .runs import RADIUS, boxes, count_passages
from .surface import FULL_TURN, fit_fourier, minima_of, potential_of

#: Lag times (ps) of Markov state models and of the diffusion constant.
MARKOV_LAGS = (0.4, 1.0, 2.0, 4.0, 8.0, 16.0)
DIFFUSION_LAGS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
#: Lags (ps) of the diffusion constants whose times are judged, and of the Markov model beside them.
JUDGED_LAGS, MARKOV_LAG = (0.4, 3.2, 25.6), 16.0
TIMES = ("passage_time_ab", "passage_time_ba", "slowest_timescale")
#: Boxes of a Markov state model along each angle; nodes of the solver too (one per 3 degrees).
N_CELLS, N_NODES = 18, 120


def passages(runs, minima):
    """Mean passage times (ps) from alpha-R to beta and back over runs, how many there are, and the
    share of time with beta visited last."""
    time_after, count = count_passages(runs.dihedrals, minima, runs.settings.frame_time)
    n = len(count)
    found = {
        name: bootstrap(lambda w, k=k: (w @ time_after[:, k]) / (w @ count[:, k]), n, 1000)
        for k, name in enumerate(("passage_time_ab", "passage_time_ba"))
    }
    share = bootstrap(lambda w: (w @ time_after[:, 1]) / (w @ time_after.sum(axis=1)), n, 1000)
    return found | {"population_b": share, "n_passages": count.sum(axis=0).tolist()}


def transition_counts(runs, lag):
    """Counts of transitions over `lag` frames, run by run, (n_runs, n, n), of visited cells."""
    numbers = boxes(runs.dihedrals, N_CELLS)
    visited, numbers = np.unique(numbers, return_inverse=True)
    numbers, n = numbers.reshape(runs.dihedrals.shape[:2]), len(visited)
    pairs = numbers[:, :-lag] * n + numbers[:, lag:]
    return np.stack([np.bincount(run, minlength=n * n) for run in pairs]).reshape(-1, n, n)


def timescales(by_run, lag_time, weights, k=2):
    """Slowest implied timescales of a reversible Markov state model of weighted runs, (k,)."""
    total = np.tensordot(weights, by_run.astype(float), 1)
    return markov_model([csr_matrix(total)]).timescales(k=k) * lag_time


def implied_timescales(runs, n_samples=40):
    """Two slowest timescales (ps) at several lags: "lag_times", "values", "errors" over runs."""
    values, errors = [], []
    for lag_time in MARKOV_LAGS:
        lag = round(lag_time / runs.settings.frame_time)
        by_run = transition_counts(runs, lag)
        values.append(timescales(by_run, lag_time, np.ones(len(by_run))))
        samples = [
            timescales(by_run, lag_time, weights) for weights in resamples(len(by_run), n_samples)
        ]
        errors.append(np.std(samples, axis=0, ddof=1))
    return {"lag_times": list(MARKOV_LAGS), "values": np.array(values), "errors": np.array(errors)}


def solver_of(coefficients):
    """`GridSolver` of diffusion on the fitted surface, with time in units of 1 / D."""
    step = (FULL_TURN[1][0] - FULL_TURN[0][0]) / N_NODES
    return GridSolver(1.0, 1.0, grid_step=step, potential=potential_of(coefficients))


def disks_of(coefficients):
    """The two disks around the minima, as the solver takes them."""
    return [(tuple(place), RADIUS) for place in minima_of(coefficients)]


def wave(psi):
    """The coordinate whose memory fixes the diffusion constant: largest between the two wells."""
    return np.sin(psi - np.radians(60))


def diffusion_by_lag(runs, solver, lag_times=DIFFUSION_LAGS):
    """Diffusion constant (rad^2/ps) for which the model's memory over a lag is the counted one,
    with errors over runs: C(D t) of the `solver`, that of D = 1, is inverted."""
    field = wave(solver.positions[..., 1])
    field = field - solver.average(field)
    times = np.geomspace(0.002, 60, 60)
    evolved, curve, now = field, [], 0.0
    for time in times:
        evolved, now = solver.propagate(evolved, time - now), time
        curve.append(solver.average(field * evolved) / solver.average(field**2))
    curve = np.array(curve)
    estimates, values = [], wave(runs.dihedrals[..., 1])
    for lag_time in lag_times:
        lag = round(lag_time / runs.settings.frame_time)
        first, second = values[:, :-lag], values[:, lag:]
        terms = first * second, (first**2 + second**2) / 2, (first + second) / 2
        sums = np.stack([term.mean(axis=1) for term in terms], axis=-1)

        def constant(weights, sums=sums, lag_time=lag_time):
            product, square, mean = weights @ sums / weights.sum()
            memory = (product - mean**2) / (square - mean**2)
            return np.exp(np.interp(-memory, -curve, np.log(times))) / lag_time

        estimates.append(bootstrap(constant, len(sums), 200))
    return {
        "lag_times": list(lag_times),
        "values": [estimate.value for estimate in estimates],
        "errors": [estimate.standard_error for estimate in estimates],
    }


def model_times(solver, coefficients):
    """Passage times and slowest timescale of the model with D = 1; divide by D for others."""
    a, b = disks_of(coefficients)
    return {
        "passage_time_ab": 1 / solver.rate(a, b),
        "passage_time_ba": 1 / solver.rate(b, a),
        "slowest_timescale": float(solver.implied_timescales(1)[0]),
        "population_b": float(solver.average(solver.committor(a, b))),
    }


def longer_at_frames(coefficients, diffusion, frame_time):
    """By what share the model's passages take longer if its disks are looked at in frames only, as
    those of the runs: {name: share} of both. `diffusion` in rad^2/ps."""
    solver, disks = solver_of(coefficients), disks_of(coefficients)
    return {
        name: passage_time_at_frames(solver, source, target, diffusion * frame_time)
        * solver.rate(source, target)
        - 1
        for name, source, target in zip(TIMES[:2], disks, disks[::-1], strict=True)
    }


def counted_times(runs, minima, lag_time=MARKOV_LAG):
    """Mean passage times and slowest timescale (ps) of all `runs`, in the order of `TIMES`."""
    time_after, count = count_passages(runs.dihedrals, minima, runs.settings.frame_time)
    counts = transition_counts(runs, round(lag_time / runs.settings.frame_time))
    slowest = timescales(counts, lag_time, np.ones(len(counts)), 1)[0]
    return np.array([*time_after.sum(axis=0) / count.sum(axis=0), slowest])


def times_too_long(runs):
    """How much longer the model's times are than those counted, as a share of these, with D from
    each of `JUDGED_LAGS`: {name: {"values": ..., "errors": ...}}. Each run is left out of the
    surface, of D and of the counts alike."""

    def shares(chosen):
        kept = replace(runs, dihedrals=runs.dihedrals[chosen])
        coefficients = fit_fourier(kept.dihedrals)
        solver = solver_of(coefficients)
        diffusion = np.array(diffusion_by_lag(kept, solver, JUDGED_LAGS)["values"])
        times, counted = (
            model_times(solver, coefficients),
            counted_times(kept, minima_of(coefficients)),
        )
        return np.array([times[name] / diffusion for name in TIMES]) / counted[:, None] - 1

    values, errors = jackknife(shares, len(runs.dihedrals))
    rows = zip(TIMES, values, errors, strict=True)
    return {name: {"values": of_lags, "errors": wrong} for name, of_lags, wrong in rows}
