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
# # State classification
#
# From which state did a trajectory start? The poster's {cite}`leban2025` models say so for unseen
# trajectories, better the larger they are, and worse the later the slice that they are shown. Ours,
# from plain training, are right for {glue:text}`classification_accuracies:s` of
# {glue:text}`classification_n:,d` unseen trajectories. An observer who knows the dynamics exactly, and
# sees no more than the models do, can expect to be right for {glue:text}`classification_ceiling:.3f` of them
# ({numref}`fig-classification-scores`).

# %% tags=["remove-stderr", "hide-input"]
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import classification as cl
from mb_support import get_profile
from mb_support.model import load_checkpoint
from mb_support.plotting import classification as scores
from mb_support.plotting.style import figure_size, use_style
from mb_support.states import separatrix
from mb_support.statistics import verdicts_in_words
from mb_support.studies import training
from mb_support.studies.classification import kept_predictions, readings, slices
from mb_support.studies.classification.study import Study, difference_table

# %% tags=["parameters", "hide-input"]
profile = "smoke"
length = 128  # frames of the slices that are looked at closely
late = {"metastable": 128, "wild": 8}  # and where a late one begins

# %% tags=["remove-stderr", "hide-input"]
use_style()
settings = get_profile(profile)
slices.check_parameters(length, late)
study = Study()

# %% tags=["remove-cell"]
missing = training.words(training.load_records())["training_missing"]
for key, value in (study.words() | {"classification_missing": missing}).items():
    glue(key, value, display=False)

# %% mystnb={"figure": {"name": "fig-classification-scores", "caption": "Accuracy on 5000 unseen trajectories, the same for all. Filled marks: our models, mean over trainings (their number in brackets), with intervals over trajectories and seeds; short strokes below: every training. Open marks: trained on a fixed set of 1000 trajectories, much as on the poster (a row with a single training is taken to scatter like the others of fixed sets). Grey: classifiers without a transformer, fitted to so many trajectories, with intervals over trajectories. Open diamonds: the poster's figure for that size. Black line: the ideal observer on the same trajectories, with two standard errors."}, "image": {"alt": "Dots with error bars for each size, with small strokes for each training, for baselines, the poster's figures, and the ideal observer's accuracy as a vertical line.", "classes": "dark-light"}} tags=["hide-input"]
scores.plot_scores(**study.drawn())
plt.show()

# %% [markdown]
# (section-classification-table)=
# ## The table
#
# The label $y$ of a trajectory is the state of its first frame. Scores are the poster's: accuracy, and
# precision, recall and F1, averaged over the two states by their shares (recall is then accuracy by
# another name). Of the poster's table only the accuracies are known to us, so that they alone stand
# beside ours. They are taken as exact: on how many trajectories and trainings they rest is not said. Each row is the mean over the trainings of a size, with its 95% interval over both
# sources of chance: which trajectories were drawn, and which seed a training had. The last column says
# whether the mean is higher or lower than the poster's figure; it is "equal within errors" if its interval holds
# the figure. Rows "fixed set" and "fixed set, attention dropout" were trained with dropout, much as by the author's script ({doc}`04_training`).

# %% tags=["hide-input"]
study.table()

# %% tags=["hide-cell"]
# NBVAL_CHECK_OUTPUT
growth = study.growth()
against = {size: word for size, word in study.against_poster().items() if size in study.sizes}
print("against the poster's accuracy -", verdicts_in_words(against))
print("accuracy grows -", verdicts_in_words(growth["larger"]))

# %% [markdown]
# The poster's largest figure is nearly the ceiling of this task, {glue:text}`classification_ceiling:.3f`:
# a model that reached it here would be almost an ideal observer. Other data, another label, longer training,
# or few test trajectories on the poster may each explain it; which does, we cannot tell. Rows "fixed set", nearest
# to the poster's own set-up, are against its figures:
# {glue:text}`classification_fixed_against_poster:s`. But small made a hundred passes over that set, medium and large
# thirty, where the author's script makes a thousand.
#
# *Fixed set, short ones first* is the same thousand trajectories with this book's recipe (one training; its
# scatter is taken to be that of the others of fixed sets, hence the wide interval). Trees fitted to a
# thousand are right for {glue:text}`classification_few_trees:.3f`. The accuracy of models that learned from
# a thousand, minus that of these trees (intervals are over trajectories and over trainings of the models; the
# trees were fitted once, and their own scatter is left out):

# %% tags=["hide-input"]
difference_table(study.fixed_over_trees())

# %% [markdown]
# {glue:text}`classification_missing:s`
#
# The next table has every training, and the two sources of chance one by one, as standard errors of the
# mean. No size was trained more than a few times, so the scatter over seeds is pooled over all sizes,
# as in an analysis of variance: over the recipes of fresh trajectories, and over those of fixed sets. What was
# trained once is taken to scatter like the rest.

# %% tags=["hide-input"]
study.scatter_table()

# %% [markdown]
# From one size to the next, on the same trajectories. The sizes were shown different numbers of
# trajectories, and longer trainings may give more (one such training of the small model in {doc}`04_training`
# suggests it): so
# this compares three recipes as they are, and not what size alone does.

# %% tags=["hide-input"]
difference_table(growth)

# %% [markdown]
# And of trainings on a fixed set of a thousand, which is what the poster's were trained on (with fewer passes for
# medium and large than for small):

# %% tags=["hide-input"]
difference_table(study.growth_on_fixed_set())

# %% [markdown]
# *How often the test set was used.* Once: every training was scored on it after all settings had been
# fixed, none of them by test trajectories (which trials there were is told in {doc}`04_training`), and no number on
# this page led to a change of a model. It is the
# second test set of this edition (`datasets.FINAL_TEST`): the first had been shown to provisional
# models while studies were tried, and was given up. Neither shares a seed with an earlier edition. The
# stored models classify some of these trajectories again while this page is built, and have to agree
# with what was kept.

# %% tags=["remove-stderr", "hide-cell"]
for size, n in zip(settings.sizes, settings.n_classified, strict=True):
    kept_predictions.check_states(load_checkpoint(size), study.test, study.kept[size], n)
    print(f"{size}: {n} trajectories classified again")

# %% [markdown]
# ## Without a transformer
#
# Boosted trees and logistic regression see hand-made features of the standardised trajectory: early
# frames, means of ten parts, quantiles, autocorrelations
# (`mb_support.studies.classification.baselines`). They were fitted to 100,000 whole trajectories, fewer
# than any model has seen but with as many frames or more, and to a hundredth of that. Their settings are the usual
# ones of scikit-learn, but for more rounds of the trees, with early stopping, and more steps of the regression;
# nothing was tuned. Two rules need no
# fitting: whether the first frame, less the mean of all, lies to the upper left; and always the more
# frequent state. Intervals are over trajectories.

# %% tags=["hide-input"]
study.baseline_table()

# %% [markdown]
# Fitted to 100,000 trajectories, the trees are right for {glue:text}`classification_trees_value:.3f`. Is
# a transformer better? {glue:text}`classification_trees_answers:s`. (As above, the trees were fitted once,
# and their own scatter is left out.)

# %% tags=["hide-input"]
difference_table(study.over_trees())

# %% [markdown]
# (section-classification-ceiling)=
# ## The ceiling
#
# Nobody can do better than Bayes' rule. The *ideal observer* knows the potential, the temperature
# and the law of the starts. But like the model it sees only the standardised frames, and so has to
# integrate over the unknown shift $\mathbf{m}$ and scale $\mathbf{s}$:
#
# $$ P(y \mid \mathbf{z}_{1:N}) = \int P(y \mid \mathbf{m} + \mathbf{s}\,\mathbf{z}_1)\;
# p(\mathbf{m}, \mathbf{s} \mid \mathbf{z}_{1:N})\, d\mathbf{m}\, d\mathbf{s} , \qquad
# p(\mathbf{m}, \mathbf{s} \mid \mathbf{z}_{1:N}) \propto
# p(\mathbf{m} + \mathbf{s}\,\mathbf{z}_{1:N})\; (s_x s_y)^{N-2} .
# $$ (eq-classification-observer)
#
# (The power of $\mathbf{s}$ is the volume that standardising takes: two of the $N$ standardised frames follow
# from the others.)
#
# The likelihood of the frames uses the exact density of one frame given the one before
# (`mb_support.observer.transition_density`). The integral is done in two ways: by importance sampling,
# which has to search for shift and scale (`mb_support.observer.ideal`), and by a normal approximation
# around the truth (`mb_support.observer.approximate`), cheap enough for many trajectories. In both, the
# ceiling is the mean probability of the better guess.

# %% tags=["hide-input"]
study.ceiling_table()

# %% [markdown]
# How far the models stay behind the guesses of the observer who searches, on the trajectories that it
# has seen (the approximation begins at the truth, so that its guesses are a little too good):

# %% tags=["hide-input"]
n_seen = len(study.observed.first)
difference_table(study.behind_observer()).rename_axis(columns=f"{n_seen:,} trajectories")

# %% [markdown]
# ## What is missed
#
# {numref}`fig-classification-errors` shows where the missed trajectories started, and how accuracy
# depends on how long a trajectory stayed in its first state. One that slides across the ridge at
# once shows its label in a few frames of hundreds.

# %% mystnb={"figure": {"name": "fig-classification-errors", "caption": "Left: first frames of 5000 test trajectories (dots; blue A, vermillion B), those that the small model misses as large marks, and the dividing line between the states. Nearly all misses lie beside it. Right: accuracy against the number of frames spent in the first state before leaving it for the first time, with Wilson intervals; the last group never left. Stored models, one training of each size."}, "image": {"alt": "Scatter of starting points with errors close to the dividing line; accuracy rising with the length of the first stay.", "classes": "dark-light"}} tags=["hide-input"]
starts, is_right = study.test.trajectories[:, 0], study.kept["small"].whole() == study.labels
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.55))
scores.plot_errors_on_map(starts, study.labels, is_right, separatrix()[:2], axes[0])
scores.plot_accuracy_by_stay(study.accuracy_by_stay(), axes[1])
plt.show()

# %% [markdown]
# Both kinds of error, counted over the test trajectories (rows: the true state):

# %% tags=["hide-input"]
study.confusion_table()

# %% [markdown]
# ## Later slices
#
# How much does a slice that begins at frame $t$ still tell of $y$? The dynamics is Markov: a slice
# from frame $t$ on knows $P(y \mid \mathbf{x}_t)$ and nothing more. The grid solver carries the two
# halves of the start density forward, $\rho_A(\mathbf{x}, t)$ and $\rho_B(\mathbf{x}, t)$, and the
# largest accuracy that any classifier can have is
#
# $$ a(t) = \int \max\left[\rho_A(\mathbf{x}, t), \rho_B(\mathbf{x}, t)\right] d\mathbf{x} .
# $$ (eq-classification-limit)
#
# Copying, which takes the state of $\mathbf{x}_t$ for the label, comes close to it, but needs the raw
# frame.

# %% tags=["hide-input"]
declines = {
    regime: slices.Decline(study, regime, settings.grid_step) for regime in ("metastable", "wild")
}
by_length = declines["metastable"].by_length

# %% mystnb={"figure": {"name": "fig-classification-slices", "caption": "Accuracy for the trajectory's label against the first frame of the slice (evenly spaced), for slices of three lengths; 1000 trajectories for every size, Wilson intervals, one training of each size, sizes side by side. Black line: the exact limit, which falls as the particle moves on. Grey, dotted: copying the state of the slice's first raw frame. Open circles, where it was computed: the ideal observer, who sees what the model sees (100 trajectories, standard errors)."}, "image": {"alt": "Three panels of accuracy falling with the start of the slice, below or at a black limiting curve.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(2, 2, figsize=figure_size(1, 0.8), sharey=True)
for ax, frames in zip(axes.flat, by_length, strict=False):
    scores.plot_accuracy_by_start(**declines["metastable"].drawn(frames), ax=ax)
    ax.set_title(f"slices of {frames} frames")
axes[1, 1].set_axis_off()
axes[1, 1].legend(*axes[0, 1].get_legend_handles_labels(), loc="center")
plt.show()

# %% tags=["hide-cell"]
# NBVAL_CHECK_OUTPUT
harder = slices.decline_verdicts(by_length[length], late["metastable"])
excess, n_compared = slices.largest_excess(declines.values())
print("later slices are harder -", verdicts_in_words(harder))
print(f"largest excess over the limit: {excess:.2f} standard errors of {n_compared} slices")

# %% tags=["remove-cell"]
glue(
    "classification_decline", slices.decline_in_words(by_length, late["metastable"]), display=False
)
glue("classification_best_starts", slices.best_starts_in_words(by_length), display=False)
glue("classification_late", late["metastable"], display=False)
glue("classification_late_wild", late["wild"], display=False)
glue("classification_excess", excess, display=False)
glue("classification_compared", n_compared, display=False)

# %% [markdown]
# No accuracy in {numref}`fig-classification-slices` should lie above its limit by more than chance
# allows; the largest excess is {glue:text}`classification_excess:.1f` standard errors among
# {glue:text}`classification_compared:d` slices, those of `wild` below included.
#
# Short slices are named best if they begin a little after the start, and worse from there on. The start
# with the highest accuracy, by length: {glue:text}`classification_best_starts:s`. A verdict on "later
# slices are harder" therefore depends on the two starts that are compared. We compare frame
# {glue:text}`classification_late:d` with frame 0, by the 95% interval of the difference on the same
# trajectories: {glue:text}`classification_decline:s`. The table has the accuracy lost against frame 0
# for all starts.

# %% tags=["hide-input"]
slices.lost_table(by_length)

# %% [markdown]
#
# ## Two causes of the decline, told apart
#
# A later slice may be harder for two reasons. The particle has moved on, so that the state in view
# is not the label any more. Or the relaxation from the start, downhill from somewhere in the box,
# is no longer in view. To tell them apart, compare a slice with one of the same length that begins at
# frame 0, and count how often the model gives the state of the slice's *own* first frame
# ({numref}`fig-classification-causes`):
#
# $$ 1 - a_y(t) = \underbrace{1 - a_\mathrm{own}(0)}_{\text{missed from frame 0}}
# + \underbrace{a_\mathrm{own}(0) - a_\mathrm{own}(t)}_{\text{change at a later start}}
# + \underbrace{a_\mathrm{own}(t) - a_y(t)}_{\text{moved on}} . $$ (eq-classification-causes)

# %% mystnb={"figure": {"name": "fig-classification-causes", "caption": "Error of small models on slices of 128 frames, split into its three parts: in metastable the stored one, in wild the one trained for it; 1000 trajectories each. Horizontal marks: the whole error, the sum of the parts. Crosses: the least error that the exact dynamics allows. Standard errors of a share of 1000: at most 0.016. A part below zero lowers the error."}, "image": {"alt": "Stacked bars of the causes of error against the first frame of the slice, with the least possible error as crosses.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.5))
for ax, (regime, decline) in zip(axes, declines.items(), strict=True):
    scores.plot_causes(decline.causes(length), decline.frames, decline.limit, ax)
    ax.set_title(f"{regime}, {length} frames")
axes[1].set_ylabel("")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
at_late = {r: d.causes(length).set_index("start").loc[late[r]] for r, d in declines.items()}
parts = {"short": "missed from frame 0", "view": "change at a later start", "moved": "moved on"}
pd.DataFrame(at_late).rename(index=parts).round(2)

# %% [markdown]
# The first part is how often the model misses the state of the first frame of a slice from frame 0:
# part of it cannot be known from so short a slice, and part is lost because the model was last trained
# on whole trajectories. The second is how that changes when the slice begins later. Where it is below zero, a
# settled particle tells its own state *more* readily than one that starts on a hillside or near the
# ridge; the sum of both is what is missed of a late slice's own state. The columns are the slices from frame
# {glue:text}`classification_late:d` in `metastable` and from frame {glue:text}`classification_late_wild:d`
# in `wild`.
#
# (section-classification-readings)=
# ## What the poster's table can mean
#
# The poster does not say where its trajectories start, which frame's state is the label, or how hot it
# is; the author's repository states the temperature of `wild` for its data file, which we do not have. Each reading has its own limit
# ({numref}`fig-classification-readings`). In `wild` a particle crosses within few frames. `easy_starts`
# is `metastable` started only below the upper saddle, where a particle could be found: nothing starts
# near the ridge, where nearly all errors are. In these three the label is the state of the first frame. In
# the fourth reading it is that of the last frame, in `metastable`. In the fifth it is that of the first
# frame, but the first four frames are cut off; this limit is for raw frames, the others are for
# standardised ones.

# %% tags=["hide-input"]
seen_from = 4
possible = readings.limits(study, seen_from, declines["metastable"].limit_from(seen_from))
ours = readings.reached(study)

# %% mystnb={"figure": {"name": "fig-classification-readings", "caption": "The highest possible accuracy under five readings of the task (black, with two standard errors where it is not exact), the poster's figures (vertical lines), and what a small model and boosted trees reach when they are trained for that reading (5000 test trajectories, standard errors at most 0.005; the small model for the last frame: trained for the first, shown 1000 trajectories backwards). Where a black mark lies to the left of a line, that figure is out of reach for any classifier."}, "image": {"alt": "Five rows of limits against three vertical lines at the poster's accuracies.", "classes": "dark-light"}} tags=["hide-input"]
scores.plot_readings(possible, dict(cl.POSTER_SCORES), ours)
plt.show()

# %% tags=["hide-input"]
readings.table(possible, ours)

# %% tags=["remove-cell"]
for key, value in readings.words(possible, ours).items():
    glue(key, value, display=False)

# %% [markdown]
# Out of any observer's reach are, by reading: {glue:text}`classification_unreachable:s`. In `wild` the
# ideal observer is right for {glue:text}`classification_wild_ceiling:.3f` and a small model trained
# there for {glue:text}`classification_wild_small:.3f`, more than trees fitted to 100,000 trajectories, by
# {glue:text}`classification_wild_over_trees:s` (one training; interval over trajectories alone). In `easy_starts` they reach
# {glue:text}`classification_easy_ceiling:.3f` and {glue:text}`classification_easy_small:.3f`. So an
# accuracy by itself says little of a classifier: the starts, the temperature and the frame that is
# named decide more than the number of its parameters does. In `wild`, with starts all over our box and the
# first frame's label, the poster's largest figure is out of reach. So if its dynamics was that of `wild`,
# its label or its starts differed from ours.
#
# ## Data that a model was not trained for
#
# The stored models were trained for `metastable` from the whole box. Here they are
# asked for the last frame's state, and for the first one's in a thousand trajectories of the other data.
# For the last frame's state they see the frames as they are, and in reverse order. Reversed, the last frame
# comes first, and its state is what the models name. In equilibrium a reversed trajectory is as likely as
# the original. But ours start out of
# equilibrium, and a relaxation in reverse is a pattern that the model has never seen. (Intervals over
# trajectories.)

# %% tags=["hide-input"]
readings.elsewhere(study)

# %% [markdown]
# The first two rows ask for the state of the last frame: with the frames reversed it is named nearly
# always, in the given order much less often, as the model was trained to name the first. The other rows
# ask for the first frame's state in other data: in `easy_starts` it is named nearly always, in `wild` of
# the three models medium alone does clearly better than chance.
#
# ## Takeaway
#
# - Training reaches {glue:text}`classification_accuracies:s`. Against the poster's, on our data, that is
#   {glue:text}`classification_against_poster:s`; with a fixed set and dropout,
#   {glue:text}`classification_fixed_against_poster:s`. The ceiling is {glue:text}`classification_ceiling:.3f`. On the
#   trajectories that the observer has seen, the models stay behind its guesses by
#   {glue:text}`classification_behind:s`.
# - Does accuracy grow with size? {glue:text}`classification_growth_answers:s`; on a fixed set
#   {glue:text}`classification_growth_fixed:s`. Is it higher than that of
#   boosted trees on hand-made features? {glue:text}`classification_trees_answers:s`; in `wild` the small
#   model is ahead of them.
# - Most of what is missed are trajectories that start near the ridge, or hardly visited the state
#   that they are named after ({numref}`fig-classification-errors`).
# - The exact limit falls with the start of the slice, because the particle moves on
#   ({numref}`fig-classification-causes`, small models). The models fall too, though
#   for short slices not from the first frames on (frame {glue:text}`classification_late:d` against frame 0:
#   {glue:text}`classification_decline:s`).
# - Which figures are possible at all depends on starts, temperature and labelled frame
#   ({numref}`fig-classification-readings`).
# - Not shown: slices for every seed, models trained for the last frame's state, medium and large models
#   trained for `wild` or `easy_starts`, and the poster's own checkpoints, which are not public.
