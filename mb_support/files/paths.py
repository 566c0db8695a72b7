"""Every path of the project, in one place."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = ROOT / "checkpoints"  # committed weights, one folder for each trained model
RESULTS = ROOT / "results"  # committed measurements (benchmarks, sweeps)
#: Rebuilt on demand: compiled code, solver results, predictions; never committed.
CACHE = Path(os.environ.get("MB_SUPPORT_CACHE") or ROOT / ".cache")
TRAININGS = CACHE / "trainings"  # models and checkpoints of runs under way
