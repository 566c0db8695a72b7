"""The classifier's last layer, fitted anew on whole trajectories when the encoder is trained.

Nearly all steps of a run show thinned trajectories (`datasets.thinned_frames`), whose mean and
spread are less certain than those of whole ones. The best boundary between the states is then not
quite the same, and a few steps at full length and at the floor of the learning rate do not move
it. Fitting the last layer alone is a logistic regression, and costs one pass without gradients.
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from .datasets import FreshTrajectories, family_seed
from .inference import rows_per_batch


def last_features(model, trajectories):
    """What the classifier's last layer is given, (n, hidden_size) ndarray of float32.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) Tensor
    """
    with torch.no_grad():
        encodings = model.encode(model.standardise(trajectories)[0])
        return model.state_classifier[:-1](encodings.mean(dim=1)).cpu().numpy()


def refit_classifier(model, config, progress=True):
    """Fit the last layer of the classifier to fresh whole trajectories, in place.

    Every second one starts near the ridge between the basins, where the boundary is decided. They
    come from a stream of their own, which no other part of a training or test sees.

    Parameters
    ----------
    model : TrajectoryTransformer
        Trained; its other weights stay as they are.
    config : TrainingConfig
        `n_refit` trajectories, of the length of the last stage.
    progress : bool
        Draw a progress bar.

    Raises
    ------
    ValueError
        If there are fewer trajectories than the last layer has inputs.
    """
    n, last = config.n_refit, model.state_classifier[-1]
    if n < last.in_features:
        raise ValueError(f"n_refit must be at least {last.in_features}; got {n}")
    n_frames = config.stages[-1][0]
    seed = family_seed("stream", 8000 + 2 * config.seed)
    stream = FreshTrajectories([(n_frames, n)], seed, config.regime, n_guided=n)
    device, rows = last.weight.device, rows_per_batch(n_frames)
    features, labels = [], []
    for first in tqdm(range(0, n, rows), "last layer", disable=not progress, unit="batch"):
        items = stream.__getitems__(range(first, min(first + rows, n)))
        batch = torch.stack([item["trajectories"] for item in items]).to(device)
        features.append(last_features(model.eval(), batch))
        labels += [int(item["labels"]) for item in items]
    fit = LogisticRegression(C=10.0, max_iter=2000).fit(np.concatenate(features), labels)
    weight, bias = torch.from_numpy(fit.coef_[0]), torch.tensor(fit.intercept_[0])
    with torch.no_grad():  # the two logits of the softmax, equal and opposite
        last.weight.copy_(torch.stack([-weight, weight]) / 2)
        last.bias.copy_(torch.stack([-bias, bias]) / 2)
