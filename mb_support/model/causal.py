"""Stochastic generators: they forecast a distribution for the next frame, and are sampled.

Three things differ from `TrajectoryTransformer`. A frame sees itself and earlier frames only, so
that no output has seen what it forecasts. Frames are standardised by constants, so that the model
knows where it is, and no statistic of the future leaks into the past. And the head gives a mixture
of Gaussians for the displacement to the next frame, trained by likelihood.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from tqdm import tqdm
from transformers import BertConfig, DynamicCache, PreTrainedModel
from transformers.models.bert.modeling_bert import BertEncoder, BertSelfAttention
from transformers.utils import ModelOutput

from ..checks import checked_count, checked_name, checked_positive
from ..simulation.langevin import START_BOX
from ..simulation.settings import REGIMES
from .inference import as_float32, checked_model, evaluating
from .settings import refuse_unknown


class CausalConfig(BertConfig):
    """Settings of a `CausalGenerator`: those of `transformers.BertConfig`, and a few more.

    Frames are standardised by constants, by default those of the uniform distribution over
    `simulation.START_BOX`; displacements are in units of, by default, `free_displacement`.
    """

    model_type = "causal_generator"

    vocab_size: int = 1  # there are no words
    hidden_size: int = 64
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 128
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    window_length: int = 4  # frames that the model sees at once; with 1 it has no memory
    n_components: int = 8  # Gaussians in the mixture
    frame_mean: list | None = None
    frame_std: list | None = None
    displacement_scale: float | None = None
    regime: str = "metastable"  # key of `REGIMES`: which simulations the model continues

    def __post_init__(self, **kwargs):
        refuse_unknown(self, kwargs)
        super().__post_init__(**kwargs)
        if self.frame_mean is None:
            self.frame_mean = START_BOX.mean(axis=0).round(6).tolist()
        if self.frame_std is None:
            self.frame_std = ((START_BOX[1] - START_BOX[0]) / math.sqrt(12)).round(6).tolist()
        if self.displacement_scale is None:
            self.displacement_scale = free_displacement(self.regime)
        for name in ("window_length", "n_components"):
            setattr(self, name, checked_count(name, getattr(self, name)))
        self.displacement_scale = checked_positive("displacement_scale", self.displacement_scale)


def free_displacement(regime):
    """Standard deviation of a coordinate after a frame of free diffusion, sqrt(2 D frame_time),
    with D = 1 / (beta mass friction) where the dynamics has momenta."""
    config = known_regime(regime)
    diffusion = config.diffusion or 1 / (config.beta * config.mass * config.friction_rate)
    return round(math.sqrt(2 * diffusion * config.frame_time), 6)


def known_regime(regime):
    """Settings of a key of `REGIMES`; `ValueError` for others."""
    return REGIMES[checked_name("regime", regime, REGIMES)]


@dataclass
class CausalOutput(ModelOutput):
    """What a `CausalGenerator` returns: mixtures of the displacement after each frame.

    All in units of `displacement_scale`. Each covariance is given by its lower triangular factor:
    logarithms of the two diagonal entries, then the entry below the diagonal.
    """

    loss: torch.Tensor | None = None  # mean negative log-likelihood, nats; None for one frame
    log_weights: torch.Tensor | None = None  # (batch, n_frames, n_components)
    means: torch.Tensor | None = None  # (batch, n_frames, n_components, 2)
    cholesky: torch.Tensor | None = None  # (batch, n_frames, n_components, 3)


class CausalGenerator(PreTrainedModel):
    """BERT-style causal encoder with a mixture of Gaussians for the next displacement.

    Built from a `CausalConfig`; called with (batch, n_frames, 2) raw `trajectories` [1]_.

    References
    ----------
    .. [1] C. M. Bishop, "Mixture density networks", Aston University NCRG/94/004 (1994).
    """

    config_class = CausalConfig
    base_model_prefix = ""
    main_input_name = "trajectories"
    n_inputs = 2  # numbers that are seen of a frame
    accepts_loss_kwargs = False
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config):
        super().__init__(config)
        hidden, n_outputs = config.hidden_size, 6 * config.n_components
        self.inputs_to_hidden_dim = nn.Linear(self.n_inputs, hidden)
        self.position_embeddings = nn.Embedding(config.window_length, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.encoder = BertEncoder(config)
        self.head = nn.Sequential(
            nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, n_outputs)
        )
        for module in self.modules():
            if isinstance(module, BertSelfAttention):
                module.is_causal = True
        self.post_init()

    def _init_weights(self, module):
        # BERT's 0.02 suits 768 inputs; this keeps the scale of activations for any number
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.3)
        else:
            super()._init_weights(module)

    def project(self, frames):
        """Raw frames, standardised and projected, (batch, n_frames, hidden_size)."""
        mean, std = (frames.new_tensor(c) for c in (self.config.frame_mean, self.config.frame_std))
        dtype = self.inputs_to_hidden_dim.weight.dtype
        return self.inputs_to_hidden_dim(((frames - mean) / std).to(dtype))

    def wrapped(self, values):
        """Coordinates or displacements as the model takes them: these, as they are."""
        return values

    def new_memory(self):
        """What `encode` keeps of the frames of a window that is still filling."""
        return DynamicCache()

    def encode(self, frames, memory=None):
        """Encodings of raw frames, (batch, n_frames, hidden_size), which are added to a
        `memory`."""
        first, n_frames = 0 if memory is None else memory.get_seq_length(), frames.shape[1]
        embedded = self.project(frames) + self.position_embeddings.weight[first:][:n_frames]
        mask = None  # but for "eager", implementations apply `is_causal` themselves
        if self.config._attn_implementation == "eager" and n_frames > 1:
            least = torch.finfo(embedded.dtype).min
            mask = embedded.new_full((n_frames, n_frames), least).triu(1)
        return self.encoder(
            self.LayerNorm(embedded), attention_mask=mask, past_key_values=memory
        ).last_hidden_state

    def mixture(self, encodings):
        """Log-weights, means and Cholesky factors of the displacement; see `CausalOutput`."""
        n = self.config.n_components
        outputs = self.head(encodings)
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        logits, means, cholesky = outputs.split([n, 2 * n, 3 * n], dim=-1)
        cholesky = cholesky.unflatten(-1, (n, 3))
        cholesky = torch.cat([cholesky[..., :2].clamp(-6, 3), cholesky[..., 2:]], dim=-1)
        return logits.log_softmax(dim=-1), means.unflatten(-1, (n, 2)), cholesky

    def forward(self, trajectories):
        """`CausalOutput` of (batch, n_frames, 2) raw coordinates, at most `config.window_length` +
        1 frames, the last of which is a target only; with a loss from two frames on."""
        self._check(trajectories)
        dtype = torch.promote_types(self.inputs_to_hidden_dim.weight.dtype, torch.float32)
        trajectories = trajectories.to(dtype)
        encodings = self.encode(trajectories[:, : self.config.window_length])
        output = CausalOutput(None, *self.mixture(encodings))
        if trajectories.shape[1] > 1:
            moved = self.wrapped(trajectories.diff(dim=1)) / self.config.displacement_scale
            n = moved.shape[1]
            output.loss = -log_likelihood(
                moved, output.log_weights[:, :n], output.means[:, :n], output.cholesky[:, :n]
            ).mean()
        return output

    def _check(self, trajectories):
        shape, longest = tuple(trajectories.shape), self.config.window_length + 1
        if len(shape) != 3 or shape[-1] != 2 or 0 in shape or shape[1] > longest:
            raise ValueError(
                f"trajectories must have shape (batch, n_frames, 2) and 1 to {longest} frames (the "
                f"window and one more); got {shape}: pass windows, or continue them with sample()"
            )
        if not torch.isfinite(trajectories).all():
            raise ValueError("trajectories hold NaN or infinite coordinates")


class AngleGenerator(CausalGenerator):
    """For angles in radians: it sees their sines and cosines, and steps go around the circle."""

    n_inputs = 4

    def project(self, frames):
        seen = torch.cat([frames.sin(), frames.cos()], dim=-1)
        return self.inputs_to_hidden_dim(seen.to(self.inputs_to_hidden_dim.weight.dtype))

    def wrapped(self, values):
        """Angles or displacements moved into -pi to pi."""
        return values - 2 * math.pi * torch.round(values / (2 * math.pi))


class LSTMGenerator(CausalGenerator):
    """The same inputs, head and loss around an LSTM: recurrence in place of attention, with as many
    parameters by default as a `CausalGenerator`, to within 1 %."""

    def __init__(self, config):
        super().__init__(config)
        hidden = config.hidden_size
        self.encoder = nn.LSTM(hidden, hidden, config.num_hidden_layers, batch_first=True)
        del self.position_embeddings  # the order of frames is in the recurrence

    def new_memory(self):
        return {}

    def encode(self, frames, memory=None):
        embedded = self.LayerNorm(self.project(frames))
        encodings, state = self.encoder(embedded, memory.get("state") if memory else None)
        if memory is not None:
            memory["state"] = state
        return encodings


def log_likelihood(displacement, log_weights, means, cholesky):
    """Log-density of (..., 2) displacements under mixtures as in `CausalOutput`, in nats."""
    residual = displacement[..., None, :] - means
    log_x, log_y, below = cholesky.unbind(-1)
    z_x = residual[..., 0] * torch.exp(-log_x)
    z_y = (residual[..., 1] - below * z_x) * torch.exp(-log_y)
    log_density = -0.5 * (z_x.square() + z_y.square()) - log_x - log_y - math.log(2 * math.pi)
    return torch.logsumexp(log_weights + log_density, dim=-1)


def draw_displacement(log_weights, means, cholesky, generator):
    """One random displacement from each mixture of a batch, (batch, 2)."""
    n_batch, n_components = log_weights.shape
    uniform = torch.rand(n_batch, 1, generator=generator).to(log_weights)
    normal = torch.randn(n_batch, 2, generator=generator).to(log_weights)
    chosen = (log_weights.exp().cumsum(dim=-1) < uniform).sum(dim=-1).clamp_max(n_components - 1)
    row = torch.arange(n_batch, device=chosen.device)
    mean, (log_x, log_y, below) = means[row, chosen], cholesky[row, chosen].unbind(-1)
    step_x = log_x.exp() * normal[:, 0]
    step_y = below * normal[:, 0] + log_y.exp() * normal[:, 1]
    return mean + torch.stack([step_x, step_y], dim=-1)


def sample(model, prompt, n_steps, seed, slide=None, progress=True):
    """Continue (batch, n_prompt, 2) raw frames with a sliding window of random frames.

    Parameters
    ----------
    model : CausalGenerator
        It forecasts a distribution of the next displacement.
    prompt : array_like, (batch, n_prompt, 2)
    n_steps : int
        Frames to add.
    seed : int
        Of the random frames.
    slide : int, optional
        Frames by which a full window moves on. With 1 every forecast sees a full window and costs a
        pass over it. By default half the window: forecasts see between half and all of it, and what
        was computed of frames still in the window is kept.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    ndarray, (batch, n_prompt + n_steps, 2)
        float32 frames, the prompt's and `n_steps` more.

    Raises
    ------
    ValueError
        If the prompt does not suit the model, or a number is none or out of range.
    """
    prompt = as_float32("prompt", prompt)
    window, scale = checked_model(model).config.window_length, model.config.displacement_scale
    model._check(prompt[:, -window:])
    n_steps = checked_count("n_steps", n_steps, 1)
    seed = checked_count("seed", seed, 0, 2**63 - 1)
    slide = max(1, window // 2) if slide is None else slide
    slide = checked_count("slide", slide, 1, max(1, window - 1))
    random = torch.Generator().manual_seed(seed)
    device = model.inputs_to_hidden_dim.weight.device
    n_prompt, n_frames = prompt.shape[1], prompt.shape[1] + n_steps
    frames = torch.empty(n_frames, len(prompt), 2, device=device)  # time first: contiguous writes
    frames[:n_prompt] = prompt.transpose(0, 1)
    now = n_prompt
    bar = tqdm(total=n_steps, desc="sampling", unit="frame", delay=3, disable=not progress)
    with evaluating(model, fastest=False), bar:
        while now < n_frames:
            # a window that is not yet full goes on filling, a full one moves on
            n_seen = now if now < window else window - slide + 1
            memory, fresh = model.new_memory(), frames[now - n_seen : now].transpose(0, 1)
            for _ in range(min(window - n_seen + 1, n_frames - now)):
                encoding = model.encode(fresh, memory)[:, -1]
                step = draw_displacement(*model.mixture(encoding), random)
                frames[now] = model.wrapped(frames[now - 1] + scale * step)
                fresh = frames[now][:, None]
                now += 1
                bar.update()
    return frames.transpose(0, 1).cpu().numpy().copy()
