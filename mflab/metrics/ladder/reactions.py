"""Which metrics must follow the strength of which perturbations, and in how many scenes they do."""

import math

from mflab.metrics.ladder.judge import MONOTONE_RHO
from mflab.metrics.ladder.results import Results, SceneFacts
from mflab.metrics.ladder.scenes import PLAIN, SYMMETRIC

# Metric -> perturbations that must move it monotonically.
MUST_REACT: dict[str, tuple[str, ...]] = {
    "sc": ("shift", "warp", "rotation", "scale_up", "scale_down", "elevation", "cameras_lower", "cameras_higher"),
    "pc": ("hue", "gain", "texture", "identity", "azimuth"),
}
# Blind spots: silhouettes of symmetric objects hide poses, and flat colours hide where they were seen from.
EXEMPT = (SYMMETRIC,)
EXEMPT_PAIRS = {("pc", "azimuth"): (SYMMETRIC, PLAIN)}
# Of a grey object it changes a few grey levels, less than the true views of two objects differ by.
NEEDS_COLOUR = "hue"


def monotone_scenes(results: Results) -> dict[str, bool]:
    """Whether every metric that must react is monotone in each scene that is not exempt.

    Pairs that a scene cannot have, and blind spots, do not count.
    """
    found = {}
    for name, scene in results.scenes.items():
        if scene.kind in EXEMPT:
            continue
        rhos = [
            results.rho(name, perturbation, metric)
            for metric, perturbations in MUST_REACT.items()
            for perturbation in perturbations
            if not is_exempt(metric, perturbation, scene)
        ]
        found[name] = all(is_monotone(rho) for rho in rhos if not math.isnan(rho))
    return found


def monotone_pairs(results: Results) -> dict[str, float]:
    """Share of scenes in which a metric that must react is monotone, by "metric perturbation"."""
    shares = {}
    for metric, perturbations in MUST_REACT.items():
        for perturbation in perturbations:
            rhos = list(rhos_of(results, metric, perturbation).values())
            if rhos:
                shares[f"{metric} {perturbation}"] = sum(is_monotone(rho) for rho in rhos) / len(rhos)
    return shares


def is_exempt(metric: str, perturbation: str, scene: SceneFacts) -> bool:
    """Whether a perturbation of a scene is a blind spot of a metric."""
    pair = (metric, perturbation)
    kinds = EXEMPT_PAIRS[pair] if pair in EXEMPT_PAIRS else EXEMPT
    return scene.kind in kinds or (perturbation == NEEDS_COLOUR and scene.is_grey)


def is_monotone(rho: float) -> bool:
    """Whether a rank correlation is high enough; rounding aside.

    >>> is_monotone(0.9), is_monotone(0.89)
    (True, False)
    """
    return rho >= MONOTONE_RHO - 1e-9


def rhos_of(results: Results, metric: str, perturbation: str) -> dict[str, float]:
    """Rank correlation of metric and strength in each scene that has the perturbation and is not exempt."""
    if perturbation not in results.perturbations:
        return {}
    rhos = {
        name: results.rho(name, perturbation, metric)
        for name, scene in results.scenes.items()
        if not is_exempt(metric, perturbation, scene)
    }
    return {name: rho for name, rho in rhos.items() if not math.isnan(rho)}
