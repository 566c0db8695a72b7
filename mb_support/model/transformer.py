"""The poster's model: position embeddings, a BERT encoder and two heads."""

import threading
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.models.bert.modeling_bert import BertEncoder, BertLayer, BertSelfAttention
from transformers.utils import ModelOutput

from . import (
    checkpoints,
    cpu_attention,  # noqa: F401  (makes attn_implementation="cpu_fused" known)
    gpu_attention,  # noqa: F401  (and "gpu_padded", which is for training: its scores are bfloat16)
)
from .inputs import check_shape, check_values, checked_mask, standardised
from .losses import total_loss
from .settings import TrajectoryConfig


@dataclass
class TrajectoryOutput(ModelOutput):
    """What a `TrajectoryTransformer` returns; fields not asked for are None.

    Parameters
    ----------
    loss : () Tensor
        `gamma * trajectory_loss + lambda_ * classification_loss`; needs labels.
    trajectory_loss, classification_loss : () Tensor
        The two terms.
    next_frames : (batch, n_frames, n_features) Tensor
        f: for each frame the prediction of the next one, in raw coordinates.
    state_logits : (batch, n_states) Tensor
        g, before the softmax.
    encodings : (batch, n_frames, hidden_size) Tensor
        Output of the encoder's last layer.
    hidden_states : tuple of (batch, n_frames, hidden_size) Tensor
        Input of the first layer, then the output of each layer.
    attentions : tuple of (batch, heads, n_frames, n_frames) Tensor
        Attention weights of each layer; row = the frame that attends. Every row sums to one.
    """

    loss: torch.Tensor | None = None
    trajectory_loss: torch.Tensor | None = None
    classification_loss: torch.Tensor | None = None
    next_frames: torch.Tensor | None = None
    state_logits: torch.Tensor | None = None
    encodings: torch.Tensor | None = None
    hidden_states: tuple | None = None
    attentions: tuple | None = None

    def __getitem__(self, key):
        if key == "logits":  # asked for by the library's label smoothing
            raise ValueError(
                "there are no 'logits': the loss of this model has two terms, and "
                "label_smoothing_factor would replace both by a cross-entropy. Leave it at 0"
            )
        return super().__getitem__(key)


class TrajectoryEmbeddings(nn.Module):
    """Absolute position embeddings, added to the projected frames, and a LayerNorm."""

    def __init__(self, config):
        super().__init__()
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, projected, mask=None):
        if mask is None:
            positions = self.position_embeddings.weight[: projected.shape[1]]
        else:  # frames are counted, padding is not
            positions = self.position_embeddings((mask.cumsum(dim=1) - 1).clamp_min(0))
        return self.dropout(self.LayerNorm(projected + positions))


def fastest_attention(device="cpu"):
    """Name of the fastest exact attention implementation for a device ("cpu", "cuda", ...)."""
    return "cpu_fused" if torch.device(device).type == "cpu" else "sdpa"


def _head(hidden_size, n_outputs, eps):
    return nn.Sequential(
        nn.Linear(hidden_size, hidden_size),
        nn.GELU(),
        nn.LayerNorm(hidden_size, eps=eps),
        nn.Linear(hidden_size, n_outputs),
    )


class TrajectoryTransformer(PreTrainedModel):
    """BERT-style encoder of trajectories, with a head for the next frame and one for the state.

    Built around `transformers`' `BertEncoder` (`BertModel` would add word and token-type
    embeddings that the poster's parameter counts exclude). Each trajectory is standardised
    inside the model, by its own mean and standard deviation over frames: callers pass and
    receive raw coordinates.

    Parameters
    ----------
    config : TrajectoryConfig

    References
    ----------
    .. [1] A. Leban, "Modern autoregressive architectures for the collective variable problem",
       poster, University of Michigan.
    .. [2] J. Devlin et al., "BERT", NAACL-HLT (2019).

    Examples
    --------
    >>> model = TrajectoryTransformer(TrajectoryConfig.of_size("small"))
    >>> output = model(torch.randn(4, 100, 2))
    >>> output.next_frames.shape, output.state_logits.shape
    (torch.Size([4, 100, 2]), torch.Size([4, 2]))
    """

    config_class = TrajectoryConfig
    base_model_prefix = ""
    main_input_name = "trajectories"
    accepts_loss_kwargs = False  # the loss is a mean over the batch it is given
    _supports_sdpa = True
    _supports_attention_backend = True
    supports_gradient_checkpointing = True
    _no_split_modules = ["BertLayer"]

    def __init__(self, config):
        super().__init__(config)
        hidden = config.hidden_size
        self.inputs_to_hidden_dim = nn.Linear(config.n_features, hidden)
        self.embeddings = TrajectoryEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.feature_predictor = _head(hidden, config.n_features, config.layer_norm_eps)
        self.state_classifier = _head(hidden, config.n_states, config.layer_norm_eps)
        for module in self.modules():
            if isinstance(module, BertSelfAttention):
                module.is_causal = config.causal
        self.post_init()

    @classmethod
    def from_pretrained(cls, folder, *args, config=None, **kwargs):
        """Load a checkpoint from a local folder, after a check of every file that is read.

        Other arguments are those of `transformers.PreTrainedModel.from_pretrained`. A
        `checkpoints.CheckpointError` says which file is missing, damaged, unreadable or foreign.
        """
        folder = Path(folder, kwargs.pop("subfolder", ""))
        folder = checkpoints.check_checkpoint(folder, cls, config)
        return super().from_pretrained(folder, *args, config=config, **kwargs)

    def save_pretrained(self, save_directory, *args, **kwargs):
        """As in `transformers`, and with checksums that `from_pretrained` verifies."""
        super().save_pretrained(save_directory, *args, **kwargs)
        checkpoints.write_manifest(save_directory, checkpoints.weight_files(save_directory))

    def standardise(self, frames, attention_mask=None):
        """Shift and scale each trajectory to mean 0 and standard deviation 1 over its frames.

        Returns the result, (batch, n_frames, n_features), and mean and standard deviation,
        (batch, 1, n_features), in float32, or higher with weights, or for these two also with
        frames, of higher precision.
        """
        mask = checked_mask(attention_mask, frames)
        result, mean, std = standardised(frames, mask)
        dtype = torch.promote_types(torch.float32, self.inputs_to_hidden_dim.weight.dtype)
        raw = torch.promote_types(frames.dtype, dtype)
        return result.to(dtype), mean.to(raw), std.to(raw)

    def encode(self, standardised, attention_mask=None):
        """Encodings of standardised frames, (batch, n_frames, hidden_size).

        Padding (0 in the mask) may be anywhere: frames get the positions they would have without.
        """
        mask = checked_mask(attention_mask, standardised)
        if mask is not None:
            standardised = standardised.masked_fill(~mask[..., None], 0)
        projected = self.inputs_to_hidden_dim(
            standardised.to(self.inputs_to_hidden_dim.weight.dtype)
        )
        hidden = self.embeddings(projected) if mask is None else self.embeddings(projected, mask)
        return self.encoder(
            hidden, attention_mask=self._additive_mask(mask, hidden)
        ).last_hidden_state

    def _additive_mask(self, mask, hidden):
        n_frames, lowest = hidden.shape[1], torch.finfo(hidden.dtype).min
        eager_causal = self.config.causal and self.config._attn_implementation == "eager"
        if mask is None and not eager_causal:
            return None  # sdpa and cpu_fused apply `is_causal` themselves
        seen = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=hidden.device)
        if mask is not None:
            seen = mask[:, None, None, :]
        if self.config.causal:
            itself = torch.eye(n_frames, dtype=torch.bool, device=hidden.device)
            seen = (seen & itself.cumsum(dim=1).bool().T) | itself
        return torch.zeros_like(seen, dtype=hidden.dtype).masked_fill(~seen, lowest)

    def classify(self, encodings, attention_mask=None):
        """State logits from the mean of the encodings over frames, (batch, n_states)."""
        mask = checked_mask(attention_mask, encodings)
        if mask is None:
            return self.state_classifier(encodings.mean(dim=1))
        total = encodings.masked_fill(~mask[..., None], 0).sum(dim=1)
        return self.state_classifier(total / mask.sum(dim=1, keepdim=True))

    def forward(
        self, trajectories, labels=None, attention_mask=None, output_attentions=None,
        output_hidden_states=None, return_dict=None,
    ):  # fmt: skip
        """Predict next frames and states; with labels, the loss too.

        Parameters
        ----------
        trajectories : (batch, n_frames, n_features) Tensor of float
            Raw coordinates, 2 <= n_frames <= `config.max_position_embeddings`; at least 3 with
            labels, as the last frame is then a target only.
        labels : (batch,) array_like or Tensor of int, optional
            State of each trajectory.
        attention_mask : (batch, n_frames) array_like or Tensor, optional
            1 for frames, 0 for padding, of any dtype. What padding holds does not matter, nor
            where it is: the result is that of the frames alone.
        output_attentions : bool, optional
            Needs ``model.set_attn_implementation("eager")``. By default as in the settings.
        output_hidden_states, return_dict : bool, optional
            By default as in the settings. If `return_dict` is False, the result is a tuple of
            the fields that are not None.

        Returns
        -------
        TrajectoryOutput
            In training mode with labels, `next_frames` and `encodings` are those of the loss:
            they have n_frames - 1 rows, as the encoder is not shown the last frame.

        Raises
        ------
        ValueError
            If a shape, a value, a mask or a label is impossible; the message says which.
        """
        output_attentions, output_hidden_states, return_dict = (
            default if asked is None else asked
            for asked, default in (
                (output_attentions, self.config.output_attentions),
                (output_hidden_states, self.config.output_hidden_states),
                (return_dict, self.config.return_dict),
            )
        )
        check_shape(trajectories, self.config.max_position_embeddings, self.config.n_features)
        mask = checked_mask(attention_mask, trajectories)
        n_shown = None if labels is None else self._n_shown(trajectories, mask)
        check_values(trajectories, mask, n_shown)
        if mask is not None:
            trajectories = trajectories.masked_fill(~mask[..., None], 0)
        output = TrajectoryOutput()
        if labels is not None:
            self._add_loss(output, trajectories, labels, mask)
        if labels is None or not self.training:
            with _Recorder(self, output_attentions, output_hidden_states) as recorded:
                shown, mean, std = self.standardise(trajectories, mask)
                output.encodings = self.encode(shown, mask)
            output.next_frames = mean + std * self.feature_predictor(output.encodings)
            output.state_logits = self.classify(output.encodings, mask)
            output.attentions, output.hidden_states = (recorded.attentions, recorded.hidden_states)
        output = TrajectoryOutput(**output)  # fields in their documented order: the loss first
        return output if return_dict else output.to_tuple()

    @staticmethod
    def _n_shown(trajectories, mask):
        # frames that the loss shows the encoder; of padded trajectories each has its own
        n_frames = trajectories.shape[1] if mask is None else int(mask.sum(dim=1).min())
        if n_frames < 3:
            raise ValueError(
                "with labels, trajectories must have at least 3 frames: the last one is only a "
                f"target, and one frame cannot be standardised; got {n_frames}"
            )
        return trajectories.shape[1] - 1 if mask is None else None

    def _add_loss(self, output, trajectories, labels, mask=None):
        # f is never shown the frame it forecasts last, nor statistics that contain it
        seen = None
        if mask is not None:
            trajectories, mask = _moved_to_front(trajectories, mask)
            seen = mask[:, 1:]  # frames that have a next one
        shown, mean, std = self.standardise(trajectories[:, :-1], seen)
        target = ((trajectories[:, 1:] - mean) / std).to(shown.dtype)
        output.encodings = self.encode(shown, seen)
        predicted = self.feature_predictor(output.encodings)
        if self.config.passes == "one":
            output.state_logits = self.classify(output.encodings, seen)
        else:
            whole = self.encode(self.standardise(trajectories, mask)[0], mask)
            output.state_logits = self.classify(whole, mask)
        output.next_frames = mean + std * predicted
        output.loss, output.trajectory_loss, output.classification_loss = total_loss(
            predicted, target, output.state_logits, labels, self.config.gamma, self.config.lambda_,
            seen,
        )  # fmt: skip


def _moved_to_front(trajectories, mask):
    # frames in order, then padding: what follows a frame is the next one
    order = (~mask).int().argsort(dim=1, stable=True)
    rows = order[..., None].expand_as(trajectories)
    return trajectories.gather(1, rows), mask.gather(1, order)


class _Recorder:
    """Collects attention weights and hidden states of one encoder pass with forward hooks."""

    def __init__(self, model, attentions, hidden_states):
        self.attentions = () if attentions else None
        self.hidden_states = () if hidden_states else None
        if attentions and model.config._attn_implementation != "eager":
            raise ValueError(
                "attention weights exist only with the eager implementation: call "
                'model.set_attn_implementation("eager") first'
            )
        self._model, self._hooks = model, []
        # other threads may use the same model
        self._thread = threading.get_ident() if attentions or hidden_states else None

    def _keep_attention(self, module, inputs, output):
        if threading.get_ident() == self._thread:
            self.attentions += (output[1],)

    def _keep_hidden(self, module, inputs, output):
        if threading.get_ident() == self._thread:
            self.hidden_states += (output,)

    def __enter__(self):
        if self.hidden_states is not None:
            self._hooks.append(self._model.embeddings.register_forward_hook(self._keep_hidden))
        for module in self._model.encoder.modules():
            if isinstance(module, BertSelfAttention) and self.attentions is not None:
                self._hooks.append(module.register_forward_hook(self._keep_attention))
            if isinstance(module, BertLayer) and self.hidden_states is not None:
                self._hooks.append(module.register_forward_hook(self._keep_hidden))
        return self

    def __exit__(self, *error):
        for hook in self._hooks:
            hook.remove()
