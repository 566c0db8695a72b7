"""Compiled code kept on disk follows every module that it draws on, from process to process.

A copy of the package is edited between processes that share a cache. numba's own cache knows the
file of a function only, not what the function holds, inlined, of others.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
from project import ROOT

SCRIPT = """
import json, sys
import numpy as np

def simulation():
    from mb_support import REGIMES, simulate
    return simulate(REGIMES["metastable"], [(-0.5, 1.4), (0.2, 0.3)], 1)[:, :3]

TABLE = (np.ones((9, 9, 6)), np.ones((9, 9, 25, 25)), np.zeros(2), 0.1)

def observer():
    from mb_support.observer.ideal import log_posteriors
    return log_posteriors(np.full((1, 4), 0.3), np.full((5, 2), 9.0), 1, TABLE)

found = {name: np.ravel(globals()[name]()).tolist() for name in sys.argv[1:]}
print(json.dumps(found))
"""

#: Which text of a module becomes which other, and the numbers that follow.
EDITS = {
    "simulation/forces": ("force_x + (force_s", "force_x + force_x + (force_s", "simulation"),
    "simulation/random_numbers": ("6.283185162175324615", "6.3", "simulation"),
    "compiled": ("1.000000071654641638", "1.01", "simulation"),
    "potential/mueller_brown": ("[-200.0,", "[-201.0,", "simulation"),
    "observer/transition_density": ("_OUTSIDE = -30.0", "_OUTSIDE = -31.0", "observer"),
}


def numbers(folder, *names):
    """Numbers that a new process gets."""
    own = {"PYTHONPATH": str(folder), "MB_SUPPORT_CACHE": str(folder / "cache")}
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *names],
        env=kept | own | {"OMP_WAIT_POLICY": "passive"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_another_process_sees_each_edit_although_they_share_a_cache(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", "studies", "plotting")
    shutil.copytree(ROOT / "mb_support", tmp_path / "mb_support", ignore=ignored)
    before = numbers(tmp_path, "simulation", "observer")
    for module, (old, new, name) in EDITS.items():
        path = tmp_path / f"mb_support/{module}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        assert numbers(tmp_path, name)[name] != before[name], module
        path.write_text(text)
    assert numbers(tmp_path, *before) == before
