"""Checks of the chapter on model and loss: counts, readings of the loss, attention loops."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from ..model.losses import trajectory_loss
from ..model.settings import SIZES, TrajectoryConfig
from ..model.transformer import TrajectoryTransformer

#: Least cosine of two gradients that are said to lead the same way.
SAME_WAY = 0.9
#: Share of a loss up to which a change of it is said to decide nothing.
NEGLIGIBLE = 0.02
_PARTS = ("inputs_to_hidden_dim", "embeddings", "encoder", "feature_predictor", "state_classifier")
#: Parameters behind the figures of the poster's table, part by part. It prints them abbreviated,
#: as `abbreviated` does.
POSTER_COUNTS = MappingProxyType(
    {
        "small": dict(zip(_PARTS, (48, 16_416, 21_568, 338, 338), strict=True)),
        "medium": dict(zip(_PARTS, (192, 65_664, 399_872, 4_418, 4_418), strict=True)),
        "large": dict(zip(_PARTS, (360, 123_120, 2_184_864, 15_002, 15_002), strict=True)),
    }
)


def abbreviated(count):
    """A count as PyTorch Lightning's summary prints it: "16.4 K", and "399 K" from 100 on."""
    if count < 0:
        raise ValueError(f"count must not be negative; got {count}")
    units = ["", "K", "M", "B", "T"]
    level = min(max(0, (len(str(int(count))) - 1) // 3), len(units) - 1)
    number = count / 1000**level
    if level == 0 or number >= 100:
        return f"{int(number)} {units[level]}".strip()
    return f"{number:.1f} {units[level]}"


def parameter_table():
    """Counts of freshly built models beside the poster's, by (size, part).

    Columns ours, printed (ours, abbreviated), poster (abbreviated), equal (of the counts).
    """
    rows = []
    for size in SIZES:
        model = TrajectoryTransformer(TrajectoryConfig.of_size(size))
        parts = dict(model.named_children()) | {"total": model}
        poster = POSTER_COUNTS[size] | {"total": sum(POSTER_COUNTS[size].values())}
        for part, module in parts.items():
            count = sum(p.numel() for p in module.parameters())
            words = abbreviated(count), abbreviated(poster[part])
            rows.append((size, part, count, *words, count == poster[part]))
    columns = ["size", "part", "ours", "printed", "poster", "equal"]
    return pd.DataFrame(rows, columns=columns).set_index(["size", "part"])


def both_readings(model, data):
    """Both readings of the loss, one pass or two, in a row for each trajectory of a set.

    Columns: trajectory (L_traj, the same in both readings), mse (the library's), one, two
    (cross-entropies), one_right, two_right (bool), unbiased (L_traj if the statistics are those
    of all frames with the unbiased deviation, as in the author's script).
    """
    x = torch.from_numpy(data.trajectories)
    labels = torch.from_numpy(data.labels)
    rows = []
    with torch.no_grad():
        for one, label in zip(x.split(1), labels.split(1), strict=True):
            shown, mean, std = model.standardise(one[:, :-1])
            encodings = model.encode(shown)
            predicted, target = model.feature_predictor(encodings), (one[:, 1:] - mean) / std
            whole = (one - one.mean(1, keepdim=True)) / one.std(1, keepdim=True)
            as_author = model.feature_predictor(model.encode(whole[:, :-1]))
            logits = model.classify(encodings), model(one).state_logits
            rows.append(
                {
                    "trajectory": trajectory_loss(predicted, target).item(),
                    "mse": functional.mse_loss(predicted, target).item(),
                    "one": functional.cross_entropy(logits[0], label).item(),
                    "two": functional.cross_entropy(logits[1], label).item(),
                    "one_right": bool(logits[0].argmax() == label),
                    "two_right": bool(logits[1].argmax() == label),
                    "unbiased": trajectory_loss(as_author, whole[:, 1:]).item(),
                }
            )
    return pd.DataFrame(rows)


def gradient_of_reading(model, trajectories, labels, passes):
    """Gradient of the total loss with respect to all parameters, flattened.

    `passes` is "one" or "two"; the model's mode and gradients are left as they were.
    """
    before, was_training = model.config.passes, model.training
    model.config.passes = passes
    model.train()
    try:
        loss = model(torch.from_numpy(trajectories), labels=torch.from_numpy(labels)).loss
        gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    finally:
        model.config.passes = before
        model.train(was_training)
    flat = [
        (torch.zeros_like(p) if g is None else g).flatten()
        for g, p in zip(gradients, model.parameters(), strict=True)
    ]
    return torch.cat(flat).numpy()


def compare_gradients(model, data, batch=4):
    """Cosine of the angle between the gradients of the two readings, batch by batch."""
    cosines = []
    for start in range(0, len(data) - batch + 1, batch):
        part = slice(start, start + batch)
        one, two = (
            gradient_of_reading(model, data.trajectories[part], data.labels[part], passes)
            for passes in ("one", "two")
        )
        cosines.append(float(one @ two / np.sqrt((one @ one) * (two @ two))))
    return np.array(cosines)


def readings_in_words(cosines):
    """What gradients say: "lead the same way" if every cosine is at least `SAME_WAY`.

    "mostly lead the same way" if their mean is, else "lead different ways".
    """
    cosines = np.asarray(cosines, dtype=float)
    if cosines.size == 0 or not (np.abs(cosines) <= 1 + 1e-5).all():
        raise ValueError(f"cosines must be from -1 to 1, at least one; got {cosines.tolist()}")
    if cosines.min() >= SAME_WAY:
        return "lead the same way"
    return "mostly lead the same way" if cosines.mean() >= SAME_WAY else "lead different ways"


def change_in_words(change, whole):
    """Whether a change of a loss matters: "does not decide anything" up to `NEGLIGIBLE` of it."""
    small = abs(change) <= NEGLIGIBLE * abs(whole)
    return "does not decide anything" if small else "is not to be neglected"


def implementation_errors(model, trajectories):
    """Largest errors of encodings and log-odds by attention implementation.

    Against the same model in float64.
    """
    exact = TrajectoryTransformer(model.config).double().eval()
    exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    x = torch.from_numpy(trajectories)
    before, rows = model.config._attn_implementation, {}
    with torch.no_grad():
        exact.set_attn_implementation("eager")
        reference = exact(x.double())
        try:
            for name in ("eager", "sdpa", "cpu_fused"):
                model.set_attn_implementation(name)
                output = model(x)
                odds, exact_odds = (
                    o.state_logits[:, 1] - o.state_logits[:, 0] for o in (output, reference)
                )
                rows[name] = {
                    "encodings": float((output.encodings - reference.encodings).abs().max()),
                    "log_odds": float((odds - exact_odds).abs().max()),
                }
        finally:
            model.set_attn_implementation(before)
    return pd.DataFrame(rows).T
