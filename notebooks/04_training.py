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
# # Training
#
# What does training alone find, with the poster's loss and nothing else, and how much of the answer
# is luck? Every model of this book starts from random weights and is shown trajectories and their
# labels. {numref}`fig-training-curves` shows all trainings of the three sizes: validation errors of
# one size end close together and fall most at the end, when the learning rate falls. The trajectory
# loss differs more between seeds, and jumps up when the trajectories grow.

# %% tags=["remove-stderr", "hide-input"]
import tempfile

from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile, predict_states
from mb_support.plotting import training as figures
from mb_support.plotting.style import figure_size, use_style
from mb_support.studies import training as training_study
from mb_support.training import RECIPES, train

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 100  # of the training made on this page

# %% tags=["hide-input"]
use_style()
settings = get_profile(profile)
records = training_study.load_records()
sizes = {size: list(training_study.seeds_of(records, size).values()) for size in RECIPES}
curves = {s: [training_study.learning_curve(r) for r in found] for s, found in sizes.items()}
held_out = training_study.held_out(settings.n_test_trajectories, settings.live_training[0])
chance = training_study.majority_share(held_out.labels)

# %% mystnb={"figure": {"name": "fig-training-curves", "caption": "All trainings of the three sizes, one line a seed (numbers of seeds in brackets), against the trajectories shown (each is shown once). Left and middle: the two terms of the poster's loss on what is being learned from (running mean); where they jump, longer trajectories begin. Right: share of wrong answers on 1000 whole validation trajectories (binomial standard error at 0.03: 0.005)."}, "image": {"alt": "Three panels of curves against trajectories shown: trajectory loss and cross-entropy fall and jump up where trajectories grow, and the validation error falls steeply at the end.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 3, figsize=figure_size(1.0, 0.38))
figures.plot_loss(curves, "trajectory_loss", ax=axes[0])
figures.plot_loss(curves, "classification_loss", ax=axes[1])
figures.plot_accuracy(curves, chance, axes[2])
fig.legend(*axes[2].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# ## The recipe
#
# A model starts from random weights, and AdamW minimises the sum of two terms, the poster's loss: the
# squared error of the next frame and the cross-entropy of the sequence's label
# ($\gamma L_\mathrm{traj} + \lambda \mathrm{CE}$ with $\gamma = \lambda = 1$). Every sequence that it is shown was simulated for
# the occasion and is shown once, so that there is nothing to overfit and no dropout. Short sequences
# come first and whole ones last, while the learning rate warms up linearly and then falls like a cosine.
#
# That is all, but for three details. The position embeddings start as sinusoids {cite}`vaswani2017` and
# learn like everything else. A short trajectory is a whole one of its own, with its own start and label;
# short ones come first because attention costs with the square of the length. And the cosine goes by frames shown, for the large model by steps, so
# that its rate has fallen further by the time the trajectories are whole.

# %% tags=["hide-input"]
training_study.recipe_table()

# %% [markdown]
# The author's script {cite}`leban2025` differs in the first place by its data: a thousand trajectories,
# shown a thousand times each. Something like it, with fewer passes, is
# {ref}`below <section-training-fixed>`.
#
# What was tried before the recipes of the medium and the large model were settled, judged by validation
# trajectories only, one training each, with binomial standard errors:

# %% tags=["hide-input"]
training_study.tried_table()

# %% [markdown]
# With two lengths instead of three the large model scored lower, the medium one lower within the errors.
# Peak rates made no difference beyond the
# errors, except that with the highest one the large model never left chance.
#
# ## Scatter over seeds
#
# Seeds differ in the initial weights and in the trajectories shown. All models are scored on the
# same validation trajectories, whose own standard error is the last column: it moves all rows
# together. One seed alone has no scatter.

# %% tags=["hide-input"]
training_study.scatter_table(records)

# %% tags=["remove-cell"]
glue("training_missing", training_study.missing_in_words(records), display=False)
glue("training_notes", training_study.notes_in_words(records), display=False)

# %% [markdown]
# {glue:text}`training_missing:s` The list is that of `mb_support.training.recipes`. What the records add:
# {glue:text}`training_notes:s`
#
# The weights of the median seed of each size, of those that have been made, are committed, and are "the
# small model" and so on in the chapters that follow. Of the others, records and predictions are kept. The
# test set plays no part here: it is scored in the {ref}`next chapter but one
# <section-classification-table>`.
#
# ## Cost
#
# One training of each size, on the machines of the records: the time of the fastest and of the slowest.

# %% tags=["hide-input"]
training_study.cost_table(records)

# %% [markdown]
# (section-training-fixed)=
# ## A fixed set, as on the poster
#
# A set-up like the poster's beside it: the same thousand whole trajectories again and again, from the
# start whole, in small batches, with dropout against overfitting ({numref}`fig-training-fixed`). Means and, where there are several seeds, standard
# deviations over them; the last column is the standard error that the validation trajectories leave.

# %% tags=["hide-input"]
training_study.fixed_set_table(records)

# %% mystnb={"figure": {"name": "fig-training-fixed", "caption": "A fixed set of 1000 trajectories with dropout 0.1, one line a training (their numbers in brackets). Left: accuracy on 1000 validation trajectories (standard error about 0.01). Right: cross-entropy on validation (lines) and on the training set (dotted). Where the validation curve turns upward while the training curve goes on falling, the model learns its training set by heart."}, "image": {"alt": "Two panels against passes over the fixed set: validation accuracy levels off, and validation cross-entropy turns upward while training cross-entropy falls.", "classes": "dark-light"}} tags=["hide-input"]
fixed = {
    size: [training_study.learning_curve(r) for r in found.values()]
    for size in RECIPES
    if (found := training_study.seeds_of(records, size, "fixed"))
}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.42))
figures.plot_fixed(fixed, 1000, "accuracy", axes[0])
figures.plot_fixed(fixed, 1000, "cross_entropy", axes[1]).legend()
plt.show()

# %% [markdown]
# ## How many trajectories does it take?
#
# The recipe of the small model again, cut out of training sets of a given size
# ({numref}`fig-training-data`). The number of trajectories shown is the same throughout; only how often
# each comes back differs. One training for each point; {glue:text}`training_missing:s`

# %% mystnb={"figure": {"name": "fig-training-data", "caption": "Error of the small model on 1000 validation trajectories against the number of distinct trajectories it was trained on (bars: binomial standard errors; one training for each point). Dashed: the recipe, in which every trajectory is a fresh one (mean over seeds)."}, "image": {"alt": "The validation error falls with the number of distinct training trajectories, towards the level of fresh ones.", "classes": "dark-light"}} tags=["hide-input"]
figures.plot_data_curve(training_study.data_curve(records))
plt.show()

# %% [markdown]
# And the same recipe with other numbers of trajectories, and on the other data sets of {doc}`chapter 2 <02_data>`, each with
# its own validation trajectories (means over seeds, binomial standard errors):

# %% tags=["hide-input"]
training_study.variants_table(records)

# %% [markdown]
# ## Train it again
#
# ```
# make train                                               # all trainings of this page
# python -m mb_support.training --size small --seed 7      # one more
# python -m mb_support.training --size small --steps 500   # a trial of a minute
# ```
#
# `--regime` chooses the data set, `--data` a store of your own trajectories. Interrupted at any
# moment, the same command goes on from the newest whole checkpoint. Trajectory number $i$ of a run is a
# function of the seed and $i$, so an interrupted run, or one that several processes share
# (`torchrun --nproc-per-node 2 -m mb_support.training --size small`), sees the same ones. A graphics
# card is used where there is one.
#
# ## A training on this page
#
# The small model once more, with few and short trajectories ({numref}`fig-training-live`).

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
config = training_study.live_config(settings.live_training, seed)
print(f"{config.size}: {config.stages[0][0]} frames, {config.n_steps} steps")
print(f"{config.trajectories_seen} trajectories, seed {config.seed}")

# %% tags=["remove-stderr", "hide-input"]
with tempfile.TemporaryDirectory() as folder:
    model, record = train(config, folder, progress=False)
live = training_study.learning_curve(record)

# %% mystnb={"figure": {"name": "fig-training-live", "caption": "The training made with this page: both terms of the poster's loss against the trajectories shown."}, "image": {"alt": "Two falling curves against trajectories shown: trajectory loss and cross-entropy of the short training.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(0.9, 0.38))
figures.plot_loss({"small": [live]}, "trajectory_loss", 2, axes[0])
figures.plot_loss({"small": [live]}, "classification_loss", 2, axes[1])
plt.show()

# %% tags=["remove-stderr", "hide-input"]
predicted, _ = predict_states(model, held_out.trajectories)
share = float((predicted == held_out.labels).mean())
accuracy, error = training_study.accuracy_with_error(share, len(held_out))
print(f"{accuracy:.3f} ± {error:.3f} on {len(held_out)} unseen trajectories; chance {chance:.3f}")

# %% tags=["remove-cell"]
glue("training_live_accuracy", accuracy, display=False)
glue("training_live_error", float(error), display=False)
glue("training_live_chance", chance, display=False)
glue("training_live_n", len(held_out), display=False)

# %% [markdown]
# It is right for {glue:text}`training_live_accuracy:.3f` ± {glue:text}`training_live_error:.3f` of
# {glue:text}`training_live_n:d` unseen trajectories of its length; the more frequent state makes up
# {glue:text}`training_live_chance:.3f`.
#
# ## Takeaway
#
# The poster's models learn from random weights and the poster's loss alone, in minutes of a graphics
# card. On a fixed set of a thousand, with dropout, the small model learns its training set by heart
# and ends less accurate.
#
# Not shown: what longer trainings give the medium and the large model; the author's recipe to its last
# epoch; which part of the recipe contributes what.
