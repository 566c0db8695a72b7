"""The package as a user who may read it and write nowhere but in the temporary folder.

Run by the superuser only: nobody else can become another user.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from project import ROOT

NOBODY = 65534
LIMIT = 1200  # seconds; importing alone takes minutes on a busy machine

WORK = """
import os, threading
import numpy as np
from mb_support import GridSolver, SimulationConfig, generate, sample_starts, simulate
from mb_support.classification import predict_states
from mb_support.model.inference import load_checkpoint
from mb_support.studies.potential import kinetics_table

assert os.getuid() == 65534 and not os.access({root!r}, os.W_OK)
config = SimulationConfig(beta=1 / 15, diffusion=1.0, dt=1e-4, stride=50, n_frames=40)
frames = simulate(config, sample_starts(4, 1), 1)
model = load_checkpoint("small")

def predict():
    return predict_states(model, frames, progress=False)[1]

expected = predict()
assert generate(model, frames, 3, progress=False).shape == (4, 43, 2)
table = kinetics_table({{"one": config}}, 0.1)  # solves, and would keep what it finds
assert table["one"]["rate A to B"] > 0
found = []
threads = [threading.Thread(target=lambda: found.append(predict())) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
np.testing.assert_allclose(found, [expected] * 2, atol=1e-5)
child = os.fork()
if child == 0:
    np.testing.assert_allclose(predict(), expected, atol=1e-4)
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print("all done")
"""


@pytest.fixture(scope="module")
def place():
    """A folder that all may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="mb_support-test-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def tree(place):
    """A copy of the project that only its owner may write."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("mb_support", "tools", "notebooks", "checkpoints", "results"):
        shutil.copytree(ROOT / name, place / "tree" / name, ignore=ignored)
    # what is compiled already may be read, but for a module whose place is then sought in vain
    kept = shutil.ignore_patterns("mb_support.simulation.random_numbers-*", "*.tmp")
    if (ROOT / ".cache/compiled").is_dir():
        shutil.copytree(ROOT / ".cache/compiled", place / "tree/.cache/compiled", ignore=kept)
    for path in (place / "tree").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return place / "tree"


@pytest.fixture
def temporary(place):
    """The one folder that the other user may write."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        os.chown(folder, NOBODY, NOBODY)
        yield folder


def as_nobody(tree, temporary, *command, **variables):
    """Run Python as another user without a home."""
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command],
        env=kept | {"TMPDIR": temporary, "OMP_WAIT_POLICY": "passive"} | variables,
        cwd="/",
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0 or sys.platform != "linux",
        reason="only the superuser can run something as another user",
    ),
]


@pytest.fixture(autouse=True)
def reachable(tree, temporary):
    if as_nobody(tree, temporary, "-c", "import numpy").returncode:
        pytest.skip("this Python is in a folder that other users may not enter")


def test_everything_works_with_threads_and_forks_where_nothing_can_be_kept(tree, temporary):
    layers = {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    script = WORK.format(root=str(tree))
    done = as_nobody(tree, temporary, "-W", "ignore", "-c", script, **layers)
    assert done.returncode == 0 and done.stdout.endswith("all done\n"), done.stderr[-3000:]
    said = [line for line in done.stderr.splitlines() if line.startswith("mb_support:")]
    assert len(said) == 1 and "(Permission denied): using" in said[0]


def test_a_chapter_is_tried_where_nothing_can_be_kept(tree, temporary):
    done = as_nobody(tree, temporary, str(tree / "tools/try_chapter.py"), "12_molecule")
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Figures and notebook: {temporary}" in done.stdout
    assert list(Path(temporary).rglob("*.png"))
