"""Checks of the chapter on model and loss: counts, readings of the loss, attention loops."""

import copy

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from ..model.losses import trajectory_loss
from ..model.settings import SIZES, TrajectoryConfig
from ..model.transformer import TrajectoryTransformer
from ..statistics import bootstrap_mean

#: Least cosine of two gradients that are said to lead the same way.
SAME_WAY = 0.9
#: Share of a loss up to which a change of it is said to decide nothing.
NEGLIGIBLE = 0.02
_PARTS = ("inputs_to_hidden_dim", "embeddings", "encoder", "feature_predictor", "state_classifier")
#: Parameters behind the figures of the poster's table, part by part. It prints them abbreviated,
#: as `abbreviated` does.
POSTER_COUNTS = {
    "small": dict(zip(_PARTS, (48, 16_416, 21_568, 338, 338), strict=True)),
    "medium": dict(zip(_PARTS, (192, 65_664, 399_872, 4_418, 4_418), strict=True)),
    "large": dict(zip(_PARTS, (360, 123_120, 2_184_864, 15_002, 15_002), strict=True)),
}


def abbreviated(count):
    """A count as PyTorch Lightning's summary prints it: "16.4 K", and "399 K" from 100 on."""
    if count < 0:
        raise ValueError(f"count must not be negative; got {count}")
    units = ["", "K", "M", "B", "T"]
    level = min((len(str(int(count))) - 1) // 3, len(units) - 1)
    number = count / 1000**level
    shown = f"{int(number)}" if level == 0 or number >= 100 else f"{number:.1f}"
    return f"{shown} {units[level]}".strip()


def parameter_table():
    """Counts of freshly built models beside the poster's, by (size, part)."""
    rows = []
    for size in SIZES:
        model = TrajectoryTransformer(TrajectoryConfig.of_size(size))
        poster = POSTER_COUNTS[size] | {"total": sum(POSTER_COUNTS[size].values())}
        for part, module in (dict(model.named_children()) | {"total": model}).items():
            count = sum(p.numel() for p in module.parameters())
            words = abbreviated(count), abbreviated(poster[part])
            rows.append((size, part, count, *words, count == poster[part]))
    columns = ["size", "part", "ours", "printed", "poster", "equal"]
    return pd.DataFrame(rows, columns=columns).set_index(["size", "part"])


def layer_table():
    """Layers, heads and dimensions of each size."""
    rows = {}
    for size in SIZES:
        config = TrajectoryConfig.of_size(size)
        heads, hidden = config.num_attention_heads, config.hidden_size
        rows[size] = (config.num_hidden_layers, hidden, heads, hidden // heads)
    columns = ["layers", "dimensions h", "heads", "dimensions of a head"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def both_readings(model, data):
    """Both readings of the loss, one pass or two, in a row for each trajectory of a set.

    "trajectory" is L_traj, the same in both; "mse" the library's; "one" and "two" cross-entropies;
    "unbiased" L_traj if statistics are as in the author's script, those of all frames.
    """
    x_all, labels = torch.from_numpy(data.trajectories), torch.from_numpy(data.labels)
    rows = []
    with torch.no_grad():
        for x, label in zip(x_all.split(1), labels.split(1), strict=True):
            shown, mean, std = model.standardise(x[:, :-1])
            encodings = model.encode(shown)
            predicted, target = model.feature_predictor(encodings), (x[:, 1:] - mean) / std
            whole = (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)
            as_author = model.feature_predictor(model.encode(whole[:, :-1]))
            row = {
                "trajectory": trajectory_loss(predicted, target).item(),
                "mse": functional.mse_loss(predicted, target).item(),
                "unbiased": trajectory_loss(as_author, whole[:, 1:]).item(),
            }
            logits = {"one": model.classify(encodings), "two": model(x).state_logits}
            for name, of_pass in logits.items():
                row[name] = functional.cross_entropy(of_pass, label).item()
                row[f"{name}_right"] = bool(of_pass.argmax() == label)
            rows.append(row)
    return pd.DataFrame(rows)


def gradient_of_reading(model, trajectories, labels, passes):
    """Flat gradient of the total loss by all parameters in "one" or "two" passes; the model's mode
    and gradients are left as they were."""
    before, was_training = model.config.passes, model.training
    model.config.passes = passes
    model.train()
    try:
        loss = model(torch.from_numpy(trajectories), labels=torch.from_numpy(labels)).loss
        parameters = list(model.parameters())
        gradients = torch.autograd.grad(loss, parameters, materialize_grads=True, allow_unused=True)
    finally:
        model.config.passes = before
        model.train(was_training)
    return torch.cat([gradient.flatten() for gradient in gradients]).numpy()


def compare_gradients(model, data, batch=4):
    """Cosine of the angle between the gradients of the two readings, batch by batch."""
    cosines = []
    for start in range(0, len(data) - batch + 1, batch):
        few = data.trajectories[start : start + batch], data.labels[start : start + batch]
        one, two = (gradient_of_reading(model, *few, passes) for passes in ("one", "two"))
        cosines.append(float(one @ two / np.sqrt((one @ one) * (two @ two))))
    return np.array(cosines)


def readings_in_words(cosines):
    """What gradients say: "lead the same way" if every cosine is at least `SAME_WAY`, "mostly" if
    their mean is, else "lead different ways"."""
    if np.min(cosines) >= SAME_WAY:
        return "lead the same way"
    return "mostly lead the same way" if np.mean(cosines) >= SAME_WAY else "lead different ways"


def change_in_words(change, whole):
    """Whether a change of a loss matters: "does not decide anything" up to `NEGLIGIBLE` of it."""
    small = abs(change) <= NEGLIGIBLE * abs(whole)
    return "does not decide anything" if small else "is not to be neglected"


def numbers(losses, cosines):
    """What the chapter says of the readings of the loss, by name."""
    whole = float(losses["trajectory"].mean())
    change = losses["unbiased"] - losses["trajectory"]
    found = {
        "ce_one": float(losses["one"].mean()),
        "ce_two": float(losses["two"].mean()),
        "n_differ": int((losses["one_right"] != losses["two_right"]).sum()),
        "n_compared": len(losses),
        "norm_ratio": float((losses["trajectory"] / losses["mse"]).mean()),
        "trajectory_loss": whole,
        "statistics_matter": change_in_words(change.mean(), whole),
        "cosine": float(np.mean(cosines)),
        "cosine_least": float(np.min(cosines)),
        "readings": readings_in_words(cosines),
    }
    shifts = {"two_minus_one": losses["two"] - losses["one"], "statistics": change}
    for name, values in shifts.items():
        for end, value in zip(("", "_low", "_high"), bootstrap_mean(values), strict=True):
            found[f"{name}{end}"] = float(value)
    return found


def implementation_errors(models, trajectories):
    """Largest errors of encodings against double precision, by attention and name of a model."""
    x, rows = torch.from_numpy(trajectories), {}
    for size, model in models.items():
        exact = TrajectoryTransformer(copy.deepcopy(model.config)).double().eval()
        exact.load_state_dict(model.state_dict())
        exact.set_attn_implementation("eager")
        before, rows[size] = model.config._attn_implementation, {}
        with torch.no_grad():
            reference = exact(x.double()).encodings
            for name in ("eager", "sdpa", "cpu_fused"):
                model.set_attn_implementation(name)
                rows[size][name] = float((model(x).encodings - reference).abs().max())
        model.set_attn_implementation(before)
    return pd.DataFrame(rows)
