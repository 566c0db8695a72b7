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
# How were the models of this book trained, at what cost, and can the reader do it again? With
# trajectories that no model has seen before, made as they are needed, and for most of a run
# with help from the simulator that is taken away before the end: on two processor cores instead of
# a graphics card. A short training of the small model is part of this page, and tells the states of
# unseen trajectories far better than chance.

# %% tags=["remove-stderr"]
import tempfile

from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile, predict_states, recipes
from mb_support.plotting import training as figures
from mb_support.plotting.style import figure_size, use_style
from mb_support.training import train

# %% tags=["parameters"]
profile = "smoke"
seed = 1  # of the training made on this page; the committed ones have seed 0

# %%
use_style()
settings = get_profile(profile)
records = recipes.load_records()
print(f"profile {settings.name}; committed trainings: {', '.join(records)}")

# %% [markdown]
# ## The recipe
#
# The author's code {cite}`leban2025` goes through a fixed set of trajectories a thousand times, on
# a graphics card. Ours has to be content with two cores, and differs in what the next table shows.
# The models and the poster's loss are the same; start and training differ:

# %%
recipes.recipe_table(records)

# %% [markdown]
# *Fresh trajectories.* Simulating costs next to nothing beside learning, so no trajectory is shown
# twice (but for {ref}`a last run <section-training-balance>`) and there is nothing to overfit. Trajectory number $i$ of the stream is a function of the
# seed and $i$: a run that was interrupted, or is shared by several processes, sees the same ones.
#
# *Thinned trajectories first.* The cost of attention grows with the square of the length, and most
# frames of a trajectory say the same: where its valley lies. So in most steps the encoder is shown
# all of the beginning, which is asked for, and a block of neighbouring frames
# out of each stretch of the rest.
# Each kept frame has its true position and stands for as many frames as its stretch has: so often
# its key counts in attention, and its encoding in the mean that is classified. What the model
# learns holds for whole trajectories, on which the accuracies below are taken, and the last steps
# are made on. BERT itself was trained on short sequences first {cite}`devlin2019`; short *windows*
# serve less well here, as less of a trajectory is less certain of its label; the small model, trained
# before this was tried, had them.
#
# *Guidance.* The label is one bit for a whole trajectory, and says little about why it is right.
# The simulator knows more. During the first part of a run
#
# - every second trajectory starts near the ridge between the basins, where the label is hard to
#   tell;
# - a linear layer on each frame's encoding, which is no part of the poster's model, is asked for
#   that frame's state and raw position, and for the shift and scale that standardisation removed;
#   early frames count most.
#
# Both are privileges of whoever owns the simulator: they say where raw space lies and where the
# ridge is, which the trajectories and labels alone do not. With $w$ the weight of the guidance and
# $\mathcal{L}_\mathrm{read}$ the read-out's loss, training minimises
#
# $$ \mathcal{L} = \underbrace{\gamma L_\mathrm{traj} + \lambda \,
# \mathrm{CE}}_{\text{the poster's loss}} + \, w \, \mathcal{L}_\mathrm{read} , $$ (eq-training-loss)
#
# and $w$ falls linearly from one to zero (`guided_fraction` of the run). The rest of the run sees
# uniform starts and the poster's loss alone. Then the linear layer is thrown away: what is kept has
# the poster's parameters and nothing else. The poster's models had no such help, so a better score
# here does not say that its training was at fault.
#
# *No dropout, larger steps.* Nothing can be overfitted; and attention dropout forbids the fast
# attention of `mb_support.cpu_attention`. Position embeddings start as sinusoids {cite}`vaswani2017` instead of
# small random numbers, so that "the frame before" is a direction from the first step on.
#
# *Neighbour heads.* Standardisation takes the scale of a trajectory away, and the noise between
# neighbouring frames would give it back, as {ref}`chapter 6 <section-classification-ruler>` explains.
# But heads of four or five dimensions do not learn to find one frame among a thousand. So in the
# medium model two heads of the first layer *begin* there (`mb_support.initialisation`). Let
# $\mathbf{p}_t$ run along a spiral on the unit sphere, a part of the position embedding, and let
# $a_t$ be what the LayerNorm of the embeddings makes of a constant at frame $t$. Queries that hold
# $\mathbf{p}_{t+1}$ and keys that hold $\mathbf{p}_s$, with one dimension for the constant, give the
# scores
#
# $$ S \, a_t \, a_s \, (\mathbf{p}_{t+1} \cdot \mathbf{p}_s - 1) , $$ (eq-training-neighbour)
#
# zero at $s = t + 1$ and below zero elsewhere, whatever the coordinates make of $a$. The value is
# minus the coordinates, so the residual stream receives, a little blurred by the frames beside, the
# displacement. The second head does the same for the frame before. Position embeddings, the queries
# and keys of these two heads and the dimensions that they read stay as they begin; everything else
# learns, and a second read-out, also thrown away, asks the second layer how far each coordinate moves.
# It is a choice of the start, within the poster's architecture and
# parameter counts. The small model, whose heads have two dimensions, cannot have it; the large one has it from the
# medium model.
#
# *Growth.* The large model does not begin from random weights, but as the trained medium one
# (`mb_support.growth`), an idea of Net2Net {cite}`chen2016` that was carried over to BERT
# {cite}`chen2022`. Dimensions are copied, and the two copies share what the original passed on; new
# heads and neurons read at random and write nothing; new layers pass on what they get. Before its
# first step it answers as the medium model does, and every weight of it can learn.
#
# *A teacher.* Most errors of these models are of starts close to the ridge
# ({numref}`fig-classification-errors`). There the label is a coin that even an observer who knows
# the dynamics exactly sees from one side only: with what the frames tell of shift and scale, the
# start lies in A with some probability, and the label is one draw from it. A model that is shown
# the probability itself need not average over draws, an idea known as distillation
# {cite}`hinton2015`. So the medium model, once trained, is trained further with a fresh optimiser,
# three of four trajectories starting nearer still to the ridge; the large one from its first
# step. The target of the cross-entropy is
#
# $$ q_A = \Phi(\hat d / \hat\sigma) , \qquad q_B = 1 - q_A , $$ (eq-training-teacher)
#
# with $\Phi$ the normal distribution, $\hat d$ the signed distance of the start from the
# separatrix at the mode of the posterior of shift and scale, and $\hat\sigma$ its standard
# deviation there. The posterior is that of the ideal observer of
# {ref}`chapter 6 <section-classification-ceiling>`, who has to search for it; the teacher
# (`mb_support.teacher`) knows the truth and needs two Newton steps from there. Of whole
# trajectories $q_A$ is, but for the approximation, a function of the standardised frames and right
# on average: it teaches what labels would, given many more of them. Of thinned ones each step between
# neighbours counts as many times as it stands for, so that $q_A$ is as sure as a whole trajectory
# allows, and surer than the frames shown. With the teacher comes
# a read-out as above, fitted before the run begins, that asks for what the teacher found: where the
# frames lie. In the last twentieth of its run the medium model sees the data set's own starts and
# labels alone. This too is a privilege of whoever owns the
# simulator.
#
# (section-training-balance)=
# *Balance.* Of all steps so far only the last few show the data set's own starts and labels, too few
# for $g$ to make the best of them. So the small and the medium model have a last run in which $g$ alone
# goes on learning (`mb_support.refit`), from starts and labels as they are. As nothing else changes,
# trajectories are encoded once, and shown to $g$ as often as it needs. On these trajectories the
# cross-entropy falls from {glue:text}`training_small_unbalanced:.3f` to
# {glue:text}`training_small_balanced:.3f` for the small model and from
# {glue:text}`training_medium_unbalanced:.3f` to {glue:text}`training_medium_balanced:.3f` for the medium
# one. For the small model a fifth of these trajectories are shorter, of three lengths, for the sake of
# the slices of {numref}`fig-classification-slices`. The large model grows from the medium one as it was
# before.
#
# (section-training-start)=
# *A look at the start.* What is asked for is where a trajectory starts. The mean of all encodings,
# which $g$ is given, tells the shift and scale nearly as well as the frames allow. But of the first
# frame as the standardisation left it, one of a thousand, little arrives: each LayerNorm weakens what
# no layer renews. So the large model's last run begins by giving it one head that brings it
# (`mb_support.start_head`). Where growth has copied a dimension, the copies may differ, in proportion to
# each other's share, and nothing that reads both notices. Three such differences carry a mark of the
# first frame and every frame's two coordinates up to the first layer that the large model has of its
# own, two neurons each making up for what LayerNorms take away. There the head finds the first frame
# by its mark, and writes what that carries into three more differences, in every frame. A LayerNorm
# scales all of them alike, so the ratio of coordinates to mark stays exact.
#
# Then only $g$ learns, here anew. Its task is to put the first frame back where it was,
# and for that any start is as good as any other: the shift and scale of one trajectory, put together
# with the first frame of another, make an example whose answer is known. So each trajectory is
# encoded once and serves many times. The target is {eq}`eq-training-teacher` again, with the shift and
# scale that a least-squares fit reads from the mean encoding in place of the posterior's mode, and
# $\hat\sigma$ from what that fit misses in cross-validation. All this is a choice within the poster's
# architecture and parameter count.
#
# ## The curves
#
# {numref}`fig-training-curves`: both terms of the poster's loss, without the read-out, and the
# accuracy on validation trajectories
# of full length. All choices were made on validation trajectories; the test set has its own seeds.

# %%
curves = {size: recipes.learning_curve(record) for size, record in records.items()}
held_out = recipes.beginnings(settings.n_test_trajectories, settings.live_training[0])
chance = recipes.majority_share(held_out.labels)

# %% mystnb={"figure": {"name": "fig-training-curves", "caption": "The committed trainings: both terms of the poster's loss (thin: as logged, thick: running mean), and the accuracy on validation trajectories (band: one standard error) against the frames seen, one run after the other where several made a model. In the losses dotted lines mark where another run begins, dashed ones where guidance has ended. While most starts lie near the ridge, the cross-entropy is that of a harder task than the accuracy."}, "image": {"alt": "Three panels of curves against frames seen: trajectory loss, cross-entropy, both falling, and validation accuracy, unsteady at first and high at the end.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 3, figsize=figure_size(1.0, 0.38))
figures.plot_loss(curves, "trajectory_loss", ax=axes[0])
figures.plot_loss(curves, "classification_loss", ax=axes[1])
figures.plot_accuracy(curves, chance, axes[2])
plt.show()

# %% [markdown]
# In the small model, scored often, the accuracy is unsteady while steps are large, and settles as the
# learning rate falls. The larger ones were scored less often: their marks say where they ended. The
# curves of the large model begin where those of the medium one had ended that it grew from.
#
# ## The cost
#
# Standard errors are binomial, over the validation trajectories. All that led to a model is counted:
# for the large one, the runs of the medium model as well.

# %%
recipes.cost_table(records).transpose()

# %% tags=["remove-cell"]
small = records["small"]
accuracy, error = recipes.final_accuracy(small)
glue("training_small_accuracy", float(accuracy), display=False)
glue("training_small_error", float(error), display=False)
glue("training_small_minutes", recipes.total(small, "wall_time_s") / 60, display=False)
glue("training_small_frames", recipes.total(small, "frames_seen") / 1e6, display=False)
glue("training_small_trajectories", recipes.total(small, "trajectories_seen"), display=False)
for size in ("small", "medium"):
    before, after = recipes.balancing_gain(records[size])
    glue(f"training_{size}_unbalanced", before, display=False)
    glue(f"training_{size}_balanced", after, display=False)

# %% [markdown]
# The small model saw {glue:text}`training_small_trajectories:,d` trajectories,
# {glue:text}`training_small_frames:.0f` million frames, in {glue:text}`training_small_minutes:.0f`
# minutes, and ends at {glue:text}`training_small_accuracy:.3f` ±
# {glue:text}`training_small_error:.3f`. Each size was trained once: how much another seed would
# change is not known from this table, and differences between sizes must be read with that in mind.
#
# ## Training it again
#
# ```
# make train SIZES="small"
# ```
#
# or, with all that can be chosen, `python -m mb_support.training --size small` (all runs of
# the recipe follow each other; `--begin-with` goes on with a model that some of them have made); shared by several
# processes or graphics cards, `torchrun --nproc-per-node 2 -m mb_support.training --size small`.
# The batch is split, not enlarged, so the optimisation stays the same. Interrupted at any moment,
# the same command goes on from the newest whole checkpoint; damaged ones are named and moved aside.
# A finished checkpoint is replaced in one move, when its successor is whole.
#
# ## A training on this page
#
# The small model once more, on thinned trajectories and with few steps: guided first, the poster's loss alone at the
# end ({numref}`fig-training-live`).

# %%
# NBVAL_CHECK_OUTPUT
config = recipes.live_config(settings.live_training, seed)
n_whole, _, n_shown = config.stages[0]
print(f"{config.size}: {n_shown} of {n_whole} frames shown, {config.n_steps} steps")
print(f"{config.n_steps * config.batch_size} trajectories, seed {config.seed}")

# %% tags=["remove-stderr"]
with tempfile.TemporaryDirectory() as folder:
    model, record = train(config, folder, progress=False)
live = recipes.learning_curve(record)

# %% mystnb={"figure": {"name": "fig-training-live", "caption": "The training made with this page: both terms of the poster's loss. The dashed line marks the end of guidance."}, "image": {"alt": "Two falling curves against frames seen: trajectory loss and cross-entropy of the short training.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(0.9, 0.38))
figures.plot_loss({"small": live}, "trajectory_loss", 2, axes[0])
figures.plot_loss({"small": live}, "classification_loss", 2, axes[1])
plt.show()

# %% [markdown]
# Its judges are trajectories of the test set, of the length that it was trained on, shown whole.
# Chance is the share of the more frequent state.

# %% tags=["remove-stderr"]
predicted, _ = predict_states(model, held_out.trajectories)
accuracy, error = recipes.accuracy_with_error((predicted == held_out.labels).mean(), len(held_out))
above_chance = (accuracy - chance) / error
print(f"{accuracy:.3f} ± {error:.3f} on {len(held_out)} unseen trajectories; chance {chance:.3f}")

# %% tags=["remove-cell"]
glue("training_live_accuracy", float(accuracy), display=False)
glue("training_live_error", float(error), display=False)
glue("training_live_chance", chance, display=False)
glue("training_live_above_chance", float(above_chance), display=False)
glue("training_live_n", len(held_out), display=False)
glue("training_live_frames", record["frames_seen"] / 1e6, display=False)

# %% [markdown]
# After {glue:text}`training_live_frames:.1f` million frames the model is right for
# {glue:text}`training_live_accuracy:.3f` ± {glue:text}`training_live_error:.3f` of
# {glue:text}`training_live_n:d` unseen trajectories; chance is {glue:text}`training_live_chance:.3f`,
# {glue:text}`training_live_above_chance:.0f` standard errors below.
#
# ## Takeaway
#
# The poster's models can be trained on the processor of an ordinary computer, from
# nothing but a simulator, and every run can be repeated, shared and interrupted.
#
# Not shown: how much guidance, thinned trajectories, neighbour heads, the teacher, growth and the larger learning rate contribute each; how far
# results scatter over seeds; and how the author's own recipe would score on these data.
