"""What the explorable page ships belongs to the committed model and to the exact answers."""

import base64
import gzip
import json

import explorable_files as files
import numpy as np
import pytest
import vendor_onnxruntime as vendor
from project import book_extension
from safetensors.numpy import load_file

from mb_support.model import load_checkpoint
from mb_support.potential import MUELLER_BROWN, potential
from mb_support.reference.forecast import label_posterior
from mb_support.reference.solver import GridSolver
from mb_support.simulation import REGIMES, sample_starts, simulate
from mb_support.states import DISK_A, DISK_B, separatrix_height

MODEL = files.FOLDER / "small.onnx"
EXACT = json.loads((files.FOLDER / "exact.json").read_text())
RENEW = "checkpoints/small changed: run `make explorable`"


@pytest.fixture(scope="module")
def extension():
    return book_extension("explorable")


@pytest.fixture(scope="module")
def solver():
    return GridSolver(files.CONFIG.beta, files.CONFIG.diffusion, grid_step=0.04)


def nodes():
    (x_low, y_low), (x_high, y_high) = EXACT["view"]
    n_y, n_x = np.shape(EXACT["committor"])
    x, y = np.linspace(x_low, x_high, n_x), np.linspace(y_low, y_high, n_y)
    return np.stack(np.meshgrid(x, y), axis=-1)  # rows of y


def test_the_exported_model_holds_every_committed_weight_that_it_uses():
    exported = MODEL.read_bytes()
    weights = load_file(files.WEIGHTS)
    for name in [name for name in weights if not name.startswith("feature_predictor")]:
        weight = weights[name]
        n_used = files.CONFIG.n_frames if "position_embeddings" in name else len(weight)
        forms = (weight[:n_used].tobytes(), np.ascontiguousarray(weight.T).tobytes())
        assert any(form in exported for form in forms), f"{name}; {RENEW}"


def test_the_shipped_files_name_the_weights_they_belong_to():
    digest = files.weights_digest()
    assert digest.encode() in MODEL.read_bytes(), RENEW
    assert EXACT["weights"] == digest, RENEW


def test_the_exported_model_is_small_and_names_no_folder_of_a_machine():
    exported = MODEL.read_bytes()
    assert len(exported) < 1_000_000
    assert b"/site-packages/" not in exported and b"mb_support/" not in exported


@pytest.mark.parametrize("n_frames", [512, 300, 20])
def test_the_exported_model_gives_what_the_python_model_gives(n_frames):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(MODEL)
    for trajectory in simulate(files.CONFIG, sample_starts(3, 8), 8)[:, -n_frames:]:
        probabilities, attention = session.run(None, {"trajectories": trajectory[None]})
        expected = files.read(trajectory)
        assert np.abs(probabilities[0] - expected[0]).max() < 1e-5
        assert np.abs(attention[0] - expected[1]).max() < 1e-5


def test_what_is_exported_is_the_model_itself():
    trajectory = simulate(files.CONFIG, [(-0.75, 0.5)], 3)[0]
    model = load_checkpoint("small")
    probabilities, attention = files.read(trajectory, model)
    whole = model(files.torch.from_numpy(trajectory[None]), output_attentions=True)
    expected = whole.state_logits.softmax(dim=-1)[0].detach().numpy()
    assert probabilities == pytest.approx(expected, abs=1e-6)
    received = [layer.mean(dim=(1, 2))[0].detach().numpy() for layer in whole.attentions]
    assert attention == pytest.approx(np.array(received), abs=1e-6)
    assert attention.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-4)


def test_the_page_simulates_the_default_regime_of_the_book():
    assert EXACT["simulation"] == REGIMES["metastable"].to_dict()
    assert EXACT["box"] == MUELLER_BROWN.box.tolist()
    assert EXACT["disks"] == [[list(centre), radius] for centre, radius in (DISK_A, DISK_B)]
    terms = {name: np.array(values) for name, values in EXACT["terms"].items()}
    x, y = np.array([-0.3, 0.7])
    dx, dy = x - terms["X0"], y - terms["Y0"]
    exponent = terms["A"] * dx**2 + terms["B"] * dx * dy + terms["C"] * dy**2
    assert (terms["AMPLITUDE"] * np.exp(exponent)).sum() == pytest.approx(potential([x, y]))


def test_the_shipped_committor_is_that_of_the_solver(solver):
    expected = solver.interpolate(solver.committor(DISK_A, DISK_B), nodes())
    assert np.abs(np.array(EXACT["committor"]) / 1000 - expected).max() < 0.01


def test_the_shipped_answer_after_hidden_frames_is_that_of_the_solver(solver):
    assert EXACT["hidden"][4] == 10
    known = label_posterior(solver, [10], files.CONFIG.frame_time).probability[0]
    difference = np.array(EXACT["posterior"][4]) / 1000 - solver.interpolate(known, nodes())
    is_low = potential(nodes()) < 100
    assert np.abs(difference[is_low]).max() < 0.02


def test_the_shipped_ridge_is_the_line_between_the_states():
    (x_low, _), (x_high, _) = EXACT["view"]
    x = np.linspace(x_low, x_high, len(EXACT["ridge"]))
    assert EXACT["ridge"] == pytest.approx(separatrix_height(x), abs=1e-5)


def test_scripts_for_the_page_hold_the_model_and_a_runtime(extension):
    data = extension.data_script(files.FOLDER)
    encoded = data.rpartition('model: "')[2].partition('"')[0]
    assert base64.b64decode(encoded) == MODEL.read_bytes()
    runtime = extension.runtime_script(files.FOLDER)
    packed = runtime.rpartition('wasm: "')[2].partition('"')[0]
    assert gzip.decompress(base64.b64decode(packed)).startswith(b"\0asm")
    assert "MIT License" in runtime and f"ONNX Runtime Web v{vendor.VERSION}" in runtime


def test_an_archive_that_is_not_the_pinned_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="checksum"):
        vendor.write(b"something else", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_for_the_page_is_small():
    assert sum(path.stat().st_size for path in files.FOLDER.rglob("*.*")) < 5_000_000
