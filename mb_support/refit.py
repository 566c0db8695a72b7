"""The classifier's head fitted again, to encodings that are made once.

The encoder is most of a model and its last head is little: where only that head is to learn, each
trajectory is encoded once, and the head is shown the mean of its encodings many times.
"""

import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm
from transformers import Trainer, TrainingArguments, default_data_collator

from .model import TrajectoryTransformer

#: Steps whose trajectories are encoded and kept together: what an interrupted run may lose.
STEPS_KEPT = 20
#: How the head learns, each batch being one of mean encodings.
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 256, 3e-3, 0.1


def refit_classifier(model, stream, config, folder, progress=True):
    """Fit g anew, to what the `teacher` says of the trajectories of a stream.

    Parameters
    ----------
    model : GuidedTransformer
        Only its `state_classifier` is changed.
    stream : FreshTrajectories
        With "soft_labels".
    config : TrainingConfig
        `n_steps` batches of `batch_size` trajectories are encoded, and shown `n_passes` times.
    folder : path
        Where mean encodings are kept: the same call goes on where an interrupted one stopped.
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
    encodings = torch.from_numpy(np.concatenate([piece["encodings"] for piece in kept]))
    soft_labels = torch.from_numpy(np.concatenate([piece["soft_labels"] for piece in kept]))
    started = time.monotonic()
    loss = _fit(model.state_classifier, encodings, soft_labels.float(), config, folder, progress)
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
    started, encodings, soft_labels, losses = time.monotonic(), [], [], []
    model.train()  # no dropout: what is encoded is what the loss is of
    for step in steps:
        items = range(step * config.batch_size, (step + 1) * config.batch_size)
        batch = default_data_collator(stream.__getitems__(items))
        output = TrajectoryTransformer.forward(model, batch["trajectories"], batch["labels"])
        encodings.append(output.encodings.mean(dim=1))
        soft_labels.append(batch["soft_labels"])
        losses.append(
            [output.trajectory_loss, _cross_entropy(output.state_logits, soft_labels[-1])]
        )
    trajectory_loss, classification_loss = np.mean(losses, axis=0)
    piece = {
        "made_for": made_for,
        "encodings": torch.cat(encodings).numpy(),
        "soft_labels": torch.cat(soft_labels).numpy(),
        "trajectory_loss": trajectory_loss,
        "classification_loss": classification_loss,
        "seconds": time.monotonic() - started,
    }
    partial = path.with_suffix(".tmp.npz")
    np.savez(partial, **piece)
    partial.replace(path)
    return piece


def _fit(head, encodings, soft_labels, config, folder, progress):
    # train a head of the same shape on standardised encodings, and let `head` do the same to
    # plain ones; returns the mean cross-entropy of the last pass
    torch.manual_seed(config.seed)
    for module in head:
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    std, mean = torch.std_mean(encodings, dim=0)
    n_steps = math.ceil(config.n_passes * len(encodings) / BATCH_SIZE)
    trainer = Trainer(
        model=_Fitted(head),
        args=TrainingArguments(
            output_dir=str(folder),
            max_steps=n_steps,
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="cosine",
            warmup_steps=n_steps // 10,
            weight_decay=WEIGHT_DECAY,
            seed=config.seed,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=not progress,
            dataloader_pin_memory=False,
        ),
        train_dataset=_Pairs((encodings - mean) / std, soft_labels),
    )
    trainer.train()
    with torch.no_grad():
        loss = float(_cross_entropy(head((encodings - mean) / std), soft_labels))
        first = head[0]
        first.weight /= std
        first.bias -= first.weight @ mean
    return loss


def _cross_entropy(logits, soft_labels):
    return -(soft_labels * functional.log_softmax(logits, dim=-1)).sum(dim=-1).mean()


class _Fitted(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, encodings, soft_labels):
        return {"loss": _cross_entropy(self.head(encodings), soft_labels)}


class _Pairs(torch.utils.data.Dataset):
    def __init__(self, encodings, soft_labels):
        self._encodings, self._soft_labels = encodings, soft_labels

    def __len__(self):
        return len(self._encodings)

    def __getitem__(self, index):
        return {"encodings": self._encodings[index], "soft_labels": self._soft_labels[index]}
