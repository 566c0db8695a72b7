"""Runs of a molecule, made up."""

import numpy as np

from mb_support.studies.molecule import runs as room
from mb_support.studies.molecule.simulation import Simulation

MINIMA = np.array([[-1.2, -0.3], [-1.2, 2.6]])


def fake_runs(n_frames=600):
    # the number of the run and of the frame can be read off each frame
    angles = np.zeros((12, n_frames, 2), np.float32)
    angles[..., 0] = 0.01 * np.arange(12)[:, None]
    angles[..., 1] = 1e-4 * np.arange(n_frames)
    return room.Runs(angles, angles[0], Simulation())
