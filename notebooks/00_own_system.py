# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own system
#
# The potential of this book stands for molecules, and everything that is done with it can be done
# with what you have. Two examples, short enough to copy: an energy of your own, from its formula to
# its rates, and trajectories of your own, from an array to a trained model.

# %% tags=["remove-stderr", "hide-input"]
import tempfile

import numpy as np
import torch
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import (
    GridSolver,
    Potential,
    SimulationConfig,
    TrajectorySet,
    generate,
    get_profile,
    make_dataset,
    predict_states,
)
from mb_support.checks import checked_count
from mb_support.model import export_classifier, export_collective_variable
from mb_support.plotting import own_system as figures
from mb_support.plotting.style import use_style
from mb_support.potential import four_wells
from mb_support.simulation import first_passage_times
from mb_support.statistics import mean_with_error
from mb_support.studies.attention.maps import attention_maps
from mb_support.studies.collective_variable.variational import VariationalSettings, learn_committor
from mb_support.training import TrainingConfig, train

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 1

# %% tags=["hide-input"]
use_style()
small, seed = get_profile(profile).name == "smoke", checked_count("seed", seed, 0)
n_passages, n_trajectories, n_passes = (200, 120, 1) if small else (2000, 1000, 12)

# %% [markdown]
# ## An energy of your own
#
# Write the energy as a function of two numbers. numba compiles it, the force is derived from it, and
# minima are searched in the box that you name.

# %%
own = Potential(
    lambda x, y: 4 * (x * x - 1) ** 2 + 6 * (y - 0.4 * x * x) ** 2 + 0.5 * x,
    box=((-1.8, -1.0), (1.8, 1.8)),
)
own.minima.round(3)

# %% [markdown]
# State 0 is the deeper well. Committor, passage time and rate between two disks come from the grid
# solver, at any temperature: here $\beta = 1$ and $D = 1$.

# %%
# NBVAL_CHECK_OUTPUT
solver = GridSolver(beta=1.0, diffusion=1.0, potential=own)
deep, shallow = ((well, 0.2) for well in own.minima)
committor = solver.committor(deep, shallow)
passage = solver.interpolate(solver.mean_first_passage_time(shallow), own.minima[0])
print(f"passage time {passage:.2f}; a transition every {1 / solver.rate(deep, shallow):.2f}")

# %% [markdown]
# Simulation agrees, as it should. The time step is checked against the stiffest well of *your*
# energy before anything is computed.

# %%
config = SimulationConfig(beta=1.0, diffusion=1.0, dt=1e-3, stride=1, n_frames=2)
starts = np.tile(own.minima[0], (n_passages, 1))
times = first_passage_times(config, starts, seed, *shallow, max_time=1000.0, potential=own)
value, error = mean_with_error(times)
print(f"simulated {value:.1f} ± {error:.1f}, from {n_passages} passages")

# %% tags=["hide-input", "remove-output"]
glue("own_system_passage", float(passage), display=False)
glue("own_system_simulated", value, display=False)
glue("own_system_error", error, display=False)
glue("own_system_n", n_passages, display=False)

# %% mystnb={"figure": {"name": "fig-own-system-potential", "caption": "Left: the energy above, in kT over its minimum, with the two disks. Right: the exact probability to reach the shallow well before the deep one."}, "image": {"alt": "Two maps of a curved double well: the energy with two disks at its minima, and the committor that rises from one to the other.", "classes": "dark-light"}} tags=["hide-input"]
figures.plot_potential(solver, committor, (deep, shallow))
plt.show()

# %% [markdown]
# Solver {glue:text}`own_system_passage:.1f`, simulation {glue:text}`own_system_simulated:.1f` ±
# {glue:text}`own_system_error:.1f` ({numref}`fig-own-system-potential`). With `periodic=True` the box
# is one period of two angles, and solver and simulation live on the torus. `mb_support.potential` has
# `double_well`, `four_wells` and `torus` as examples.
#
# ## Trajectories of your own
#
# All that is needed is an array, (trajectories, frames, features), and an integer for each. Here it
# comes from a potential with four wells and so four states; yours may come from anywhere:
# `TrajectorySet.from_file` reads `.npz`, zarr, and with MDAnalysis the usual formats of molecular
# dynamics, of which it takes sine and cosine of the dihedrals. Long runs are cut by `window=200`, never
# across two runs. Trajectories of unequal length are padded, and masks do the rest.

# %%
# NBVAL_CHECK_OUTPUT
wells = four_wells()
slow = SimulationConfig(beta=1.0, diffusion=1.0, dt=1e-3, stride=50, n_frames=100)
made = make_dataset(n_trajectories, "train", regime=slow, potential=wells)
data = TrajectorySet.from_arrays(made.trajectories, made.labels)
print(f"{len(data)} trajectories, {data.n_features} features, {data.n_states} states")

# %% [markdown]
# Training takes one call. A tenth of the runs is kept for validation; dropout and the number of passes
# are for a set of this size, and `folder` keeps checkpoints from which an interrupted run goes on.

# %% tags=["remove-stderr"]
folder = tempfile.mkdtemp()
recipe = TrainingConfig.for_data("small", data, n_passes=n_passes, seed=seed)
model, record = train(recipe, folder, data=data, progress=False)

# %% [markdown]
# The same from a shell, with a file: `python -m mb_support.training --size small --data mine.npz`.
# The trained model names the first state of trajectories that it has not seen, continues them, and
# shows where it looks ({numref}`fig-own-system-model`).

# %%
new = make_dataset(500, "test", regime=slow, potential=wells)
states, probabilities = predict_states(model, new.trajectories)
accuracy, accuracy_error = mean_with_error(states == new.labels)
continued = generate(model, new.trajectories[:1, :60], n_steps=40, progress=False)
maps = attention_maps(model, new.trajectories[:1], average="all")
print(f"{len(new)} new trajectories, probabilities {probabilities.shape}")

# %% tags=["hide-input", "remove-output"]
glue("own_system_accuracy", accuracy, display=False)
glue("own_system_accuracy_error", accuracy_error, display=False)
glue("own_system_trajectories", n_trajectories, display=False)

# %% mystnb={"figure": {"name": "fig-own-system-model", "caption": "One new trajectory in four wells. Left: its first coordinate (black), continued by the model from frame 60 on (orange). Right: attention, mean over all layers and heads; rows attend to columns, 1 is the uniform weight."}, "image": {"alt": "A coordinate against frames with its continuation, and a square map of attention weights.", "classes": "dark-light"}} tags=["hide-input"]
figures.plot_model(new.trajectories[0], continued[0], 60, maps[0])
plt.show()

# %% [markdown]
# Of the new trajectories it names {glue:text}`own_system_accuracy:.2f` ±
# {glue:text}`own_system_accuracy_error:.2f` rightly, after learning from
# {glue:text}`own_system_trajectories:d`; a guess is right in a quarter of the cases. Whether more
# trajectories or longer training would help was not tried here ({doc}`04_training` does, on Müller–Brown).
# How much could be known is not computed for four wells. The model is saved by `model.save_pretrained(folder)` and loaded by
# `TrajectoryTransformer.from_pretrained(folder)`.

# %% [markdown]
# ## Take it away
#
# A trained model becomes one file that needs nothing but PyTorch. Raw coordinates go in, in any unit:
# standardisation is inside.

# %%
# NBVAL_CHECK_OUTPUT
export_classifier(model, f"{folder}/classifier.pt")
alone = torch.jit.load(f"{folder}/classifier.pt")
difference = np.abs(alone(torch.from_numpy(new.trajectories)).numpy() - probabilities).max()
print(f"the same probabilities: {difference < 1e-5}")

# %% [markdown]
# An ending of `.pt2` gives the newer format of `torch.export`. `export_committor` does the same with a
# read-out of the committor from encodings ({doc}`10_collective_variable`). Both need a trajectory, so
# they serve to analyse one that exists.
#
# To bias a simulation, to push it along a collective variable, takes more. PLUMED, the usual program for
# that, passes to a collective variable the values of the present
# step only, so it has to be a function of one frame. The committor of the energy above is one: a small
# network learns it from the formula, without a single trajectory ({doc}`10_collective_variable`).

# %%
settings = VariationalSettings(n_points=2**12, n_steps=150, width=16)
barrier = own.highest_pass
network = learn_committor(own, own.box, (deep, shallow), solver.beta, barrier, settings, seed)
export_collective_variable(network, 2, f"{folder}/committor.ptc")

variable = torch.jit.load(f"{folder}/committor.ptc")
learned = variable(torch.from_numpy(solver.positions))[..., 0].numpy()
undecided = ((committor > 0.1) & (committor < 0.9)).astype(float)
share = solver.average(undecided)
error = np.sqrt(solver.average(undecided * (learned - committor) ** 2) / share)

# %% tags=["hide-input", "remove-output"]
glue("own_system_committor_error", float(error), display=False)
glue("own_system_undecided", 100 * float(share), display=False)

# %% [markdown]
# Where the committor lies between 0.1 and 0.9, which is so for {glue:text}`own_system_undecided:.1f` per cent
# of the Boltzmann density, it errs by {glue:text}`own_system_committor_error:.3f` (root mean square). These lines make it a collective variable in PLUMED, built with its module `pytorch` and a
# LibTorch of the version that wrote the file. They were not run here. The two coordinates are those of
# the first atom; for a molecule, they would be two of its dihedrals.
#
# ```text
# p: POSITION ATOM=1
# q: PYTORCH_MODEL FILE=committor.ptc ARG=p.x,p.y
# RESTRAINT ARG=q.node-0 AT=0.5 KAPPA=100
# PRINT ARG=p.x,p.y,q.node-0 FILE=COLVAR STRIDE=100
# ```
#
# A committor is flat within the states. There a bias along it has nothing to push: it acts between
# them.

# %% [markdown]
# ## Takeaway
#
# - A potential is a function of two numbers and a box; everything else is derived from it.
# - A set of trajectories is an array and a list of labels; a file will do.
# - Model, solver and simulation treat them as they treat the poster's system.
# - What was trained leaves as one file. What PLUMED is to bias must be a function of one frame.
# - Not shown: a biased simulation.
