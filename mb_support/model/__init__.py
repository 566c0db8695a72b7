"""The encoder and its two heads, losses, the causal variant, checkpoints, inference."""

from ..files.lazy_names import handed_on

_PUBLIC = {
    "settings": ["SIZES", "TrajectoryConfig"],
    "transformer": ["TrajectoryTransformer"],
    "losses": ["trajectory_loss", "total_loss"],
    "causal": ["CausalConfig", "CausalGenerator"],
    "export": ["export_classifier", "export_committor", "export_collective_variable"],
    "inference": ["checkpoint_sizes", "load_checkpoint", "weights_digest"],
}
__getattr__, __dir__, __all__ = handed_on(__name__, _PUBLIC)
