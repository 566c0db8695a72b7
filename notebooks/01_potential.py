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
# # Potential and exact answers
#
# What can be known about a particle on the Müller–Brown surface without training or simulating
# anything? Nearly everything the later chapters ask of a network: a sparse matrix gives the
# equilibrium density, the probability to reach one valley before the other, passage times and
# rates, the error of the best possible forecast, and how much of the first frame's state a later
# frame still tells. Here these answers are computed, compared with finite elements, and shown to
# converge.

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import GridSolver, get_profile, potential, sample_starts, simulate
from mb_support.checks import checked_count
from mb_support.plotting import potential as landscape
from mb_support.plotting.style import figure_size, use_style
from mb_support.reference import forecast
from mb_support.simulation import REGIMES, START_BOX
from mb_support.states import DISK_A, DISK_B, separatrix
from mb_support.studies import potential as exact

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 20_900  # of the simulated check at the end; validation family
beta = None  # 1/energy; a number replaces the inverse temperature of the default regime

# %% tags=["hide-cell"]
use_style()
settings, seed = get_profile(profile), checked_count("seed", seed, 0)
regimes = {name: REGIMES[name] for name in ("metastable", "wild")}
if beta is not None:
    regimes["metastable"] = replace(regimes["metastable"], beta=beta)
    regimes["metastable"].check_dt()
print(f"profile {settings.name}, grid step {settings.grid_step}")

# %% [markdown]
# ## The surface
#
# The potential {cite}`muller1979` is a sum of four Gaussian-like terms, used here in its original
# form and in reduced units:
#
# $$ V(x, y) = \sum_{k=1}^{4} A_k \exp\left[a_k (x - x_k)^2 + b_k (x - x_k)(y - y_k)
# + c_k (y - y_k)^2\right] $$ (eq-potential)
#
# It has two deep minima, A and B, and a shallow one, C, on the way. The stationary points below are
# stored constants; the line above them says how large a force is left there, which should vanish.

# %%
# NBVAL_CHECK_OUTPUT
points = exact.stationary_points()
print(
    "largest force left:", "below 1e-8" if points["force"].max() < 1e-8 else points["force"].max()
)
points[["x", "y", "energy"]].round(3)

# %% mystnb={"figure": {"name": "fig-potential-surface", "caption": "The Müller–Brown potential with its minima A, B and C (circles) and the two saddles (crosses). The dashed white line divides the basins of state A (above) and state B with C (below); dotted, the box from which trajectories start. Blank beyond the colours: the walls rise into the thousands."}, "image": {"alt": "Contour map of the potential energy with two deep valleys joined by a curved path over two saddles, and a dividing line through the upper saddle.", "classes": "dark-light"}} tags=["hide-input"]
x, y = np.linspace(-1.6, 1.3, 300), np.linspace(-0.4, 2.1, 260)
energy = potential(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1))
ridge = np.transpose(separatrix()[:2])
ax = landscape.plot_surface(x, y, energy, points, box=START_BOX, ridge=ridge)
plt.show()

# %% [markdown]
# {numref}`fig-potential-surface` also shows how points are assigned to states: by the minimum that
# steepest descent leads to, C counting as B. The dividing line runs through the saddle between A
# and C.
#
# ## A matrix that knows the answers
#
# The particle moves by overdamped Langevin dynamics,
#
# $$ d\mathbf{x} = -\beta D \nabla V \, dt + \sqrt{2 D} \, d\mathbf{W} , $$ (eq-langevin)
#
# with inverse temperature $\beta$ and diffusion constant $D$, which are set independently here.
# Expectations $u(\mathbf{x}, t) = E[f(\mathbf{x}_t) \mid \mathbf{x}_0 = \mathbf{x}]$ obey
# $\partial_t u = L u$ with the generator
#
# $$ L u = D \, e^{\beta V} \nabla \cdot \left( e^{-\beta V} \nabla u \right) . $$ (eq-generator)
#
# On a grid of spacing $h$ it becomes a process of jumps between neighbouring nodes $i$ and $j$,
#
# $$ k_{ij} = \frac{D}{h^2} \, \frac{u_{ij}}{e^{u_{ij}} - 1} , \qquad u_{ij} = \beta (V_j - V_i) ,
# $$ (eq-rates)
#
# the exponentially fitted scheme of {cite:t}`scharfetter1969`. Since $e^{-\beta V_i} k_{ij}$ is
# symmetric, detailed balance holds exactly and the stationary density is exactly Boltzmann's at the
# nodes. What remains is linear algebra:
#
# - the *committor* $q$, the probability to reach a disk around B before one around A, solves
#   $L q = 0$ between the disks, with zero on the one and one on the other;
# - the *mean first passage time* to a disk solves $L m = -1$ outside it;
# - *transition path theory* {cite}`e2010` turns the committor into the rate,
#
# $$ \nu = D \int \nabla q \cdot \nabla q \; \frac{e^{-\beta V}}{Z} \, d\mathbf{x} , \qquad
# k_{AB} = \frac{\nu}{P(\text{last in A})} , $$ (eq-rate)
#
# - the *implied timescales* are minus the inverse eigenvalues of $L$;
# - $e^{tL}$ carries expectations backward and its adjoint carries densities forward in time.
#
# The disks deserve care: a staircase of cells instead of a circle would spoil the order of
# convergence. Grid lines that enter a disk end on the circle, with their length cut accordingly
# {cite}`gibou2002`.

# %%
solvers = {
    name: GridSolver(config.beta, config.diffusion, settings.grid_step)
    for name, config in regimes.items()
}
for name, solver in solvers.items():
    print(f"{name}: kT = {1 / solver.beta:.1f}, {solver.active.sum()} nodes")

# %% mystnb={"figure": {"name": "fig-potential-density", "caption": "Free energy of the Boltzmann density, in kT above its minimum, in the default regime (left) and the wild one (right), where barriers lie below kT."}, "image": {"alt": "Two maps of free energy. Left, two separate valleys. Right, one broad basin.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.42))
for ax, (name, solver) in zip(axes, solvers.items(), strict=True):
    density = np.maximum(solver.stationary_density(), 1e-300)
    landscape.plot_free_energy(solver.x, solver.y, np.log(density.max() / density), ax=ax)
    ax.set_title(name)
plt.show()

# %% [markdown]
# {numref}`fig-potential-density` shows why one regime is called metastable and the other wild.
# {numref}`fig-potential-committor` shows the committors: in the metastable regime nearly the whole
# change from A to B happens in a band around the upper saddle, and the shallow minimum C is
# already committed to B (with probability {glue:text}`potential_committor_c:.2f`), which is why it
# is counted as B.

# %% mystnb={"figure": {"name": "fig-potential-committor", "caption": "Committor: probability to reach the disk around B before the one around A. Lines: isolines. The colours of A and B are those of the whole book."}, "image": {"alt": "Two maps of the committor from blue around A to red around B, with isolines. The change is sharp on the left and gradual on the right.", "classes": "dark-light"}} tags=["hide-input"]
disks = DISK_A, DISK_B
committors = {name: solver.committor(*disks) for name, solver in solvers.items()}
maps = {n: dict(x=s.x, y=s.y, committor=committors[n], disks=disks) for n, s in solvers.items()}
landscape.plot_committors(maps, 0.42)
plt.show()

# %% tags=["hide-input"]
solver = solvers["metastable"]
minimum_c = points.loc["C", ["x", "y"]].to_numpy(dtype=float)
at_c = solver.interpolate(committors["metastable"], minimum_c)
glue("potential_committor_c", float(at_c), display=False)

# %% [markdown]
# ## Against finite elements
#
# A public finite-element code {cite}`cameron_tpt` gives the reactive flux and the probability of
# having been last in A for one temperature. Committors at three points for three temperatures were
# noted down as finite-element values before this solver was written; we know of no paper that prints
# them, so they guard against blunders only. Here $D = kT$, as is usual there.

# %%
# NBVAL_CHECK_OUTPUT
published = exact.compare_with_published(settings.grid_step)
published.set_index(["kT", "quantity"]).map("{:.6f}".format)

# %% tags=["hide-input"]
committors_off = published["difference"][published["quantity"].str.startswith("committor")]
flux_off = 100 * abs(published["difference"][0]) / published["finite elements"][0]
glue("potential_committor_error", float(committors_off.abs().max()), display=False)
glue("potential_flux_error", float(flux_off), display=False)

# %% [markdown]
# The largest difference among the committors is {glue:text}`potential_committor_error:.4f`, and the
# flux differs by {glue:text}`potential_flux_error:.2f` per cent. That is more than the next figure leaves
# of error in ours; which of the two is off, we do not know.
#
# ## Refinement
#
# Agreement with others is one check; the other is that results stop changing. Each halving of the
# grid step should divide the change by four where a result is smooth, and by less for the committor,
# whose disks have edges that no grid meets.

# %% mystnb={"figure": {"name": "fig-potential-convergence", "caption": "Change of four results when the grid step is halved (relative; for the committor, root mean square over points), at kT = 10. The black line has the slope of second order."}, "image": {"alt": "Four lines on logarithmic axes fall in parallel with a reference line of slope two.", "classes": "dark-light"}} tags=["hide-input"]
first = 4 * settings.grid_step if settings.name == "poster" else 2 * settings.grid_step
steps = [first / 2**k for k in range(4 if settings.name == "poster" else 3)]
changes = exact.refinement(beta=0.1, diffusion=10.0, steps=steps)
landscape.plot_convergence(changes)
plt.show()

# %%
# NBVAL_CHECK_OUTPUT
orders = exact.observed_orders(changes)
glue("potential_order_min", float(orders.min()), display=False)
glue("potential_order_max", float(orders.max()), display=False)
orders.round(1).to_frame("order of convergence")

# %% [markdown]
# The orders observed in {numref}`fig-potential-convergence` lie between
# {glue:text}`potential_order_min:.2f` and {glue:text}`potential_order_max:.2f`.
#
# ## Times and rates
#
# Passage times are those from one minimum to the disk around the other, in the time unit of the
# data, in which $D$ is that of the regime.

# %%
# NBVAL_CHECK_OUTPUT
kinetics = exact.kinetics_table(regimes, settings.grid_step)
kinetics.map("{:.4g}".format)

# %% mystnb={"figure": {"name": "fig-potential-timescales", "caption": "The four slowest relaxation times of both regimes, exact. Dashed: the time between frames and the length of a trajectory."}, "image": {"alt": "Two panels with relaxation times on a logarithmic axis. Left, one time stands far above the others, near the length of a trajectory; right, all lie close together.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.4))
for ax, (name, config) in zip(axes, regimes.items(), strict=True):
    times = kinetics[name].filter(like="timescale")
    landscape.plot_timescales(times, config.frame_time, config.total_time, ax=ax)
    ax.set_title(name)
plt.show()

# %% tags=["hide-input"]
times = kinetics["metastable"].filter(like="timescale").to_numpy()
length = regimes["metastable"].total_time
glue("potential_gap", float(times[0] / times[1]), display=False)
glue("potential_length_ratio", float(times[0] / length), display=False)
for way in ("A to B", "B to A"):
    passage = kinetics.loc[f"mean first passage time {way}", "metastable"]
    leaving = 100 * -np.expm1(-length / passage)  # passage times are exponential
    glue(f"potential_leaving_{way[0].lower()}", float(leaving), display=False)
second_mode = solver.eigenmodes(2)[1][1]
share = solver.average(second_mode**2 * (potential(solver.positions) > 0))
glue("potential_plateau_share", float(100 * share), display=False)

# %% [markdown]
# In the metastable regime there is one slow process, the exchange between A and B. Its relaxation time
# is {glue:text}`potential_length_ratio:.1f` times what a trajectory lasts
# ({numref}`fig-potential-timescales`). Of the trajectories that fall into valley A only
# {glue:text}`potential_leaving_a:.0f` per cent reach B before they end, of those in valley B
# {glue:text}`potential_leaving_b:.0f` per cent reach A. The exchange is
# {glue:text}`potential_gap:.0f` times slower than the next process. That next one is easily missed: it is
# no motion inside a valley but slow diffusion over the high plateau at the upper left, which the
# particle leaves by sliding into A ({glue:text}`potential_plateau_share:.0f` per cent of the mode's
# weight lies at positive energies). In equilibrium nobody is there; trajectories that start
# uniformly over the box often are.
#
# ## What the best forecaster cannot know
#
# The best forecast of the frame $k$ steps ahead, in the sense of the poster's squared distance, is
# the conditional mean, and what it leaves is
#
# $$ \epsilon_k = E \left| \mathbf{x}_{t+k} - E[\mathbf{x}_{t+k} \mid \mathbf{x}_t] \right|^2 .
# $$ (eq-floor)
#
# No network that does not see the future can have less.

# %% mystnb={"figure": {"name": "fig-potential-floor", "caption": "Mean squared error of forecasts in equilibrium against how far they look ahead. Black: the exact floor, reached by the conditional mean. Grey: predicting that the particle stays, and predicting the mean of the equilibrium density."}, "image": {"alt": "Two panels. The exact floor rises from the noise of one frame to the variance, below both baselines everywhere.", "classes": "dark-light"}} tags=["hide-input"]
coarse_step = 0.04  # half as fine as above; these curves move by less than their lines are wide
coarse = {name: GridSolver(c.beta, c.diffusion, coarse_step) for name, c in regimes.items()}
n_ahead = 12 if settings.name == "poster" else 5
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.5))
for ax, (name, config) in zip(axes, regimes.items(), strict=True):
    ahead = np.unique(np.geomspace(1, config.n_frames - 1, n_ahead).astype(int))
    errors = exact.forecast_errors(coarse[name], ahead, config.frame_time)
    landscape.plot_forecast_error(errors, ax=ax)
    ax.set_title(name)
plt.show()

# %%
# NBVAL_CHECK_OUTPUT
floors = {name: exact.floor_table(config, coarse_step) for name, config in regimes.items()}
metastable_floors = floors["metastable"]["sum"]
glue("potential_floor", float(metastable_floors["equilibrium"]), display=False)
glue("potential_floor_data", float(metastable_floors["data, as simulated"]), display=False)
one = exact.forecast_errors(coarse["metastable"], [1], regimes["metastable"].frame_time).loc[1]
glue("potential_noise_share", float(100 * one["exact floor"] / one["last frame"]), display=False)
glue("potential_moved", float(one["last frame"]), display=False)
pd.concat(floors).map("{:.5f}".format)

# %% [markdown]
# One frame ahead the floor is {glue:text}`potential_floor:.4f` in equilibrium (summed over both
# coordinates). For the data, whose trajectories begin anywhere in the box and whose time step is
# finite, it is {glue:text}`potential_floor_data:.4f`; both effects are computed, not simulated. In
# equilibrium a particle moves by a mean square of {glue:text}`potential_moved:.4f` from frame to
# frame: {glue:text}`potential_noise_share:.0f` per cent of that cannot be foreseen.
# {numref}`fig-potential-floor` shows the floor at longer horizons. In the metastable regime it stays
# below the variance for hundreds of frames, because the valley is remembered; in the wild one it
# reaches it within some twenty frames, and there "the particle stays" is worse than a constant.
#
# ## What a later frame knows of the first
#
# The label of a trajectory is the state of its first frame. By the Markov property, a slice that
# begins at frame $t$ tells of the label only what its first frame tells. With $\rho_y$ that part of the
# density at frame $t$ which started in state $y$ (its integral is the share of these starts),
#
# $$ P(y \mid \mathbf{x}_t) = \frac{\rho_y(\mathbf{x}_t)}{\rho_0(\mathbf{x}_t) +
# \rho_1(\mathbf{x}_t)} , \qquad \text{accuracy}(t) = \int \max_y \rho_y(\mathbf{x}) \,
# d\mathbf{x} . $$ (eq-label)

# %% mystnb={"figure": {"name": "fig-potential-label-map", "caption": "Probability that the first frame was in state B, given the position at frame t, in the metastable regime. Blank: places without trajectories. What was certain at the start becomes a matter of which valley one is in, and then fades."}, "image": {"alt": "Three maps of the probability of label B at growing frame numbers: sharp at first, then constant within each valley and paler.", "classes": "dark-light"}} tags=["hide-input"]
shown = [1, 8, 500]
posterior = forecast.label_posterior(solver, shown, regimes["metastable"].frame_time)
weights = [joint.sum(axis=0) for joint in posterior.joint]
maps = {
    f"frame {frame}": dict(x=solver.x, y=solver.y, committor=field, isolines=(),
                           seen=weight > 1e-4 * weight.max())
    for frame, field, weight in zip(shown, posterior.probability, weights, strict=True)
}  # fmt: skip
landscape.plot_committors(maps, 0.34)
plt.show()

# %% mystnb={"figure": {"name": "fig-potential-label", "caption": "Accuracy of the best possible guess, exact (black). Solid: of the state of the first frame, for whoever looks from frame t on (frames after t add nothing). Dashed: of the state of the last frame, if frame t is all that is known. With markers, the same guess scored on simulated trajectories (5000 of each regime, two standard errors over them). No classifier of slices can lie above the solid line."}, "image": {"alt": "Two panels. The accuracy for the first frame's label falls with t, slowly in the metastable regime and to one half in the wild one; that for the last frame's label rises towards one.", "classes": "dark-light"}} tags=["hide-input"]
n_early, late = (14, (0.9, 0.98, 0.995)) if settings.name == "poster" else (6, (0.95,))
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.4))
for ax, (name, config) in zip(axes, regimes.items(), strict=True):
    frames = exact.spread_frames(config.n_frames, n_early, late)
    starts = sample_starts(5 * settings.n_train_trajectories, seed)
    trajectories = simulate(config, starts, seed)[:, frames]
    best, simulated = exact.label_curves(coarse[name], config, frames, trajectories)
    landscape.plot_label_knowledge(frames, best, simulated, ax=ax)
    ax.set_title(name)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# {numref}`fig-potential-label` gives the limits that later chapters draw beside their classifiers,
# and {numref}`fig-potential-label-map` where they come from. They hold for an observer who sees raw
# coordinates. A model that sees coordinates standardised by each trajectory's own mean and spread
# knows less; that ceiling is computed in the chapter on classification.
#
# ## Takeaway
#
# The two-dimensional problem has exact answers to most questions of this book on overdamped dynamics,
# from a sparse matrix, converged in the grid step. Committors agree with finite-element values that have no printed
# source; the reactive flux differs from the published one by {glue:text}`potential_flux_error:.2f` per cent. The default regime has one slow process, about as slow as a trajectory is long; the wild one has none. One frame
# ahead, {glue:text}`potential_noise_share:.0f` per cent of the mean squared displacement is noise that
# no forecaster can know. A slice from the middle of a trajectory cannot tell the first frame's state
# beyond a limit that falls with its distance from the start.
#
# Not shown: the underdamped dynamics, whose generator lives in four dimensions; and how the answers
# depend on temperature beyond the values listed. The solver holds for continuous time; the effect
# of the simulation's time step was computed for the noise floor only.
