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
# The poster reads four things off its attention maps: a set of key timesteps is attended to by
# all others, some heads have only a few targets, future and past are attended to equally, and
# there is no local block structure. Do these hold as measured statements, would they hold for a
# model that has learned nothing, and does the answer of the model depend on what it attends to?
# The verdicts are in the table under [](section-attention-verdicts). The short answer to the last
# question, for the small model: on the key timesteps as a group, yes; frame by frame, attention is a
# loose guide.

# %% tags=["remove-stderr"]
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import attention_measures as measures
from mb_support import attention_study as study
from mb_support import get_profile, make_dataset
from mb_support.attention import attention_maps
from mb_support.classification import verdicts_in_words
from mb_support.importance import head_gradients
from mb_support.inference import checkpoint_sizes, load_checkpoint
from mb_support.plotting import attention as plots
from mb_support.plotting.interactive import explore_attention
from mb_support.plotting.style import figure_size, use_style
from mb_support.states import assign_states

# %% tags=["parameters"]
profile = "smoke"
seed = 7  # number of the test set, and of the random frames removed

# %% tags=["remove-stderr"]
use_style()
settings = get_profile(profile)
counts = dict(zip(settings.sizes, settings.n_attended, strict=True))
occluded = dict(zip(settings.sizes, settings.n_occluded, strict=True))
models = {size: load_checkpoint(size) for size in settings.sizes if size in checkpoint_sizes()}
data = make_dataset(max(counts.values()), "test", index=seed)
example = study.mixed_trajectory(data.trajectories)
print(f"profile {settings.name}: {', '.join(models)}; trajectories {counts}")

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
# needs no explanation by learning. Intervals are 95% bootstrap intervals over held-out trajectories; a whole trajectory is one observation, its frames are not.
#
# In the medium and large models two heads of the first layer were *built* to look at the next and the
# previous frame (see {eq}`eq-training-neighbour`): what is found there, in measures of neighbourhood
# above all, was put there, in the untrained control as well. The small model has none. In the large
# model one head of layer 9 was built to look at the first frame (see {ref}`chapter 4
# <section-training-start>`): that part of its figures was put there, and not in the control.
#
# The weights of the large model on one trajectory take more than a gigabyte. The sums behind the
# figures are formed row by row and never store a matrix; a test compares them with the weights
# that the `eager` implementation returns.
#
# ## The poster's figures
#
# {numref}`fig-attention-heads` shows the last layer of the small model, head by head, on a
# trajectory that visits both states. Vertical stripes are frames that all others attend to.
# Where the stripes change half way along the rows, the particle has changed its state: what a frame
# attends to depends on the state that it lies in. {numref}`fig-attention-heads-sizes` shows the last
# layers of all sizes.

# %% mystnb={"figure": {"name": "fig-attention-heads", "caption": "Small model, last layer, one map for each head, on one test trajectory. A row is a frame that attends, a column a frame attended to; the colour scale is logarithmic. Stripes along columns: the same frames are attended to from everywhere; where a stripe breaks off, the particle has changed its state."}, "image": {"alt": "Eight square maps of attention weights between the frames of a trajectory, dominated by vertical stripes.", "classes": "dark-light"}}
trajectory = data.trajectories[[example]]
n_frames = trajectory.shape[1]
last = {size: attention_maps(m, trajectory, [-1])[0, 0] * n_frames for size, m in models.items()}
first_size = next(iter(models))
figure, axes = plt.subplots(2, 4, figsize=figure_size(1.0, 0.5))
titles = [f"head {h + 1}" for h in range(len(last[first_size]))]
plots.plot_maps(last[first_size], axes, titles)
plt.show()

# %% mystnb={"figure": {"name": "fig-attention-heads-sizes", "caption": "The last layer of every trained size on the same trajectory: S small, M medium, L large, and the number of the head. Scale of colours as before."}, "image": {"alt": "Grid of small square attention maps, one for each head of the last layer of each model size.", "classes": "dark-light"}}
maps = [head for size in models for head in last[size]]
titles = [f"{size[0].upper()} {h + 1}" for size in models for h in range(len(last[size]))]
figure, axes = plt.subplots(len(maps) // 8, 8, figsize=figure_size(1.0, 0.03 + len(maps) / 64))
plots.plot_maps(maps, np.atleast_2d(axes), titles)
plt.show()

# %% [markdown]
# Which frames these are can be explored in {numref}`fig-attention-explorer`: choose a layer and a frame
# that looks, and see where in the plane and in time it attends.

# %% tags=["remove-output"]
by_layer = attention_maps(models[first_size], trajectory, average="heads")[0]
queries = np.arange(0, n_frames, 50)
looks = by_layer[:, queries].reshape(len(by_layer), len(queries), n_frames // 5, 5).sum(axis=-1)
layers = [f"layer {layer + 1}" for layer in range(len(by_layer))]
state = int(data.labels[example])
explorer = explore_attention(trajectory[0, ::5], looks, queries // 5, layers, state, stride=5)
glue("attention_explorer", explorer)

# %% [markdown]
# ```{glue:figure} attention_explorer
# :name: fig-attention-explorer
#
# The trajectory of {numref}`fig-attention-heads`, darker where the chosen frame (cross) attends more,
# on average over the heads of the chosen layer of the small model; below, the same along time.
# ```
#
# Averages over all layers and heads, in windows one hundred frames wide along the diagonal, are in
# {numref}`fig-attention-windows`.

# %%
summaries = study.summarise(models, data.trajectories, counts)
table = study.statistics(summaries)

# %% mystnb={"figure": {"name": "fig-attention-windows", "caption": "Attention averaged over layers and heads in windows one hundred frames wide (first, middle, last) of the first test trajectory; on the right the same model untrained. Local blocks would be bright squares on the diagonal; a thin line beside it is that of heads that were built to see neighbours."}, "image": {"alt": "Square attention maps in windows of a hundred frames for trained and untrained models, showing vertical stripes and no squares on the diagonal.", "classes": "dark-light"}}
width = summaries[first_size].windows.shape[-1]
chosen = [0, n_frames // width // 2, n_frames // width - 1]
maps = [s.windows[0, k] for s in summaries.values() for k in chosen]
starts = [k * width for _ in summaries for k in chosen]
figure, axes = plt.subplots(len(models), 6, figsize=figure_size(1.0, 0.06 + 0.2 * len(models)))
titles = [name.replace(" ", "\n") for name in summaries for _ in chosen]
plots.plot_maps(maps, axes, titles, starts, [start + width for start in starts])
plt.show()

# %% [markdown]
# {numref}`fig-attention-difference` gives the mean weight at each time difference between two
# frames of the same sub-section of one hundred frames. Does attention fall off with distance? Is it
# larger to one side?

# %% mystnb={"figure": {"name": "fig-attention-difference", "caption": "Attention by time difference within sub-sections one hundred frames long, averaged over layers and heads, with bootstrap bands over trajectories; grey: untrained; black: a model that does not choose. Few pairs are far apart: at the left edge it is the first frame of each sub-section, which in the first one is the start of the trajectory."}, "image": {"alt": "Curves of mean attention weight against time difference for each model and its untrained control, with the uniform value as a line.", "classes": "dark-light"}}
profiles = {
    name: measures.bootstrap(s.in_section.mean(axis=(1, 2))) for name, s in summaries.items()
}
plots.plot_by_difference(profiles)
plt.show()

# %% mystnb={"figure": {"name": "fig-attention-sections", "caption": "The same for single sub-sections of the first test trajectory, from the first (dark) to the last (light). What looks like a preference for a distance is the key timesteps of that sub-section, seen from all its frames."}, "image": {"alt": "Curves of attention against time difference in each sub-section of one trajectory, irregular and different from each other.", "classes": "dark-light"}}
figure, axes = plt.subplots(
    1, len(models), figsize=figure_size(1.0, 0.38), sharey=True, squeeze=False
)
for ax, size in zip(axes[0], models, strict=True):
    plots.plot_sections(study.section_profiles(summaries[size]), ax).set_title(size)
plt.show()

# %% [markdown]
# One trajectory at a time ({numref}`fig-attention-sections`) the curves are far from flat.
#
# ## How few timesteps hold how much
#
# {numref}`fig-attention-lorenz` orders the frames of each trajectory by the attention they receive
# and adds it up. The most attended twentieth of the frames, here called *key timesteps*, receives
# {glue:text}`attention_share_small:.3f` of the small model's attention
# ({glue:text}`attention_share_small_low:.3f` to {glue:text}`attention_share_small_high:.3f`), where
# uniform attention gives a twentieth and the untrained network
# {glue:text}`attention_share_control:.3f`. Single heads go much further: the most concentrated head
# gives them {glue:text}`attention_share_best_head:.2f`.
#
# That the key timesteps are attended to *by all others* is true, and weaker evidence than it looks:
# {glue:text}`attention_readers_small:.3f` of all frames give the ten most attended ones more than
# the uniform weight, but so do {glue:text}`attention_readers_control:.3f` in the untrained network.
# A head with few dimensions cannot do otherwise: with {glue:text}`attention_head_size:.0f` dimensions
# for each query, only a handful of preferences is possible. The share of the variance of the weights
# that the column alone explains is {glue:text}`attention_columns_small:.2f`, against
# {glue:text}`attention_columns_control:.2f` before training.

# %%
best = measures.top_share(summaries[first_size].received, study.KEY_FRACTION).mean(axis=0).max()
glue("attention_share_best_head", float(best), display=False)
control = f"{first_size} untrained"
for key, value in zip(("", "_low", "_high"), table["share"][first_size], strict=True):
    glue(f"attention_share_small{key}", float(value), display=False)
glue("attention_share_control", float(table["share"][control][0]), display=False)
for measure in ("readers", "columns"):
    glue(f"attention_{measure}_small", float(table[measure][first_size][0]), display=False)
    glue(f"attention_{measure}_control", float(table[measure][control][0]), display=False)
config = models[first_size].config
glue("attention_head_size", config.hidden_size / config.num_attention_heads, display=False)

# %% mystnb={"figure": {"name": "fig-attention-lorenz", "caption": "Share of all attention (mean over layers and heads) that goes to the most attended frames. The further above the diagonal, the fewer frames hold more. Bands: bootstrap over trajectories."}, "image": {"alt": "Lorenz curves of attention received, above the diagonal for trained models and close to it for untrained ones.", "classes": "dark-light"}}
curves = {
    name: measures.bootstrap(measures.lorenz_curve(s.mean_received))
    for name, s in summaries.items()
}
plots.plot_lorenz(curves)
plt.show()

# %% [markdown]
# ## Which timesteps they are
#
# {numref}`fig-attention-received` shows one trajectory. {numref}`fig-attention-features` asks, for
# all of them, how often key timesteps are also among the top twentieth by another property: close
# to the start, far from the trajectory's mean in standard deviations ("extreme"), high in potential
# energy, fast, near the ridge between the states, near a change of state. By chance the ratio is 1;
# it can be {glue:text}`attention_enrichment_limit:.0f` at most.

# %% mystnb={"figure": {"name": "fig-attention-received", "caption": "Attention received by the frames of one test trajectory, averaged over layers and heads of the smallest model. Left, along time, coloured by state; right, in the plane, the most attended frames darkest and on top; the star is the start."}, "image": {"alt": "Attention received along the frames of a trajectory, and the same trajectory in the plane with outlying points dark.", "classes": "dark-light"}}
shown = min(example, len(summaries[first_size].rollout) - 1)
received = summaries[first_size].mean_received[shown]
states = assign_states(data.trajectories[shown])
figure, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.42), width_ratios=[1.3, 1])
plots.plot_received(data.trajectories[shown], received, states, axes)
plt.show()

# %% mystnb={"figure": {"name": "fig-attention-features", "caption": "How much more often than by chance key timesteps are among the top twentieth of frames by another property. Black line: chance. Intervals over trajectories; for transitions only trajectories that have one."}, "image": {"alt": "Intervals of enrichment for six properties of frames.", "classes": "dark-light"}}
features = study.key_features(summaries, data.trajectories)
glue("attention_enrichment_limit", 1 / study.KEY_FRACTION, display=False)
for feature in features:
    glue(f"attention_{feature}_small", float(features[feature][first_size][0]), display=False)
    glue(f"attention_{feature}_control", float(features[feature][control][0]), display=False)
plots.plot_intervals(features, "enrichment among key timesteps", reference=1)
plt.show()

# %% [markdown]
# In the small model key timesteps are extremes of the standardised coordinates
# ({glue:text}`attention_extreme_small:.1f` times chance, untrained
# {glue:text}`attention_extreme_control:.1f`). A reason suggests itself, untested here: such frames
# say most about the shift and scale that standardisation took away. The start as such is at
# {glue:text}`attention_early_small:.1f` times chance, frames near a change of state at
# {glue:text}`attention_transition_small:.1f`.
#
# ## Heads with few targets
#
# The exponential of the entropy of a row of {eq}`eq-attention-weights` counts how many frames a
# query attends to. {numref}`fig-attention-targets` gives it for each head.

# %% mystnb={"figure": {"name": "fig-attention-targets", "caption": "How many frames a query attends to, as if with equal weight (exponential of the mean entropy), one point for each head, averaged over trajectories; crosses: untrained. Uniform attention would give the number of frames, one thousand."}, "image": {"alt": "Points for every head against layer on a logarithmic scale, crosses for untrained ones.", "classes": "dark-light"}}
targets = {name: s.targets.mean(axis=0) for name, s in summaries.items()}
glue("attention_fewest_small", float(targets[first_size].min()), display=False)
glue("attention_fewest_control", float(targets[control].min()), display=False)
plots.plot_head_counts(targets)
plt.show()

# %% [markdown]
# The head of the small model with the fewest targets attends to {glue:text}`attention_fewest_small:.0f` frames; before
# training the fewest are {glue:text}`attention_fewest_control:.0f`.
#
# (section-attention-verdicts)=
# ## Verdicts
#
# Rules, fixed after a look at validation trajectories only: *there are key timesteps* if the share of the
# most attended twentieth lies above that of the untrained network, interval against interval; *all
# others attend to them* if nine in ten frames or more give the ten most attended frames more than
# the uniform weight; *future and past alike* if $(F - P)/(F + P)$, with $F$ and $P$ the attention to
# later and earlier frames, lies within a tenth of zero; *no local blocks* if the mean weight within
# fifty frames lies within a tenth of the uniform one; *few targets* if more heads than before
# training attend to less than a tenth of the frames (the table gives their number). A claim is
# undecided if the interval crosses the border. On local blocks, the verdicts of the medium
# and large models judge their start as well: two heads with all their weight on neighbours are enough to raise
# the mean weight within fifty frames. On key timesteps, those of the large model do: one head was
# built to attend to the first frame only.

# %%
verdicts = study.verdicts(table, summaries)
print(verdicts.to_string(index=False))
for claim, size, *_, verdict in verdicts.itertuples(index=False):
    glue(f"attention_verdict_{claim.replace(' ', '_')}_{size}", verdict, display=False)
for claim, rows in verdicts.groupby("claim"):
    words = verdicts_in_words(rows.set_index("model")["verdict"])
    glue(f"attention_verdicts_{claim.replace(' ', '_')}", words, display=False)
for measure in ("sides", "local", "own state"):
    for key, value in zip(("", "_low", "_high"), table[measure][first_size], strict=True):
        glue(f"attention_{measure.replace(' ', '_')}{key}", float(value), display=False)
heads = study.extreme_heads(summaries[first_size])
for measure, value in heads.items():
    glue(f"attention_{measure}_extreme_head", value, display=False)

# %%
# NBVAL_CHECK_OUTPUT
print(f"{first_size}: attention received by the key timesteps", end=" ")
print(f"{table['share'][first_size][0]:.2f}, untrained {table['share'][control][0]:.2f}")
print(f"readers {table['readers'][first_size][0]:.2f}, local {table['local'][first_size][0]:.1f}")

# %% [markdown]
# For the small model future minus past is {glue:text}`attention_sides:.3f`
# ({glue:text}`attention_sides_low:.3f` to {glue:text}`attention_sides_high:.3f`) and the mean weight
# within fifty frames {glue:text}`attention_local:.3f` ({glue:text}`attention_local_low:.3f` to
# {glue:text}`attention_local_high:.3f`). These are averages over heads, in which much cancels: the most
# one-sided head has {glue:text}`attention_sides_extreme_head:+.2f`, the most local one
# {glue:text}`attention_local_extreme_head:.2f`. Windows of time could also miss blocks of *state*: in
# trajectories that visit both states, a frame gives its own state
# {glue:text}`attention_own_state:.2f` times the weight that the average row gives it
# ({glue:text}`attention_own_state_low:.2f` to {glue:text}`attention_own_state_high:.2f`), and in one
# head {glue:text}`attention_own_state_extreme_head:.2f` times.
#
# ## Does the answer depend on what is attended to?
#
# Attention weights say where a layer looks, not what its answer rests on {cite}`jain2019`. Four measures of the
# importance of a piece of trajectory are compared: the attention it receives; *rollout*
# {cite}`abnar2020`, which follows the weights through all layers,
#
# $$ r_{l-1} = \tfrac{1}{2} \, r_l (\bar A^{l} + 1), \qquad r_L = (1/N, \dots, 1/N), $$ (eq-attention-rollout)
#
# with $\bar A^l$ averaged over heads; *gradient* times input of the log-odds of B against A; and
# *occlusion*: the change of the log-odds when a twentieth of the trajectory is removed, the other
# frames keeping their coordinates and positions. Only the last is an experiment.

# %% mystnb={"figure": {"name": "fig-attention-agreement", "caption": "Rank correlation between measures of which twentieth of a trajectory matters, mean and interval over trajectories. Black line: no relation."}, "image": {"alt": "Intervals of rank correlations for six pairs of importance measures.", "classes": "dark-light"}}
agreement = {
    size: study.agreement(models[size], data.trajectories, summaries[size], occluded[size])
    for size in models
}
pairs = {pair: {size: agreement[size][pair] for size in models} for pair in agreement[first_size]}
for pair, found in pairs.items():
    key = pair.replace(" – ", "_")
    glue(f"attention_rho_{key}", float(found[first_size][0]), display=False)
plots.plot_intervals(pairs, "rank correlation", reference=0)
plt.show()

# %% [markdown]
# In {numref}`fig-attention-agreement` attention and rollout of the small model rank alike
# ({glue:text}`attention_rho_attention_rollout:.2f`), as they are made of the same weights. With
# occlusion attention correlates at {glue:text}`attention_rho_attention_occlusion:.2f` and the gradient
# at {glue:text}`attention_rho_gradient_occlusion:.2f`.
#
# A second experiment removes frames one by one rather than in sections: the most attended ones,
# those with the largest gradient, or random ones ({numref}`fig-attention-deletion`). If the answer
# rested on the key timesteps, it should suffer more from their loss.

# %% mystnb={"figure": {"name": "fig-attention-deletion", "caption": "Accuracy on test trajectories after removal of frames: most attended, largest gradient, or random. One panel for each size; intervals over trajectories."}, "image": {"alt": "Accuracy against number of frames removed, for three orders of removal.", "classes": "dark-light"}}
n_removed = [0, 10, 50, 200, 500]
removed = {
    size: study.deletions(models[size], data, summaries[size], n_removed, seed) for size in models
}
figure, axes = plt.subplots(
    1, len(models), figsize=figure_size(1.0, 0.42), sharey=True, squeeze=False
)
for ax, size in zip(axes[0], models, strict=True):
    shown = {order: measures.bootstrap(right) for order, right in removed[size].items()}
    plots.plot_deletion(n_removed, shown, ax).set_title(size)
plt.show()

# %%
losses = {size: removed[size]["random"] - removed[size]["most attended"] for size in models}
cost = {size: measures.bootstrap(loss) for size, loss in losses.items()}  # paired by trajectory
for key, value in zip(("", "_low", "_high"), cost[first_size], strict=True):
    glue(f"attention_key_cost{key}", float(value[2]), display=False)
glue("attention_removed_random", float(removed[first_size]["random"][:, 2].mean()), display=False)
glue("attention_removed_none", float(removed[first_size]["random"][:, 0].mean()), display=False)
glue("attention_n_removed", n_removed[2], display=False)

# %%
frame = {size: [study.as_text(v) for v in zip(*cost[size], strict=True)] for size in models}
print("accuracy lost with the most attended frames, beyond that lost with random ones")
print(pd.DataFrame(frame, index=[f"{n} removed" for n in n_removed]).to_string())

# %% [markdown]
# Without {glue:text}`attention_n_removed:d` random frames the small model's accuracy on these
# trajectories is {glue:text}`attention_removed_random:.3f`, from
# {glue:text}`attention_removed_none:.3f` with all; without as many of the most attended ones it is
# lower by {glue:text}`attention_key_cost:.3f` ({glue:text}`attention_key_cost_low:.3f` to
# {glue:text}`attention_key_cost_high:.3f`, paired by trajectory). An interval above zero means that
# the key timesteps, taken together, do carry part of the answer, although attention ranks the
# sections of one trajectory only loosely as occlusion does.
#
# ## Heads silenced
#
# Setting the output of a head to zero measures what it is good for, for each of the two losses
# ({numref}`fig-attention-ablation`). The derivative with respect to a factor on the head's output
# {cite}`michel2019` predicts it to first order without any ablation.

# %% mystnb={"figure": {"name": "fig-attention-ablation", "caption": "Small model: increase of the trajectory loss (left) and of the cross-entropy (right) when one head is silenced, averaged over trajectories. Orange: the head was useful; purple: the loss falls without it."}, "image": {"alt": "Two heat maps of loss increase by layer and head.", "classes": "dark-light"}}
changes = study.ablation(models[first_size], data, occluded[first_size])
figure, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.32))
for ax, change, title in zip(axes, changes, ("next frame", "state"), strict=True):
    plots.plot_head_effects(change.mean(axis=-1), title, ax)
plt.show()

# %%
n = changes.shape[-1]
slopes = head_gradients(models[first_size], data.trajectories[:n], data.labels[:n])
effect = np.abs(changes).mean(axis=-1).reshape(2, -1)
few = -summaries[first_size].targets.mean(axis=0).ravel()
predicted = measures.rank_correlation(slopes.mean(axis=0).ravel(), effect[1])
glue("attention_rho_slope_ablation", float(predicted), display=False)
for loss, values in zip(("frame", "state"), effect, strict=True):
    correlation = float(measures.rank_correlation(few, values))
    glue(f"attention_rho_few_{loss}", correlation, display=False)

# %% [markdown]
# Over the heads of the small model the rank correlation of the size of the effect on the
# cross-entropy with its first-order prediction is {glue:text}`attention_rho_slope_ablation:.2f`;
# with how few targets a head has, {glue:text}`attention_rho_few_state:.2f` (and
# {glue:text}`attention_rho_few_frame:.2f` for the effect on the next frame). The attention of whole
# layers, silenced one at a time, for every size:

# %%
n_layers_shown = {size: study.ablation(models[size], data, occluded[size], True) for size in models}
rows = {
    (size, loss): pd.Series(change.mean(axis=(1, 2)), index=range(1, len(change) + 1))
    for size, changes_ in n_layers_shown.items()
    for loss, change in zip(("frame", "state"), changes_, strict=True)
}
by_layer_silenced = pd.DataFrame(rows).rename_axis(index="layer")
print(by_layer_silenced.round(3).to_string(na_rep=""))

# %% [markdown]
# ## Takeaway
#
# Key timesteps exist and are learned, in the sense that the share of attention they hold lies above
# that of the untrained network; they are, first of all, extremes of the coordinates. That all frames
# attend to them is also true of networks that have learned nothing, because heads are so narrow, and
# so is no evidence of learning by itself. On average attention leans neither to the future nor to
# the neighbourhood by much; single heads do both.
#
# Attention (and rollout, made of it), gradient and occlusion rank the parts of a trajectory
# differently, and only the experiments on frames and heads bear on the answer.
#
# What was not shown: how the answer is computed. Ablation sets outputs to zero, which is a state the network never saw; removing frames
# shifts the mean over frames that the classifier reads. The control is one draw of random weights for
# each size, and the trained models are one run each: scatter is over trajectories, not over trainings.
# During training a read-out that asked for positions and for the start pushed the encoder to use such
# frames (see the training chapter); the poster's own models had none, and may attend otherwise.
