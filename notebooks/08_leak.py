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
# # What the loss leaks
#
# The poster's model learns to predict the next frame with an encoder that looks both ways: every
# next frame but the last is in its own input. Do trained models find it there, when, and
# with which of their parts? No forecaster can have an error below a certain floor. A model
# whose error is smaller has seen something of the answer: the frame itself, later frames that follow from
# it, or the window's mean and spread. Is it smaller, in windows of full length? {glue:text}`leak_answers:s`. So
# small that only the frame itself explains it? {glue:text}`leak_read_answers:s`. At the last position nothing
# can be read. There the models err, in units of the floor, by
# {glue:text}`05_generation.ipynb::generation_over_exact:s` ({doc}`05_generation`). (Square brackets: 95%
# interval over trajectories. Round ones: the lowest and the highest training.)

# %% tags=["remove-stderr", "hide-input"]
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile
from mb_support.checks import checked_count
from mb_support.plotting import leak as plots
from mb_support.plotting.style import figure_size, legend_below, use_style
from mb_support.studies import training as trained
from mb_support.studies.leak import study, tables

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 55  # number of the test set on which the kept result is repeated

# %% tags=["remove-stderr", "hide-cell"]
use_style()
settings, seed = get_profile(profile), checked_count("seed", seed, 0, 8_999)
trainings = study.load_trainings(settings.sizes)
variants, floors, between = study.load_variants(), study.load_floors(), study.load_between()
records = {size: trained.seeds_of(trained.load_records(), size) for size in trainings}
print(
    f"profile {settings.name}; trainings", {size: len(found) for size, found in trainings.items()}
)

# %% [markdown]
# ## The floor
#
# Let $\mathbf{m} = E[\mathbf{x}_{t+1} | \mathbf{x}_t]$ be the exact conditional mean, and
# $\mathbf{n} = \mathbf{x}_{t+1} - \mathbf{m}$ the noise of the next frame. For any prediction
# $\mathbf{f}$,
#
# $$ |\mathbf{f} - \mathbf{x}_{t+1}|^2 = |\mathbf{n}|^2 + |\mathbf{f} - \mathbf{m}|^2
#    - 2 (\mathbf{f} - \mathbf{m}) \cdot \mathbf{n} . $$ (eq-leak-split)
#
# The dynamics is Markov: a prediction made from frames up to $t$ cannot be correlated with
# $\mathbf{n}$, the last term averages to zero, and the error is at least
# $\langle |\mathbf{n}|^2 \rangle$. That is the floor. The *share of the noise seen*,
#
# $$ s = \langle (\mathbf{f} - \mathbf{m}) \cdot \mathbf{n} \rangle /
#    \langle |\mathbf{n}|^2 \rangle , $$ (eq-leak-share)
#
# is zero for every forecast and one for a copy of the answer. It shows a leak even where the error
# is still above the floor.
#
# The mean $\mathbf{m}$ is that of the simulated dynamics, its time step included. Errors are squared
# lengths, and model and floor are taken on the same frames. (The poster's loss is in units of each
# window's own standard deviation. These units depend on the noise themselves, so that with them the
# floor would hold for long windows only.) A position is *interior* if it is neither the last one, nor
# one of the first five, where trajectories still slide down the walls of the potential.
#
# A second border tells reading from interpolating. Whoever sees every frame but the next knows, by the
# Markov property, what its two neighbours tell. The least error is then
#
# $$ \langle \, | \mathbf{x}_{t+1} - E[\mathbf{x}_{t+1} | \mathbf{x}_t, \mathbf{x}_{t+2}] |^2 \, \rangle ,
# $$ (eq-leak-between)
#
# {glue:text}`leak_between:.2f` of the floor (in equilibrium, from the transition density on a grid). A model
# below that has found the next frame itself, but for the little that the window's mean and spread tell.
#
# First the stored small model, live, in windows of 64 frames, on trajectories that nothing else in
# this book has used (in square brackets the 95% interval over trajectories):

# %% tags=["remove-stderr", "hide-input"]
live = study.live(settings.n_leaked, seed)
tables.summary_table(live, settings.n_leaked)

# %% tags=["hide-cell"]
# NBVAL_CHECK_OUTPUT
print("floor, interior:", round(live["interior"]["exact"][0], 2))
seen, error = live["last position"]["noise_seen"]
print("last position sees noise:", abs(seen) > 5 * error)

# %% [markdown]
# ## When it is found
#
# {numref}`fig-leak-training` draws $L_\mathrm{traj}$ of every training over its *honest value*: the
# loss of the exact conditional mean, the best forecast of each frame from the frames before, for
# windows of the length shown at the time. Below one a training no longer forecasts. Well below the dashed line,
# at {glue:text}`leak_between:.2f` from {eq}`eq-leak-between`, it reads the next frame. (That border is for lengths in
# equilibrium. The loss is in units of each window, so that here it is a rough one.)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-leak-training", "caption": "$L_\\mathrm{traj}$ over its honest value (black) while training; one line for each training of a size, each point a mean over 50 steps of 64 fresh trajectories. Between the black line and the dashed one a model may use later frames, or the window's mean and spread; well below both, it reads the next frame. Dotted: where the windows of a size grow, from 128 frames to 256 and 512. What is read is partly lost each time that windows grow."}, "image": {"alt": "Ratio of loss and honest value against the trajectories shown; small stays at one, medium and large fall far below.", "classes": "dark-light"}}
found = {s: [tables.floors_by_step(r, floors) for r in of.values()] for s, of in records.items()}
plots.plot_losses(found, between)
plt.show()

# %% [markdown]
# The table gives, by length of the windows, the trainings that find the next frame (are ever below the dashed
# line), after how many thousand trajectories, and $L_\mathrm{traj}$ over the honest value, its lowest and its last. The
# *perfect copier* would copy the next frame wherever it is shown, and forecast at the last position alone:
# one error in a whole window. (Intervals are those of the
# honest value; each loss is a mean over 3,200 trajectories.)

# %% tags=["hide-input"]
tables.when_table(records, floors, between)

# %% [markdown]
# ## Where it is found
#
# {numref}`fig-leak-sizes` measures the finished models on unseen trajectories, by the length of the
# window. Models of one size differ in their seed only. That the error at interior positions is below the
# floor is, in windows of full length, {glue:text}`leak_verdicts:s`; in windows of
# {glue:text}`leak_shorter:d` frames, {glue:text}`leak_verdicts_shorter:s`. Below the second border, where only the
# next frame itself explains it, in windows of full length: {glue:text}`leak_read_answers:s`. A model can see some of the
# noise and yet err more than the floor: the left panel shows it. At the last position nothing can be
# read; {doc}`05_generation` measures the error there on more trajectories.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-leak-sizes", "caption": "The trained models by the length of the window: interior positions (filled, solid) and the last one (open, dotted), mean and range over the trainings of each size. Left: share of the next frame's noise in the predictions; a forecast has none (black). Right: error over exact floor; in the grey region no forecaster can be, and below the dashed line no one who does not see the frame itself. At the last position there is nothing to read: what is drawn there on the left is chance, the same trajectories for all trainings. n = 1000, 800, 600, 400, 200 and 120 trajectories, from short windows to long ones; intervals over them are in the table."}, "image": {"alt": "Two panels against the number of frames in the window, the share of the noise seen and the error over the floor, with the exact values as lines.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.6))
for ax, quantity in zip(axes, ("noise_seen", "ratio"), strict=True):
    plots.plot_by_length(trainings, quantity, between if quantity == "ratio" else None, ax)
legend_below(axes[0], 3)
plt.show()

# %% [markdown]
# Error over the floor and share of the noise seen: mean over trainings, in square brackets the
# 95% interval over trajectories, in round ones the lowest and the highest training if there are
# several. The tables below give uncertainties in the same way.

# %% tags=["hide-input"]
tables.length_table(trainings)

# %% [markdown]
# ## Which heads do it
#
# To copy the next frame, some head has to attend from frame $i$ to frame $i + 1$. In the input of the
# head, frames differ by their positions, so it must have learned a map from the embedding of one
# position to that of the next. The table gives the head of each training that does so most, and how
# much of its attention goes to the next frame (errors over blocks of sixteen positions). Then the head
# is flattened ({numref}`fig-leak-heads`): its output is replaced by its mean over the frames, which
# says nothing of single ones.
# The control is the head of the same layer that looks at the next frame least. Does one head make the
# difference, for sizes that are below the floor in windows of 128 frames? It does if the error returns to
# the floor without this head, and stays below it without the control: {glue:text}`leak_head_answers:s`.

# %% tags=["hide-input"]
tables.head_table(trainings)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-leak-heads", "caption": "Error over floor at interior positions of windows of 128 frames, with some heads flattened: those that attend to the next frame most (filled, solid) and as many others of the same layers (open, dotted). Mean and range over trainings, n = 100 trajectories each; intervals over them are in the table. Where one head is enough to bring the error back above the floor (black), it was necessary."}, "image": {"alt": "Error over floor against the number of heads flattened; without the first heads it rises above one, without others it hardly moves.", "classes": "dark-light"}}
plots.plot_ablation(trainings)
plt.show()

# %% [markdown]
# ## By which path
#
# A prediction can see the noise of the next frame in three places: in that frame itself; in the mean
# and standard deviation that standardise the window; and in later frames, which follow from it. To
# tell them apart, the next frame is replaced by another successor of the frame before: first in the
# encoder's input alone, then in the statistics too. The share of the noise that a prediction loses
# each time came from there, and what is left came from later frames. The three shares add up to all
# that is seen. The split depends on this order; later frames still belong to the frame that was replaced.

# %% tags=["hide-input"]
tables.path_table(trainings)

# %% [markdown]
# More came through the frame itself than through the other two: {glue:text}`leak_path_verdicts:s`.
# With the frame replaced, a model that reads is worse than a forecaster: it copies a frame that did
# not come.
#
# To see what training finds when only the statistics leak, other models are needed. The same small
# encoder is trained three times from the same weights on the same fresh trajectories: as on the
# poster; with causal attention; and with causal attention and constants in place of the window's own
# mean and standard deviation. The third is needed because standardised coordinates sum to zero,
#
# $$ \tilde{\mathbf{x}}_{N} = - \sum_{t < N} \tilde{\mathbf{x}}_t , $$ (eq-leak-sum)
#
# so that even causal attention can read the last frame shown from the sum of all others.
# {numref}`fig-leak` follows the three.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-leak", "caption": "Three small models on windows of 65 frames, two seeds each (mean and range), n = 1000 validation trajectories; intervals over them are in the table. Left: error over exact floor while training, at interior positions (filled, solid) and at the last one (open, dotted). Right: after training, by distance from the end of what is shown. In the grey region no forecaster can be. Only the model that sees neither later frames nor their statistics stays out of it."}, "image": {"alt": "Two panels of error over floor for three models, against the training step and against the distance from the end; the floor is a line.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.6))
plots.plot_over_training(variants, axes[0])
plots.plot_by_distance(variants, axes[1])
legend_below(axes[1], 3)
plt.show()

# %% tags=["hide-input"]
tables.variant_table(variants)

# %% [markdown]
# Below the floor at interior positions: {glue:text}`leak_below_floor:s`. At the last position:
# {glue:text}`leak_below_floor_last:s`. A causal model sees later frames only through the
# statistics. By {eq}`eq-leak-sum` they give most away at the very end. But most is not seen there; why,
# we do not know.
#
# ## Above the floor with the answer in view
#
# Even models that read do not read everywhere. At some positions, often near the end, their error is
# above the floor although the next frame is shown. {numref}`fig-leak-position` suggests why. A head finds
# the next frame by the embedding of its position, and the embedding of a position is learned only from
# windows that are long enough to have it. Early positions were in every window; late ones only in the
# long windows that came last. Where no head finds the next frame, the prediction can be worse than a
# forecast.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-leak-position", "caption": "Windows of 512 frames, position by position, one line for each training (running mean over 9 positions). Left: error over exact floor, n = 120 trajectories; above the black line a prediction is worse than the best forecast. Right: attention that the head of the table above gives to the next frame, n = 12 trajectories. Dotted: ends of the windows used in training. Beyond the first dotted line attention misses the next frame more often, and the error rises."}, "image": {"alt": "Error over floor and attention on the next frame against the position, a row for each size; the error rises where the attention falls.", "classes": "dark-light"}}
windows = {size: tables.windows_of(found) for size, found in records.items()}
fig, axes = plt.subplots(
    len(trainings), 2, figsize=figure_size(1, 0.27 * len(trainings)), sharex=True, squeeze=False
)
plots.plot_by_position(trainings, windows, axes)
plt.show()

# %% tags=["hide-input"]
tables.position_table(trainings)

# %% [markdown]
# The rank correlation is that of error and attention on the next frame over the interior positions,
# with a bootstrap interval over blocks of sixteen of them. The error grows where attention misses the
# next frame, among the sizes below the floor: {glue:text}`leak_miss_verdicts:s`.

# %% tags=["remove-cell"]
for key, value in tables.words(trainings, variants, between).items():
    glue(f"leak_{key}", value, display=False)

# %% [markdown]
# ## Takeaway
#
# **In one sentence:** with bidirectional attention a small $L_\mathrm{traj}$ is no proof of
# forecasting. Is the error in whole windows, at interior positions, below the floor of every
# forecaster? {glue:text}`leak_answers:s`. Below that of whoever sees all frames but the next?
# {glue:text}`leak_read_answers:s`. At the last position there is nothing to read, and the error
# over the floor is {glue:text}`05_generation.ipynb::generation_over_exact:s`.
#
# - Training finds the answer in the input, or not, by itself. Is one head that attends to the next frame
#   necessary for it, in the sizes that read? {glue:text}`leak_head_answers:s`.
# - More is seen in the frame itself than in statistics and later frames:
#   {glue:text}`leak_path_verdicts:s`. What the statistics give away is the share of one frame among
#   all, and falls as windows grow.
# - Reading is weaker at positions that only long windows have ({numref}`fig-leak-position`). Training
#   shows these positions less often, which would explain it.
# - Heads of few dimensions may be unable to pick out one position among hundreds. A head of the small
#   model has two, of the medium one four, of the large one five.
#
# **Not shown.** Whether longer training in long windows would win back what is lost when windows grow;
# whether the model that reads well is the worse forecaster *because* it reads, which the next-frame
# loss alone cannot tell; and other initial embeddings than sinusoids, which make "the next position"
# one direction from the start.
