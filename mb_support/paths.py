"""Every path of the project, in one place."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "checkpoints"  # committed weights, one folder for each trained model
RESULTS = ROOT / "results"  # committed measurements (benchmarks, sweeps)
CACHE = ROOT / ".cache"  # rebuilt on demand: trajectories, solver results; never committed
