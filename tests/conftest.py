"""Shared by all tests: the tools can be imported, and each pytest worker has one thread."""

import os
import sys

from project import ROOT

sys.path.insert(0, str(ROOT / "tools"))

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers on two cores: threads would only queue
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
