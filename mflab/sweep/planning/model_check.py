"""Before a model is trained: can it be built, and how large are its states?"""

from pathlib import Path
from typing import Any

from mflab.config import RootCfg
from mflab.model import make_model, weights_fingerprint
from mflab.sweep.planning.findings import kept_finding
from mflab.sweep.planning.provenance import package_versions
from mflab.sweep.stages.identity import TRAINING_VERSION
from mflab.train import torch_generator

# AdamW keeps two moments; the moving average is a fourth copy. Four bytes a number.
_STATE_BYTES_PER_WEIGHT = 16
# Raise when models are checked for more, or have more parameters: what was found before then does not stand.
MODEL_CHECK_VERSION = 1


def state_bytes(config: RootCfg, num_views: int) -> int:
    """Bytes of a training state.

    Builds the model and drops it: a shape that no model can have must not wait for a worker to be found. What was found
    is kept in the outputs folder, since building one takes the import of diffusers: seconds and 0.2 GB.

    Args:
        config: of a trial.
        num_views: V.

    Raises:
        MflabError: a setting is impossible or the weights do not fit.
    """
    size = config.data.size

    def check() -> dict[str, Any]:
        model = make_model(config.model, size, num_views, torch_generator(0, "check"))
        return {"parameters": sum(value.numel() for value in model.unet.parameters())}

    weights = weights_fingerprint(config.model.weights)
    depends_on = [MODEL_CHECK_VERSION, TRAINING_VERSION, package_versions(), config.model, weights, size, num_views]
    found = kept_finding(Path(config.paths.outputs), "model", depends_on, check)
    return _STATE_BYTES_PER_WEIGHT * found["parameters"]
