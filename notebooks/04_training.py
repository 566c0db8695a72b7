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
# How are the models of this book trained, at what cost, and does the recipe work when it is run
# again? It does: at the end of this page the small model is trained from nothing while the book is
# built, and tells the state of
# {glue:text}`training_live_accuracy:.3f` ± {glue:text}`training_live_error:.3f` of trajectories
# it has never seen, where guessing the commoner state would give
# {glue:text}`training_live_chance:.3f`.

# %% tags=["remove-stderr"]
import json

import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile, make_dataset, paths, predict_states
from mb_support.inference import checkpoint_sizes
from mb_support.plotting import training as plots
from mb_support.plotting.style import figure_size, use_style
from mb_support.training import TrainingConfig, train

# %% tags=["parameters"]
profile = "smoke"
seed = 5  # number of the test set that scores the live training

# %% tags=["remove-stderr"]
use_style()
settings = get_profile(profile)
records = {
    size: json.loads((paths.CHECKPOINTS / size / "training.json").read_text())
    for size in checkpoint_sizes()
}
print(f"profile {settings.name}; committed runs: {', '.join(records)}")

# %% [markdown]
# ## The recipe
#
# The loss is the poster's, with both weights 1. Everything else is a matter of getting there with
# little computing, and differs from the author's script:

# %% tags=["remove-input"]
ours = next(iter(records.values()))["config"]
pd.DataFrame(
    {
        "the author's script": {
            "trajectories": "1000, each seen 1000 times",
            "window": "whole trajectory",
            "optimiser": "AdamW, 1e-4, weight decay 0.01",
            "schedule": "linear warm-up of 25 or 50 epochs, linear decay",
            "batch": "6",
            "dropout": "0.1",
            "initial positions": "normal, standard deviation 0.02",
            "precision": "half",
        },
        "this book": {
            "trajectories": "fresh ones, each seen once",
            "window": "short windows first, whole trajectories last",
            "optimiser": f"AdamW, {ours['learning_rate']:g} ({ours['size']}), "
            f"weight decay {ours['weight_decay']:g}",
            "schedule": f"warm-up of {ours['warmup_steps']} steps, cosine decay",
            "batch": str(ours["batch_size"]),
            "dropout": "none: nothing is seen twice",
            "initial positions": "sinusoids",
            "precision": "single; bfloat16 in the linear layers of medium and large",
        },
    }
)

# %% [markdown]
# **Guidance.** Two things help the network while it learns, and are gone when it is done. Every
# second trajectory of the guided part of a run starts close to the ridge between the basins, as
# those are the starts whose label is hard to tell. And a linear read-out of each frame's encoding has to tell
# the frame's state, its raw position, and the shift and scale which the standardisation removed;
# the simulator knows all of these, and one label for a thousand frames says little about them.
# The weight of the read-out falls linearly to zero, the last part of a run sees the data set's own
# distribution and the poster's loss alone, and the read-out is thrown away.
#
# **Sinusoids.** Position embeddings are free parameters, as in BERT, but they start as the sines
# and cosines of {cite}`vaswani2017`, so that "the frame before" is one direction that attention can
# learn, and not a thousand separate facts.
#
# Test trajectories take no part in any choice. The validation trajectories scored along the way have seeds
# of their own.
#
# ## The committed runs

# %% mystnb={"figure": {"name": "fig-training-curves", "caption": "The committed runs: next-frame loss, cross-entropy of the states and validation accuracy (band: one standard error) against optimisation steps. Dotted lines mark where windows become longer; the validation trajectories have full length throughout, which a model that has only seen short windows does not yet handle."}, "image": {"alt": "Three panels of curves against optimisation steps, one line for each model size: both losses fall, and the validation accuracy rises once full-length trajectories are seen.", "classes": "dark-light"}}
figure, axes = plt.subplots(1, 3, figsize=figure_size(aspect=0.36))
for record in records.values():
    plots.plot_loss_curve(record, "trajectory_loss", ax=axes[0])
    plots.plot_loss_curve(record, "classification_loss", ax=axes[1])
    plots.plot_validation_curve(record, ax=axes[2])
axes[0].set_ylabel(r"$L_\mathrm{traj}$ (standardised)")
axes[1].set_ylabel("cross-entropy (nats)")
plots.mark_stages(next(iter(records.values())), axes[2])
axes[2].legend()
plt.show()

# %% [markdown]
# What they cost, as written down by the runs themselves:

# %% tags=["remove-input"]
pd.DataFrame(
    {
        size: {
            "window lengths and steps": ", ".join(
                f"{frames} x {steps}" for frames, steps in record["config"]["stages"]
            ),
            "trajectories seen": f"{record['trajectories_seen']:,}",
            "frames seen": f"{record['frames_seen']:,}",
            "wall time": f"{record['wall_time_s'] / 60:.0f} min, {record['threads']} thread(s)",
            "machine": record["machine"],
            "versions": f"torch {record['versions']['torch']}, "
            f"transformers {record['versions']['transformers']}",
            "validation accuracy": f"{record['curve'][-1]['eval_accuracy']:.4f} "
            f"(n = {record['config']['n_validation']})",
        }
        for size, record in records.items()
    }
)

# %% [markdown]
# `make train` repeats them from nothing, one size after the other, and goes on where it was
# interrupted; `python -m mb_support.training --size small` trains one.
#
# ## A live training
#
# The same recipe for the small model, but shorter and on windows of one length, run while this page
# was built. It shows that nothing here depends on a file that came with the book.

# %%
live = TrainingConfig(
    "small",
    stages=(settings.live_training,),
    batch_size=16,
    learning_rate=3e-3,
    warmup_steps=settings.live_training[1] // 8,
    eval_every=settings.live_training[1],
    n_validation=settings.n_test_trajectories,
)
print(f"{live.n_steps} steps of {live.batch_size} windows of {live.stages[0][0]} frames")

# %% tags=["remove-output"]
model, record = train(live, paths.CACHE / "live_training", resume=False)

# %%
test = make_dataset(settings.n_test_trajectories, "test", index=seed, n_frames=live.stages[0][0])
predicted, _ = predict_states(model, test.trajectories, progress=False)
accuracy = float((predicted == test.labels).mean())
error = float((accuracy * (1 - accuracy) / len(test)) ** 0.5)
chance = float(max(test.labels.mean(), 1 - test.labels.mean()))
print(f"accuracy {accuracy:.3f} +- {error:.3f} on {len(test)} trajectories; chance {chance:.3f}")

# %% tags=["remove-cell"]
glue("training_live_accuracy", accuracy, display=False)
glue("training_live_error", error, display=False)
glue("training_live_chance", chance, display=False)

# %% mystnb={"figure": {"name": "fig-training-live", "caption": "The live training of the small model: both terms of the loss against optimisation steps (thin: as logged, thick: running mean)."}, "image": {"alt": "Two falling curves against optimisation steps: the next-frame loss and the cross-entropy of the live training.", "classes": "dark-light"}}
figure, axes = plt.subplots(1, 2, figsize=figure_size(aspect=0.36))
plots.plot_loss_curve(record, "trajectory_loss", window=4, ax=axes[0])
plots.plot_loss_curve(record, "classification_loss", window=4, ax=axes[1])
axes[0].set_ylabel(r"$L_\mathrm{traj}$ (standardised)")
axes[1].set_ylabel("cross-entropy (nats)")
plt.show()

# %% [markdown]
# ## Takeaway
#
# A recipe of fresh trajectories, growing windows and a read-out that is thrown away trains the small
# model on one core, and the page has just done a short version of it. Not shown: how much each
# ingredient contributes, and the scatter over training seeds: every committed model is one run.
# What the models are worth on test trajectories is the subject of the chapter on
# classification.
