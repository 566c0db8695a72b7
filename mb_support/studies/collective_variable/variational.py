"""The committor from coordinates alone: a small network that makes the Dirichlet energy least.

Of all functions that are 0 in A and 1 in B the committor has the least energy

    E[q] = integral of |grad q|^2 exp(-V / kT),

so a network learns it from the potential, without labels (Khoo, Lu and Ying, Res. Math. Sci. 6, 1,
2019; Li, Lin and Ren, J. Chem. Phys. 151, 054112, 2019). It is judged by the exact committor.
"""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy.stats import qmc

from ...files import paths
from ...files.results import keep, rounded
from ...potential import SADDLES, potential
from ...reference.solver import GridSolver
from ...states import DISK_A, DISK_B
from ...statistics import with_range
from ..kept_results import load_part
from .frames import is_in_transition, within

CHAPTER = "collective_variable"
FOLDER = paths.RESULTS / CHAPTER
TEMPERATURES = (10, 15, 20, 30)  # kT
BOX = ((-2.5, -1.0), (1.5, 3.0))
#: Mean absolute and root mean square errors of a tensor train by kT, from github.com/margotyjx/
#: committor_TT_mueller (evaluation_for_comparison_with_NN.ipynb): against finite elements, at the
#: nodes of a mesh, weighted with the density of transition paths.
PUBLISHED = {10: (0.0019, 0.0035), 20: (0.0077, 0.0088), 30: (0.0122, 0.0141)}
#: Nodes of the field that is kept, for a map: lowest, highest, number.
MAP_X, MAP_Y = (-1.5, 1.2, 55), (-0.4, 2.0, 49)


@dataclass(frozen=True)
class VariationalSettings:
    """How the networks are trained, and how often."""

    seeds: int = 5
    n_points: int = 2**14  # at which the energy is summed
    n_steps: int = 300  # of L-BFGS over all points
    width: int = 32  # of each of two hidden layers
    grid_step: float = 0.01  # of the exact committor


class CommittorNetwork(torch.nn.Module):
    """Two hidden layers, and a form that is 0 in the first of two disks and 1 in the second: with e
    = exp(-distance from the disk / its radius), q = (1 - e_A) ((1 - e_B) p + e_B)."""

    def __init__(self, disks, centre, scale, width):
        super().__init__()
        self.disks, self.centre, self.scale = disks, torch.tensor(centre), torch.tensor(scale)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(len(centre), width), torch.nn.Tanh(),
            torch.nn.Linear(width, width), torch.nn.Tanh(),
            torch.nn.Linear(width, 1), torch.nn.Sigmoid(),
        ).double()  # fmt: skip

    def forward(self, positions):
        free = self.layers((positions - self.centre) / self.scale)[:, 0]
        in_source, in_target = (self._nearness(positions, *disk) for disk in self.disks)
        return (1 - in_source) * ((1 - in_target) * free + in_target)

    def _nearness(self, positions, centre, radius):
        distance = (positions - torch.tensor(centre, dtype=torch.float64)).norm(dim=1) - radius
        return torch.exp(-torch.relu(distance) / radius)

    def predict(self, positions):
        """Committor at (..., n_dimensions) positions, an ndarray (...)."""
        flat = torch.as_tensor(positions, dtype=torch.float64).reshape(-1, len(self.centre))
        with torch.no_grad():
            found = torch.cat([self(part) for part in flat.split(2**15)])
        return found.numpy().reshape(np.shape(positions)[:-1])


def importance_sample(energy, box, disks, beta, barrier, n_points, seed):
    """Points of Sobol's sequence below barrier + 10 kT, outside the disks, and Boltzmann
    weights."""
    low, high = np.asarray(box, dtype=float)
    sequence, kept, n_kept = qmc.Sobol(len(low), seed=seed), [], 0
    while n_kept < n_points:
        points = low + (high - low) * sequence.random(2**13)
        outside = ~(within(points, disks[0]) | within(points, disks[1]))
        kept.append(points[outside & (energy(points) < barrier + 10 / beta)])
        n_kept += len(kept[-1])
    points = np.concatenate(kept)[:n_points]
    return points, np.exp(-beta * (energy(points) - barrier))


def learn_committor(energy, box, disks, beta, barrier, settings, seed):
    """A `CommittorNetwork` of least Dirichlet energy between two (centre, radius) disks; `barrier`
    is the energy of the highest saddle between them."""
    points, weights = importance_sample(energy, box, disks, beta, barrier, settings.n_points, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CommittorNetwork(disks, points.mean(axis=0), points.std(axis=0), settings.width)
    points = torch.tensor(points, requires_grad=True)
    weights = torch.tensor(weights / len(weights))
    optimizer = torch.optim.LBFGS(
        network.parameters(), max_iter=settings.n_steps, history_size=50,
        line_search_fn="strong_wolfe", tolerance_grad=1e-12, tolerance_change=1e-14,
    )  # fmt: skip

    def dirichlet_energy():
        optimizer.zero_grad()
        (slope,) = torch.autograd.grad(network(points).sum(), points, create_graph=True)
        total = weights @ slope.square().sum(dim=1)
        total.backward()
        return total

    optimizer.step(dirichlet_energy)
    return network.requires_grad_(False)


def committor_errors(predicted, exact, density):
    """Mean absolute ("mae") and root mean square ("rmse") errors, weighted with the "boltzmann"
    density, its part in "transition", and q (1 - q) times it ("reactive")."""
    weights = {
        "boltzmann": density,
        "transition": density * is_in_transition(exact),
        "reactive": density * exact * (1 - exact),
    }
    error = np.abs(predicted - exact)
    return {
        name: {
            "mae": float(np.average(error, weights=weight)),
            "rmse": float(np.sqrt(np.average(error**2, weights=weight))),
        }
        for name, weight in weights.items()
    }


def _map_nodes():
    return np.stack(np.meshgrid(np.linspace(*MAP_X), np.linspace(*MAP_Y)), axis=-1)


def variational_part(temperature, settings):
    """Errors of networks of several seeds at one kT, and the field of the first of them."""
    solver = GridSolver(1 / temperature, 1.0, settings.grid_step)
    disks = DISK_A, DISK_B
    exact, density = solver.committor(*disks), solver.stationary_density()
    barrier = float(potential(SADDLES).max())
    learn = partial(learn_committor, potential, BOX, disks, 1 / temperature, barrier, settings)
    networks = [learn(seed) for seed in range(settings.seeds)]
    nodes = _map_nodes()
    return {
        "errors": [committor_errors(n.predict(solver.positions), exact, density) for n in networks],
        "field": rounded(networks[0].predict(nodes).tolist(), 4),
        "exact_field": rounded(solver.interpolate(exact, nodes).tolist(), 4),
    }


def parts(settings=None, folder=FOLDER):
    """{name: function that makes and keeps it}: one for each temperature."""
    settings = settings or VariationalSettings()

    def make(temperature):
        made_for = {"settings": asdict(settings), "temperature": temperature}
        path = folder / f"variational-{temperature}.json"
        make_it = partial(variational_part, temperature, settings)
        return keep(path, made_for, make_it, ("torch", "scipy"), indent=None)

    return {f"variational-{kT}": partial(make, kT) for kT in TEMPERATURES}


# ---- tables and sentences -------------------------------------------------------------------


def load(folder=FOLDER):
    """What was kept, by temperature."""
    return {kT: load_part(f"variational-{kT}", folder, CHAPTER) for kT in TEMPERATURES}


def errors(kept):
    """Errors of every network by kT, and published ones: {label: {kT: [...]}}, {label: {kT: e}}."""
    ours, published = {}, {}
    for k, (kind, words) in enumerate((("mae", "mean absolute"), ("rmse", "root mean square"))):
        ours[words] = {
            kT: [e["reactive"][kind] for e in part["errors"]] for kT, part in kept.items()
        }
        published[f"{words}, tensor train"] = {kT: pair[k] for kT, pair in PUBLISHED.items()}
    return ours, published


def findings(kept):
    """Numbers that sentences quote."""
    settings, errors = kept[15]["settings"], [e["reactive"] for e in kept[15]["errors"]]
    judged = [(e["reactive"], PUBLISHED[kT]) for kT in PUBLISHED for e in kept[kT]["errors"]]
    below = sum(e["mae"] < mae and e["rmse"] < rmse for e, (mae, rmse) in judged)
    return {
        "reactive_mae": float(np.mean([e["mae"] for e in errors])),
        "width": settings["width"],
        "n_points": settings["n_points"],
        "below_published": f"{below} of {len(judged)}",
    }


def table(kept):
    """Errors by temperature, mean over networks, least and greatest, and the published ones."""
    rows = {}
    for kT, part in kept.items():
        row = rows[kT] = {"networks": len(part["errors"])}
        for weight in ("reactive", "transition"):
            for kind in ("mae", "rmse"):
                values = [e[weight][kind] for e in part["errors"]]
                mean = f"{np.mean(values):.4f}"
                row[f"{kind.upper()}, {weight}"] = with_range(mean, values, 4, equal=True)
        published = PUBLISHED.get(kT, ("", ""))
        row |= {"MAE, tensor train": published[0], "RMSE, tensor train": published[1]}
    return pd.DataFrame(rows).T.rename_axis("kT")


def fields(part):
    """The committor of the first network and the exact one on the map; NaN where nothing comes."""
    barrier = potential(SADDLES).max()
    is_seen = potential(_map_nodes()) < barrier + 10 * part["temperature"]
    return (np.where(is_seen, part[name], np.nan) for name in ("field", "exact_field"))
