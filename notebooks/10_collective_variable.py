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
# The poster's title speaks of the collective variable problem, and this system has one right
# answer to it: the committor. How much of it do the encodings of the trained models hold? A linear probe reads it from one layer ({numref}`fig-collective-variable-errors`).
# They hold a coarse picture, on which side a frame is, and far less than could be known where
# the answer is open. In the transition region the error of the probe is, with 95 % intervals and the
# number $n$ of trainings: {glue:text}`collective_variable_trained_transition:s`. From the random
# weights that training began with it is: {glue:text}`collective_variable_untrained_transition:s`.
# Whoever always says the mean of that region, and looks at nothing, errs by
# {glue:text}`collective_variable_constant_transition:.3f`. The best that anyone could do with what
# the models are shown is {glue:text}`collective_variable_ideal_transition:.3f`. Boosted trees on
# hand-made features of the same trajectories reach
# {glue:text}`collective_variable_trees_transition:.3f`.

# %% tags=["remove-stderr", "hide-input"]
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import REGIMES, GridSolver, get_profile
from mb_support.plotting import collective_variable as plots
from mb_support.plotting.style import figure_size, use_style
from mb_support.studies.collective_variable import past_windows as memory
from mb_support.studies.collective_variable import scores as cv_scores
from mb_support.studies.collective_variable import tables

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 800  # number of the seeds from which windows for the question of memory are drawn

# %% tags=["remove-stderr", "hide-input"]
use_style()
settings = get_profile(profile)
results = tables.load_all(settings.sizes)
facts, made_with = results.baselines, results.baselines["settings"]
solver = GridSolver(REGIMES["metastable"].beta, REGIMES["metastable"].diffusion, settings.grid_step)
constants = cv_scores.best_constants(solver)
trainings = ", ".join(f"{size} {len(parts)}" for size, parts in results.trained.items())
print(f"profile {settings.name}; trainings: {trainings}")
print(f"{made_with['n_train']} trajectories to fit on, {made_with['n_validation']} to choose on")
print(f"{made_with['n_scored']} trajectories scored, {facts['n_frames']['scored']} frames of them")

# %% mystnb={"figure": {"name": "fig-collective-variable-errors", "caption": "Error of the committor, read from standardised trajectories: the same test trajectories for every method (their number is printed above). Coloured: linear probes on the chosen layer of plain models, one marker for each training of a size (their numbers, too); open markers are the controls, the weights before training and the shuffled committor. Grey: baselines. Bars: 95 % interval of the mean over trainings, from resampled trajectories. Black: the least error possible, with its interval. Dashed: the best constant. Left: transition region, weighted with the Boltzmann density. Right: all frames."}, "image": {"alt": "Two panels of error bars, a row for each method, with a vertical line at the least error possible.", "classes": "dark-light"}} tags=["hide-input"]
errors = {region: tables.errors(results, region) for region in ("transition", "boltzmann")}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.62), sharey=True)
for ax, (region, found) in zip(axes, errors.items(), strict=True):
    plots.plot_errors(found, results.methods(), tables.IDEAL, constants[region], ax)
    ax.set_title(tables.REGION_NAMES[region])
    ax.set_xlabel("RMSE of $q$")
plt.show()

# %% tags=["remove-cell"]
for name, value in tables.findings(results, constants).items():
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
# **The probe** is as weak as it can be and still give a probability: a linear function of the
# encoding $\mathbf{h}_t$ of one frame in one layer, and the logistic function of it,
#
# $$ \hat q_t = \sigma(b + \mathbf{w} \cdot \mathbf{h}_t) . $$ (eq-cv-probe)
#
# It is fitted to the exact $q(\mathbf{x}_t)$ on frames of training trajectories. Its layer and its
# penalty are chosen on validation trajectories, for each training of a model by itself. All scores
# are from {glue:text}`collective_variable_n_scored:d` test trajectories that nothing else in this
# book uses. The encoder sees frames *after* $t$ too, but the target is a function of $\mathbf{x}_t$
# alone: the future helps only to find out where the frame lies, which standardisation hides.
#
# **Two controls.** *Untrained*: the same probe on the random weights with which each training
# began. *Shuffled committor*: the same probe on the trained model, told the committor of another
# frame; it shows what the probe makes of nothing. Where only the transition region counts, the *best
# constant*, its mean, does better than that: its error is the standard deviation of $q$ there.
#
# **The weights.** Trajectories start uniformly over a box, so their frames are no sample of the
# Boltzmann density $\pi$. A frame counts with weight
#
# $$ w(\mathbf{x}) = \pi(\mathbf{x}) / \bar p(\mathbf{x}) , $$ (eq-cv-weight)
#
# where $\bar p$ is the exact density of frames from uniform starts. Errors are averages with these
# weights, over all frames and over the transition region $0.1 < q < 0.9$, which holds
# {glue:text}`collective_variable_share:.1f` % of the Boltzmann density. Most of that lies in the
# shallow basin C. The column "even in q" gives every eighth of that range of $q$ the same weight,
# which moves the stress to the saddle.
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
# the best monotone function of their one variable, fitted to the exact committor; the Markov model
# computes its own. Lags and cells are chosen on validation trajectories. *Boosted trees* are told
# the same committors as the probes, and see the standardised frame and a hundred hand-made features
# of its whole trajectory. They are fitted twice: to as many trajectories as the probes, and to
# {glue:text}`collective_variable_n_more:d`, since the encoders too have seen many.

# %% tags=["hide-input"]
tables.score_table(results, constants=constants)

# %% [markdown]
# Root mean square errors: mean over trainings, in brackets its 95 % interval over
# trajectories, in parentheses the least and the greatest of the trainings. The rank correlation is
# that of the transition region. The last row is exact.

# %% tags=["hide-input"]
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
# Differences of errors, probe minus rival, with 95 % intervals. They join two kinds of chance: which
# trajectories were drawn (the same ones are resampled for both), and the scatter of the trainings,
# pooled over the sizes, as in {doc}`chapter 6 <06_classification>`; a size that was trained once
# counts as if it scattered like the others. The untrained and the shuffled
# control {cite}`hewitt2019` are compared training by training. An interval that leaves out zero is a verdict.

# %% tags=["hide-input"]
tables.verdict_table(tables.compare(results))

# %% [markdown]
# - Lower than the error of the untrained model: {glue:text}`collective_variable_lower_than_untrained:s`;
#   higher: {glue:text}`collective_variable_higher_than_untrained:s`; undecided:
#   {glue:text}`collective_variable_undecided_than_untrained:s`.
# - Lower than that of the best of PCA, TICA, VAMPNet and Markov model
#   ({glue:text}`collective_variable_baseline_name:s`, by validation):
#   {glue:text}`collective_variable_lower_than_simple:s`; higher:
#   {glue:text}`collective_variable_higher_than_simple:s`.
# - **Where trees win.** Higher than that of boosted trees fitted to as many trajectories:
#   {glue:text}`collective_variable_higher_than_trees:s`; lower:
#   {glue:text}`collective_variable_lower_than_trees:s`; undecided:
#   {glue:text}`collective_variable_undecided_than_trees:s`. Higher than that of trees fitted to
#   {glue:text}`collective_variable_n_more:d` trajectories:
#   {glue:text}`collective_variable_higher_than_many_trees:s`; lower:
#   {glue:text}`collective_variable_lower_than_many_trees:s`.
# - Higher than the least possible: {glue:text}`collective_variable_higher_than_ideal:s`.
#
# How much of what can be known do the probes know? Let 0 be what the best constant knows and 1 what
# the ideal observer knows, in mean squared error. Over all frames it is
# {glue:text}`collective_variable_share_boltzmann:s`: the two valleys are told apart. In the transition
# region it is {glue:text}`collective_variable_share_transition:s`, and with every part of that range of
# $q$ alike, {glue:text}`collective_variable_share_even:s`. There a constant errs by
# {glue:text}`collective_variable_constant_even:.3f`, the ideal observer by
# {glue:text}`collective_variable_ideal_even:.3f` and the probes by
# {glue:text}`collective_variable_trained_even:s`. So the encodings know the valley well and the
# committor poorly: what the frames tell of it is lost on the way, or not to be read linearly.
#
# ## With raw coordinates
#
# Committors are usually learned from coordinates, by networks {cite}`khoo2019,li2019` or tensor trains
# {cite}`chen2023` that solve its equation. The baselines here are simpler.
#
# Standardisation made this hard. Methods that are told where the frames are:

# %% tags=["hide-input"]
tables.score_table(results, "raw")

# %% [markdown]
# There the best of PCA, TICA, VAMPNet and Markov model
# ({glue:text}`collective_variable_raw_baseline_name:s`) is off by
# {glue:text}`collective_variable_raw_baseline_transition:.3f` in the transition region, and a
# regression on radial functions of $x$ and $y$, with no dynamics in it, by
# {glue:text}`collective_variable_raw_radial_transition:.3f`. Whoever knows the coordinates of this
# system does not need a transformer.
#
# ## Layer by layer
#
# {numref}`fig-collective-variable-layers` follows the committor through the layers. The right panel
# shows how far the encoding of a frame holds its *raw position*, which standardisation took away and
# only the trajectory as a whole can give back. Neither was ever part of the loss.

# %% mystnb={"figure": {"name": "fig-collective-variable-layers", "caption": "Left: error of the committor in the transition region, read linearly from each layer. Right: error of the raw position, read linearly from the same layers, weighted with the Boltzmann density. Lines are means over the trainings of a size, bands reach from the least to the greatest of them (a size trained once has none); trainings and scored trajectories are those of the first figure. Grey: boosted trees. Black: the least error possible."}, "image": {"alt": "Two panels with a curve for each model size against the depth of the layer, and a line at the least error possible.", "classes": "dark-light"}} tags=["hide-input"]
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
# ## Calibration, and what the classifier knows
#
# {numref}`fig-collective-variable-calibration` holds predictions against the exact committor. The
# classifier $g$ is a different case. It gives the probability that the *first* frame of a trajectory
# lies in the basin of B. That is a step of the first frame's position, from nothing to certainty at
# the dividing line, not a committor. How far its probability follows $q$ is measured with
# trajectories that begin at points of known committor.

# %% mystnb={"figure": {"name": "fig-collective-variable-calibration", "caption": "Mean prediction in bins of the exact committor; bands hold the middle two thirds of the predictions; both are averaged over the trainings of a size. The thin diagonal is perfect. Left: probes, boosted trees and the best possible, on the scored frames of the first figure, with the Boltzmann density. Right: the classifier's probability of B for trajectories (their number is in the table below) that begin at points of that committor; grey: the share of those points that lies in the basin of B, which is what the classifier was trained to tell."}, "image": {"alt": "Two panels of predicted against exact committor with a diagonal.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.5))
plots.plot_calibration(tables.calibration_curves(results), axes[0])
plots.plot_calibration(tables.classifier_curves(results), axes[1])
axes[0].set_title("probes")
axes[1].set_title("classifier")
axes[1].set_ylabel("probability of B")
plt.show()

# %% tags=["hide-input"]
print(f"sizes above the bare state: {tables.classifier_verdict(results)}")
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
# Windows that end in the transition region ($0.2 < q < 0.8$) are rare, and are made by time
# reversal: the present is drawn from the Boltzmann distribution, and its past is a simulation from
# $(\mathbf{x}_t, -\mathbf{v}_t)$ read backwards. $F$ is which disk is reached first. The learner is
# logistic regression on polynomials of $\mathbf{x}_t$ and on the displacements between frames,
# each times polynomials of $\mathbf{x}_t$; it is fitted, tuned and scored on separate windows. Frames
# of both kinds of dynamics are equally far apart.

# %% tags=["hide-input"]
lengths = (1, 2, 4, 8, 16)
dynamics = {"overdamped": REGIMES["metastable"], "underdamped": REGIMES["underdamped"]}
learned, limits = memory.compare_dynamics(
    dynamics, solver, lengths, settings.n_arrivals, settings.n_shots, seed
)
print(f"{settings.n_arrivals} windows to fit on, to choose on and to score, of each dynamics")
print(f"limits from {settings.n_shots[0]} of the points, {settings.n_shots[1]} simulations each")
memory.gain_table(learned)

# %% [markdown]
# Log-loss in nats, its gain over one frame, and the squared error of the next frame, with standard
# errors over the scored windows. "Helps" means that the gain is so far above zero
# that chance alone would bring it there once in two thousand; nine gains are looked at.

# %% mystnb={"figure": {"name": "fig-collective-variable-memory", "caption": "Held-out loss against the number of frames in the window, for points of the transition region, with 95 % intervals over the scored windows (numbers printed above). Left: log-loss of which state is reached first. Right: mean squared error of the next frame. Black: exact limits by shooting, given the position (solid) and position and velocity (dashed), with 95 % bands over the points; overdamped dynamics has only the first. Dotted: what windows tell of a free particle with the same friction, in closed form; positions at frames never tell the velocity exactly."}, "image": {"alt": "Two panels of held-out loss against the number of frames in the window, for overdamped and underdamped dynamics, with exact limits as lines.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.45))
free = {length: memory.free_flight_error(dynamics["underdamped"], length) for length in lengths}
plots.plot_memory(learned, limits, "outcome", axes[0])
plots.plot_memory(learned, limits, "next_frame", axes[1], free)
axes[0].set_ylabel("log-loss (nats)")
axes[1].set_ylabel("squared error of the next frame")
axes[1].set_yscale("log")
fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% tags=["remove-cell"]
for name, value in memory.findings(learned, limits).items():
    glue(f"collective_variable_{name}", value, display=False)

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
print({name: memory.memory_verdict(curve, 2) for name, curve in learned.items()})

# %% [markdown]
# {numref}`fig-collective-variable-memory` shows both. What a second frame does in underdamped
# dynamics: it {glue:text}`collective_variable_underdamped_gain_2_verdict:s`. It changes the log-loss
# by {glue:text}`collective_variable_underdamped_gain_2:.3f` nats (standard error
# {glue:text}`collective_variable_underdamped_gain_2_error:.3f`), out of the
# {glue:text}`collective_variable_velocity_worth:.3f` ±
# {glue:text}`collective_variable_velocity_worth_error:.3f` that the exact velocity is worth; sixteen
# frames make it {glue:text}`collective_variable_underdamped_gain_16:.3f` (standard error
# {glue:text}`collective_variable_underdamped_gain_16_error:.3f`). In overdamped dynamics:
# {glue:text}`collective_variable_overdamped_gain_2_verdict:s`; the change is
# {glue:text}`collective_variable_overdamped_gain_2:.4f` (standard error
# {glue:text}`collective_variable_overdamped_gain_2_error:.4f`).
#
# ## Takeaway
#
# - The encodings hold much less of the committor than could be known. From standardised trajectories
#   it can be known to within {glue:text}`collective_variable_ideal_transition:.3f` in the transition
#   region; a linear probe of one layer errs by
#   {glue:text}`collective_variable_trained_transition:s`, a constant by
#   {glue:text}`collective_variable_constant_transition:.3f`. Of what can be known there beyond a
#   constant the probe finds: {glue:text}`collective_variable_share_transition:s`.
# - What they do hold is the valley: over all frames the same share is
#   {glue:text}`collective_variable_share_boltzmann:s`. Random weights of the larger sizes tell most of it
#   too (first table, all frames).
# - Did training put it there? Compared with the weights before training, the error is lower for:
#   {glue:text}`collective_variable_lower_than_untrained:s`; higher for:
#   {glue:text}`collective_variable_higher_than_untrained:s`; undecided for:
#   {glue:text}`collective_variable_undecided_than_untrained:s`.
# - Boosted trees with hand-made features are the rival from the same frames. Told as much as the
#   probes, they err less than: {glue:text}`collective_variable_higher_than_trees:s`; more than:
#   {glue:text}`collective_variable_lower_than_trees:s`.
# - With raw coordinates there is nothing to find out: a regression on radial functions of $x$ and $y$
#   ({glue:text}`collective_variable_raw_radial_transition:.3f`) does without dynamics and without a
#   network.
# - The classifier tells the basin of the first frame. That is no committor.
# - In this overdamped problem no memory helps, by the Markov property. In underdamped dynamics a
#   second frame {glue:text}`collective_variable_underdamped_gain_2_verdict:s`.
#
# **Not shown.** The probe is told the exact committor on training frames: this measures what the
# encodings hold, not that one could find the committor without knowing it. A deeper read-out than a
# linear one might find more. Hand-made features such as those of the trees are easy to think of in two
# dimensions, as is a regression on coordinates; nothing here says what happens in many. The memory
# part trains a small learner, not the transformer.
