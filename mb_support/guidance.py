"""What the simulator may tell a model while it learns: a read-out that is thrown away."""

import torch
from torch import distributed, nn
from torch.nn import functional

from .losses import total_loss
from .model import TrajectoryOutput, TrajectoryTransformer

#: Scale of the read-out's errors, in reduced length (in log length for the scales): a basin, and
#: for models that are taught, what an ideal observer leaves open.
READ_OUT_SCALE, TAUGHT_SCALE = 0.3, 0.02
#: The read-out counts frame t with weight 1 + 20 exp(-t / 4): starts are what is asked for.
EARLY_WEIGHT, EARLY_FRAMES = 20.0, 4.0
#: With neighbour heads: the layer that tells displacements, and the finer scale of errors of the
#: mean and of the log scales, as they can then be known.
DISPLACEMENT_LAYER, SHAPE_SCALE = 2, 0.1


class GuidedTransformer(TrajectoryTransformer):
    """The model with a linear read-out that exists during training only.

    The label of a trajectory says little about why it is right: one bit for a thousand frames.
    The simulator knows more, so for most of a run a linear layer on each frame's encoding also
    has to tell that frame's state and raw position, and the shift and scale that the
    standardisation took away. Its weight in the loss falls to zero and it is thrown away: what
    is left is the poster's model, trained to its end on the poster's loss.

    Parameters
    ----------
    config : TrajectoryConfig
    displacement_layer : int, optional
        A layer, counted from one, whose output has to tell how far each coordinate moved since
        the frame before and will move until the next one, in size: the noise that serves as a
        ruler for the whole trajectory.
    shape_scale, position_scale : float
        Scale of errors of mean and log scales, and of positions.
    """

    def __init__(
        self,
        config,
        displacement_layer=None,
        shape_scale=READ_OUT_SCALE,
        position_scale=READ_OUT_SCALE,
    ):
        super().__init__(config)
        self.guide = nn.Linear(config.hidden_size, config.n_states + 3 * config.n_features)
        self.shape_scale, self.position_scale = shape_scale, position_scale
        self.displacement_guide = None
        if displacement_layer is not None:
            self.displacement_guide = nn.Linear(config.hidden_size, 2 * config.n_features)
            layer = self.encoder.layer[displacement_layer - 1]
            layer.register_forward_hook(self._keep_layer)

    def _keep_layer(self, module, inputs, output):
        self._layer_output = output

    def forward(
        self,
        trajectories,
        labels=None,
        states=None,
        soft_labels=None,
        located=None,
        guidance=None,
        frames=None,
        counts=None,
    ):
        """As `TrajectoryTransformer`; with `states` (batch, n_frames), the auxiliary loss too.

        With `located` (batch, n_frames - 1, 2), that is what is to be told, not `trajectories`.
        With `soft_labels` (batch, n_states), shares of the states take the place of the label, as
        far as `guidance` (batch) says.

        With `frames` and `counts` (batch, n_kept), the encoder is shown these frames only, each
        standing for so many: its key counts that often in attention, its encoding in the mean.
        In L_traj each counts once.
        """
        if frames is None:
            output = super().forward(trajectories, labels=labels)
            n_frames = output.encodings.shape[1]
            frames = torch.arange(n_frames, device=trajectories.device).expand(
                len(trajectories), -1
            )
            counts = torch.ones_like(frames, dtype=torch.float32)
        else:
            output = self._thinned_forward(trajectories, labels, frames, counts)
        if soft_labels is not None:
            moved = soft_labels - functional.one_hot(labels, self.config.n_states)
            log_p = functional.log_softmax(output.state_logits.float(), dim=-1)
            change = -(guidance * (moved * log_p).sum(dim=-1)).mean()
            output.loss = output.loss + self.config.lambda_ * change
        weight = _batch_mean(guidance) if states is not None else 0.0
        if weight > 0:  # decided by all processes together
            told = trajectories if located is None else located
            output.loss = output.loss + weight * self._guidance_loss(
                output.encodings, told, states.gather(1, frames), frames, counts
            )
        return output

    def _thinned_forward(self, trajectories, labels, frames, counts):
        standardised, mean, std = self.standardise(trajectories[:, :-1])
        target = _at((trajectories[:, 1:] - mean) / std, frames)
        encodings = self.encode(_at(standardised, frames), frames=frames, counts=counts)
        predicted, logits = self.feature_predictor(encodings), self.classify(encodings, counts)
        losses = total_loss(
            predicted, target, logits, labels, self.config.gamma, self.config.lambda_
        )
        return TrajectoryOutput(*losses, mean + std * predicted, logits, encodings)

    def _guidance_loss(self, encodings, trajectories, states, frames, counts):
        n_states, n_features = self.config.n_states, self.config.n_features
        state_logits, position, mean, log_std = (
            self.guide(encodings).float().split([n_states] + 3 * [n_features], dim=-1)
        )
        weight = counts * (1.0 + EARLY_WEIGHT * torch.exp(-frames / EARLY_FRAMES))
        weight = weight / weight.sum(dim=1, keepdim=True)
        state_loss = functional.cross_entropy(
            state_logits.transpose(1, 2), states, reduction="none"
        )
        _, true_mean, true_std = self.standardise(trajectories)
        position_error = _squared_error(position, _at(trajectories, frames), self.position_scale)
        shape_error = _squared_error(mean, true_mean, self.shape_scale) + _squared_error(
            log_std, true_std.log(), self.shape_scale
        )
        # the logarithm keeps large early errors from drowning everything else
        loss = (
            (state_loss * weight).sum(dim=1).mean()
            + 0.3 * _log_of_mean((position_error * weight).sum(dim=1))
            + 0.3 * _log_of_mean(shape_error)
        )
        if self.displacement_guide is not None:
            loss = loss + self._displacement_loss(trajectories, frames, true_std)
        return loss

    def _displacement_loss(self, trajectories, frames, std):
        # mean square error of |x_{t+1} - x_t| and |x_t - x_{t-1}|, in units of their own size, at
        # frames that are shown together with those neighbours
        moved = (trajectories[:, 1:] - trajectories[:, :-1]).abs()
        unit = moved.square().mean(dim=1, keepdim=True).sqrt()
        moved = moved / unit
        after, before = _at(moved, frames), _at(moved, (frames - 1).clamp_min(0))
        read = self.displacement_guide(self._layer_output).float() * (std / unit).repeat(1, 1, 2)
        together = (frames[:, 1:] - frames[:, :-1] == 1)[..., None].float()
        weight_after = functional.pad(together, (0, 0, 0, 1))
        weight_before = functional.pad(together, (0, 0, 1, 0))
        after_error, before_error = (
            (read - torch.cat([after, before], dim=-1)).square().chunk(2, dim=-1)
        )
        error = (after_error * weight_after + before_error * weight_before).sum(dim=(1, 2))
        return (error / (4 * together.sum(dim=(1, 2))).clamp_min(1.0)).mean()

    @torch.no_grad()
    def fit_guide(self, batches):
        """Let the read-out of positions, mean and log scales begin as a least-squares fit.

        Parameters
        ----------
        batches : iterable of dict of Tensor
            Each with "trajectories", "labels", "located", "frames" and "counts", as for
            `forward`: together several times as many trajectories as an encoding has dimensions.
        """
        gram, moment = 0.0, 0.0
        for batch in batches:
            shown, located = {key: batch.get(key) for key in ("frames", "counts")}, batch["located"]
            encodings = self(batch["trajectories"], batch["labels"], **shown).encodings.double()
            positions = located if shown["frames"] is None else _at(located, shown["frames"])
            _, mean, std = self.standardise(located)
            shape = torch.cat([mean, std.log()], dim=-1).expand(-1, encodings.shape[1], -1)
            wanted = torch.cat([positions, shape], dim=-1).flatten(0, 1).double()
            known = functional.pad(encodings, (0, 1), value=1.0).flatten(0, 1)
            gram, moment = gram + known.T @ known, moment + known.T @ wanted
        ridge = 1e-6 * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
        fitted = torch.linalg.solve(gram + ridge, moment)
        first = self.config.n_states
        self.guide.weight[first:] = fitted[:-1].T
        self.guide.bias[first:] = fitted[-1]

    def load_plain(self, model):
        """Take the weights of a trained `TrajectoryTransformer`; the read-out begins anew."""
        mine = {k: v for k, v in self.state_dict().items() if "guide." in k}
        self.load_state_dict(model.state_dict() | mine)

    def plain(self):
        """The `TrajectoryTransformer` without the read-out, sharing no memory with this."""
        model = TrajectoryTransformer(self.config)
        weights = {k: v for k, v in self.state_dict().items() if "guide." not in k}
        model.load_state_dict(weights)
        return model


def _at(values, frames):
    # (batch, n_frames, 2) at the frames (batch, n_kept)
    return values.gather(1, frames[..., None].expand(-1, -1, values.shape[-1]))


def _squared_error(predicted, target, scale=READ_OUT_SCALE):
    return ((predicted - target) / scale).square().sum(dim=-1)


def _n_processes():
    return distributed.get_world_size() if distributed.is_initialized() else 1


def _batch_mean(values):
    # mean over the batch of all processes; no gradient
    mean = values.mean().detach()
    if _n_processes() > 1:
        mean = mean.double()  # one type everywhere: guidance is float64, unless it is zero
        distributed.all_reduce(mean)
        mean /= _n_processes()
    return mean


def _log_of_mean(values):
    # log(1 + mean), the mean being that of the whole batch. With several processes the gradient
    # of each is its share, so that the average that data-parallel training takes is the gradient
    # one process would have had: a mean of logarithms is not the logarithm of a mean.
    mean = values.mean()
    if _n_processes() == 1:
        return torch.log1p(mean)
    whole = _batch_mean(values).to(mean.dtype)
    return torch.log1p(whole) + (mean - mean.detach()) / (1 + whole)
