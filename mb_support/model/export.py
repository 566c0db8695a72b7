"""Trained models as single files that need nothing but PyTorch, or LibTorch in C++.

The ending of a file names its format. ``.pt`` and ``.ptc`` are TorchScript, which
``torch.jit.load`` reads, in C++ too, and so in PLUMED; ``.pt2`` is the newer format of
``torch.export``, which ``torch.export.load(path).module()`` reads. Standardisation is inside, so
raw coordinates go in.

What was checked on the way into a model is not checked any more: NaN gives NaN, and a trajectory
that stands still gives a number that means nothing.
"""

import copy
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..files.whole_files import replace_file
from .inputs import standardised
from .transformer import TrajectoryTransformer

#: Endings of files in TorchScript, and in the format of `torch.export`.
TORCHSCRIPT, EXPORTED = (".pt", ".ptc"), (".pt2",)


class _OfTrajectories(torch.nn.Module):
    """The part of a model that makes encodings of raw trajectories; subclasses read them."""

    def __init__(self, model):
        super().__init__()
        # a copy: the model itself keeps its device, its mode and its attention
        model = copy.deepcopy(model).cpu().eval().requires_grad_(False)
        model.set_attn_implementation("sdpa")  # the only one that PyTorch has by itself
        self.inputs_to_hidden_dim, self.embeddings = model.inputs_to_hidden_dim, model.embeddings
        self.encoder, self.state_classifier = model.encoder, model.state_classifier

    def encodings(self, trajectories):
        frames, _, _ = standardised(trajectories)
        projected = self.inputs_to_hidden_dim(frames.to(self.inputs_to_hidden_dim.weight.dtype))
        return self.encoder(self.embeddings(projected)).last_hidden_state


class _StateProbabilities(_OfTrajectories):
    def forward(self, trajectories):
        encodings = self.encodings(trajectories)
        return torch.softmax(self.state_classifier(encodings.mean(dim=1)), dim=-1)


class _Committor(_OfTrajectories):
    def __init__(self, model, weights, intercept, layer):
        super().__init__(model)
        self.encoder.layer, self.state_classifier = self.encoder.layer[:layer], None
        self.register_buffer("weights", torch.tensor(weights))
        self.register_buffer("intercept", torch.tensor(float(intercept), dtype=torch.float64))

    def forward(self, trajectories):
        encodings = self.encodings(trajectories)
        # log-odds in double precision, as they were fitted
        return torch.sigmoid(encodings.double() @ self.weights + self.intercept).to(encodings.dtype)


class _OfFrames(torch.nn.Module):
    """A traced function of rows, for one frame or several; this class is compiled as it is."""

    def __init__(self, network, n_arguments: int, dtype: torch.dtype):
        super().__init__()
        self.network = network
        self.n_arguments = n_arguments
        self.dtype = dtype

    def forward(self, arguments: torch.Tensor) -> torch.Tensor:
        if arguments.shape[-1] != self.n_arguments:
            raise ValueError(
                f"expected {self.n_arguments} arguments of each frame; got {arguments.shape[-1]}"
            )
        rows = arguments.reshape(-1, self.n_arguments).to(self.dtype)
        values = self.network(rows).to(arguments.dtype)
        return values.reshape(list(arguments.shape[:-1]) + [-1])


def export_classifier(model, path):
    """Write the classifier g of a trained model to a file that needs only PyTorch.

    The file holds a function of (batch, n_frames, n_features) raw trajectories, of at least two
    frames and at most as many as the model has positions, that gives the probability of each state,
    (batch, n_states). It takes single and, for a large offset, double precision.

    Parameters
    ----------
    model : TrajectoryTransformer
        Left as it is.
    path : path_like
        A name that ends in ``.pt`` or ``.ptc`` (TorchScript), or ``.pt2`` (`torch.export`). A file
        that exists is replaced when the new one is whole.

    Raises
    ------
    ValueError
        If the model is of another kind, the ending is another, or the file cannot be written.

    Notes
    -----
    A program of `torch.export` is for one precision: ours takes single precision only.

    Examples
    --------
    >>> export_classifier(model, "classifier.pt")
    >>> torch.jit.load("classifier.pt")(torch.randn(4, 100, 2)).shape
    torch.Size([4, 2])
    """
    _check(model, path)
    _write(_StateProbabilities(model), model.config, path)


def export_committor(model, readout, path, layer=None):
    """Write a read-out of the committor from encodings to a file that needs only PyTorch.

    The file holds a function of (batch, n_frames, n_features) raw trajectories that gives a
    committor of each frame, (batch, n_frames): ``expit(intercept + encodings @ weights)``. It sees
    a frame within its trajectory, so it is for analysis after the fact.

    Parameters
    ----------
    model : TrajectoryTransformer
        Left as it is.
    readout : (weights, intercept)
        (hidden_size,) array_like and a number, as `LinearProbe.coefficients` gives them.
    path : path_like
        As in `export_classifier`.
    layer : int, optional
        Layer whose output the read-out was fitted on: 0 is the embedding, by default the last.

    Raises
    ------
    ValueError
        As in `export_classifier`, or if there is no such layer, or the weights are not as many as
        it has features.

    Examples
    --------
    >>> export_committor(model, probe.coefficients, "committor.pt", layer=3)
    """
    _check(model, path)
    n_layers, hidden = model.config.num_hidden_layers, model.config.hidden_size
    layer = n_layers if layer is None else layer
    if layer not in range(n_layers + 1):
        raise ValueError(f"layer must be 0..{n_layers} (0 is the embedding); got {layer}")
    weights, intercept = np.asarray(readout[0], dtype=np.float64), readout[1]
    if weights.shape != (hidden,):
        raise ValueError(f"weights of the read-out must be ({hidden},); got {weights.shape}")
    _write(_Committor(model, weights, intercept, layer), model.config, path)


def export_collective_variable(network, n_arguments, path):
    """Write a function of one frame to a file that PLUMED loads as a collective variable.

    PLUMED passes the values of its arguments at the present step and nothing of the past. So what
    it can bias is a function of one frame, such as a committor learned from coordinates; what our
    transformer says of a trajectory is not. The file takes (..., n_arguments) values, gives
    (..., k), and has derivatives.

    Parameters
    ----------
    network : torch.nn.Module
        Of (n, n_arguments) values in the precision of its weights; gives (n,) or (n, k).
    n_arguments : int
        How many numbers describe a frame, in the order in which PLUMED will pass them.
    path : path_like
        A name that ends in ``.pt`` or ``.ptc``: PLUMED reads TorchScript only.

    Raises
    ------
    ValueError
        If the ending is another, the network does not take so many arguments, or the file cannot
        be written.

    References
    ----------
    .. [1] L. Bonati, V. Rizzi and M. Parrinello, J. Phys. Chem. Lett. 11, 2998 (2020): the module
       ``pytorch`` of PLUMED, whose action is ``PYTORCH_MODEL``.

    Examples
    --------
    >>> export_collective_variable(network, 2, "committor.ptc")

    In PLUMED, with a LibTorch of the same version:

    .. code-block:: none

       p: POSITION ATOM=1
       q: PYTORCH_MODEL FILE=committor.ptc ARG=p.x,p.y
       PRINT ARG=q.node-0 FILE=COLVAR STRIDE=100
    """
    _ending(path, TORCHSCRIPT)
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    network = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    try:
        with _of_torchscript():
            traced = torch.jit.trace(network, torch.ones(3, n_arguments, dtype=dtype))
            compiled = torch.jit.script(_OfFrames(traced, n_arguments, dtype))
        compiled(torch.ones(2, n_arguments))
    except (RuntimeError, IndexError) as error:
        wanted = f"(n, {n_arguments}) values and give (n,) or (n, k)"
        raise ValueError(f"the network must take {wanted}: {error}") from None
    with replace_file(path) as fresh:
        compiled.save(str(fresh))


def _check(model, path):
    if not isinstance(model, TrajectoryTransformer):
        raise ValueError(f"model must be a TrajectoryTransformer; got a {type(model).__name__}")
    _ending(path, (*TORCHSCRIPT, *EXPORTED))


def _ending(path, endings):
    ending = Path(path).suffix
    if ending not in endings:
        raise ValueError(f"{path} must end in {' or '.join(endings)}; got {ending!r}")
    return ending


def _write(module, config, path):
    # the example's shape does not matter: batch and number of frames are left open
    example = torch.randn(2, 8, config.n_features, generator=torch.Generator().manual_seed(0))
    if Path(path).suffix in TORCHSCRIPT:
        with _of_torchscript():
            save = torch.jit.trace(module, example.double()).save  # takes single precision too
    else:
        n_frames = torch.export.Dim("n_frames", min=2, max=config.max_position_embeddings)
        shapes = ({0: torch.export.Dim("batch"), 1: n_frames},)
        save = partial(
            torch.export.save, torch.export.export(module, (example,), dynamic_shapes=shapes)
        )
    with replace_file(path) as fresh:
        save(str(fresh))


@contextmanager
def _of_torchscript():
    with warnings.catch_warnings():
        # it is said to be of the past, but PLUMED knows nothing else
        warnings.filterwarnings("ignore", r"`torch\.jit", DeprecationWarning)
        # that there are two frames or more, which a trace takes for granted, is always so
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        yield
