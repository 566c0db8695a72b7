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
# others attend to, some heads have few targets only, future and past are attended to equally, and
# there is no local block structure. Are these true of our models,
# would they be true of a network that has learned nothing, and does the answer rest on what is
# attended to? Key timesteps: {glue:text}`attention_verdicts_there_are_key_timesteps:s`. Future
# and past alike: {glue:text}`attention_verdicts_future_and_past_alike:s`. No local blocks:
# {glue:text}`attention_verdicts_no_local_blocks:s`. Every claim is judged, training by training,
# in the table under [](section-attention-verdicts).

# %% tags=["remove-stderr", "hide-input"]
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile
from mb_support.model import load_checkpoint
from mb_support.plotting import attention as plots
from mb_support.plotting.interactive import explore_attention
from mb_support.plotting.style import figure_size, use_style
from mb_support.states import assign_states
from mb_support.studies.attention import study
from mb_support.studies.attention import verdicts as tables
from mb_support.studies.attention.maps import attention_maps
from mb_support.studies.measured import checkpoint_training

# %% tags=["parameters", "hide-input"]
profile = "smoke"

# %% tags=["remove-stderr", "hide-input"]
use_style()
settings = get_profile(profile)
measured = study.AttentionMeasurement()
kept = study.load_results(settings.sizes)
models = {size: load_checkpoint(size) for size in kept}
first_size, largest = next(iter(kept)), list(kept)[-1]
x, labels, both = study.measured_trajectories(measured)
moving, settled = study.example_trajectories(x, both)
trajectory, n_frames = x[[moving]], measured.n_frames
print(f"profile {settings.name}; trainings: {', '.join(n for t in kept.values() for n in t)}")

# %% mystnb={"figure": {"name": "fig-attention-heads", "caption": "Small model, last layer, one map for each head, on one test trajectory that visits both states. A row is a frame that attends, a column a frame attended to; the colour scale is logarithmic and clipped. A stripe along a column is a frame that all others attend to; a line along the diagonal would be neighbours, squares along it would be blocks. Where stripes break off along a line, the particle has changed its state: what such a head attends to depends on states."}, "image": {"alt": "Eight square maps of attention weights between the frames of a trajectory.", "classes": "dark-light"}} tags=["hide-input"]
last = {size: attention_maps(m, trajectory, [-1])[0, 0] * n_frames for size, m in models.items()}
figure, axes = plt.subplots(2, 4, figsize=figure_size(1.0, 0.5))
titles = [f"head {h + 1}" for h in range(len(last[first_size]))]
plots.plot_maps(last[first_size], axes, titles)
plt.show()

# %% [markdown]
# ## How attention is read
#
# In layer $l$, head $h$ gives frame $j$, seen from frame $i$, the weight
#
# $$ A^{lh}_{ij} = \frac{\exp(q_i \cdot k_j / \sqrt{d})}{\sum_{j'} \exp(q_i \cdot k_{j'} / \sqrt{d})},
# \qquad \sum_j A^{lh}_{ij} = 1, $$ (eq-attention-weights)
#
# with queries $q$ and keys $k$ of $d$ dimensions. A head that does not choose gives every one of
# the $N$ frames $1/N$, so weights are shown as $N A_{ij}$: the value 1 is what a frame gets for
# nothing. Everything below is compared with that, and with the *same network before its first
# training step* ("untrained"): random queries and keys are not uniform either, and what they do
# needs no explanation by learning.
#
# A weight says how much of frame $j$ is taken, not how much there is to take. What the head adds
# to the encoding of frame $i$ is $\sum_j A_{ij} f(x_j)$, where $f$ is its value and its part of
# the output projection. *Norm-weighted attention* {cite}`kobayashi2020` is
#
# $$ A^{lh}_{ij} \, |f^{lh}(x_j)| . $$ (eq-attention-norm)
#
# It tells key timesteps from *sinks* {cite}`xiao2024`: frames on which a head unloads the weight
# it must give away, since rows sum to one, and whose value is small.
#
# Maps are those of the committed models, made on this page. Numbers are of **all trainings** of a
# size that were measured, which differ in their seed: {glue:text}`attention_seeds:s`. The measurement was
# done once, on {glue:text}`attention_n:d` test trajectories of {glue:text}`attention_n_frames:d` frames
# (what a model is shown in training), and kept; questions about states use
# {glue:text}`attention_n_both:d` that spend a twentieth of their time or more in each state. All
# of it is repeated by `python -m mb_support.studies attention`. In tables, *± is over trajectories*
# (95%, bootstrap; a whole trajectory is one observation, its frames are not), and *the range in
# brackets is over trainings*, as it is in the text; where a size has one training there is none.
# No rule was chosen on these trajectories.

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
n_live = dict(zip(settings.sizes, settings.n_attended, strict=True))
print("kept results found again on this page:", study.repeats(kept, models, x, n_live))

# %% [markdown]
# ## The poster's figures
#
# ### Heads of the last layer
#
# {numref}`fig-attention-heads-sizes` shows, for every size, what {numref}`fig-attention-heads`
# shows for the small model.

# %% mystnb={"figure": {"name": "fig-attention-heads-sizes", "caption": "The last layer of every size on the trajectory of the first figure: S small, M medium, L large, and the number of the head. Scale of colours as before."}, "image": {"alt": "Grid of small square attention maps, one for each head of the last layer of each model size.", "classes": "dark-light"}} tags=["hide-input"]
maps = [head for size in models for head in last[size]]
titles = [f"{size[0].upper()} {h + 1}" for size in models for h in range(len(last[size]))]
figure, axes = plt.subplots(len(maps) // 8, 8, figsize=figure_size(1.0, 0.03 + len(maps) / 64))
plots.plot_maps(maps, np.atleast_2d(axes), titles)
plt.show()

# %% [markdown]
# Which frames these are can be explored in {numref}`fig-attention-explorer`: choose a layer and a
# frame that looks, and see where in the plane and in time it attends.

# %% tags=["remove-output", "hide-input"]
by_layer = attention_maps(models[first_size], trajectory, average="heads")[0]
queries, n_shown = np.arange(0, n_frames, 50), n_frames // 5
looks = by_layer[:, queries, : 5 * n_shown]
looks = looks.reshape(len(by_layer), len(queries), n_shown, 5).sum(axis=-1)
layers = [f"layer {layer + 1}" for layer in range(len(by_layer))]
shown = trajectory[0, : 5 * n_shown : 5]
explorer = explore_attention(shown, looks, queries // 5, layers, int(labels[moving]), stride=5)
glue("attention_explorer", explorer)

# %% [markdown]
# ```{glue:figure} attention_explorer
# :name: fig-attention-explorer
#
# The trajectory of {numref}`fig-attention-heads`, darker where the chosen frame (cross) attends more,
# on average over the heads of the chosen layer of the small model; below, the same along time.
# ```
#
# ### Averages in windows
#
# In {numref}`fig-attention-windows` layers and heads are averaged, near the start, the middle and
# the end of the trajectory.

# %% mystnb={"figure": {"name": "fig-attention-windows", "caption": "Attention averaged over layers and heads in windows one hundred frames wide (first, middle, last) of the same trajectory; on the right the same network untrained. Local blocks would be bright squares on the diagonal, a bright line beside it is heads that look at neighbours."}, "image": {"alt": "Square attention maps in windows of a hundred frames for trained and untrained models.", "classes": "dark-light"}} tags=["hide-input"]
summaries = study.example_summaries(models, trajectory, measured.section)
windows = {name: summary.windows[0] for name, summary in summaries.items()}
n_sections, width = windows[first_size].shape[:2]
chosen = [0, n_sections // 2, n_sections - 1]
maps = [window[k] for window in windows.values() for k in chosen]
starts = [k * width for _ in windows for k in chosen]
figure, axes = plt.subplots(len(models), 6, figsize=figure_size(1.0, 0.06 + 0.16 * len(models)))
titles = [name.replace(" ", "\n") for name in windows for _ in chosen]
plots.plot_maps(maps, axes, titles, starts)
plt.show()

# %% [markdown]
# ### Attention by time difference
#
# The poster weights attention "by the time difference" in sub-sections of a trajectory. That can
# be read in two ways. The first is attention as a function of $j - i$
# ({numref}`fig-attention-difference`, and section by section for the largest model in
# {numref}`fig-attention-sections`): does it fall off with distance, is it larger to one side?

# %% mystnb={"figure": {"name": "fig-attention-difference", "caption": "Attention by time difference within sub-sections one hundred frames long, averaged over layers, heads and sub-sections. One line a training, with 95% bands over 64 trajectories; grey: untrained; black: a model that does not choose. Few pairs are far apart: at the left edge it is the first frame of each sub-section, which in the first one is the start of the trajectory."}, "image": {"alt": "Curves of mean attention weight against time difference for each training and its untrained control, with the uniform value as a line.", "classes": "dark-light"}} tags=["hide-input"]
plots.plot_by_difference(tables.bands(kept, "profile"))
plt.show()

# %% mystnb={"figure": {"name": "fig-attention-sections", "caption": "The same, section by section, for the largest model: frames of the sub-section above each panel. One line a training, with 95% bands over 64 trajectories; grey: untrained."}, "image": {"alt": "Five panels of curves of attention against time difference, one for each sub-section.", "classes": "dark-light"}} tags=["hide-input"]
profiles = tables.bands({largest: kept[largest]}, "section_profiles")
figure, axes = plt.subplots(1, n_sections, figsize=figure_size(1.0, 0.36), sharey=True)
plots.plot_sections(profiles, axes, measured.section)
plt.show()

# %% [markdown]
# The second reading is the time difference itself, weighted by attention,
#
# $$ \overline{\Delta} = \frac{\sum_{ij} A_{ij} \, (j - i)}{\sum_{ij} A_{ij}} , $$ (eq-attention-moment)
#
# over the pairs of a sub-section: in frames, negative if attention leans to the past. It is 0 if
# future and past are alike; frames of a section lie {glue:text}`attention_mean_distance:.0f`
# frames apart on average. *Alike* means within a tenth of that. For the largest model, with
# intervals over {glue:text}`attention_n:d` trajectories:

# %% tags=["hide-input"]
tables.section_table(kept[largest], measured.section)

# %% [markdown]
# The first sub-section contains the start of the trajectory, whose state is the answer: heads
# that look at it ({ref}`below <section-attention-heads>`) look back.
#
# (section-attention-verdicts)=
# ## Verdicts
#
# Rules, fixed on validation trajectories. *There are key timesteps* if the most attended
# twentieth of the frames gets a larger share of the attention than in the same network untrained,
# on the same trajectories. *All others attend to them* if nine in ten frames or more give the ten
# most attended frames more than the uniform weight. *Few*: more heads than before training attend
# to less than a tenth of the frames. *Future and past alike*: $(F - P)/(F + P)$, with $F$ and $P$
# the attention to later and earlier frames, within a tenth of zero; *in each sub-section*:
# $\overline{\Delta}$ of every one as above (shown: the one that leans most). *No local blocks*:
# the weight on the own sub-section of one hundred frames is within a tenth of what the average
# row gives it. *Attention does not follow states*: the same for frames in the own state, averaged
# over heads; *heads do not follow states*: at most a tenth of the heads are further than a tenth
# from that. *No sinks*: for each unit of attention, key timesteps deliver at least half of the
# norm that other frames do.
#
# A claim is confirmed or refuted for a training if its interval over trajectories says so, and
# for a size if all of its trainings agree.

# %% tags=["hide-input"]
tables.verdicts(kept)

# %% [markdown]
# The same rules put to norm-weighted attention:

# %% tags=["hide-input"]
tables.verdicts(kept, weighted=True)

# %% tags=["remove-cell"]
for key, text in tables.words(kept).items():
    glue(f"attention_{key}", text, display=False)

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
share = [tables.mean_of(kept[first_size], "share", which) for which in ("trained", "untrained")]
print(f"{first_size}: key timesteps receive {share[0]:.3f}, untrained {share[1]:.3f}")

# %% [markdown]
# ## How few timesteps hold how much
#
# {numref}`fig-attention-lorenz` orders the frames of each trajectory by the attention they
# receive and adds it up. The most attended twentieth, here called *key timesteps*, receives of
# all attention: {glue:text}`attention_share_words:s`; untrained
# {glue:text}`attention_share_untrained:s`; a twentieth if uniform.
#
# That they are attended to *by all others* is weaker evidence than it looks. Frames that give the
# ten most attended ones more than the uniform weight: {glue:text}`attention_readers_words:s`; but
# untrained {glue:text}`attention_readers_untrained:s`. The share of the
# variance of the weights that the frame attended to explains is
# {glue:text}`attention_columns_words:s`; untrained {glue:text}`attention_columns_untrained:s`.

# %% mystnb={"figure": {"name": "fig-attention-lorenz", "caption": "Share of all attention (mean over layers and heads) that goes to the most attended frames. The further above the diagonal, the fewer frames hold more. One line a training, with 95% bands over 64 trajectories."}, "image": {"alt": "Lorenz curves of attention received, for trained and untrained models.", "classes": "dark-light"}} tags=["hide-input"]
plots.plot_lorenz(tables.bands(kept, "lorenz"))
plt.show()

# %% [markdown]
# ### Which timesteps they are
#
# {numref}`fig-attention-received` shows one trajectory. {numref}`fig-attention-features` asks,
# for all of them, how often key timesteps are also among the top twentieth by another property:
# close to the start, far from the trajectory's mean in standard deviations ("extreme"), high in
# potential energy, fast, near the ridge between the states, near a change of state. By chance the
# ratio is 1; the largest possible is {glue:text}`attention_enrichment_limit:.0f`.

# %% mystnb={"figure": {"name": "fig-attention-received", "caption": "Attention received by the frames of the trajectory of the first figure, averaged over layers and heads of the small model. Left, along time, coloured by state, with norm-weighted attention in grey; right, in the plane, the most attended frames darkest and on top; the star is the start."}, "image": {"alt": "Attention received along the frames of a trajectory, and the same trajectory in the plane with the most attended points dark.", "classes": "dark-light"}} tags=["hide-input"]
summary = summaries[first_size]
received, weighted = summary.mean_received[0], summary.norm_received[0]
figure, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.42), width_ratios=[1.3, 1])
plots.plot_received(trajectory[0], received, weighted, assign_states(trajectory[0]), axes)
plt.show()

# %% mystnb={"figure": {"name": "fig-attention-features", "caption": "How much more often than by chance key timesteps are among the top twentieth of frames by another property. One mark a training, with 95% intervals over 64 trajectories (those with a change of state, for transition); crosses: untrained. Black line: chance."}, "image": {"alt": "Intervals of enrichment for six properties of frames.", "classes": "dark-light"}} tags=["hide-input"]
names = ("early", "extreme", "energy", "fast", "ridge", "transition")
features = {name: tables.intervals(kept, "trained", "features", name) for name in names}
plots.plot_intervals(features, "enrichment among key timesteps", reference=1)
plt.show()

# %% [markdown]
# ### Key timesteps or sinks?
#
# In language models much attention goes to the first token, whatever it is: a sink. Here the
# label is the state of the *first frame*, so attention to it could be a sink or the answer
# itself. Three controls tell. *Norm*: key timesteps that are sinks deliver little. *Position*: a
# sink lies at the same place in every trajectory, so that the positions most attended in the
# *other* trajectories hold as much of the attention as the key timesteps. *Reading*: if heads
# read nothing from a sink, nothing is lost ({ref}`below <section-attention-experiments>`).

# %% tags=["hide-input"]
names = (
    "share", "norm_share", "key_norm", "by_position", "first", "norm_first", "columns", "diagonals"
)  # fmt: skip
tables.measure_table(kept, names)

# %% [markdown]
# (section-attention-heads)=
# ## Heads with few targets
#
# The exponential of the entropy of a row of {eq}`eq-attention-weights` counts how many frames a
# query attends to. {numref}`fig-attention-targets` gives it for each head. In the small models
# the fewest are {glue:text}`attention_fewest_small:s` frames, untrained
# {glue:text}`attention_fewest_control:s`.

# %% mystnb={"figure": {"name": "fig-attention-targets", "caption": "How many frames a query attends to, as if with equal weight (exponential of the mean entropy): one point for each head of each training, mean over 64 trajectories; crosses: one network of each size untrained. Uniform attention would give 511."}, "image": {"alt": "Points for every head against layer on a logarithmic scale, crosses for untrained ones.", "classes": "dark-light"}} tags=["hide-input"]
plots.plot_head_counts(tables.targets_of_heads(kept))
plt.show()

# %% [markdown]
# Averages over heads hide what single heads do. The table names, for each training, the head that
# gives most of its weight to the next frame, to the previous and to the first one, and those that
# lean most to one side. No untrained network has heads like those that stand
# out here. A cell names layer and head, then gives the share of the weight on that frame (in
# the last two columns $(F - P)/(F + P)$). Heads were chosen on {glue:text}`attention_n_half:d`
# trajectories and measured on {glue:text}`attention_n_half:d` others, with intervals over those.
# Trainings in which a head gives half of its weight or more to the first frame, whose state is
# the answer: {glue:text}`attention_first_frame_heads:s`; to the next frame, which the loss asks
# for: {glue:text}`attention_next_frame_heads:s`; to the previous one:
# {glue:text}`attention_previous_frame_heads:s`.

# %% tags=["hide-input"]
stand_out = ("next frame", "previous frame", "first frame", "looks ahead", "looks back")
tables.extreme_heads(kept, stand_out)

# %% [markdown]
# The same, untrained:

# %% tags=["hide-input"]
tables.extreme_heads(kept, stand_out, "untrained")

# %% [markdown]
# ## Does attention follow states?
#
# Blocks of *time* are one thing, blocks of *state* another: a head could attend to the frames of
# its own state wherever they lie. {numref}`fig-attention-states` puts a trajectory that visits
# both states beside one that stays, and shows the heads that seek and that avoid their own state
# most.

# %% mystnb={"figure": {"name": "fig-attention-states", "caption": "Attention maps with the state of each frame at the edges (blue A, vermillion B). From the left: mean over layers and heads on a trajectory that visits both states, and on one that stays in one; the head that seeks its own state most and the one that avoids it most, on the first trajectory. Heads were chosen on other trajectories. Attention that follows states shows as a chequerboard."}, "image": {"alt": "Rows of four attention maps for each model size, with coloured strips for the states of the frames.", "classes": "dark-light"}} tags=["hide-input"]
maps, states, titles = study.state_maps(kept, models, x[moving], x[settled])
figure, axes = plt.subplots(len(models), 4, figsize=figure_size(1.0, 0.05 + 0.24 * len(models)))
plots.plot_state_maps(maps, states, np.atleast_2d(axes), titles)
plt.show()

# %% [markdown]
# Weight on the own state over what the average row gives it, as a mean over layers and heads:
# {glue:text}`attention_own_state_words:s`. Seekers and avoiders cancel in it: the share of heads
# that do one or the other is {glue:text}`attention_state_heads_words:s`; untrained
# {glue:text}`attention_state_heads_untrained:s`, for queries and keys see coordinates even before
# training. Frames close in time are mostly in one state, so heads that look at neighbours
# could raise the weight on the own state; by how much, the third row says: what weights that depend on
# the time difference alone would give. If attention followed states, the frame attended to would explain
# less where there are two (last rows).

# %% tags=["hide-input"]
names = (
    "own_state", "norm_own_state", "time_own_state", "state_heads", "columns_one", "columns_two"
)  # fmt: skip
tables.measure_table(kept, names)

# %% [markdown]
# Both extremes, head by head (chosen on {glue:text}`attention_n_half:d` trajectories that visit
# both states, measured on {glue:text}`attention_n_half:d` others):

# %% tags=["hide-input"]
of_states = ("seeks its own state", "avoids its own state")
extremes = {w: tables.extreme_heads(kept, of_states, w) for w in ("trained", "untrained")}
pd.concat(extremes, axis=1)

# %% [markdown]
# (section-attention-experiments)=
# ## Does the answer depend on what is attended to?
#
# Attention weights say where a layer looks, not what its answer rests on {cite}`jain2019`; whether
# they explain anything depends on what is asked of an explanation {cite}`wiegreffe2019`. Five
# measures of the importance of a piece of trajectory are compared: the attention it receives;
# norm-weighted attention; *rollout* {cite}`abnar2020`, which follows the weights through all
# layers,
#
# $$ r_{l-1} = \tfrac{1}{2} \, r_l (\bar A^{l} + 1), \qquad r_L = (1/N, \dots, 1/N), $$ (eq-attention-rollout)
#
# with $\bar A^l$ averaged over heads; *gradient* times input of the log-odds of B against A; and
# *occlusion*: the change of the log-odds when a twentieth of the trajectory is removed, the other
# frames keeping their coordinates and positions. Only the last is an experiment.

# %% mystnb={"figure": {"name": "fig-attention-agreement", "caption": "Rank correlation between measures of which twentieth of a trajectory matters. One mark a training, with 95% intervals over 64 trajectories (medium and large: 32). Black line: no relation."}, "image": {"alt": "Intervals of rank correlations for ten pairs of importance measures.", "classes": "dark-light"}} tags=["hide-input"]
pairs = list(next(iter(kept[first_size].values()))["agreement"])
agreement = {pair: tables.intervals(kept, "agreement", pair) for pair in pairs}
plots.plot_intervals(agreement, "rank correlation", reference=0)
plt.show()

# %% [markdown]
# {numref}`fig-attention-agreement` compares them in pairs. Rank correlation with occlusion, of
# attention: {glue:text}`attention_rho_attention_occlusion_words:s`; of norm-weighted attention:
# {glue:text}`attention_rho_norm_weighted_occlusion_words:s`; of rollout:
# {glue:text}`attention_rho_rollout_occlusion_words:s`; of the gradient:
# {glue:text}`attention_rho_gradient_occlusion_words:s`.
#
# Two more experiments work on single frames instead of pieces ({numref}`fig-attention-deletion`):
# the most attended ones, those with the most norm-weighted attention, those with the largest
# gradient, the first ones, or random ones. Either they are *removed*, as above. Or heads *read
# nothing* from them: all weights stay, and what they multiply is set to zero in every layer; a
# sink bears that, an answer does not.

# %% mystnb={"figure": {"name": "fig-attention-deletion", "caption": "Probability that the model gives to the true state when frames are removed (top), or when no head reads from them (bottom). Mean over trainings, with 95% intervals over 64 trajectories (medium and large: 32). Dotted: no answer."}, "image": {"alt": "Probability of the true state against number of frames removed, and against number of frames not read, for several choices of frames.", "classes": "dark-light"}} tags=["hide-input"]
n_removed = [0, *measured.n_removed]
curves = tables.experiment_curves(kept)
figure, axes = plt.subplots(2, len(kept), figsize=figure_size(1.0, 0.7), sharey=True, squeeze=False)
plots.plot_experiments(n_removed, curves, axes)
plt.show()

# %% [markdown]
# Probability of the true state that is lost with chosen frames, beyond what is lost with as many
# random ones, paired by trajectory:

# %% tags=["hide-input"]
tables.experiment_costs(kept)

# %% [markdown]
# The answer suffers more than from as many random frames, with {glue:text}`attention_n_removed:d`
# key timesteps removed: {glue:text}`attention_removed_most_attended:s`; not read:
# {glue:text}`attention_unread_most_attended:s`; with as many of the first frames removed:
# {glue:text}`attention_removed_first:s`; not read: {glue:text}`attention_unread_first:s`.
#
# ## Heads and layers silenced
#
# Setting the output of a head to zero measures what it is good for, for each of the two losses
# ({numref}`fig-attention-ablation`). The derivative with respect to a factor on the head's output
# {cite}`michel2019` predicts it to first order without any ablation.

# %% mystnb={"figure": {"name": "fig-attention-ablation", "caption": "Committed small model: increase of the trajectory loss (left) and of the cross-entropy (right) when one head is silenced, mean over 64 trajectories. Orange: the head was useful; purple: the loss falls without it; cross: less than 1.96 standard errors over trajectories from zero."}, "image": {"alt": "Two heat maps of loss increase by layer and head.", "classes": "dark-light"}} tags=["hide-input"]
effects = kept[first_size][checkpoint_training(first_size)]["small_heads"]
figure, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.32))
for k, title in enumerate(("next frame", "state")):
    plots.plot_head_effects(*(np.array(effects[key][k]) for key in ("mean", "se")), title, axes[k])
plt.show()

# %% [markdown]
# Over the heads of a small model, the size of the effect on the cross-entropy has a rank
# correlation of {glue:text}`attention_rho_slope_ablation:s` with its first-order prediction (mean
# and range over trainings), of {glue:text}`attention_rho_few_ablation:s` with how few targets the
# head has, and of {glue:text}`attention_rho_norm_ablation:s` with the norm that it reads, over
# that of a mean frame. The attention of whole layers, silenced one at a time: increase of the
# trajectory loss ("frame") and of the cross-entropy ("state"), with 95% intervals over
# trajectories. Where both are zero, the layer could be left out.

# %% tags=["hide-input"]
tables.layer_table(kept)

# %% [markdown]
# ## Takeaway
#
# - Key timesteps exist beyond what a random network has:
#   {glue:text}`attention_verdicts_there_are_key_timesteps:s`. All others attend to them:
#   {glue:text}`attention_verdicts_all_others_attend_to_them:s`; but of
#   random networks the shares of frames that do are {glue:text}`attention_readers_untrained:s`:
#   no evidence of learning by itself.
# - Key timesteps are no sinks, by the norm of what is read there:
#   {glue:text}`attention_verdicts_key_timesteps_are_no_sinks:s`. The answer suffers more when
#   heads do not read them than when they do not read random frames:
#   {glue:text}`attention_unread_most_attended:s`.
# - Future and past are attended to alike on the whole:
#   {glue:text}`attention_verdicts_future_and_past_alike:s`; in each sub-section:
#   {glue:text}`attention_verdicts_alike_in_each_sub-section:s`.
# - Trainings in which a head gives half of its weight or more to the first frame:
#   {glue:text}`attention_first_frame_heads:s`; to the next one:
#   {glue:text}`attention_next_frame_heads:s`. No untrained network has such a head.
# - No blocks in time, by attention weights (norm-weighted attention is judged in the second table):
#   {glue:text}`attention_verdicts_no_local_blocks:s`; none of states, as a
#   mean over heads: {glue:text}`attention_verdicts_attention_does_not_follow_states:s`; head by
#   head: {glue:text}`attention_verdicts_heads_do_not_follow_states:s`; shares of such heads
#   {glue:text}`attention_state_heads_words:s`, untrained {glue:text}`attention_state_heads_untrained:s`.
# - Attention as a guide to what the answer rests on, by rank correlation with occlusion:
#   {glue:text}`attention_rho_attention_occlusion_words:s`.
#
# What was not shown: how the answer is computed. Silencing sets outputs to zero, which is a state
# the network never saw; removing frames shifts the mean over frames that the classifier reads.
# The rules put borders where there are none in nature: the numbers beside the verdicts say how
# far from them a model is. One training of a size shows nothing of how trainings differ, and a
# few show little: the tables say how many there are.
