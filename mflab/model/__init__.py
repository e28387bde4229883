"""Models: multi-view diffusion, its codec, conditioning and weights."""

from mflab.model.build import ModelCfg, make_model
from mflab.model.mvdiffusion import MVDiffusion
from mflab.model.weights import load_weights, save_weights, weights_fingerprint

__all__ = ["MVDiffusion", "ModelCfg", "load_weights", "make_model", "save_weights", "weights_fingerprint"]
