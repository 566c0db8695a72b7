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
# # Attention
#
# The poster reads four things off its attention maps: there is a set of key timesteps that all
# others attend to; some heads have few targets only; future and past are attended to equally; there
# is no local block structure. Do they hold for our models? Would they hold for a network that has
# learned nothing? And does the classification rest on what is attended to?
#
# Are there key timesteps, beyond what a random network has?
# {glue:text}`attention_answers_there_are_key_timesteps:s`. They lie near the
# start of the trajectory and at its extremes. Does the classification suffer more if they are not read
# than if random frames are not read? {glue:text}`attention_unread_most_attended:s`. But the first frame,
# whose state is the label, is among them; with key timesteps away from the start:
# {glue:text}`attention_unread_later:s`. The rest depends on how one looks: averages over heads hide heads that look at one frame, or at one state.
# Every claim is judged, training by training, under [](section-attention-verdicts).

# %% tags=["remove-stderr", "hide-input"]
import numpy as np
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile
from mb_support.model import load_checkpoint
from mb_support.plotting import attention as plots
from mb_support.plotting.interactive import explore_attention
from mb_support.plotting.style import figure_size, use_style
from mb_support.states import assign_states
from mb_support.studies.attention import curves, study, tables
from mb_support.studies.attention.all_measures import measure
from mb_support.studies.attention.maps import attention_maps
from mb_support.studies.attention.verdicts import verdicts
from mb_support.studies.kept_results import checkpoint_training

# %% tags=["parameters", "hide-input"]
profile = "smoke"

# %% tags=["remove-stderr", "hide-cell"]
use_style()
settings, measured = get_profile(profile), study.AttentionMeasurement()
kept = study.load_results(settings.sizes)
models = {size: load_checkpoint(size) for size in kept}
first_size, largest = next(iter(kept)), list(kept)[-1]
x, labels, both = study.measured_trajectories(measured)
moving, settled = study.example_trajectories(x, both)
n_frames, states = measured.n_frames, assign_states(x[moving])
print(f"profile {settings.name}; trainings: {', '.join(n for t in kept.values() for n in t)}")

# %% tags=["remove-cell"]
for key, text in tables.words(kept).items():
    glue(f"attention_{key}", text, display=False)

# %% mystnb={"figure": {"name": "fig-attention-heads", "caption": "Small model, last layer, one map for each head, on one test trajectory that visits both states (blue A, vermillion B, at the edges). n = 1 trajectory. A row is a frame that attends, a column a frame attended to; white is the uniform weight, orange more, purple less (logarithmic, clipped). A stripe down a column is a frame that all others attend to. Where the particle changes its state, stripes break off: what such a head attends to depends on states."}, "image": {"alt": "Eight square maps of attention weights between the frames of a trajectory, with coloured strips for the states of the frames.", "classes": "dark-light"}} tags=["hide-input"]
last = {size: attention_maps(m, x[[moving]], [-1])[0, 0] * n_frames for size, m in models.items()}
names = [f"head {h + 1}" for h in range(len(last[first_size]))]
axes = plt.subplots(2, 4, figsize=figure_size(1.0, 0.52))[1]
plots.plot_maps(last[first_size], axes, names, states=[states] * len(names))
plt.show()

# %% [markdown]
# ## How attention is read
#
# In layer $l$, head $h$ gives frame $j$, seen from frame $i$, the weight
#
# $$ A^{lh}_{ij} = \frac{\exp(q_i \cdot k_j / \sqrt{d})}{\sum_{j'} \exp(q_i \cdot k_{j'} / \sqrt{d})},
# \qquad \sum_j A^{lh}_{ij} = 1, $$ (eq-attention-weights)
#
# with queries $q$ and keys $k$ of $d$ dimensions. A head that does not choose gives each of the $N$
# frames $1/N$. Weights are therefore shown as $N A_{ij}$: the *uniform weight* is 1. The second
# control is the *same network before its first training step* ("untrained"). Its random queries and
# keys are not uniform either, and what they do needs no explanation by learning.
#
# A weight says how much of frame $j$ is taken, not how much there is to take. What the head adds
# to the encoding of frame $i$ is $\sum_j A_{ij} f(x_j)$, where $f$ is its value and its part of
# the output projection. *Norm-weighted attention* {cite}`kobayashi2020` is
#
# $$ A^{lh}_{ij} \, |f^{lh}(x_j)| . $$ (eq-attention-norm)
#
# It tells key timesteps from *sinks* {cite}`xiao2024`. Since rows sum to one, a head that wants
# nothing must still put its weight somewhere; a sink is a frame that takes such weight and has a
# small value.
#
# Maps are of the stored models, made on this page. Numbers are of all trainings of a size that were
# measured, which differ in their seed ({glue:text}`attention_seeds:s`), on {glue:text}`attention_n:d`
# test trajectories of {glue:text}`attention_n_frames:d` frames, as many as training shows. Questions
# about states use {glue:text}`attention_n_both:d` test trajectories that spend a twentieth of their
# time or more in each state. `python -m mb_support.studies attention` measures all of it again. In
# every table, square brackets hold the 95% interval over trajectories (bootstrap of whole
# trajectories), and round ones *the range over trainings*, as in the text. No rule was chosen on these
# trajectories.

# %% tags=["hide-cell"]
# NBVAL_CHECK_OUTPUT
n_live = dict(zip(settings.sizes, settings.n_attended, strict=True))
print("kept results found again on this page:", study.repeats(kept, models, x, n_live))
for which in ("trained", "untrained"):
    share = tables.in_words({first_size: kept[first_size]}, which, "each", "share", digits=3)
    print(f"key timesteps receive, {which}: {share}")

# %% [markdown]
# ## The poster's figures
#
# ### Heads of the last layer
#
# {numref}`fig-attention-heads` is of the small model; {numref}`fig-attention-heads-sizes` shows the
# same trajectory in every size.

# %% mystnb={"figure": {"name": "fig-attention-heads-sizes", "caption": "All heads of the last layer of every size, on the trajectory of the first figure, coloured as there; one training of each size, n = 1 trajectory. In all sizes many heads split the map where the particle changes its state; others are nearly uniform (white). A split from top to bottom is a head in which all frames look at one valley; only a chequerboard prefers the own state."}, "image": {"alt": "Grid of small square attention maps, one for each head of the last layer of each model size.", "classes": "dark-light"}} tags=["hide-input"]
maps = [head for size in models for head in last[size]]
names = [str(h + 1) for size in models for h in range(len(last[size]))]
rows = [size for size in models for _ in range(len(last[size]) // 8)]
figsize = figure_size(1.0, 0.02 + 0.14 * len(rows))
axes = plt.subplots(len(rows), 8, figsize=figsize, squeeze=False)[1]
plots.plot_maps(maps, axes, names, rows)
plt.show()

# %% [markdown]
# Which frames these are can be explored in {numref}`fig-attention-explorer`: choose a layer and a
# frame that looks, and see where in the plane and in time it attends.

# %% tags=["remove-output", "hide-input"]
by_layer = attention_maps(models[first_size], x[[moving]], average="heads")[0]
queries, n_shown = np.arange(0, n_frames, 50), n_frames // 5
looks = by_layer[:, queries, : 5 * n_shown].reshape(-1, len(queries), n_shown, 5).sum(axis=-1)
names = [f"layer {layer + 1}" for layer in range(len(by_layer))]
path, label = x[moving, : 5 * n_shown : 5], int(labels[moving])
glue("attention_explorer", explore_attention(path, looks, queries // 5, names, label, stride=5))

# %% [markdown]
# ```{glue:figure} attention_explorer
# :name: fig-attention-explorer
#
# The trajectory of {numref}`fig-attention-heads`, coloured by how much the chosen frame (cross) attends to each,
# on average over the heads of the chosen layer of the small model; below, the same along time.
# ```
#
# ### Averages in windows
#
# In {numref}`fig-attention-windows` layers and heads are averaged, near the start, the middle and
# the end of the trajectory.

# %% mystnb={"figure": {"name": "fig-attention-windows", "caption": "Attention averaged over all layers and heads in windows of one hundred frames of the same trajectory (n = 1), named by their frames; on the right the middle one before training. Local blocks would be orange squares on the diagonal. On average there are none. A thin line beside the diagonal is from heads that look at the next frame."}, "image": {"alt": "Square attention maps in windows of a hundred frames for trained and untrained models.", "classes": "dark-light"}} tags=["hide-input"]
maps, names = curves.window_maps(models, x[moving], measured.section)
figsize = figure_size(1.0, 0.06 + 0.23 * len(models))
axes = plt.subplots(len(models), 4, figsize=figsize, squeeze=False)[1]
plots.plot_maps(maps, axes, names, list(models), limit=4)
plt.show()

# %% [markdown]
# ### Attention by time difference
#
# The poster weights attention "by the time difference" in sub-sections of a trajectory. That can be
# read in two ways. The first is attention as a function of $j - i$, the time difference: does it fall
# off with distance, is it larger on one side? {numref}`fig-attention-difference` is over all
# sub-sections, {numref}`fig-attention-sections` for each of them.

# %% mystnb={"figure": {"name": "fig-attention-difference", "caption": "Attention by time difference within sub-sections of one hundred frames, averaged over layers, heads and sub-sections; right, the nearest frames. One line a training, with 95% bands over 64 trajectories; black: uniform. A peak at difference 1 is from heads that look at the next frame; the rise at the left edge is the start of the trajectory, the only frame far back that counts."}, "image": {"alt": "Two panels of curves of mean attention weight against time difference for each training and its untrained control, with the uniform value as a line.", "classes": "dark-light"}} tags=["hide-input"]
axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.5), sharey=True)[1]
plots.plot_by_difference(curves.bands(kept, "profile"), axes)
plt.show()

# %% mystnb={"figure": {"name": "fig-attention-sections", "caption": "The same for the largest model shown, sub-section by sub-section (frames above each panel; one line a training, 95% bands over 64 trajectories). The first sub-section leans most: to the past, towards the start of the trajectory. Elsewhere attention stays near uniform, but for the next frame."}, "image": {"alt": "Five panels of curves of attention against time difference, one for each sub-section.", "classes": "dark-light"}} tags=["hide-input"]
profiles = curves.bands({largest: kept[largest]}, "section_profiles")
figsize = figure_size(1.0, 0.6)
axes = plt.subplots(2, 3, figsize=figsize, sharex=True, sharey=True)[1]
plots.plot_sections(profiles, axes, measured.section)
plt.show()

# %% [markdown]
# The second reading is the time difference itself, weighted by attention,
#
# $$ \overline{\Delta} = \frac{\sum_{ij} A_{ij} \, (j - i)}{\sum_{ij} A_{ij}} , $$ (eq-attention-moment)
#
# over the pairs of a sub-section: in frames, negative if attention leans to the past. Two frames of a
# section lie {glue:text}`attention_mean_distance:.0f` frames apart on average; future and past are
# called *alike* if $\overline{\Delta}$ is within a tenth of that. All sections of the largest model, mean
# and 95% interval over {glue:text}`attention_n:d` trajectories (the one that leans most, for every size, is
# under {ref}`section-attention-verdicts`):

# %% tags=["hide-input"]
tables.section_table(kept[largest], measured.section)

# %% [markdown]
# The first sub-section holds the first frame, whose state is the label. Heads that look
# at it ({ref}`below <section-attention-heads>`) look back.
#
# (section-attention-verdicts)=
# ## Verdicts
#
# The rules were fixed on validation trajectories.
#
# | Claim | Confirmed if |
# |---|---|
# | there are key timesteps | the most attended twentieth of the frames gets a larger share than in the same network untrained |
# | all others attend to them | nine in ten frames or more give the ten most attended frames more than the uniform weight |
# | by norm, key timesteps are no sinks | per unit of attention they deliver at least half of the norm that other frames do |
# | some heads attend to few frames | more heads than before training attend to less than a tenth of the frames |
# | future and past alike | $(F - P)/(F + P)$ is within a tenth of zero; $F$ and $P$ are the attention to later and earlier frames |
# | alike in each sub-section | $\overline{\Delta}$ of every sub-section is within a tenth of zero, in units of the mean distance between two of its frames (the table shows the sub-section that leans most) |
# | no local blocks | the weight on the own sub-section is within a tenth of what the average row gives it |
# | attention does not follow states | averaged over heads, a frame gives those of its own state the weight that the average frame gives them, within a tenth |
# | some heads follow states | for more heads than before training that weight is more than a tenth off what the average frame gives them |
#
# A claim is confirmed or refuted for a training if its 95% interval over trajectories says so, and
# for a size if all of its trainings agree. The more trainings, the harder that is: verdicts of different sizes
# must not be compared, and an interval of the mean may lie on one side of a border where one training does not.

# %% tags=["hide-input"]
verdicts(kept)["verdict"].unstack("model", sort=False)

# %% [markdown]
# The numbers behind them, over {glue:text}`attention_n:d` trajectories ({glue:text}`attention_n_both:d`
# with both states for the last two claims); *trainings* says how many confirm the claim.

# %% tags=["hide-input"]
verdicts(kept).drop(columns="verdict")

# %% [markdown]
# The same rules for norm-weighted attention:

# %% tags=["hide-input"]
verdicts(kept, weighted=True)

# %% [markdown]
# ## Key timesteps
#
# {numref}`fig-attention-lorenz` orders the frames of each trajectory by the attention they
# receive and adds it up. The most attended twentieth are called *key timesteps* here.
#
# Shares of the frames that attend to the ten most attended ones: {glue:text}`attention_readers_words:s`; in
# untrained networks {glue:text}`attention_readers_untrained:s`. That claim alone is little evidence of learning.

# %% mystnb={"figure": {"name": "fig-attention-lorenz", "caption": "Share of all attention (mean over layers and heads) that goes to the most attended frames, up to three tenths of them. Black: uniform attention. The higher a curve, the more attention goes to few frames; compare trained lines with untrained ones. One line a training, with 95% bands over 64 trajectories."}, "image": {"alt": "Lorenz curves of attention received, for trained and untrained models.", "classes": "dark-light"}} tags=["hide-input"]
plots.plot_lorenz(curves.bands(kept, "lorenz"))
plt.show()

# %% [markdown]
# ### Which timesteps they are
#
# {numref}`fig-attention-received` shows one trajectory. {numref}`fig-attention-features` asks, for all
# of them, how often a key timestep is also among the top twentieth by another property. By chance the
# ratio is 1; the largest possible is {glue:text}`attention_enrichment_limit:.0f`. Key timesteps are,
# above all, frames far from the mean of the trajectory: after standardisation these have the largest
# coordinates.

# %% mystnb={"figure": {"name": "fig-attention-received", "caption": "Attention received by the frames of the trajectory of the first figure (mean over layers and heads of the small model). Left, along time, coloured by state, with norm-weighted attention in grey: the first frame stands out. Right, in the plane, the most attended frames on top; the star is the start."}, "image": {"alt": "Attention received along the frames of a trajectory, and the same trajectory in the plane with the most attended points orange.", "classes": "dark-light"}} tags=["hide-input"]
small = measure(models[first_size], x[[moving]], measured.section)
figsize = figure_size(1.0, 0.5)
axes = plt.subplots(1, 2, figsize=figsize, width_ratios=[1.2, 1])[1]
plots.plot_received(x[moving], small["received"][0], small["norm_received"][0], states, axes)
plt.show()

# %% mystnb={"figure": {"name": "fig-attention-features", "caption": "How much more often than by chance key timesteps are among the top twentieth of frames by another property. One mark a training, with 95% intervals over 64 trajectories (those with a change of state, for the last row); crosses: untrained. Black line: chance."}, "image": {"alt": "Intervals of enrichment for six properties of frames.", "classes": "dark-light"}} tags=["hide-input"]
rows = {
    text: curves.intervals(kept, "trained", "features", name)
    for name, text in tables.FEATURES.items()
}
plots.plot_intervals(rows, "times as often as by chance", reference=1)
plt.show()

# %% [markdown]
# ### Key timesteps or sinks?
#
# In language models much attention goes to the first token, whatever it is: a sink. Here the
# label is the state of the *first frame*, so attention to it could be a sink, or serve the
# classification. Three controls tell them apart.
#
# - *Norm*: key timesteps that are sinks would deliver little.
# - *Position*: a sink lies at the same place in every trajectory. Then the positions that are most
#   attended in the *other* trajectories would hold as much attention as the key timesteps.
# - *Reading*: if heads read nothing from a sink, nothing is lost
#   ({ref}`below <section-attention-experiments>`).
#
# The table has the first two, over {glue:text}`attention_n:d` trajectories. By norm they are no sinks: per
# unit of attention they deliver more than other frames do (in random networks, as much). By position
# they may be sinks in part. Of the attention that key timesteps get beyond the uniform weight, this share
# goes to positions that are the same in all trajectories: {glue:text}`attention_same_places:s`.

# %% tags=["hide-input"]
names = ("share", "norm_share", "key_norm", "by_position", "first", "norm_first")
tables.measure_table(kept, (*names, "columns", "diagonals"))

# %% [markdown]
# (section-attention-heads)=
# ## Heads with few targets
#
# The exponential of the entropy of a row of {eq}`eq-attention-weights` counts how many frames a query
# attends to. {numref}`fig-attention-targets` gives it for each head. The most selective head of a small
# model attends to {glue:text}`attention_fewest_small:s` frames; untrained, to
# {glue:text}`attention_fewest_control:s`. (A tenth of the frames is the border of the rule, which looks at
# single trajectories.)

# %% mystnb={"figure": {"name": "fig-attention-targets", "caption": "How many frames a query attends to, as if with equal weight (exponential of the mean entropy): one point for each head of each training, mean over 64 trajectories; crosses: one network of each size untrained. Uniform attention would give 511. Heads with few targets are in the first four layers, and a few in the last two."}, "image": {"alt": "Points for every head against layer on a logarithmic scale, crosses for untrained ones.", "classes": "dark-light"}} tags=["hide-input"]
plots.plot_head_counts(curves.targets_of_heads(kept))
plt.show()

# %% [markdown]
# Averages over heads hide what single heads do. For each training, the table names the heads that give
# most of their weight to the next frame, to the previous one and to the first one, and those that lean
# most to one side: layer and head, then the share of the weight on that frame (in the last two columns
# $(F - P)/(F + P)$). Heads were chosen on {glue:text}`attention_n_half:d` trajectories and measured on
# {glue:text}`attention_n_half:d` others, with 95% intervals over those. Trainings in which a head gives
# half of its weight or more to the first frame, whose state is the label:
# {glue:text}`attention_first_frame_heads:s`; to the next frame, which the loss asks for:
# {glue:text}`attention_next_frame_heads:s`.

# %% tags=["hide-input"]
stand_out = ("next frame", "previous frame", "first frame", "looks ahead", "looks back")
tables.extreme_heads(kept, stand_out)

# %% [markdown]
# The same networks untrained:

# %% tags=["hide-input"]
tables.extreme_heads(kept, stand_out, "untrained")

# %% [markdown]
# ## Does attention follow states?
#
# Blocks of *time* are one thing, blocks of *state* another: a head could attend to the frames of
# its own state wherever they lie. {numref}`fig-attention-states` puts a trajectory that visits
# both states beside one that stays, and shows the heads that seek and that avoid their own state
# most. A head in which all frames look at one valley, as many of {numref}`fig-attention-heads-sizes`,
# does not count as following: whoever asks, the weights are the same.

# %% mystnb={"figure": {"name": "fig-attention-states", "caption": "Attention maps with the state of each frame at the edges (blue A, vermillion B), one row for each size. From the left: mean over layers and heads on a trajectory that visits both states, and on one that stays in one; the head that seeks its own state most and the one that avoids it most, on the first trajectory. Heads (L: layer, H: head) were chosen on other trajectories. One trajectory of each kind, the stored model of each size. Attention that follows states shows as a chequerboard: single heads have it, the mean hardly."}, "image": {"alt": "Rows of four attention maps for each model size, with coloured strips for the states of the frames.", "classes": "dark-light"}} tags=["hide-input"]
maps, of_frames, names = curves.state_maps(kept, models, x[moving], x[settled])
figsize = figure_size(1.0, 0.06 + 0.25 * len(models))
axes = plt.subplots(len(models), 4, figsize=figsize, squeeze=False)[1]
plots.plot_maps(maps, axes, names, list(models), of_frames)
plt.show()

# %% [markdown]
# Seekers and avoiders cancel in the mean over heads, so the table also counts them. Some are there
# before training, for queries and keys see coordinates even then. Frames close in time are mostly in
# one state: heads that look at neighbours raise the weight on the own state, and the third row says by
# how much. The last rows have the share of the variance of the weights that the frame attended to
# explains, whichever frame attends, in trajectories that stay in one state and in those that visit
# both. If attention followed states, it would be lower for both. Over {glue:text}`attention_n_both:d` trajectories that visit both
# states:

# %% tags=["hide-input"]
names = ("own_state", "norm_own_state", "time_own_state", "state_heads")
tables.measure_table(kept, (*names, "columns_one", "columns_two"))

# %% [markdown]
# Both extremes, head by head (chosen on {glue:text}`attention_n_half:d` trajectories that visit both
# states, measured on {glue:text}`attention_n_half:d` others, with 95% intervals):

# %% tags=["hide-input"]
tables.state_heads(kept)

# %% [markdown]
# (section-attention-experiments)=
# ## Does the classification depend on what is attended to?
#
# Attention weights say where a layer looks, not what the model's output rests on {cite}`jain2019`; whether
# they explain anything depends on what is asked of an explanation {cite}`wiegreffe2019`. Five
# measures of the importance of a piece of trajectory are compared:
#
# - the *attention* it receives, and *norm-weighted* attention;
# - *rollout* {cite}`abnar2020`, which follows the weights, averaged over heads, through all layers,
#
# $$ r_{l-1} = \tfrac{1}{2} \, r_l (\bar A^{l} + 1), \qquad r_L = (1/N, \dots, 1/N); $$ (eq-attention-rollout)
#
# - *gradient* times input of the log-odds of B against A;
# - *occlusion*: the change of the log-odds when a twentieth of the trajectory is removed, the other
#   frames keeping their coordinates and positions. Only this one is an experiment.

# %% mystnb={"figure": {"name": "fig-attention-agreement", "caption": "Rank correlation between measures of which twentieth of a trajectory matters. One mark a training, with 95% intervals over 64 trajectories. Black line: no relation. Measures that read the network agree with each other; with the experiment, occlusion, they agree loosely."}, "image": {"alt": "Intervals of rank correlations for ten pairs of importance measures.", "classes": "dark-light"}} tags=["hide-input"]
pairs = list(next(iter(kept[first_size].values()))["agreement"])
rows = {pair: curves.intervals(kept, "agreement", pair) for pair in pairs}
plots.plot_intervals(rows, "rank correlation", reference=0)
plt.show()

# %% [markdown]
# {numref}`fig-attention-agreement` compares them in pairs. Two more experiments work on single frames
# instead of pieces ({numref}`fig-attention-deletion`). Frames are chosen in six ways: the most attended;
# the same without the first {glue:text}`attention_n_start:d` frames of a trajectory (where its label can
# be seen); those with the most norm-weighted attention; those with the largest gradient; the first ones;
# random ones. They are *removed*, as above, or *not read*: all weights stay, and the values of these
# frames are set to zero in every layer. If a sink is not read, the classification loses little.

# %% mystnb={"figure": {"name": "fig-attention-deletion", "caption": "Probability that the model gives to the true state when frames are removed (top), or when no head reads from them (bottom). Mean over trainings, with 95% intervals over 64 trajectories. Thin line at one half: a guess. What frames cost beyond random ones is in the table below."}, "image": {"alt": "Probability of the true state against number of frames removed, and against number of frames not read, for several choices of frames.", "classes": "dark-light"}} tags=["hide-input"]
figsize, rows = figure_size(1.0, 0.75), curves.experiment_curves(kept)
axes = plt.subplots(2, len(kept), figsize=figsize, sharey=True, squeeze=False)[1]
plots.plot_experiments([0, *measured.n_removed], rows, axes)
plt.show()

# %% [markdown]
# Probability of the true state that is lost with chosen frames, beyond what is lost with as many
# random ones, paired by trajectory; n as in {numref}`fig-attention-deletion`:

# %% tags=["hide-input"]
tables.experiment_costs(kept)

# %% [markdown]
# Does the classification suffer more than from as many random frames, if these are not read?
#
# - {glue:text}`attention_n_removed:d` frames. The most attended:
#   {glue:text}`attention_unread_most_attended:s`; those away from the start:
#   {glue:text}`attention_unread_later:s`; the first: {glue:text}`attention_unread_first:s`.
# - {glue:text}`attention_n_removed_many:d` frames, four tenths of all. The most attended:
#   {glue:text}`attention_unread_most_attended_many:s`; those away from the start:
#   {glue:text}`attention_unread_later_many:s`; the first: {glue:text}`attention_unread_first_many:s`.
#
# The table has the other numbers of frames, and what removing them costs. (A size gets a yes if all of its
# trainings do, so that the mean in the table may be clear where the answer is not.)
#
# ## Heads and layers silenced
#
# Setting the output of a head to zero measures what it is good for, for each of the two losses
# ({numref}`fig-attention-ablation`). The derivative with respect to a factor on the head's output
# {cite}`michel2019` predicts it to first order without any ablation.

# %% mystnb={"figure": {"name": "fig-attention-ablation", "caption": "Stored small model: increase of the trajectory loss (top) and of the cross-entropy (bottom) when one head is silenced, mean over 64 trajectories. Bars are 95% intervals; hollow: zero is within the interval. Many heads serve the next frame. For the state, every head's interval holds zero, with so few trajectories."}, "image": {"alt": "Two panels of points with intervals, the loss increase for each head of each layer.", "classes": "dark-light"}} tags=["hide-input"]
effects = kept[first_size][checkpoint_training(first_size)]["small_heads"]
axes = plt.subplots(2, 1, figsize=figure_size(1.0, 0.6), sharex=True)[1]
plots.plot_head_effects(*(np.array(effects[key]) for key in ("mean", "se")), axes)
plt.show()

# %% [markdown]
# Which heads matter for the state? Single effects on the cross-entropy are within their errors, so that
# these are rough guides. Over the heads of a small model, the rank correlation of the size of the effect
# (mean and range over trainings)
#
# - with its first-order prediction is {glue:text}`attention_rho_slope_ablation:s`;
# - with how few targets the head has, {glue:text}`attention_rho_few_ablation:s`;
# - with the norm that the head reads, {glue:text}`attention_rho_norm_ablation:s`.
#
# The table silences the
# attention of whole layers, one at a time: increase of the trajectory loss ("frame") and of the
# cross-entropy ("state"), n as in {numref}`fig-attention-deletion`. Where both are zero, the layer
# could be left out.

# %% tags=["hide-input"]
tables.layer_table(kept)

# %% [markdown]
# ## Takeaway
#
# - *Are there key timesteps*, beyond what a random network has?
#   {glue:text}`attention_answers_there_are_key_timesteps:s`. The first frame is among them, whose state is
#   the label. Does the classification suffer more than with random frames if the
#   {glue:text}`attention_n_removed:d` most attended frames away from the start are not read?
#   {glue:text}`attention_unread_later:s`. If {glue:text}`attention_n_removed_many:d` are not?
#   {glue:text}`attention_unread_later_many:s`.
# - *Do all others attend to them?* {glue:text}`attention_answers_all_others_attend_to_them:s`.
#   These shares of the frames do: {glue:text}`attention_readers_words:s`; in random networks
#   {glue:text}`attention_readers_untrained:s`. Most of it is no product of learning.
# - *Are future and past attended to alike?* On the whole:
#   {glue:text}`attention_answers_future_and_past_alike:s`. In each sub-section:
#   {glue:text}`attention_answers_alike_in_each_sub-section:s`. Trainings in which a head looks at the first
#   frame: {glue:text}`attention_first_frame_heads:s`; at the next: {glue:text}`attention_next_frame_heads:s`.
# - *Is it true that there are no local blocks?* {glue:text}`attention_answers_no_local_blocks:s`; by norm-weighted
#   attention, {glue:text}`attention_answers_weighted_no_local_blocks:s`.
# - *Is it true that attention does not follow states?* In the mean over heads:
#   {glue:text}`attention_answers_attention_does_not_follow_states:s`. Do more single heads follow states
#   than before training? {glue:text}`attention_answers_some_heads_follow_states:s`.
# - *As a guide to what the classification rests on*, attention is loose. Its rank correlation with occlusion:
#   {glue:text}`attention_rho_attention_occlusion_words:s`.
#
# What was not shown: how the state is computed. Silencing sets outputs to zero, a state
# the network never saw; removing frames shifts the mean over frames that the classifier reads.
# The rules draw borders where nature has none: the numbers beside the verdicts say how
# far from them a model is. One training of a size shows nothing of how trainings differ, and a
# few show little.
