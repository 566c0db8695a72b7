"""Exported files give the model's numbers where there is nothing but PyTorch."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import expit
from tiny_models import agree, make_model, visits

from mb_support.classification import predict_states
from mb_support.model import export_classifier, export_collective_variable, export_committor

WEIGHTS, INTERCEPT, LAYER = np.linspace(-1, 1, 16), 0.3, 1
#: Runs where neither this package nor transformers can be imported, warnings being errors.
ELSEWHERE = """
import sys, warnings
for name in ("mb_support", "transformers", "numba"):
    sys.modules[name] = None
import torch
warnings.filterwarnings("ignore", "`torch.jit")

given = torch.load("given.pt")
files = {name: torch.jit.load(name) for name in ("classifier.pt", "committor.pt")}
found = {name: [file(x) for x in given["trajectories"]] for name, file in files.items()}
program = torch.export.load("classifier.pt2").module()
found["classifier.pt2"] = [program(x) for x in given["trajectories"] if x.dtype == torch.float32]
variable, found["variable"] = torch.jit.load("variable.ptc"), []
for frame in given["frames"]:  # as PLUMED does it
    shown = frame.view(1, 2).requires_grad_(True)
    output = variable(shown)
    slope = torch.autograd.grad([output[:, 0:1]], [shown], [torch.ones(1).expand(1, 1)])[0]
    found["variable"].append(torch.cat([output.detach(), slope], dim=1))
found["one"], found["many"] = variable(given["frames"][0]), variable(given["frames"])
torch.save(found, "found.pt")
"""


class Rotated(torch.nn.Module):
    """A variable of two arguments in double precision, with a known slope."""

    def __init__(self):
        super().__init__()
        self.direction = torch.nn.Parameter(torch.tensor([0.6, -0.8], dtype=torch.float64))

    def forward(self, positions):
        return torch.sigmoid(positions @ self.direction)


def trajectories():
    """Batches of several lengths, units and origins."""
    return [
        torch.from_numpy(visits(40)),
        torch.from_numpy(visits(7)[:1] * np.float32([1e-4, 3e5])),
        torch.from_numpy(visits(64) - np.float32(12.0)),
        torch.from_numpy(visits(30).astype(float) * 1e-6 + 1e4),  # lost in single precision
    ]


@pytest.fixture(scope="module")
def model():
    return make_model(num_hidden_layers=2)


@pytest.fixture(scope="module")
def elsewhere(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    export_classifier(model, folder / "classifier.pt")
    export_classifier(model, folder / "classifier.pt2")
    export_committor(model, (WEIGHTS, INTERCEPT), folder / "committor.pt", LAYER)
    export_collective_variable(Rotated(), 2, folder / "variable.ptc")
    frames = torch.tensor([[0.0, 0.0], [0.5, -1.0], [2.0, 1.0], [-3.0, 0.1]])
    torch.save({"trajectories": trajectories(), "frames": frames}, folder / "given.pt")
    command = [sys.executable, "-I", "-W", "error", "-c", ELSEWHERE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "found.pt") | {"frames": frames}


@pytest.mark.parametrize("ending", ["pt", "pt2"])
def test_the_classifier_gives_the_same_probabilities(model, elsewhere, ending):
    found = elsewhere[f"classifier.{ending}"]
    assert len(found) == {"pt": 4, "pt2": 3}[ending]  # torch.export: single precision only
    for probabilities, shown in zip(found, trajectories(), strict=False):
        agree(probabilities, predict_states(model, shown)[1])


def test_the_committor_is_read_from_the_layer_it_was_fitted_on(model, elsewhere):
    for found, shown in zip(elsewhere["committor.pt"], trajectories(), strict=True):
        with torch.no_grad():
            encodings = model(shown, output_hidden_states=True).hidden_states[LAYER].double()
        agree(found, expit(encodings.numpy() @ WEIGHTS + INTERCEPT))


def test_a_collective_variable_has_value_and_slope_of_each_frame(elsewhere):
    frames = elsewhere["frames"].double().numpy()
    value = expit(frames @ [0.6, -0.8])[:, None]
    slope = value * (1 - value) * [0.6, -0.8]
    agree(torch.cat(elsewhere["variable"]), np.concatenate([value, slope], axis=1), atol=1e-6)


def test_a_collective_variable_takes_one_frame_or_many(elsewhere):
    assert elsewhere["one"].shape == (1,) and elsewhere["many"].shape == (4, 1)
    assert elsewhere["many"].dtype == torch.float32
    agree(elsewhere["one"], elsewhere["many"][0])


def test_the_default_layer_is_the_last(model, tmp_path):
    export_committor(model, (WEIGHTS, INTERCEPT), tmp_path / "committor.pt")
    shown = trajectories()[0]
    encodings = model(shown).encodings.detach().double().numpy()
    agree(torch.jit.load(tmp_path / "committor.pt")(shown), expit(encodings @ WEIGHTS + INTERCEPT))


def test_export_leaves_model_and_random_numbers_as_they_were(tmp_path):
    model = make_model(num_hidden_layers=1).train()
    model.set_attn_implementation("cpu_fused")
    state = torch.get_rng_state()
    export_classifier(model, tmp_path / "classifier.pt")
    export_collective_variable(Rotated(), 2, tmp_path / "variable.pt")
    assert model.training and model.config._attn_implementation == "cpu_fused"
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_file_is_replaced_by_a_whole_one_or_kept(model, tmp_path):
    path = tmp_path / "classifier.pt"
    path.write_text("old")
    with pytest.raises(ValueError):
        export_committor(model, (WEIGHTS[1:], 0.0), path)
    assert path.read_text() == "old"
    export_classifier(model, path)
    assert torch.jit.load(path)(trajectories()[0]).shape == (3, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["classifier.pt"]


def test_what_cannot_be_exported_is_refused(model, tmp_path):
    path, readout = tmp_path / "a.pt", (WEIGHTS, INTERCEPT)
    with pytest.raises(ValueError, match="must be a TrajectoryTransformer; got a Rotated"):
        export_classifier(Rotated(), path)
    with pytest.raises(ValueError, match="must end in .pt or .ptc or .pt2; got '.onnx'"):
        export_classifier(model, tmp_path / "a.onnx")
    with pytest.raises(ValueError, match="must end in .pt or .ptc; got '.pt2'"):
        export_collective_variable(Rotated(), 2, tmp_path / "a.pt2")
    with pytest.raises(ValueError, match=r"layer must be 0..2 .*; got 3"):
        export_committor(model, readout, path, layer=3)
    with pytest.raises(ValueError, match=r"weights of the read-out must be \(16,\); got \(15,\)"):
        export_committor(model, (WEIGHTS[1:], 0.0), path)
    with pytest.raises(ValueError, match=r"must take \(n, 3\) values"):
        export_collective_variable(Rotated(), 3, path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="a.pt cannot be written: .*File exists"):
        export_classifier(model, tmp_path / "file" / "a.pt")
    assert not path.exists()


def test_a_collective_variable_says_how_many_arguments_it_takes(tmp_path):
    export_collective_variable(Rotated(), 2, tmp_path / "a.pt")
    with pytest.raises(torch.jit.Error, match="expected 2 arguments of each frame; got 3"):
        torch.jit.load(tmp_path / "a.pt")(torch.zeros(1, 3))
