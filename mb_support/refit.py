"""The classifier's head fitted further, to encodings that are made once.

Where only the head learns, the mean encoding of a trajectory stays what it is: it is made once, and
shown as often as the head needs.

With a `start_head` there is more to be had. What is asked for is on which side of the ridge a
trajectory starts. The mean encoding tells, to some precision, the shift and scale that the
standardisation took away, and then also the first frame as it was left. To put that frame back
where it was is the head's task, and for that any start is as good as any other: shift and scale of
one trajectory, put together with the first frame of another, make an example whose answer is known.
So a few thousand trajectories, each encoded only once, give millions of examples.
"""

import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from scipy.stats import norm
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm
from transformers import Trainer, TrainingArguments, default_data_collator

from .model import TrajectoryTransformer
from .states import distance_from_ridge

#: Steps whose trajectories are encoded and kept together: what an interrupted run may lose.
STEPS_KEPT = 20
#: Examples in a step of the head.
BATCH_SIZE = 256
#: With a start head: how the new one learns, and the factor on the initial weights with which its
#: neurons read, as they are many, and what they read is little.
NEW_BATCH_SIZE, NEW_LEARNING_RATE, N_EPOCHS, FIRST_SCALE = 1024, 3e-2, 60, 3.0
#: On the weights with which a mean encoding tells mean and log std: copies tell the same.
PENALTY = 1e-2


def refit_classifier(model, stream, config, folder, readings=None, progress=True):
    """Let g go on learning, alone; with a start head, anew.

    Parameters
    ----------
    model : GuidedTransformer
        Only its `state_classifier` is changed.
    stream : FreshTrajectories
        Its "soft_labels" are learnt, or its "labels" where it has none.
    config : TrainingConfig
        `n_steps` batches of `batch_size` trajectories are encoded; each is shown `n_passes` times,
        or with a start head is part of so many examples.
    folder : path
        Where mean encodings are kept: the same call goes on where an interrupted one stopped.
    readings : (3, hidden_size) Tensor, optional
        Where a start head writes (see `start_head.start_readings`), if the model has one.
    progress : bool
        Draw progress bars.

    Returns
    -------
    list of dict
        Log: "step", both losses since the entry before and "elapsed_s" while trajectories are
        encoded, with the head that the model came with, and once more with the new one.

    Raises
    ------
    ValueError
        If `folder` holds encodings of a run with other settings.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    log, kept, began = [], [], 0.0
    pieces = range(0, config.n_steps, STEPS_KEPT)
    for first in tqdm(pieces, "encode", unit=f"{STEPS_KEPT} steps", disable=not progress):
        last = min(first + STEPS_KEPT, config.n_steps)
        piece = _encoded(model, stream, config, range(first, last), folder)
        began += float(piece["seconds"])
        log.append(
            {
                "step": last,
                "trajectory_loss": float(piece["trajectory_loss"]),
                "classification_loss": float(piece["classification_loss"]),
                "elapsed_s": round(began, 1),
            }
        )
        kept.append(piece)
    encoded = {
        name: np.concatenate([piece[name] for piece in kept])
        for name in ("encodings", "soft_labels", "starts", "shapes")
    }
    started = time.monotonic()
    if readings is None:
        _go_on(model.state_classifier, encoded, config, folder, progress)
    else:
        _fit(model.state_classifier, readings, encoded, config, folder, progress)
    with torch.no_grad():
        logits = model.state_classifier(torch.from_numpy(encoded["encodings"]))
    loss = float(_cross_entropy(logits, torch.from_numpy(encoded["soft_labels"])))
    seconds = round(began + time.monotonic() - started, 1)
    return [*log, log[-1] | {"classification_loss": loss, "elapsed_s": seconds}]


@torch.no_grad()
def _encoded(model, stream, config, steps, folder):
    # mean encodings of the trajectories of these steps: kept ones, if they are there
    path = folder / f"encodings-{steps.start}.npz"
    made_for = json.dumps(asdict(config))
    if path.exists():
        with np.load(path) as kept:
            piece = dict(kept)
        if str(piece["made_for"]) != made_for:
            raise ValueError(
                f"{path} was made by a run with other settings: choose another folder, or "
                "resume=False (--restart) to begin anew"
            )
        return piece
    started, losses = time.monotonic(), []
    encodings, soft_labels, starts, shapes = [], [], [], []
    model.train()  # no dropout: what is encoded is what the loss is of
    for step in steps:
        items = range(step * config.batch_size, (step + 1) * config.batch_size)
        batch = default_data_collator(stream.__getitems__(items))
        output = TrajectoryTransformer.forward(model, batch["trajectories"], batch["labels"])
        encodings.append(output.encodings.mean(dim=1))
        states = functional.one_hot(batch["labels"], model.config.n_states).double()
        soft_labels.append(batch.get("soft_labels", states))
        standardised, mean, std = model.standardise(batch["trajectories"][:, :-1])
        starts.append(standardised[:, 0])
        shapes.append(torch.cat([mean, std.log()], dim=-1)[:, 0])
        losses.append(
            [output.trajectory_loss, _cross_entropy(output.state_logits, soft_labels[-1])]
        )
    trajectory_loss, classification_loss = np.mean(losses, axis=0)
    piece = {
        "made_for": made_for,
        "encodings": torch.cat(encodings).numpy(),
        "soft_labels": torch.cat(soft_labels).numpy(),
        "starts": torch.cat(starts).numpy(),
        "shapes": torch.cat(shapes).numpy(),
        "trajectory_loss": trajectory_loss,
        "classification_loss": classification_loss,
        "seconds": time.monotonic() - started,
    }
    partial = path.with_suffix(".tmp.npz")
    np.savez(partial, **piece)
    partial.replace(path)
    return piece


def _go_on(head, encoded, config, folder, progress):
    # fit a head to the encodings as they are, beginning with what it has learnt
    encodings = encoded["encodings"].astype(float)
    mean, std = encodings.mean(axis=0), encodings.std(axis=0)
    with torch.no_grad():
        head[0].bias += head[0].weight @ torch.from_numpy(mean).float()
        head[0].weight *= torch.from_numpy(std).float()
    known = (encodings - mean) / std
    n_steps = math.ceil(config.n_passes * len(known) / BATCH_SIZE)
    examples = _Examples(known, encoded["soft_labels"])
    _learn(head, examples, BATCH_SIZE, config.learning_rate, n_steps, config, folder, progress)
    with torch.no_grad():
        head[0].weight /= torch.from_numpy(std).float()
        head[0].bias -= head[0].weight @ torch.from_numpy(mean).float()


def _fit(head, readings, encoded, config, folder, progress):
    # fit a head to what is read of an encoding, and let `head` do the same to whole ones
    read, unread = _Reading(encoded, readings.double().numpy()), head[0]
    known, soft_labels = read.recombined(config.n_passes, config.seed)
    mean, std = known.mean(axis=0), known.std(axis=0)
    torch.manual_seed(config.seed)
    head[0] = nn.Linear(len(mean), unread.out_features)
    with torch.no_grad():
        head[0].weight *= FIRST_SCALE
    for module in (head[2], head[3]):
        module.reset_parameters()
    n_steps = math.ceil(N_EPOCHS * len(known) / NEW_BATCH_SIZE)
    examples = _Examples((known - mean) / std, soft_labels)
    _learn(head, examples, NEW_BATCH_SIZE, NEW_LEARNING_RATE, n_steps, config, folder, progress)
    with torch.no_grad():
        first = head[0].weight.double().numpy() / std
        unread.weight.copy_(torch.from_numpy(first @ read.weight))
        unread.bias.copy_(head[0].bias + torch.from_numpy(first @ (read.bias - mean)))
    head[0] = unread


def _learn(head, examples, batch_size, learning_rate, n_steps, config, folder, progress):
    trainer = Trainer(
        model=_Fitted(head),
        args=TrainingArguments(
            output_dir=str(folder),
            max_steps=n_steps,
            per_device_train_batch_size=batch_size,
            learning_rate=learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=n_steps // 10,
            adam_beta2=config.adam_beta2,
            seed=config.seed,
            save_strategy="no",
            logging_strategy="no",
            remove_unused_columns=False,
            report_to="none",
            use_cpu=True,
            disable_tqdm=not progress,
            dataloader_pin_memory=False,
        ),
        train_dataset=examples,
        data_collator=_as_they_are,
    )
    trainer.train()


class _Reading:
    # what is read of encodings, linearly: mean and log std as a least-squares fit tells them, and
    # what the start head writes
    def __init__(self, encoded, readings):
        self._shapes, self._starts = encoded["shapes"], encoded["starts"]
        encodings = encoded["encodings"].astype(float)
        fit = Ridge(PENALTY)
        missed = self._shapes - cross_val_predict(fit, encodings, self._shapes, cv=5)
        self._covariance = missed.T @ missed / len(missed)
        fit.fit(encodings, self._shapes)
        self._told = fit.predict(encodings)
        self._scale, *copied = readings @ encodings.T
        unit = self._scale[:, None] * self._starts
        self._factors = (np.transpose(copied) * unit).sum(axis=0) / (unit**2).sum(axis=0)
        self.weight = np.concatenate([fit.coef_, readings])
        self.bias = np.concatenate([fit.intercept_, np.zeros(len(readings))])

    def recombined(self, n_each, seed):
        # examples with the shape of one trajectory, the first frame of another and the scale of a
        # third; and the shares of the states, given all that is read
        generator, n = np.random.default_rng(seed), len(self._shapes)
        shape, start, scale = (generator.integers(n, size=n_each * n) for _ in range(3))
        mean, log_std = np.split(self._shapes, 2, axis=1)
        raw = mean[start] + np.exp(log_std[start]) * self._starts[start]
        standardised = (raw - mean[shape]) / np.exp(log_std[shape])
        told, scale = self._told[shape], self._scale[scale, None]
        known = np.concatenate([told, scale, scale * self._factors * standardised], axis=1)
        return known, self._shares(told, standardised)

    def _shares(self, told, standardised):
        moved = np.exp(told[:, 2:]) * standardised
        raw, steps = told[:, :2] + moved, 1e-4 * np.eye(2)
        gradient = np.stack(
            [distance_from_ridge(raw + s) - distance_from_ridge(raw - s) for s in steps], axis=1
        )
        gradient /= 2e-4
        slopes = np.concatenate([gradient, gradient * moved], axis=1)
        width = np.sqrt(np.einsum("ni,ij,nj->n", slopes, self._covariance, slopes))
        share_of_a = norm.cdf(distance_from_ridge(raw) / width)
        return np.stack([share_of_a, 1.0 - share_of_a], axis=1)


def _cross_entropy(logits, soft_labels):
    return -(soft_labels * functional.log_softmax(logits, dim=-1)).sum(dim=-1).mean()


class _Fitted(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, known, soft_labels):
        return {"loss": _cross_entropy(self.head(known), soft_labels)}


class _Examples(torch.utils.data.Dataset):
    def __init__(self, known, soft_labels):
        self._known = torch.from_numpy(known).float()
        self._soft_labels = torch.from_numpy(soft_labels).float()

    def __len__(self):
        return len(self._known)

    def __getitems__(self, indices):
        return {"known": self._known[indices], "soft_labels": self._soft_labels[indices]}


def _as_they_are(batch):
    return batch
