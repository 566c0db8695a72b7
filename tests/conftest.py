"""Shared by all tests: where things are, and one thread for each pytest worker."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers on two cores: threads would only queue
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
