"""Settings of a model and the poster's three sizes; impossible settings are refused."""

import difflib
import math
from dataclasses import fields
from types import MappingProxyType

import numpy as np
from huggingface_hub.errors import StrictDataclassFieldValidationError
from transformers import BertConfig
from transformers.activations import ACT2FN

from ..checks import MOST_STATES, Named, checked_count, checked_name

#: The three sizes of the poster's table. Head and layer counts are those of the author's script.
SIZES = MappingProxyType(
    Named(
        small=dict(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=8, intermediate_size=128
        ),
        medium=dict(
            hidden_size=64, num_hidden_layers=8, num_attention_heads=16, intermediate_size=256
        ),
        large=dict(
            hidden_size=120, num_hidden_layers=12, num_attention_heads=24, intermediate_size=512
        ),
    )
)
#: Settings that are whole numbers, and the smallest value of each.
COUNTS = dict(n_states=2, max_position_embeddings=2) | dict.fromkeys(
    "n_features hidden_size num_hidden_layers num_attention_heads intermediate_size".split(), 1
)
#: Settings that are finite numbers of at least zero.
WEIGHTS = ("gamma", "lambda_", "initializer_range", "layer_norm_eps")
#: Settings that are probabilities of dropping a number.
DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")
#: What `transformers.PreTrainedConfig` takes without declaring it.
OF_THE_LIBRARY = frozenset(
    "name_or_path _name_or_path torch_dtype num_labels output_attentions _output_attentions "
    "attn_implementation _attn_implementation _attn_implementation_internal "
    "experts_implementation _experts_implementation _experts_implementation_internal "
    "_commit_hash model_type transformers_version per_layer_config".split()
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

    Raises
    ------
    ValueError
        If there is no such setting, or a value is impossible.
    """

    model_type = "trajectory_transformer"
    #: Of the fields of an output, `Trainer` keeps the loss and the state logits as predictions.
    keys_to_ignore_at_inference = (
        "trajectory_loss classification_loss next_frames encodings hidden_states attentions".split()
    )

    vocab_size: int = 1  # there are no words
    max_position_embeddings: int = 1024
    n_features: int = 2
    n_states: int = 2
    causal: bool = False
    passes: str = "one"
    gamma: float = 1.0
    lambda_: float = 1.0

    def __post_init__(self, **kwargs):
        check_settings(self, kwargs)
        if kwargs.get("output_attentions"):  # only this implementation forms them
            kwargs["attn_implementation"] = kwargs.get("attn_implementation") or "eager"
        super().__post_init__(**kwargs)

    def __setattr__(self, name, value):
        if name in WEIGHTS and type(value) is int:  # the library wants 1.0
            value = float(value)
        try:
            super().__setattr__(name, value)
        except StrictDataclassFieldValidationError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ValueError(f"{name} must be of another type: {reason}") from None

    @classmethod
    def of_size(cls, size, **overrides):
        """The configuration of a size of the poster's table; `overrides` replace settings of it."""
        checked_name("size", size, SIZES)
        overrides = {k: v.item() if isinstance(v, np.generic) else v for k, v in overrides.items()}
        return cls(**{**SIZES[size], **overrides})


def refuse_unknown(config, others):
    """`ValueError` for settings, `others`, that a configuration does not declare."""
    unknown = sorted(set(others) - OF_THE_LIBRARY)
    if unknown:
        known = [field.name for field in fields(config)]
        near = difflib.get_close_matches(unknown[0], known, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"there is no setting {', '.join(map(repr, unknown))}{meant}")


def check_settings(config, others):
    """Refuse settings of a `TrajectoryConfig` that make no sense, and `others`, not declared.
    Numbers of NumPy become those of Python, as a ``config.json`` cannot hold others."""
    refuse_unknown(config, others)
    for name, least in COUNTS.items():
        largest = MOST_STATES if name == "n_states" else None
        setattr(config, name, checked_count(name, getattr(config, name), least, largest))
    for name in (*WEIGHTS, *DROPOUTS):
        value, limit = getattr(config, name), 1 if name in DROPOUTS else math.inf
        is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not (is_number and 0 <= value < limit):
            raise ValueError(f"{name} must be a number from 0 to less than {limit}; got {value!r}")
        if isinstance(value, np.number):
            setattr(config, name, float(value))
    if "num_labels" in others and others["num_labels"] != config.n_states:
        raise ValueError(
            f"num_labels is called n_states here, which is {config.n_states}; got "
            f"{others['num_labels']!r}"
        )
    if isinstance(config.hidden_act, str) and config.hidden_act not in ACT2FN:
        raise ValueError(f"hidden_act must be one of {sorted(ACT2FN)}; got {config.hidden_act!r}")
    if not isinstance(config.causal, (bool, np.bool_)):
        raise ValueError(f"causal must be True or False; got {config.causal!r}")
    config.causal = bool(config.causal)
    if config.passes not in ("one", "two"):
        raise ValueError(f"passes must be 'one' or 'two'; got {config.passes!r}")
