"""The poster's model: position embeddings, a BERT encoder and two heads."""

from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import nn
from transformers import BertConfig, PreTrainedModel
from transformers.models.bert.modeling_bert import BertEncoder, BertLayer, BertSelfAttention
from transformers.utils import ModelOutput

from . import (
    checkpoints,
    cpu_attention,  # noqa: F401  (makes attn_implementation="cpu_fused" known)
)
from .losses import total_loss

#: The three sizes of the poster's table. Head and layer counts are those of the author's script.
SIZES = MappingProxyType(
    {
        "small": dict(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=8, intermediate_size=128
        ),
        "medium": dict(
            hidden_size=64, num_hidden_layers=8, num_attention_heads=16, intermediate_size=256
        ),
        "large": dict(
            hidden_size=120, num_hidden_layers=12, num_attention_heads=24, intermediate_size=512
        ),
    }
)


class TrajectoryConfig(BertConfig):
    """Settings of a `TrajectoryTransformer`; a `BertConfig` with a few more.

    Parameters
    ----------
    n_features : int
        Coordinates of a frame.
    n_states : int
        States of the classifier.
    causal : bool
        If True, a frame attends only to itself and earlier frames. The poster's model is not
        causal.
    passes : {"one", "two"}
        How the loss is read: "one" encodes x_{1:N-1} once for both heads, as the author's
        script does; "two" encodes x_{1:N-1} for f and x_{1:N} for g, as the formula says.
    gamma, lambda_ : float
        Weights of L_traj and of the cross-entropy.
    **kwargs
        Everything of `transformers.BertConfig` (`hidden_size`, `num_hidden_layers`, ...).
    """

    model_type = "trajectory_transformer"

    vocab_size: int = 1  # there are no words
    max_position_embeddings: int = 1024
    n_features: int = 2
    n_states: int = 2
    causal: bool = False
    passes: str = "one"
    gamma: float = 1.0
    lambda_: float = 1.0

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        if self.passes not in ("one", "two"):
            raise ValueError(f"passes must be 'one' or 'two'; got {self.passes!r}")

    @classmethod
    def of_size(cls, size, **overrides):
        """Return the configuration of a size of the poster's table.

        Parameters
        ----------
        size : {"small", "medium", "large"}
        **overrides
            Settings that replace those of the size.

        Raises
        ------
        ValueError
            If there is no such size.
        """
        if size not in SIZES:
            raise ValueError(f"unknown size {size!r}: choose one of {list(SIZES)}")
        return cls(**{**SIZES[size], **overrides})


@dataclass
class TrajectoryOutput(ModelOutput):
    """What a `TrajectoryTransformer` returns; fields not asked for are None.

    Parameters
    ----------
    loss : () Tensor
        `gamma * trajectory_loss + lambda_ * classification_loss`; needs labels.
    trajectory_loss, classification_loss : () Tensor
        The two terms.
    next_frames : (batch, n_frames, 2) Tensor
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


class TrajectoryEmbeddings(nn.Module):
    """Absolute position embeddings, added to the projected frames, and a LayerNorm."""

    def __init__(self, config):
        super().__init__()
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, projected, frames=None):
        if frames is None:
            positions = self.position_embeddings.weight[: projected.shape[1]]
        else:
            positions = self.position_embeddings(frames)
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


def check_trajectories(trajectories, max_frames=None):
    """Raise a `ValueError` that says what is wrong with a batch of trajectories, if anything.

    Parameters
    ----------
    trajectories : Tensor
        Should be (batch, n_frames, 2), floating point, finite, of two frames or more, and
        move in each coordinate.
    max_frames : int, optional
        Largest number of frames allowed.
    """
    if not isinstance(trajectories, torch.Tensor) or not trajectories.is_floating_point():
        raise ValueError(
            "trajectories must be a floating point Tensor; got "
            f"{getattr(trajectories, 'dtype', type(trajectories).__name__)} in a "
            f"{type(trajectories).__name__}: convert with torch.from_numpy(x) or x.float()"
        )
    if trajectories.ndim != 3 or trajectories.shape[-1] != 2:
        raise ValueError(
            "trajectories must have shape (batch, n_frames, 2); got "
            f"{tuple(trajectories.shape)}. A single trajectory needs a leading axis: x[None]"
        )
    n_frames = trajectories.shape[1]
    if trajectories.shape[0] == 0 or n_frames < 2:
        raise ValueError(
            "trajectories must hold at least one trajectory of at least 2 frames; got shape "
            f"{tuple(trajectories.shape)}"
        )
    if max_frames is not None and n_frames > max_frames:
        raise ValueError(
            f"trajectories have {n_frames} frames, but the model has positions for "
            f"{max_frames}: pass slices of at most {max_frames} frames"
        )
    if not torch.isfinite(trajectories).all():
        raise ValueError("trajectories hold NaN or infinite coordinates")
    if (trajectories == trajectories[:, :1]).all(dim=1).any():
        raise ValueError(
            "a trajectory is constant in a coordinate and cannot be standardised: drop it, or "
            "simulate with a larger stride"
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
        """Load a checkpoint, after a check of every file that is read.

        Parameters
        ----------
        folder : path
            Local folder with ``config.json`` and ``model.safetensors``.
        config : TrajectoryConfig, optional
            Used instead of ``config.json``.
        *args, **kwargs
            As for `transformers.PreTrainedModel.from_pretrained`.

        Raises
        ------
        CheckpointError
            A `ValueError` that says which file is missing, damaged, unreadable or foreign.
        """
        folder = checkpoints.check_checkpoint(folder, cls, config)
        return super().from_pretrained(folder, *args, config=config, **kwargs)

    def save_pretrained(self, save_directory, *args, **kwargs):
        """As in `transformers`, and with checksums that `from_pretrained` verifies."""
        super().save_pretrained(save_directory, *args, **kwargs)
        checkpoints.write_manifest(save_directory, [checkpoints.WEIGHTS])

    def standardise(self, frames, attention_mask=None):
        """Shift and scale each trajectory to mean 0 and standard deviation 1 over its frames.

        Parameters
        ----------
        frames : (batch, n_frames, 2) Tensor
        attention_mask : (batch, n_frames) Tensor, optional
            1 where a frame counts, 0 where it is padding.

        Returns
        -------
        standardised, mean, std : Tensor
            Shapes (batch, n_frames, 2), (batch, 1, 2) and (batch, 1, 2).
        """
        weight = torch.ones_like(frames[..., :1])
        if attention_mask is not None:
            weight = attention_mask[..., None].to(frames.dtype)
        count = weight.sum(dim=1, keepdim=True)
        mean = (frames * weight).sum(dim=1, keepdim=True) / count
        variance = ((frames - mean).square() * weight).sum(dim=1, keepdim=True) / count
        std = variance.sqrt().clamp_min(1e-6)  # a generator may run into a fixed point
        return (frames - mean) / std, mean, std

    def encode(self, standardised, attention_mask=None, frames=None, counts=None):
        """Encodings of standardised frames.

        Parameters
        ----------
        standardised : (batch, n_frames, 2) Tensor
        attention_mask : (batch, n_frames) Tensor, optional
            1 for frames, 0 for padding behind them.
        frames : (batch, n_frames) int64 Tensor, optional
            Which frames of the trajectory these are, if not the first ones in order.
        counts : (batch, n_frames) Tensor, optional
            How many frames of the trajectory each stands for when it is attended; excludes
            `attention_mask`.

        Returns
        -------
        (batch, n_frames, hidden_size) Tensor
        """
        hidden = self.embeddings(self.inputs_to_hidden_dim(standardised), frames)
        if counts is not None:
            mask = counts.log()[:, None, None, :]
        else:
            mask = self._additive_mask(attention_mask, hidden)
        return self.encoder(hidden, attention_mask=mask).last_hidden_state

    def _additive_mask(self, attention_mask, hidden):
        n_frames, lowest = hidden.shape[1], torch.finfo(hidden.dtype).min
        eager_causal = self.config.causal and self.config._attn_implementation == "eager"
        if attention_mask is None and not eager_causal:
            return None  # sdpa and cpu_fused apply `is_causal` themselves
        seen = torch.ones(1, 1, n_frames, n_frames, dtype=torch.bool, device=hidden.device)
        if self.config.causal:
            seen = seen.tril()
        if attention_mask is not None:
            seen = seen & attention_mask.bool()[:, None, None, :]
        return torch.zeros_like(seen, dtype=hidden.dtype).masked_fill(~seen, lowest)

    def classify(self, encodings, attention_mask=None):
        """State logits from the mean of the encodings over frames, (batch, n_states)."""
        if attention_mask is None:
            return self.state_classifier(encodings.mean(dim=1))
        weight = attention_mask[..., None].to(encodings.dtype)
        return self.state_classifier((encodings * weight).sum(dim=1) / weight.sum(dim=1))

    def forward(
        self,
        trajectories,
        labels=None,
        attention_mask=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        """Predict next frames and states; with labels, the loss too.

        Parameters
        ----------
        trajectories : (batch, n_frames, 2) Tensor of float
            Raw coordinates, 2 <= n_frames <= `config.max_position_embeddings`.
        labels : (batch,) int64 Tensor, optional
            State of each trajectory.
        attention_mask : (batch, n_frames) Tensor, optional
            1 for frames, 0 for padding behind them.
        output_attentions : bool, optional
            Needs ``model.set_attn_implementation("eager")``.
        output_hidden_states : bool, optional
        return_dict : bool, optional
            If False, a tuple of the fields that are not None.

        Returns
        -------
        TrajectoryOutput
            In training mode with labels, `next_frames` and `encodings` are those of the loss:
            they have n_frames - 1 rows, as the encoder is not shown the last frame.

        Raises
        ------
        ValueError
            If the shape is wrong, coordinates are not finite, a trajectory is constant, there
            are more frames than positions, or attentions are asked of an implementation that
            never forms them.
        """
        check_trajectories(trajectories, self.config.max_position_embeddings)
        trajectories = trajectories.to(self.inputs_to_hidden_dim.weight.dtype)
        if attention_mask is not None and attention_mask.shape != trajectories.shape[:2]:
            raise ValueError(
                f"attention_mask must have shape {tuple(trajectories.shape[:2])}; got "
                f"{tuple(attention_mask.shape)}"
            )
        output = TrajectoryOutput()
        if labels is not None:
            self._add_loss(output, trajectories, labels, attention_mask)
        if labels is None or not self.training:
            with _Recorder(self, output_attentions, output_hidden_states) as recorded:
                standardised, mean, std = self.standardise(trajectories, attention_mask)
                output.encodings = self.encode(standardised, attention_mask)
            output.next_frames = mean + std * self.feature_predictor(output.encodings)
            output.state_logits = self.classify(output.encodings, attention_mask)
            output.attentions, output.hidden_states = recorded.attentions, recorded.hidden_states
        output = TrajectoryOutput(**output)  # fields in their documented order: the loss first
        return output if return_dict is not False else output.to_tuple()

    def _add_loss(self, output, trajectories, labels, attention_mask):
        # f is never shown the frame it forecasts last, nor statistics that contain it
        if attention_mask is not None and not attention_mask.bool().all():
            raise ValueError("the loss needs trajectories of equal length, without padding")
        standardised, mean, std = self.standardise(trajectories[:, :-1])
        target = (trajectories[:, 1:] - mean) / std
        output.encodings = self.encode(standardised)
        predicted = self.feature_predictor(output.encodings)
        if self.config.passes == "one":
            output.state_logits = self.classify(output.encodings)
        else:
            output.state_logits = self.classify(self.encode(self.standardise(trajectories)[0]))
        output.next_frames = mean + std * predicted
        output.loss, output.trajectory_loss, output.classification_loss = total_loss(
            predicted,
            target,
            output.state_logits,
            labels,
            self.config.gamma,
            self.config.lambda_,
        )


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

    def _keep_attention(self, module, inputs, output):
        self.attentions += (output[1],)

    def _keep_hidden(self, module, inputs, output):
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
