"""Make what the explorable page ships: the small model as ONNX, exact fields, a still picture.

python tools/explorable_files.py   # after checkpoints/small changed; needs onnx and onnxscript

Everything is written to `book/_explore` and committed, so that building the book needs no exporter.
"""

import hashlib
import json

import matplotlib.pyplot as plt
import numpy as np
import torch
from chapters import ROOT

from mb_support.model import load_checkpoint
from mb_support.model.transformer import _Recorder
from mb_support.plotting.explorable import plot_reading
from mb_support.plotting.pictures import light_png
from mb_support.plotting.style import use_style
from mb_support.potential import MINIMA, MUELLER_BROWN, mueller_brown
from mb_support.reference.forecast import label_posterior
from mb_support.reference.solver import GridSolver
from mb_support.simulation import REGIMES, simulate
from mb_support.states import DISK_A, DISK_B, separatrix_height

FOLDER = ROOT / "book" / "_explore"
WEIGHTS = ROOT / "checkpoints" / "small" / "model.safetensors"
CONFIG = REGIMES["metastable"]
#: Frames that the reader may hide at the beginning.
HIDDEN = (0, 1, 2, 5, 10, 20, 50, 100, 200, 400)
#: The part of the plane that is drawn, ((x_low, y_low), (x_high, y_high)), reduced length, and the
#: distance of the nodes on which exact fields are given there.
VIEW, NODE_STEP = ((-1.6, -0.4), (1.3, 2.1)), 0.05
_RIDGE_STEP = 0.01
_SOLVER_STEP = 0.02
_STILL_START, _STILL_SEED = (-0.75, 0.5), 11


class TrajectoryReader(torch.nn.Module):
    """What the page asks of the model: raw frames in, probabilities and attention out.

    Standardisation is part of it. Attention is what each frame receives in each layer, averaged
    over heads and looking frames, (batch, n_layers, n_frames): one row sums to one.
    """

    def __init__(self, model):
        super().__init__()
        model.set_attn_implementation("eager")
        self.model = model

    def forward(self, trajectories):
        frames, _, _ = self.model.standardise(trajectories)
        with _Recorder(self.model, attentions=True, hidden_states=False) as recorded:
            encodings = self.model.encode(frames)
        received = torch.stack(recorded.attentions, dim=1).mean(dim=(2, 3))
        return self.model.classify(encodings).softmax(dim=-1), received


def read(trajectory, model=None):
    """Probabilities, (2,), and attention, (n_layers, n_frames), of one (n_frames, 2) trajectory."""
    reader = TrajectoryReader(model or load_checkpoint("small")).eval()
    with torch.no_grad():
        probabilities, received = reader(torch.as_tensor(trajectory, dtype=torch.float32)[None])
    return probabilities[0].numpy(), received[0].numpy()


def weights_digest():
    """SHA-256 of the file of weights that the export belongs to."""
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()


def export_model(target):
    """Write the small model as an ONNX file that takes trajectories of any length."""
    reader = TrajectoryReader(load_checkpoint("small")).eval()
    example = torch.from_numpy(simulate(CONFIG, [_STILL_START], _STILL_SEED))
    n_frames = torch.export.Dim("n_frames", min=2, max=reader.model.config.max_position_embeddings)
    program = torch.onnx.export(
        reader,
        (example,),
        dynamo=True,
        dynamic_shapes={"trajectories": {1: n_frames}},
        input_names=["trajectories"],
        output_names=["probabilities", "attention"],
        external_data=False,
        opset_version=18,
        verbose=False,
    )
    graph = program.model.graph
    for part in [program.model, graph, *graph, *graph.inputs, *graph.outputs]:
        part.metadata_props.clear()  # where in which source each operation was written
        part.doc_string = None
    for node in graph:
        for value in node.outputs:
            value.metadata_props.clear()
    program.model.metadata_props["weights"] = weights_digest()
    program.save(target)


def exact_fields():
    """Everything exact that the page shows or needs, as plain values for JSON."""
    (x_low, y_low), (x_high, y_high) = VIEW
    x = np.linspace(x_low, x_high, round((x_high - x_low) / NODE_STEP) + 1)
    y = np.linspace(y_low, y_high, round((y_high - y_low) / NODE_STEP) + 1)
    nodes = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    solver = GridSolver(CONFIG.beta, CONFIG.diffusion, _SOLVER_STEP)
    posterior = label_posterior(solver, HIDDEN, CONFIG.frame_time).probability

    def thousandths(field):  # rows of y, as a picture is stored
        return np.rint(1000 * solver.interpolate(field, nodes).clip(0, 1)).astype(int).T.tolist()

    ridge_x = np.linspace(x_low, x_high, round((x_high - x_low) / _RIDGE_STEP) + 1)
    names = ("AMPLITUDE", "A", "B", "C", "X0", "Y0")
    return {
        "weights": weights_digest(),
        "simulation": CONFIG.to_dict(),
        "terms": {name: getattr(mueller_brown, name).tolist() for name in names},
        "box": MUELLER_BROWN.box.tolist(),
        "minima": MINIMA[:2].tolist(),
        "disks": [DISK_A, DISK_B],
        "view": VIEW,
        "node_step": NODE_STEP,
        "ridge_step": _RIDGE_STEP,
        "ridge": np.round(separatrix_height(ridge_x), 5).tolist(),
        "hidden": HIDDEN,
        "committor": thousandths(solver.committor(DISK_A, DISK_B)),
        "posterior": [thousandths(field) for field in posterior],
    }


def still_picture():
    """PNG of what the page shows, for readers without scripts and for paper."""
    trajectory = simulate(CONFIG, [_STILL_START], _STILL_SEED)[0]
    probabilities, attention = read(trajectory)
    solver = GridSolver(CONFIG.beta, CONFIG.diffusion, _SOLVER_STEP)
    committor = solver.interpolate(solver.committor(DISK_A, DISK_B), trajectory[:1])[0]
    use_style()
    figure = plot_reading(
        trajectory, attention, probabilities[1], committor, CONFIG.frame_time, VIEW
    )
    figure.draw_without_rendering()  # constrained layout takes its places
    picture = light_png(figure)
    plt.close(figure)
    return picture


def main():
    FOLDER.mkdir(exist_ok=True)
    export_model(FOLDER / "small.onnx")
    fields = json.dumps(exact_fields(), separators=(",", ":"))
    (FOLDER / "exact.json").write_text(fields + "\n")
    (FOLDER / "still.png").write_bytes(still_picture())
    for path in sorted(FOLDER.glob("*.*")):
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
