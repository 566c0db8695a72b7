"""The free-energy surface of phi and psi: its errors, a Fourier series fitted to it, the states."""

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from ...potential import Potential
from .runs import boxes, wrapped

#: Boxes along each angle, and largest order of the Fourier series.
N_BOXES, ORDER = 72, 6
#: Free energies are trusted up to this, in kT; nothing is known of what lies higher.
HIGHEST = 7.0
#: Where the two minima are looked for, degrees: right-handed helix; beta, C5 and C7eq.
NEAR = {"alpha-R": (-70, -20), "beta": (-75, 150)}
FULL_TURN = ((-math.pi, -math.pi), (math.pi, math.pi))


def edges(n_boxes=N_BOXES):
    """Edges of the boxes along phi and psi, in radians."""
    return np.linspace(-np.pi, np.pi, n_boxes + 1)


def counts(dihedrals, n_boxes=N_BOXES):
    """Frames of each run in each box: (n_runs, n_boxes, n_boxes) of (n_runs, n_frames, 2)."""
    numbers = boxes(dihedrals, n_boxes)
    found = np.stack([np.bincount(run, minlength=n_boxes**2) for run in numbers])
    return found.reshape(-1, n_boxes, n_boxes)


def free_energy(dihedrals, n_boxes=36):
    """Free energy in kT of each box, zero at the lowest, and its standard error over runs, to first
    order; infinite and NaN where no run ever was."""
    by_run = counts(dihedrals, n_boxes).astype(float)
    mean, error = by_run.mean(axis=0), by_run.std(axis=0, ddof=1) / np.sqrt(len(by_run))
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.log(mean / mean.max()), np.where(mean > 0, error / mean, np.nan)


def fit_fourier(dihedrals, order=ORDER, smoothing=1e-3):
    """Coefficients of F = sum_jk c_jk t_j(phi) t_k(psi) in kT, t = 1, cos, sin, cos 2, sin 2, ...:
    weighted least squares, high orders held down; boxes never visited count as `HIGHEST`."""
    total = gaussian_filter(counts(dihedrals).sum(axis=0).astype(float), 0.7, mode="wrap")
    with np.errstate(divide="ignore"):
        energy = -np.log(total / total.max())
    energy = np.minimum(energy, HIGHEST)
    weight = np.sqrt(np.where(energy < HIGHEST, np.minimum(total, 100), 1.0))
    centres = (edges()[1:] + edges()[:-1]) / 2
    along = terms(centres, order)
    design = np.einsum("ia,jb->ijab", along, along).reshape(N_BOXES**2, -1)
    orders = (np.arange(2 * order + 1) + 1) // 2
    roughness = (orders[:, None] ** 2 + orders**2) ** 2 * np.sqrt(smoothing)
    design = weight.reshape(-1, 1) * design
    square = design.T @ design + np.diag(roughness.ravel() ** 2)
    found = np.linalg.solve(square, design.T @ (weight * energy).ravel())
    return found.reshape(2 * order + 1, 2 * order + 1)


def terms(angles, order):
    """1, cos, sin, cos 2, sin 2, ... of (n,) angles, (n, 2 order + 1)."""
    turns = np.outer(angles, np.arange(1, order + 1))
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=-1).reshape(len(angles), -1)
    return np.hstack([np.ones((len(angles), 1)), waves])


def series(coefficients, phi, psi):
    """The Fourier series on a lattice of (n,) phi and (m,) psi, (n, m), in kT."""
    order = len(coefficients) // 2
    return terms(phi, order) @ coefficients @ terms(psi, order).T


def potential_of(coefficients):
    """The periodic `Potential`, in kT, of a Fourier series; its states are alpha-R and beta."""
    values = np.ascontiguousarray(coefficients)
    n = len(values)

    def energy(x, y):
        total = 0.0
        for j in range(n):
            turn_x = (j + 1) // 2 * x
            wave_x = 1.0 if j == 0 else (math.cos(turn_x) if j % 2 else math.sin(turn_x))
            for k in range(n):
                turn_y = (k + 1) // 2 * y
                wave_y = 1.0 if k == 0 else (math.cos(turn_y) if k % 2 else math.sin(turn_y))
                total += values[j, k] * wave_x * wave_y
        return total

    return Potential(energy, box=FULL_TURN, periodic=True, minima=minima_of(coefficients))


def minima_of(coefficients):
    """Bottoms of alpha-R (state 0) and of beta (state 1), (2, 2) radians."""
    fine = np.linspace(-np.pi, np.pi, 720, endpoint=False)
    energy = series(coefficients, fine, fine)
    places = np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1)
    found = []
    for near in NEAR.values():
        far = np.linalg.norm(wrapped(places - np.radians(near)), axis=-1) > np.radians(45)
        found.append(places[np.unravel_index(np.where(far, np.inf, energy).argmin(), far.shape)])
    return np.array(found)
