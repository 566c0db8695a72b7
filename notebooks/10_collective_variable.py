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
# # Which collective variable did it learn?
#
# The title of the poster speaks of the collective variable problem. This system has one right
# answer to it, the committor. How much of it do the encodings of the trained models hold? A linear
# probe reads it from one layer ({numref}`fig-collective-variable-errors`). It finds a coarse
# picture, on which side a frame lies, and far less than could be known where the answer is open.
# In the transition region ($0.1 < q < 0.9$, mostly the shallow basin C) the root mean square error of the probe, with its 95 % interval and the
# number $n$ of trainings, is {glue:text}`collective_variable_trained_transition:s`. A constant errs by
# {glue:text}`collective_variable_constant_transition:.3f`, boosted trees on hand-made features by
# {glue:text}`collective_variable_trees_transition:.3f`, and the best that anyone could do with what
# the models see by {glue:text}`collective_variable_ideal_transition:.3f`. Whoever knows the potential
# needs no trajectories at all: a small network learns the committor from it
# ({numref}`fig-collective-variable-variational`).

# %% tags=["remove-stderr", "hide-input"]
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import REGIMES, GridSolver, get_profile
from mb_support.checks import checked_count
from mb_support.plotting import collective_variable as plots
from mb_support.plotting.style import figure_size, use_style
from mb_support.studies.collective_variable import past_windows, scores, tables, variational

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 800  # number of the seeds from which windows for the question of memory are drawn

# %% tags=["remove-stderr", "hide-cell"]
use_style()
settings, seed = get_profile(profile), checked_count("seed", seed, 0, 8_998)
results = tables.load_all(settings.sizes)
kept = variational.load()
solver = GridSolver(REGIMES["metastable"].beta, REGIMES["metastable"].diffusion, settings.grid_step)
constants = scores.best_constants(solver)
print(f"profile {settings.name}; {tables.numbers(results)}")

# %% mystnb={"figure": {"name": "fig-collective-variable-errors", "caption": "Error of the committor, read from 400 standardised test trajectories, the same for every method. Coloured: linear probes of plain models, a marker for each training (small 5, medium 3, large 3); open markers are controls, the weights before training and the shuffled committor. Grey: baselines. Bars: 95 % interval of the mean over trainings, from resampled trajectories. Black: the least error possible. Dashed: the best constant. Right: over all frames, telling the valleys apart removes most of the error. Left: in the transition region that does not help, and the probes stay near the constant."}, "image": {"alt": "Two panels of error bars, a row for each method, with a vertical line at the least error possible.", "classes": "dark-light"}} tags=["hide-input"]
errors = {region: tables.errors(results, region) for region in ("transition", "boltzmann")}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.74), sharey=True)
for ax, (region, found) in zip(axes, errors.items(), strict=True):
    plots.plot_errors(found, results.methods(), tables.IDEAL, constants[region], ax)
    ax.set_title(tables.REGION_NAMES[region])
    ax.set_xlabel("RMSE of $q$")
plt.show()

# %% tags=["remove-cell"]
numbers = tables.findings(results, constants) | variational.findings(kept)
for name, value in numbers.items():
    glue(f"collective_variable_{name}", value, display=False)

# %% [markdown]
# ## The right answer
#
# Let $q(\mathbf{x})$ be the probability that a trajectory from $\mathbf{x}$ reaches a disk around B
# before one around A. It solves
#
# $$ L q = 0 , \qquad q = 0 \text{ in } A , \quad q = 1 \text{ in } B , $$ (eq-cv-committor)
#
# with $L$ the generator of the dynamics {cite}`e2010`, and the grid solver of the first chapter
# gives it at every point. A good collective variable is a function of $q$, or nearly so.
#
# ## How the encodings are read
#
# **The probe** is as weak as it can be and still give a probability: the logistic function of a linear
# function of the encoding $\mathbf{h}_t$ of one frame in one layer,
#
# $$ \hat q_t = \sigma(b + \mathbf{w} \cdot \mathbf{h}_t) . $$ (eq-cv-probe)
#
# It is fitted to the exact $q(\mathbf{x}_t)$ on training trajectories. Its layer and its penalty are
# chosen on validation trajectories, for each training of a model separately. All scores are from
# {glue:text}`collective_variable_n_scored:d` test trajectories that nothing else in this book uses. The
# encoder sees later frames too. They help only to find out where the frame lies, which
# standardisation hides: the target is a function of $\mathbf{x}_t$ alone.
#
# **Two controls** {cite}`hewitt2019`. *Untrained*: the same probe on the random weights with which
# each training began. *Shuffled committor*: the same probe on the trained model, fitted to the
# committor of another frame.
#
# **The weights.** Trajectories start uniformly over a box, so their frames are no sample of the
# Boltzmann density $\pi$. A frame counts with weight
#
# $$ w(\mathbf{x}) = \pi(\mathbf{x}) / \bar p(\mathbf{x}) , $$ (eq-cv-weight)
#
# where $\bar p$ is the exact density of frames from uniform starts. Errors are averages with these
# weights, over all frames or over the transition region $0.1 < q < 0.9$. It holds
# {glue:text}`collective_variable_share:.1f` % of the Boltzmann density, most of it in the shallow
# basin C. The column "equal weight at every q" gives every eighth of that range of $q$ the same weight, which
# puts the saddle first: there probes err by {glue:text}`collective_variable_trained_even:s`, and a constant
# by {glue:text}`collective_variable_constant_even:.3f`. Frames of the first half time unit of each trajectory are left out.
#
# Every method is fitted once, with half of the weight on the Boltzmann density and half on its part in
# the transition region. The constant and the best possible are chosen for each region. So a method can
# err more than the constant in a region. There it is of no use, and how much more it errs means nothing.
# With standardised frames this is so for nearly all methods but probes and trees.
#
# **The best that anyone could do.** Models see standardised trajectories $\mathbf{z}$: shapes, not
# places. The ideal observer of {doc}`chapter 6 <06_classification>` knows the dynamics exactly and
# has samples of the shift and scale that were taken away. Its mean of the committor,
#
# $$ q^*_t = \frac{E[\, w(\mathbf{x}_t) \, q(\mathbf{x}_t) \,|\, \mathbf{z} \,]}
#                 {E[\, w(\mathbf{x}_t) \,|\, \mathbf{z} \,]} , $$ (eq-cv-best)
#
# with $w$ the weights of the region that is scored, has the least expected squared error of all
# functions of $\mathbf{z}$.
#
# **The baselines** see the same standardised frames. Principal components, TICA
# {cite}`perezhernandez2013` and VAMPNets {cite}`mardt2018,wu2020` get the most favourable reading,
# the best monotone function of their one variable, fitted to the exact committor. The Markov model
# computes a committor of its own. All four see one frame, and not its trajectory as the encoder does: that a
# probe errs less is no merit of the probe. (Standardised coordinates vary equally, so that a principal component
# of two of them can only be a diagonal; TICA finds nearly the same.) Lags and cells are chosen on validation trajectories. *Boosted
# trees* are fitted to the same committors as the probes; they see the standardised frame and a hundred
# hand-made features of its trajectory. They are fitted twice: to as many trajectories as the
# probes, and to {glue:text}`collective_variable_n_more:d`, since the encoders too have seen many.
#
# **Features or read-out?** Trees differ from a probe in both. So the probe reads the hand-made features,
# too (*linear in hand-made features*), and trees read the encodings of the layer that the probe reads
# (*read by trees*).

# %% tags=["hide-input"]
tables.score_table(results, constants=constants)

# %% [markdown]
# Root mean square errors: mean over trainings, in brackets its 95 % interval over
# trajectories, in parentheses the least and the greatest of the trainings. The rank correlation is
# that of the transition region. The last row is exact.

# %% tags=["hide-cell"]
# NBVAL_CHECK_OUTPUT
for name in ("small", "small, untrained", tables.IDEAL, results.best_simple()):
    print(f"{name}: {errors['transition'][name].value:.2f}, {errors['boltzmann'][name].value:.2f}")

# %% [markdown]
# The layers that validation chose, one for each training (0 is the embedding):

# %% tags=["hide-input"]
tables.layer_table(results)

# %% [markdown]
# ## Verdicts
#
# In which regions does the probe of which size err less than a rival? The first rival is the best constant:
# where another rival errs more than the constant, to err less than that rival says little. "Simple" is the best of PCA,
# TICA, VAMPNet and Markov model, by validation
# ({glue:text}`collective_variable_baseline_name:s`).

# %% tags=["hide-input"]
comparisons = tables.compare(results, constants)
tables.summary_table(comparisons)

# %% [markdown]
# A verdict is a 95 % interval of the difference that leaves out zero. Intervals join two kinds of
# chance: which trajectories were drawn (the same ones are resampled for both), and the scatter of
# trainings, pooled over the sizes as in {doc}`chapter 6 <06_classification>`. Controls are compared training by training. Tables of
# errors show intervals over trajectories alone, which are narrower. The
# differences themselves, probe minus rival:

# %% tags=["hide-input"]
tables.verdict_table(comparisons)

# %% [markdown]
# How much of what can be known do the probes find? Let 0 be what the best constant knows and 1 what
# the ideal observer knows, in mean squared error:

# %% tags=["hide-input"]
tables.share_table(results, constants)

# %% [markdown]
# Over all frames the share is high: the two valleys are told apart. In the transition region it is
# much lower. So a linear read-out knows the valley well and the committor poorly. Do the encodings lack
# the rest, or hold it in a form that is not linear? Read by trees they err there by
# {glue:text}`collective_variable_by_trees_transition:s` (untrained:
# {glue:text}`collective_variable_untrained_by_trees_transition:s`). Trees on the hand-made features err by
# {glue:text}`collective_variable_trees_transition:.3f`, a probe of these features by
# {glue:text}`collective_variable_features_transition:.3f`. So part of the distance is the read-out. And
# where trees read, is the error lower than with the weights before training? (Difference in the
# transition region:) {glue:text}`collective_variable_trained_read_by_trees:s`.
#
# ## With raw coordinates
#
# Standardisation made this hard. Methods that are given the places of the frames:

# %% tags=["hide-input"]
tables.score_table(results, "raw")

# %% [markdown]
# The best of PCA, TICA, VAMPNet and Markov model
# ({glue:text}`collective_variable_raw_baseline_name:s`) now errs by
# {glue:text}`collective_variable_raw_baseline_transition:.3f` in the transition region. A regression on
# radial functions of $x$ and $y$, fitted to exact committors, errs by
# {glue:text}`collective_variable_raw_radial_transition:.3f`.
#
# The field needs no exact committors for that. Among all functions that are 0 in A and 1 in B the
# committor has the least Dirichlet energy,
#
# $$ E[q] = \int |\nabla q(\mathbf{x})|^2 \, e^{-V(\mathbf{x}) / kT} \, d\mathbf{x} , $$ (eq-cv-dirichlet)
#
# so a network can be trained to make it small {cite}`khoo2019,li2019`. Ours has two hidden layers of
# {glue:text}`collective_variable_width:d` units. The integral is a sum over
# {glue:text}`collective_variable_n_points:d` quasi-random points, spread evenly where $V$ is at most
# ten $kT$ above the upper saddle, with their Boltzmann weights (importance sampling; no trajectory is
# simulated). The conditions in A and B are met by construction (in A exactly, in B up to a factor $1 - e_A$, which is nearly one there): with
# $e_S = \exp(-d_S / r)$, $d_S$ the distance from the disk $S$ of radius $r$ and $p$ the output of the
# network, $q = (1 - e_A) [(1 - e_B) \, p + e_B]$. The solver serves only to judge the result
# ({numref}`fig-collective-variable-variational`).

# %% mystnb={"figure": {"name": "fig-collective-variable-variational", "caption": "The committor learned from coordinates, without labels. Left: isolines from 0.1 to 0.9 at $kT = 15$, the exact ones (solid) and those of the first network (orange, dashed), on a map of the exact committor (blue 0, vermillion 1; white where $V$ is too high for anything to come). They part at the edges only. Right: errors of five networks at each temperature (filled), weighted with the density of transition paths, and errors published for a tensor train (open, grey), whose reference and weight may differ a little."}, "image": {"alt": "A map with two sets of isolines that coincide, and errors against temperature, those of networks below the published ones.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.58))
extent = variational.MAP_X[:2], variational.MAP_Y[:2]
plots.plot_isolines(*variational.fields(kept[15]), extent, axes[0])
plots.plot_errors_by_temperature(*variational.errors(kept), axes[1])
axes[1].set_ylabel("error of $q$")
plt.show()

# %% tags=["hide-input"]
variational.table(kept)

# %% [markdown]
# Mean absolute and root mean square errors: mean over networks with different first weights and
# points, in parentheses the least and the greatest. Both errors are below the published ones for
# {glue:text}`collective_variable_below_published:s` networks. "Reactive" is weighted with the density of
# transition paths, $q (1 - q) \, \pi$; "transition" is the region of the other tables. The
# published errors are those of a tensor train {cite}`chen2023`, from the notebooks of
# [committor_TT_mueller](https://github.com/margotyjx/committor_TT_mueller): there the reference is
# a finite element solution on a mesh, and the weight is called $m_R$, which we take for the density
# of transition paths. The disks of A and B are the same. Whoever knows the coordinates of this
# system does not need a transformer.
#
# ## Layer by layer
#
# {numref}`fig-collective-variable-layers` follows the committor through the layers. The right panel
# shows how far the encoding of a frame holds its *raw position*, which standardisation took away and
# only the trajectory as a whole can give back. Neither was ever part of the loss.

# %% mystnb={"figure": {"name": "fig-collective-variable-layers", "caption": "Left: error of the committor in the transition region, read linearly from each layer. Right: error of the raw position, weighted with the Boltzmann density. Lines are means over trainings (small 5, medium 3, large 3), bands reach from the least to the greatest; 400 test trajectories. Grey: boosted trees. Black: the least error possible. No layer comes near it."}, "image": {"alt": "Two panels with a curve for each model size against the depth of the layer, and a line at the least error possible.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.45))
lines = {name: errors["transition"][name].value for name in results.trees()}
least = errors["transition"][tables.IDEAL].value
plots.plot_layers(tables.layer_curves(results, "transition"), lines, least, axes[0])
axes[0].set_ylabel("RMSE of $q$, transition region")
least = results.ideal["probe"]["position"]
plots.plot_layers(tables.layer_curves(results, "position"), {}, least, axes[1])
axes[1].set_ylabel("RMSE of position")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# ## Predictions at a given committor, and what the classifier knows
#
# {numref}`fig-collective-variable-calibration` holds predictions against the exact committor. The
# classifier $g$ is a different case. It gives the probability that the *first* frame of a trajectory
# lies in the basin of B. That is a step of the first frame's position, from nothing to certainty at
# the dividing line, not a committor. How far its probability follows $q$ is measured with
# trajectories that begin at points of known committor.

# %% mystnb={"figure": {"name": "fig-collective-variable-calibration", "caption": "Mean prediction in bins of the exact committor; bands hold the middle two thirds of the predictions; both are averaged over trainings (small 5, medium 3, large 3). On the thin diagonal the mean is right; even the best possible leaves it, where frames of other committors look alike. Left: probes, boosted trees and the best possible, 400 test trajectories, with the Boltzmann density. Right: the classifier's probability of B for 240 trajectories that begin at points of that committor; grey: the share of those points in the basin of B, which the classifier was trained to tell. The probes are right on average and far off for single frames; the classifier follows the step of the basin."}, "image": {"alt": "Two panels of predicted against exact committor with a diagonal.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.65))
plots.plot_calibration(tables.calibration_curves(results), axes[0])
plots.plot_calibration(tables.classifier_curves(results), axes[1])
axes[0].set_title("probes")
axes[1].set_title("classifier")
axes[1].set_ylabel("probability of B")
plt.show()

# %% tags=["hide-input"]
tables.classifier_table(results)

# %% [markdown]
# Rank correlations of the classifier's probability with $q$: mean over trainings, least and greatest.
# The bare state of the first frame is what a perfect classifier would give.
#
# ## Does memory help?
#
# Would a sequence model have something to do in this problem that a function of the last frame
# cannot? In overdamped dynamics, no. Given $\mathbf{x}_t$, the future does not depend on the past,
# so whatever is forecast, $\mathbf{x}_{t-1}, \mathbf{x}_{t-2}, \dots$ add nothing. In underdamped
# dynamics the state is $(\mathbf{x}_t, \mathbf{v}_t)$, and for any future event $F$ and window of
# $w$ frames
#
# $$ H(F \mid \mathbf{x}_t, \mathbf{v}_t) \le H(F \mid \mathbf{x}_{t-w+1}, \dots, \mathbf{x}_t)
# \le H(F \mid \mathbf{x}_t) , $$ (eq-cv-memory)
#
# with $H$ the conditional entropy, the least log-loss that any forecaster can have. The ends are
# found by *shooting*: many simulations from the same point, with the same velocity or with thermal
# ones. In overdamped dynamics the two ends are one.
#
# Windows that end at $0.2 < q < 0.8$ ($q$ of the position, by the overdamped solver, for both dynamics) are rare, and are made by time
# reversal: the present is drawn from the Boltzmann distribution, and its past is a simulation from
# $(\mathbf{x}_t, -\mathbf{v}_t)$ read backwards. $F$ is which disk is reached first. The learner is
# logistic regression on polynomials of $\mathbf{x}_t$ and on the displacements between frames,
# each times polynomials of $\mathbf{x}_t$; it is fitted, tuned and scored on separate windows. Frames
# of both kinds of dynamics are equally far apart.

# %% tags=["hide-input"]
lengths = (1, 2, 4, 8, 16)
dynamics = {"overdamped": REGIMES["metastable"], "underdamped": REGIMES["underdamped"]}
learned, limits = past_windows.compare_dynamics(
    dynamics, solver, lengths, settings.n_arrivals, settings.n_shots, seed
)
print(f"windows: {settings.n_arrivals} each to fit on, to choose on and to score")
print(f"limits: {settings.n_shots[0]} points, {settings.n_shots[1]} simulations from each")
past_windows.gain_table(learned)

# %% [markdown]
# Log-loss in nats, its gain over one frame, and the squared error of the next frame, with standard
# errors over the scored windows. "Helps" means that the gain is so far above zero
# that chance alone would bring it there once in two thousand; nine gains are looked at.

# %% mystnb={"figure": {"name": "fig-collective-variable-memory", "caption": "Held-out loss against the number of frames in the window, for points of the transition region, with 95 % intervals over the scored windows (numbers printed above); orange circles: overdamped, brown squares: underdamped. Left: log-loss of which state is reached first. Right: mean squared error of the next frame, on a logarithmic axis. Black: exact limits by shooting, given the position (solid) and position and velocity (dashed), with 95 % bands over the points; overdamped dynamics has only the first. Dotted: what windows tell of a free particle with the same friction, in closed form; positions at frames never tell the velocity exactly."}, "image": {"alt": "Two panels of held-out loss against the number of frames in the window, for overdamped and underdamped dynamics, with exact limits as lines.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.52))
free = {
    length: past_windows.free_flight_error(dynamics["underdamped"], length) for length in lengths
}
plots.plot_memory(learned, limits, "outcome", axes[0])
plots.plot_memory(learned, limits, "next_frame", axes[1], free)
axes[0].set_ylabel("log-loss (nats)")
axes[1].set_ylabel("squared error of the next frame")
fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% tags=["remove-cell"]
for name, value in past_windows.findings(learned, limits).items():
    glue(f"collective_variable_{name}", value, display=False)

# %% tags=["hide-cell"]
# NBVAL_CHECK_OUTPUT
print({name: past_windows.memory_verdict(curve, 2) for name, curve in learned.items()})

# %% [markdown]
# {numref}`fig-collective-variable-memory` shows both. A second frame in underdamped
# dynamics: {glue:text}`collective_variable_underdamped_gain_2_verdict:s`. It changes the log-loss
# by {glue:text}`collective_variable_underdamped_gain_2_words:s` nats, out of the
# {glue:text}`collective_variable_velocity_worth:.3f` ±
# {glue:text}`collective_variable_velocity_worth_error:.3f` that the exact velocity is worth; sixteen
# frames make it {glue:text}`collective_variable_underdamped_gain_16_words:s`. In overdamped dynamics:
# {glue:text}`collective_variable_overdamped_gain_2_verdict:s`; the change is
# {glue:text}`collective_variable_overdamped_gain_2_words:s`.
#
# ## Takeaway
#
# - A linear probe of one layer finds much less of the committor than could be known. In the transition
#   region, this share of it:
#   {glue:text}`collective_variable_share_transition:s`. Over all frames they tell the valleys apart.
# - Did training put it there? The error is lower than with the weights before training: in
#   {glue:text}`collective_variable_lower_than_untrained:s`; undecided:
#   {glue:text}`collective_variable_undecided_than_untrained:s`. It is lower than that of the best constant: in
#   {glue:text}`collective_variable_lower_than_constant:s`.
# - Boosted trees with hand-made features, fitted to as many trajectories as the probes, err less than the
#   probes of {glue:text}`collective_variable_higher_than_trees:s`. Part of that is the read-out: trees on the
#   encodings err by {glue:text}`collective_variable_by_trees_transition:s` in the transition region, with
#   random weights by {glue:text}`collective_variable_untrained_by_trees_transition:s`.
# - With raw coordinates a small network learns the committor from the potential, without labels, to a
#   mean absolute error of {glue:text}`collective_variable_reactive_mae:.4f` at $kT = 15$.
# - The classifier tells the basin of the first frame. That is no committor.
# - In this overdamped problem no memory helps, by the Markov property. A second frame in underdamped
#   dynamics: {glue:text}`collective_variable_underdamped_gain_2_verdict:s`.
#
# **Not shown.** The probe is fitted to the exact committor: this measures what the encodings hold, not
# that one could find the committor without knowing it. A deeper read-out than trees might
# find more. Hand-made features, regressions and evenly spread points are easy in two dimensions;
# nothing here says what happens in many. The part on memory trains a small learner, not the
# transformer.
