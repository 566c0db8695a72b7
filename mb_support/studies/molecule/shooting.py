"""The committor by shooting: short runs with fresh velocities from configurations in between."""

import numpy as np
from tqdm import tqdm

from ...statistics import bootstrap
from .runs import inside
from .simulation import FOLDER, Dynamics, chunk_path, dihedrals

#: Configurations in each tenth of the model's committor, shots from each, longest shot (ps).
N_EACH, N_SHOTS, LONGEST = 8, 20, 100.0


def choose(committor, runs, n_chunks):
    """Configurations, (n, 22, 3) nm, spread evenly over the committor of their dihedrals, (n,)."""
    found = []
    for run in runs:
        for chunk in range(n_chunks):
            with np.load(chunk_path(run, chunk, FOLDER)) as kept:
                found.append(kept["configurations"][50 * (chunk == 0) :])  # settled
    found = np.concatenate(found)
    values = committor(dihedrals(found))
    random, chosen = np.random.default_rng(0), []
    for low in np.arange(10) / 10:
        there = np.flatnonzero((values > max(low, 0.01)) & (values < min(low + 0.1, 0.99)))
        chosen += list(random.permutation(there)[:N_EACH])
    return found[chosen], values[chosen]


def shoot(positions, minima):
    """How many shots from each of (n, 22, 3) positions reach alpha-R first, and beta: (n, 2)."""
    dynamics = Dynamics()
    reached = np.zeros((len(positions), 2), int)
    for number, start in enumerate(tqdm(positions, unit="point")):
        for shot in range(N_SHOTS):
            dynamics.start(start, 1 + number * N_SHOTS + shot)
            for _ in range(round(LONGEST / dynamics.settings.frame_time)):
                disk = inside(dihedrals(dynamics.frame()), minima)
                if disk >= 0:
                    reached[number, disk] += 1
                    break
    return reached


def agreement(reached, committor):
    """How far shots and a committor agree: "bias", the mean difference; "scatter" beyond that of
    counting; "explained", the share of the variance that is not scatter."""
    reached, committor = np.asarray(reached), np.asarray(committor)
    n = reached.sum(axis=1)
    share = reached[:, 1] / n
    noise = share * (1 - share) / (n - 1)  # unbiased variance of a share
    difference = share - committor
    square = difference**2 - noise

    def explained(weights):
        mean = np.average(share, weights=weights)
        variance = np.average((share - mean) ** 2 - noise, weights=weights)
        return 1 - np.average(square, weights=weights) / variance

    of_variance = bootstrap(explained, len(n), 500)
    return {
        "n_points": len(n),
        "n_shots": int(n.sum()),
        "bias": float(difference.mean()),
        "bias_error": float(difference.std(ddof=1) / np.sqrt(len(n))),
        "scatter": float(np.sqrt(max(square.mean(), 0.0))),
        "explained": of_variance.value,
        "explained_error": of_variance.standard_error,
    }
