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
# # Data
#
# Can the simulated trajectories be trusted, and what do they contain? They are made by a simulator
# whose densities, passage times and rates agree with the exact answers of the previous chapter
# within their statistical errors. A label is the valley in which a trajectory begins; in the default
# regime {glue:text}`data_changed:.0f` ± {glue:text}`data_changed_error:.0f` per cent of the
# trajectories end in the other one.

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import GridSolver, get_profile, potential
from mb_support.checks import checked_count
from mb_support.datasets import EASY_STARTS, SEED_FAMILIES, make_dataset
from mb_support.plotting import data as figures
from mb_support.plotting.interactive import animate_particle
from mb_support.plotting.style import figure_size, use_style
from mb_support.simulation import REGIMES, START_BOX
from mb_support.states import DISK_A, DISK_B, assign_states, separatrix
from mb_support.studies import data as sampling

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 20_200  # of the simulated checks; validation family
shown_trajectory = 4  # number, below 8, of the trajectory drawn in full

# %% tags=["hide-cell"]
use_style()
settings, seed = get_profile(profile), checked_count("seed", seed, 0)
shown_trajectory = checked_count("shown_trajectory", shown_trajectory, 0, 7)
metastable = REGIMES["metastable"]
print(f"profile {settings.name}: {settings.n_passages} passages of each kind")

# %% [markdown]
# ## How the particle moves
#
# The poster's particle follows overdamped Langevin dynamics. One step of the Euler–Maruyama scheme
# with normal deviates $\mathbf{R}_n$ is
#
# $$ \mathbf{x}_{n+1} = \mathbf{x}_n - \beta D \, \nabla V(\mathbf{x}_n) \, \Delta t
# + \sqrt{2 D \, \Delta t} \; \mathbf{R}_n . $$ (eq-euler)
#
# It makes errors of first order in $\Delta t$ in equilibrium averages. The scheme of
# {cite:t}`leimkuhler2013`, which puts $(\mathbf{R}_n + \mathbf{R}_{n+1})/2$ in place of
# $\mathbf{R}_n$, makes errors of second order at the same cost. For dynamics with momenta,
#
# $$ d\mathbf{x} = \mathbf{v} \, dt , \qquad m \, d\mathbf{v} = -\nabla V \, dt - m \gamma
# \mathbf{v} \, dt + \sqrt{2 m \gamma / \beta} \; d\mathbf{W} , $$ (eq-underdamped)
#
# there is their splitting BAOAB. The deviates come from the counter-based generator Philox
# {cite}`salmon2011`, addressed by seed, trajectory and step, so a trajectory's bytes depend on
# nothing else: not on the number of threads, nor on how many are simulated together, nor on an
# interruption.
#
# The poster gives no temperature, time step or length. Those below are this book's. `metastable` is the
# default: a temperature between those for which references exist ({doc}`01_potential`), and frames so far apart that
# a good part of what was known of the place within a valley is lost from one to the next. `fine` is the same dynamics with four times
# as many frames. `wild` has the temperature and the diffusion constant that the author's repository states for
# its data file, which we do not have.
# `underdamped` has momenta; frames hold positions, so that one frame does not tell the velocity. Its mass is one, its friction ten, and $D$
# that of a free particle. {numref}`fig-data-traces` shows a trajectory of three of them.

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
sampling.regime_table(REGIMES)

# %% mystnb={"figure": {"name": "fig-data-traces", "caption": "One trajectory of each of three regimes, its coordinate x against time, coloured by the state of each frame (blue: A, vermillion: B). The metastable one stays in its valley for long. The wild one crosses all the time. The underdamped one oscillates."}, "image": {"alt": "Three time series. The first stays around one level for long, the second jumps wildly between both colours, the third oscillates around one level.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(3, 1, figsize=figure_size(1.0, 0.75))
for ax, name in zip(axes, ("metastable", "wild", "underdamped"), strict=True):
    regime = REGIMES[name]
    path = make_dataset(8, "validation", regime=name).trajectories[shown_trajectory]
    times = regime.frame_time * np.arange(regime.n_frames)
    figures.plot_trace(times, path[:, 0], assign_states(path), ax=ax)
    ax.set_title(name)
plt.show()

# %% [markdown]
# ## Where the labels lie
#
# Trajectories start uniformly over a box. The label is the state of the first frame: the minimum
# that steepest descent from there leads to, the shallow one counting as B. The two basins meet in
# one curve, the paths of steepest ascent from the upper saddle, so a label is simply a side of that
# curve ({numref}`fig-data-geography`).
#
# Many of these starts lie high up, near the ridge, where no particle would be found and noise soon
# decides between the valleys. The data set `easy_starts` is the default regime started uniformly over
# the {glue:text}`data_easy_share:.0f` per cent of the box that lie below the upper saddle, where a
# particle could be found.

# %% mystnb={"figure": {"name": "fig-data-geography", "caption": "Starts and labels of 1000 training trajectories: of the default regime (left) and of `easy_starts` (right). The boundary rises through the upper saddle; labels near it are decided by hundredths of a length."}, "image": {"alt": "Two scatters of starting points over a box: label A above a rising curve on the left and top, label B below it. On the right the points fill the two valleys only.", "classes": "dark-light"}} tags=["hide-input"]
names = ("metastable", EASY_STARTS, "wild")
sets = {name: make_dataset(settings.n_train_trajectories, "train", regime=name) for name in names}
ridge = np.stack(separatrix()[:2], axis=-1)
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.5))
for ax, name in zip(axes, names[:2], strict=True):
    figures.plot_starts(sets[name].trajectories[:, 0], sets[name].labels, ridge, START_BOX, ax=ax)
    ax.set_title(name)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, markerscale=3)
plt.show()

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
early = 5  # a tenth of the time unit in the default regime
table = sampling.label_table(sets, early)
sampling.in_per_cent(table)

# %% tags=["remove-cell"]
other, end = f"other state at frame {early}", "ends in other state"
glue("data_easy_share", 100 * sampling.share_below_saddle(), display=False)
glue("data_share_b", 100 * sampling.share_of_b(), display=False)
glue("data_early", early, display=False)
glue("data_n_train", len(sets["metastable"]), display=False)
for key, name in (("", "metastable"), ("_easy", EASY_STARTS), ("_wild", "wild")):
    for column, what in ((end, "changed"), (other, "changed_early"), ("label B", "label_b")):
        glue(f"data_{what}{key}", float(table.loc[name, column]), display=False)
        glue(f"data_{what}{key}_error", float(table.loc[name, f"{column} error"]), display=False)

# %% [markdown]
# The table counts {glue:text}`data_n_train:d` training trajectories of each set; errors are standard
# errors over trajectories. B holds {glue:text}`data_share_b:.1f` per cent of the box; of these starts,
# which `metastable` and `wild` share, a little more happen to lie there. In the metastable regime
# {glue:text}`data_changed:.0f` ± {glue:text}`data_changed_error:.0f` per cent of the trajectories
# end in the other state than they began, in the wild one {glue:text}`data_changed_wild:.0f` ±
# {glue:text}`data_changed_wild_error:.0f` per cent: there the last frame says little of the first.
# After only {glue:text}`data_early:d` frames {glue:text}`data_changed_early:.1f` ±
# {glue:text}`data_changed_early_error:.1f` per cent of the metastable trajectories are already in the
# other state: noise takes a particle that starts near the boundary to the side that steepest descent
# does not lead to. From easy starts these are {glue:text}`data_changed_early_easy:.1f` ±
# {glue:text}`data_changed_early_easy_error:.1f` per cent. What an accuracy says of a model therefore
# depends on where its trajectories start.
#
# ## Which trajectories are seen when
#
# A data set is its seeds, and they come in families that never meet. Trajectories of `train` are the
# fixed training sets of baselines and of the poster's own set-up; `stream` gives the fresh
# trajectories of this book's trainings, each seen once; every choice is made on `validation`.
# What the book reports as accuracy is scored on `test`. That family is new: the test seeds of earlier
# editions had been looked at while models were chosen, and are retired. {doc}`06_classification` says
# how often the new ones were used.

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
for family, first in SEED_FAMILIES.items():
    print(f"{family:10s} seeds from {first}")

# %% [markdown]
# {numref}`fig-data-path` shows one trajectory in full.

# %% mystnb={"figure": {"name": "fig-data-path", "caption": "One metastable trajectory over the potential, from dark (early) to light (late). It is in a valley after a few frames and then explores it."}, "image": {"alt": "Path of a particle on contour lines of the potential, coloured by time, filling one valley.", "classes": "dark-light"}} tags=["hide-input"]
x, y = np.linspace(-1.6, 1.3, 200), np.linspace(-0.4, 2.1, 180)
energy = potential(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1))
path = make_dataset(8, "validation").trajectories[shown_trajectory]
figures.plot_path(path, metastable.frame_time * np.arange(len(path)), x, y, energy)
plt.show()

# %% [markdown]
# And {numref}`fig-data-particle` is one to watch: of the first validation trajectories the one whose
# time is shared most evenly between the valleys, every third frame, with its exact committor
# ({doc}`01_potential`). Passages are quick, waiting is long: the committor leaps between values
# near zero and near one.

# %% tags=["remove-output", "hide-input"]
some = make_dataset(64, "validation").trajectories
share = assign_states(some).mean(axis=1)
path = some[np.abs(share - 0.5).argmin(), ::3]
solver = GridSolver(metastable.beta, metastable.diffusion, settings.grid_step)
committor = solver.interpolate(solver.committor(DISK_A, DISK_B), path, fill_value=0.0)
times = 3 * metastable.frame_time * np.arange(len(path))
moving = animate_particle(path, committor.clip(0, 1), times, x[::4], y[::4], energy[::4, ::4])
glue("data_particle", moving)

# %% [markdown]
# ```{glue:figure} data_particle
# :name: fig-data-particle
#
# To play, or to move through with the slider: the particle on the potential, and
# the probability that it reaches B before A, along time.
# ```
#
# ## Density
#
# Trajectories that have run for many times the slowest relaxation time must follow the Boltzmann
# density. {numref}`fig-data-density` compares them with quadrature; the band is computed over
# independent trajectories, so it contains the correlation between frames.

# %% mystnb={"figure": {"name": "fig-data-density", "caption": "Equilibrium density along x and y in the metastable regime: simulated with two standard errors over 1024 trajectories (orange), exact (black)."}, "image": {"alt": "Two histograms with bands that follow the exact curves: peaks of valley A and smaller ones of valley B.", "classes": "dark-light"}} tags=["hide-input"]
frames = sampling.equilibrium_frames(metastable, settings.n_equilibrium, seed)
edges = {"x": np.linspace(-1.3, 1.1, 49), "y": np.linspace(-0.4, 2.0, 49)}
tables = {
    name: sampling.marginal(frames, axis, edges[name], metastable.beta)
    for axis, name in enumerate("xy")
}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.4))
for ax, (name, table) in zip(axes, tables.items(), strict=True):
    figures.plot_marginal(table, f"{name} (reduced length)", ax=ax)
plt.show()

# %% tags=["hide-input"]
both = np.concatenate([(t["simulated"] - t["exact"]) / t["error"] for t in tables.values()])
within = 100 * np.mean(np.abs(both[np.isfinite(both)]) < 2)
print(f"bins within two standard errors: {within:.0f} %")
glue("data_bins_within", float(within), display=False)

# %% [markdown]
# {glue:text}`data_bins_within:.0f` per cent of the bins lie within two standard errors; neighbouring
# bins share the slow exchange between the valleys, so they err together.
#
# ## Times and rates
#
# The mean first passage time is the severest test: it depends exponentially on barriers, and a
# biased simulator gets it wrong. Particles start in one minimum and run until they come within a
# tenth of a length of the other, which is looked for at every second step.

# %% tags=["hide-input"]
passages = sampling.passage_table(
    metastable, (15.0, 20.0), settings.n_passages, seed + 1, settings.grid_step
)
for row in passages.itertuples():
    key = f"data_mfpt_{row.passage.replace(' to ', '').lower()}_{row.kT:.0f}"
    glue(key, float(row.simulated), display=False)
    glue(key + "_error", float(row.error), display=False)
    glue(key + "_exact", float(row.exact), display=False)
passages.set_index(["kT", "passage"]).round(3)

# %% tags=["hide-input"]
looks = replace(metastable, stride=10)
rates = sampling.rate_table(
    looks, 256, 200 if settings.name == "poster" else 20, seed + 9, settings.grid_step
)
worst = max(passages["deviation"].abs().max(), rates["deviation"].abs().max())
glue("data_worst_deviation", float(worst), display=False)
rates.set_index("passage").round(4)

# %% mystnb={"figure": {"name": "fig-data-passages", "caption": "Simulated mean first passage times (MFPT; 2560 passages each) and transition rates (256 trajectories) over the exact values, with two standard errors over them."}, "image": {"alt": "Six points with error bars scattered around the line at one.", "classes": "dark-light"}} tags=["hide-input"]
names = [f"MFPT {row.passage}, kT = {row.kT:.0f}" for row in passages.itertuples()]
fig, axes = plt.subplots(2, 1, sharex=True, height_ratios=(4, 2), figsize=figure_size(0.8, 0.6))
figures.plot_ratios(passages, names, ax=axes[0])
figures.plot_ratios(rates, [f"rate {passage}" for passage in rates["passage"]], ax=axes[1])
axes[0].set_xlabel("")
plt.show()

# %% [markdown]
# At kT = 15 the way from A to B takes {glue:text}`data_mfpt_ab_15:.1f` ±
# {glue:text}`data_mfpt_ab_15_error:.1f` in simulation and {glue:text}`data_mfpt_ab_15_exact:.1f`
# exactly, the way back {glue:text}`data_mfpt_ba_15:.2f` ± {glue:text}`data_mfpt_ba_15_error:.2f` and
# {glue:text}`data_mfpt_ba_15_exact:.2f` ({numref}`fig-data-passages`). The largest deviation among
# all passage times and rates is {glue:text}`data_worst_deviation:.1f` standard errors.
#
# ## What the time step costs
#
# {numref}`fig-data-step` measures the error of a mean energy, known by quadrature, against the time
# step. The data use Euler–Maruyama with a time step of one ten-thousandth, the smallest shown.

# %% mystnb={"figure": {"name": "fig-data-step", "caption": "Error of the mean potential energy in the basin of A against the time step, with two standard errors over 4096 trajectories. Points whose bar reaches the bottom do not differ from zero."}, "image": {"alt": "Error against time step on logarithmic axes: Euler-Maruyama rises along a line of slope one, Leimkuhler-Matthews stays far below.", "classes": "dark-light"}} tags=["hide-input"]
steps = (1e-4, 2e-4, 4e-4, 8e-4, 1.6e-3)
errors = sampling.step_error_table(
    metastable, ("overdamped", "leimkuhler_matthews"), steps, 4 * settings.n_equilibrium, seed + 20
)
figures.plot_step_error(errors)
plt.show()

# %% tags=["hide-input"]
order, order_error = sampling.measured_order(errors[errors["dt"] > 1e-4], "overdamped")
print(f"measured order of Euler-Maruyama: {order:.2f} ± {order_error:.2f}")
glue("data_order", order, display=False)
glue("data_order_error", order_error, display=False)
largest = errors[errors["dt"] == max(steps)].set_index("integrator")
glue("data_bias_euler", float(largest.loc["overdamped", "bias"]), display=False)
glue("data_bias_lm", float(largest.loc["leimkuhler_matthews", "bias"]), display=False)
glue("data_bias_error", float(largest.loc["leimkuhler_matthews", "error"]), display=False)

# %% [markdown]
# The error of Euler–Maruyama grows with the power {glue:text}`data_order:.2f` ±
# {glue:text}`data_order_error:.2f` of the time step. At the largest step it is
# {glue:text}`data_bias_euler:.2f`, that of Leimkuhler–Matthews {glue:text}`data_bias_lm:.2f` ±
# {glue:text}`data_bias_error:.2f`: for averages, the second scheme is the better choice at no cost.
# The data stay with the first, the simplest scheme, at a step where the error is small: over many walkers the
# passage time from A to B is {glue:text}`09_kinetics.ipynb::kinetics_simulation_off_size:.1f` % off the exact one
# ({doc}`09_kinetics`).
#
# ## Speed
#
# The bars of {numref}`fig-data-speed` come from a committed measurement (`make benchmark`), in which
# the programs took turns on one machine.

# %% mystnb={"figure": {"name": "fig-data-speed", "caption": "Simulated steps of one trajectory per second and core, in processor time, for one task (one thousand trajectories, every fiftieth step saved, as in the regime `fine`), median of the turns. Orange: this book's simulator. The table gives also the steps per second of elapsed time on all cores."}, "image": {"alt": "Horizontal bars on a logarithmic axis; the book's simulator in both precisions leads.", "classes": "dark-light"}} tags=["hide-input"]
speed, record = sampling.speed_table()
figures.plot_speed(speed, "a second of one core")
plt.show()

# %% tags=["hide-input"]
speed.set_index("program").round(1)

# %% tags=["remove-cell"]
load = max(record["load_average"])
glue("data_speed", float(speed["a second of one core"][0]), display=False)
glue("data_load", float(load), display=False)
for name in ("cores", "processor", "date"):
    glue(f"data_{name}", record["machine"][name], display=False)
glue("data_rounds", record["rounds"], display=False)

# %% [markdown]
# The machine, {glue:text}`data_processor:s`, had {glue:text}`data_cores:d` cores, and on
# {glue:text}`data_date:s` a load average of up to {glue:text}`data_load:.1f`; had the load passed the
# number of cores, elapsed times would be those of a crowded machine. Speeds are medians over
# {glue:text}`data_rounds:d` rounds. The last column is the median over rounds of the ratio of elapsed
# times in the same round, not the ratio of the medians. NumPy, PyTorch and JAX compute in
# single precision here, deeptime in double; compare it with ours of that precision. Ours makes
# {glue:text}`data_speed:.0f` million steps per second of a core's time in single precision. What makes
# the difference is written at the top of `mb_support/simulation/kernels.py`.
#
# ## Takeaway
#
# The simulated density, passage times and rates agree with the exact answers, at the data's own time
# step. Labels are sides of one curve; in the metastable regime a trajectory ends in the other
# state in {glue:text}`data_changed:.0f` per cent of cases, in the wild one in
# {glue:text}`data_changed_wild:.0f`, as by chance. How hard labels are depends on the starts.
#
# Not shown: what other spacings of frames would do to learning; and rates of the underdamped regime,
# for which this book has no exact reference.
