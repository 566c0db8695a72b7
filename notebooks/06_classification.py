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
# trajectories, better the larger they are, and worse the later the slice that they are shown. Ours, from
# plain training, are right for {glue:text}`classification_accuracies:s` of
# {glue:text}`classification_n:,d` unseen trajectories (means over seeds, with intervals). An observer who
# knows the dynamics exactly, and sees no more than the models do, is right for
# {glue:text}`classification_ceiling:.4f` of them ({numref}`fig-classification-scores`).

# %% tags=["remove-stderr", "hide-input"]
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import GridSolver, get_profile
from mb_support import classification as cl
from mb_support.datasets import FINAL_TEST, make_dataset
from mb_support.model import load_checkpoint
from mb_support.plotting import classification as scores
from mb_support.plotting.style import figure_size, use_style
from mb_support.reference import label_posterior
from mb_support.states import assign_states, separatrix
from mb_support.statistics import verdicts_in_words
from mb_support.studies.classification import kept_predictions as evaluation
from mb_support.studies.classification import over_seeds, slices, tables
from mb_support.studies.classification.baselines import load_baselines, side_of_the_mean
from mb_support.studies.classification.ceiling import (
    ceiling_of_test_set,
    load_approximate,
    load_ceilings,
    mean_certainty,
)
from mb_support.studies.training import load_records, missing_in_words

# %% tags=["parameters", "hide-input"]
profile = "smoke"
length = 128  # frames of the slices that are looked at closely
late = {"metastable": 128, "wild": 8}  # and where a late one begins

# %% tags=["remove-stderr", "hide-input"]
use_style()
settings = get_profile(profile)
tests = {r: make_dataset(evaluation.N_TEST, "test", FINAL_TEST, r) for r in ("metastable", "wild")}
labels = tests["metastable"].labels
states = {regime: assign_states(test.trajectories) for regime, test in tests.items()}
sizes = evaluation.trained_sizes()
fixed = {f"{size}, fixed set": s for size, s in evaluation.trained_sizes("fixed").items()}
kept = {size: evaluation.Predictions.load(size) for size in sizes}
ceiling = ceiling_of_test_set("metastable")
means = over_seeds.scores_over_seeds(labels, sizes)
several = over_seeds.scores_over_seeds(labels, fixed) if fixed else {}

# %% tags=["hide-input"]
baselines = {
    f"{name}, {n:,} trajectories": predicted
    for n in (1000, 100_000)
    for name, predicted in load_baselines(f"metastable_{n}").items()
}
majority = int(labels.mean() > 0.5)
simple = {
    "first frame's side of the mean": side_of_the_mean(tests["metastable"].trajectories),
    "always the same state": [majority] * len(labels),
}
single = baselines | simple

# %% tags=["remove-cell"]
glue("classification_accuracies", tables.means_in_words(means), display=False)
glue("classification_ceiling", ceiling.expected_accuracy[0], display=False)
glue("classification_n", len(labels), display=False)
glue("classification_missing", missing_in_words(load_records()), display=False)

# %% mystnb={"figure": {"name": "fig-classification-scores", "caption": "Accuracy on 5000 unseen trajectories, the same for all. Models: mean over trainings (their number in brackets), with intervals over trajectories and seeds; short strokes below: every training. Open marks: trained on a fixed set of 1000 trajectories, as on the poster (intervals over trajectories alone where no size was so trained twice). Grey: classifiers without a transformer, with intervals over trajectories. Open diamonds: the poster's figure for that size. Black line: the ideal observer on the same trajectories, with two standard errors."}, "image": {"alt": "Dots with error bars for each size, with small strokes for each training, for baselines, the poster's figures, and the ideal observer's accuracy as a vertical line.", "classes": "dark-light"}} tags=["hide-input"]
measured = tables.drawn_accuracies(labels, means | several, baselines)
by_seed = {name: (found == labels).mean(axis=1) for name, found in (sizes | fixed).items()}
value, error = ceiling.expected_accuracy
limit = (value, *tables.interval_of(value, error))
ax = scores.plot_scores(measured, by_seed, dict(cl.POSTER_SCORES), limit)
plt.show()

# %% [markdown]
# (section-classification-table)=
# ## The table
#
# The label $y$ of a trajectory is the state of its first frame. Scores are the poster's: accuracy, and
# precision, recall and F1 averaged over the two classes by their shares (recall is then accuracy by
# another name). The poster's other three figures are recorded nowhere in this project: only its accuracies
# stand beside ours. The table has the mean over the trainings of each size. Rows
# "fixed set" are trainings on a fixed set with dropout, as the poster describes ({doc}`04_training`).
# Brackets are 95% intervals over
# both sources of chance, which trajectories were drawn and which seed a training had.

# %% tags=["hide-input"]
n_seeds = {size: len(found) for size, found in (sizes | fixed).items()}
tables.poster_table(means | several, n_seeds).rename_axis(columns=f"{len(labels):,} trajectories")

# %%
# NBVAL_CHECK_OUTPUT
reached = over_seeds.reached_verdicts(means, cl.POSTER_SCORES)
growth = over_seeds.accuracy_differences(labels, sizes)
grown = verdicts_in_words(growth["larger"])
print("reaches the poster's accuracy -", verdicts_in_words(reached))
print("accuracy grows -", grown)

# %% [markdown]
# {glue:text}`classification_missing:s`
#
# The two sources of chance, one by one. No size was trained more than a few times, so the scatter over seeds
# is pooled over all sizes, as in an analysis of variance. A size that was trained once is taken to scatter
# like the rest.

# %% tags=["hide-input"]
tables.uncertainty_table(means, n_seeds)

# %% [markdown]
# Every training, its accuracy with Wilson's interval {cite}`wilson1927` over trajectories alone:

# %% tags=["hide-input"]
tables.seed_table(labels, sizes | fixed)

# %% [markdown]
# And from one size to the next, on the same trajectories:

# %% tags=["hide-input"]
tables.difference_table(growth)

# %% tags=["remove-cell"]
verdicts = verdicts_in_words(reached)
glue("classification_verdicts", verdicts, display=False)
glue("classification_growth", grown, display=False)
glue("classification_growth_numbers", tables.differences_in_words(growth), display=False)

# %% [markdown]
# The verdict says "confirmed" where the interval lies above the poster's figure, "refuted" where it lies
# below, "undecided" where it holds the figure: {glue:text}`classification_verdicts:s`.
#
# *How often the test set was used.* Once: every training was scored on it after all settings had been
# fixed on validation trajectories, and no number on this page led to a change of a model. It is the second
# test set of this edition (`datasets.FINAL_TEST`): the first had been shown to provisional models while
# studies were tried, and was given up. Neither shares a seed with an earlier edition. The committed models
# classify some of these trajectories again while this page is built, and have to agree with what was kept
# (`python -m mb_support.studies classification`).

# %% tags=["remove-stderr", "hide-input"]
n_live = dict(zip(settings.sizes, settings.n_classified, strict=True))
task = evaluation.whole("metastable")
for size, n in n_live.items():
    evaluation.checked_states(load_checkpoint(size), tests["metastable"], kept[size], task, n)
    print(f"{size}: {n} trajectories classified again")

# %% [markdown]
# ## Without a transformer
#
# Boosted trees and logistic regression see hand-made features of the standardised trajectory: early
# frames, means of ten parts, quantiles, autocorrelations (`mb_support.studies.classification.baselines`). They were fitted to
# 100,000 trajectories, fewer than any model has seen, and to a hundredth of that. Two rules that need no
# fitting: whether the first frame, less the mean of all, lies to the upper left; and always the more
# frequent state. Intervals are over trajectories.

# %% tags=["hide-input"]
tables.score_table(labels, single)

# %% tags=["hide-input"]
trees = {"trees": baselines["gradient-boosted trees, 100,000 trajectories"][None]}
beyond = over_seeds.accuracy_differences(labels, sizes | trees, [(size, "trees") for size in sizes])
tables.difference_table(beyond)

# %% tags=["remove-cell"]
glue("classification_trees", verdicts_in_words(beyond["larger"]), display=False)
glue("classification_trees_value", tables.accuracy_of(labels, trees["trees"]), display=False)

# %% [markdown]
# Fitted to 100,000 trajectories, the trees are right for {glue:text}`classification_trees_value:.4f`. Is a
# transformer better than that? {glue:text}`classification_trees:s`.
#
# (section-classification-ceiling)=
# ## The ceiling
#
# Nobody can do better than Bayes' rule. The *ideal observer* knows the potential, the temperature
# and the law of the starts, but like the model sees only the standardised frames, so that it has to
# integrate over the unknown shift $\mathbf{m}$ and scale $\mathbf{s}$:
#
# $$ P(y \mid \mathbf{z}_{1:N}) = \int P(y \mid \mathbf{m} + \mathbf{s}\,\mathbf{z}_1)\;
# p(\mathbf{m}, \mathbf{s} \mid \mathbf{z}_{1:N})\, d\mathbf{m}\, d\mathbf{s} .
# $$ (eq-classification-observer)
#
# The likelihood of the frames uses the exact density of one frame given the one before
# (`mb_support.observer.transition_density`). The integral is done in two ways: by importance sampling, which has to search
# for shift and scale (`mb_support.observer.ideal`), and by a normal approximation around the truth
# (`mb_support.observer.approximate`), cheap enough for many trajectories. Both give the ceiling as the mean
# probability of the better guess, with its standard error (`python -m mb_support.studies classification`).

# %% tags=["hide-input"]
ideal = {regime: load_ceilings(regime) for regime in tests}
whole = ideal["metastable"][0, states["metastable"].shape[1]]
approximate = load_approximate("metastable")
pd.DataFrame.from_dict(
    {
        "by sampling, test": (*whole.expected_accuracy, len(whole.first)),
        "approximate, test": (*ceiling.expected_accuracy, len(ceiling.first)),
        "approximate, validation": (
            approximate["expected_accuracy"],
            approximate["standard_error"],
            approximate["n_validation"],
        ),
    },
    orient="index",
    columns=["ceiling", "standard error", "trajectories"],
).round(4)

# %% [markdown]
# How far the models stay behind the guesses of the observer who searches, on the trajectories that it
# has seen (the approximation starts from the truth, so that its guesses are a little too good):

# %% tags=["hide-input"]
n_seen = len(whole.first)
compared = {size: found[:, :n_seen] for size, found in sizes.items()}
compared["observer"] = whole.guesses[None]
pairs = [(size, "observer") for size in sizes]
behind = over_seeds.accuracy_differences(labels[:n_seen], compared, pairs, fixed=["observer"])
tables.difference_table(behind).rename_axis(columns=f"{n_seen:,} trajectories")

# %% tags=["remove-cell"]
glue("classification_behind", tables.differences_in_words(behind), display=False)

# %% [markdown]
# ## What is missed
#
# {numref}`fig-classification-errors` shows where the missed trajectories started, and how accuracy
# depends on how long a trajectory stayed in its first state. One that slides across the ridge at
# once shows its label in a few frames of hundreds.

# %% mystnb={"figure": {"name": "fig-classification-errors", "caption": "Left: first frames of 5000 test trajectories (dots; blue A, vermillion B), those that the small model misses as large marks, and the dividing line between the states. Right: accuracy against the number of frames spent in the first state before leaving it for the first time, with Wilson intervals; the last group never left. Committed models, one training of each size."}, "image": {"alt": "Scatter of starting points with errors close to the dividing line; accuracy rising with the length of the first stay.", "classes": "dark-light"}} tags=["hide-input"]
is_right = {size: kept[size].whole() == labels for size in kept}
edges = [1, 2, 3, 5, 25, 512, 513]
stays = cl.first_stays(states["metastable"])
by_stay = {size: cl.accuracy_by_group(right, stays, edges) for size, right in is_right.items()}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.5))
first_frames = tests["metastable"].trajectories[:, 0]
scores.plot_errors_on_map(first_frames, labels, is_right["small"], separatrix()[:2], axes[0])
scores.plot_accuracy_by_stay(by_stay, axes[1])
plt.show()

# %% mystnb={"figure": {"name": "fig-classification-confusion", "caption": "Confusion matrices of the committed models and of the trees fitted to 100,000 trajectories, 5000 test trajectories each; the shade is the share of the true state."}, "image": {"alt": "One two-by-two table of counts for each classifier.", "classes": "dark-light"}} tags=["hide-input"]
shown = {size: kept[size].whole() for size in kept} | {"trees": trees["trees"][0]}
fig, axes = plt.subplots(1, len(shown), figsize=figure_size(0.25 * len(shown), 1.15 / len(shown)))
for ax, (name, found) in zip(axes, shown.items(), strict=True):
    scores.plot_confusion(cl.confusion(labels, found), name, ax)
plt.show()

# %% [markdown]
# {numref}`fig-classification-confusion` counts both kinds of error: A taken for B, and B for A.
#
# ## Later slices
#
# Given a slice that begins at frame $t$, what is left of $y$? Dynamics is Markov: a slice from
# frame $t$ on knows $P(y \mid \mathbf{x}_t)$ and nothing more. The grid solver carries the two
# halves of the start density forward, $\rho_A(\mathbf{x}, t)$ and $\rho_B(\mathbf{x}, t)$, and the
# largest accuracy that any classifier can have is
#
# $$ a(t) = \int \max\left[\rho_A(\mathbf{x}, t), \rho_B(\mathbf{x}, t)\right] d\mathbf{x} .
# $$ (eq-classification-limit)
#
# Copying, which takes the state of $\mathbf{x}_t$ for the label, comes close to it, but needs the raw
# frame.

# %% tags=["hide-input"]
posteriors, copying = {}, {}
for regime, test in tests.items():
    solver = GridSolver(test.config.beta, test.config.diffusion, settings.grid_step)
    starts = evaluation.SLICE_STARTS[regime]
    posteriors[regime] = label_posterior(solver, starts, test.config.frame_time)
    copying[regime] = slices.copying_accuracy(solver, posteriors[regime])
limits = {regime: posterior.accuracy for regime, posterior in posteriors.items()}
wild_small = evaluation.Predictions.load("small-wild-0")
by_length = {
    frames: {s: kept[s].slice_table("metastable", frames, states["metastable"]) for s in kept}
    for frames in evaluation.SLICE_LENGTHS["metastable"]
}

# %% mystnb={"figure": {"name": "fig-classification-slices", "caption": "Accuracy for the trajectory's label against the first frame of the slice, for slices of three lengths; 1000 trajectories for every size, Wilson intervals, one training of each size. Black line: the exact limit. Grey, dotted: copying the state of the slice's first raw frame. Open circles, where it was computed: the ideal observer, who sees what the model sees (120 trajectories, standard errors)."}, "image": {"alt": "Three panels of accuracy falling with the start of the slice, below or at a black limiting curve.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, len(by_length), figsize=figure_size(1, 0.42), sharex=True, sharey=True)
for ax, (frames, found) in zip(axes, by_length.items(), strict=True):
    seen = {
        c.start: c.expected_accuracy for c in ideal["metastable"].values() if c.length == frames
    }
    lines = limits["metastable"], seen, copying["metastable"]
    scores.plot_accuracy_by_start(found, posteriors["metastable"].frames, *lines, ax)
    ax.set_title(f"{frames} frames", fontsize=9)
    ax.set_ylabel("accuracy" if ax is axes[0] else "")
axes[-1].legend(fontsize=7)
plt.show()

# %%
# NBVAL_CHECK_OUTPUT
declines = slices.decline_verdicts(by_length[length], late["metastable"])
flat = [table for found in by_length.values() for table in found.values()]
excess, n_compared = slices.largest_excess(
    flat, posteriors["metastable"].frames, limits["metastable"]
)
print("later slices are harder -", verdicts_in_words(declines))
print(f"largest excess over the limit: {excess:.2f} standard errors of {n_compared} slices")

# %% tags=["remove-cell"]
glue("classification_decline", verdicts_in_words(declines), display=False)
glue("classification_excess", excess, display=False)
glue("classification_compared", n_compared, display=False)

# %% [markdown]
# No accuracy in {numref}`fig-classification-slices` should lie above its limit by more than chance
# allows; the largest excess is {glue:text}`classification_excess:.2f` standard errors among
# {glue:text}`classification_compared:d` slices. Whether a late slice (`late` above) is harder than one
# from frame 0, by the intervals of each model: {glue:text}`classification_decline:s`.
#
# ## Two causes of the decline, told apart
#
# A later slice may be harder for two reasons: the particle has moved on, so that the state in view
# is not the label any more; or the relaxation from the start, downhill from somewhere in the box,
# is no longer in view. Compare a slice with one of the same length that begins at frame 0, and
# count how often the model gives the state of the slice's *own* first frame:
#
# $$ 1 - a_y(t) = \underbrace{1 - a_\mathrm{own}(0)}_{\text{slice too short}}
# + \underbrace{a_\mathrm{own}(0) - a_\mathrm{own}(t)}_{\text{relaxation out of view}}
# + \underbrace{a_\mathrm{own}(t) - a_y(t)}_{\text{moved on}} . $$ (eq-classification-causes)

# %% mystnb={"figure": {"name": "fig-classification-causes", "caption": "Error of small models on slices of 128 frames, split into its three parts: in metastable the committed one, in wild the one trained for it; 1000 trajectories each. Horizontal marks: the whole error, the sum of the parts. Crosses: the least error that the exact dynamics allows. Standard errors of a share of 1000: at most 0.016. A part below zero makes the task easier."}, "image": {"alt": "Stacked bars of the causes of error against the first frame of the slice, with the least possible error as crosses.", "classes": "dark-light"}} tags=["hide-input"]
sliced = {"metastable": by_length[length]["small"]}
sliced["wild"] = wild_small.slice_table("wild", length, states["wild"])
causes = {regime: slices.causes_of_decline(table) for regime, table in sliced.items()}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.45))
for ax, (regime, found) in zip(axes, causes.items(), strict=True):
    scores.plot_causes(found, posteriors[regime].frames, limits[regime], ax)
    ax.set_title(f"{regime}, {length} frames")
axes[1].set_ylabel("")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7)
plt.show()

# %%
# NBVAL_CHECK_OUTPUT
at_late = {regime: found.set_index("start").loc[late[regime]] for regime, found in causes.items()}
parts = {"short": "slice too short", "view": "relaxation out of view", "moved": "moved on"}
print(pd.DataFrame(at_late).rename(index=parts).round(2).to_string())

# %% [markdown]
# The first part holds what short slices leave open, and what a model trained last on whole
# trajectories loses on short ones.
# Each column is a late slice, much earlier in `wild` than in `metastable`. Where the second part
# is below zero, a settled particle tells its state *more* readily than one that starts on a hillside or
# near the ridge.
#
# (section-classification-readings)=
# ## What the poster's table can mean
#
# The poster does not say where its trajectories start, which frame's state is the label, or how hot it
# is; the author's script trains on data like those of `wild`. Each reading has its own limit. In
# `wild` a particle crosses within few frames. `easy_starts` is `metastable` started only below the upper
# saddle, where a particle could be found; near the ridge, where nearly all errors are, nothing starts. For
# the state of the last frame the ceiling is the same observer's.

# %% tags=["hide-input"]
other = {r: ceiling_of_test_set(r) for r in ("wild", "easy_starts")}
readings = {
    "first frame (this book)": (approximate["expected_accuracy"], approximate["standard_error"]),
    "first frame, wild": other["wild"].expected_accuracy,
    "first frame, easy_starts": other["easy_starts"].expected_accuracy,
    "last frame": mean_certainty(whole.last),
}
possible = {name: (value, *tables.interval_of(value, e)) for name, (value, e) in readings.items()}
seen_from = 4
at_four = float(limits["metastable"][evaluation.SLICE_STARTS["metastable"].index(seen_from)])
possible[f"first frame, seen from frame {seen_from} on"] = (at_four,) * 3

# %% tags=["hide-input"]
last = states["metastable"][:, -1]
wild_labels, easy_labels = tests["wild"].labels, evaluation.labels_of("easy_starts")
backwards = kept["small"].whole(is_reversed=True)
small = {
    "first frame (this book)": tables.accuracy_of(labels, sizes["small"]),
    "first frame, wild": tables.accuracy_of(wild_labels, evaluation.trained_with("small-wild")),
    "first frame, easy_starts": tables.accuracy_of(
        easy_labels, evaluation.trained_with("small-easy_starts")
    ),
    "last frame": tables.accuracy_of(last[: len(backwards)], backwards),
}
by_trees = {
    reading: tables.accuracy_of(truth, load_baselines(part)["gradient-boosted trees"])
    for reading, truth, part in (
        ("first frame (this book)", labels, "metastable_100000"),
        ("first frame, wild", wild_labels, "wild_100000"),
        ("first frame, easy_starts", easy_labels, "easy_starts_100000"),
        ("last frame", last, "metastable_last_100000"),
    )
}
ours = {"small": small, "trees": by_trees}

# %% mystnb={"figure": {"name": "fig-classification-readings", "caption": "The highest possible accuracy under five readings of the task (black, with two standard errors where it is not exact), the poster's figures (vertical lines), and what a small model and boosted trees reach when they are trained for that reading (5000 test trajectories, standard errors at most 0.005; the small model for the last frame: trained for the first, shown 1000 trajectories backwards). Where a black mark lies to the left of a line, that figure is out of reach for any classifier."}, "image": {"alt": "Five rows of limits against three vertical lines at the poster's accuracies.", "classes": "dark-light"}} tags=["hide-input"]
scores.plot_readings(possible, dict(cl.POSTER_SCORES), ours)
plt.show()

# %% tags=["hide-input"]
tables.readings_table(possible, ours)

# %% tags=["remove-cell"]
glue("classification_unreachable", tables.unreachable_in_words(possible), display=False)
for reading, key in (("first frame, wild", "wild"), ("first frame, easy_starts", "easy")):
    glue(f"classification_{key}_small", small[reading], display=False)
    glue(f"classification_{key}_ceiling", possible[reading][0], display=False)

# %% [markdown]
# Out of any observer's reach are, by reading: {glue:text}`classification_unreachable:s`. In `wild` the ideal
# observer is right for {glue:text}`classification_wild_ceiling:.4f` and a small model trained there for
# {glue:text}`classification_wild_small:.4f`. In `easy_starts` they reach
# {glue:text}`classification_easy_ceiling:.4f` and {glue:text}`classification_easy_small:.4f`. So an accuracy
# by itself says little of a classifier: the starts, the temperature and the frame that is named decide
# more than the number of its parameters does. For the poster's largest figure the labelled frame has
# to be in view, and the temperature not that of `wild`.
#
# ## Data that a model was not trained for
#
# The committed models, trained for `metastable` from the whole box, on the first trajectories of the
# other data (intervals over them). For the state of the last frame they are shown the frames as they are, and in reverse order: in
# equilibrium a trajectory run backwards is as likely as forwards, so that the first frame of the
# reversed one would be told as well. Ours start out of equilibrium, and the reversed relaxation is a
# pattern that the model has never seen; the table shows whether that hurts.

# %% tags=["hide-input"]
elsewhere = {}
for size in kept:
    backwards = kept[size].whole(is_reversed=True)
    n = len(backwards)
    elsewhere[size] = {
        "last frame, as it is": tables.scored(last[:n], kept[size].whole()[:n]),
        "last frame, frames reversed": tables.scored(last[:n], backwards),
        "wild": tables.scored(wild_labels[:n], kept[size].whole("wild")),
        "easy_starts": tables.scored(easy_labels[:n], kept[size].whole("easy_starts")),
    }
pd.DataFrame(elsewhere)

# %% [markdown]
# ## Takeaway
#
# - Training reaches {glue:text}`classification_accuracies:s`; the poster's figures:
#   {glue:text}`classification_verdicts:s`. The ceiling is {glue:text}`classification_ceiling:.4f`, and what is
#   missing to the observer's guesses is {glue:text}`classification_behind:s`.
# - Whether accuracy grows with size: {glue:text}`classification_growth:s`. Whether it beats boosted trees on
#   hand-made features: {glue:text}`classification_trees:s`.
# - Most of what is missed are trajectories that start near the ridge, or hardly visited the state
#   that they are named after ({numref}`fig-classification-errors`).
# - The exact limit falls with the start of the slice, because the particle moves on
#   ({numref}`fig-classification-causes`, small models); that the models fall too:
#   {glue:text}`classification_decline:s`.
# - Which figures are possible at all depends on starts, temperature and labelled frame
#   ({numref}`fig-classification-readings`).
# - Not shown: slices for every seed, models trained for the last frame's state, medium and large models
#   trained for `wild` or `easy_starts`, and the poster's own checkpoints, which are not public.
