"""Opens what trials read, once per process: scenes, prompt embeddings, the perceptual metric."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mflab.config import RootCfg, fingerprint
from mflab.data.scenes import SceneSource
from mflab.data.sources import DataCfg, Sources, open_sources
from mflab.metrics import Absent, LpipsMetric, find_lpips
from mflab.prompts import EncoderKind, PromptEmbeddings, check_width, make_embeddings, make_encoder
from mflab.sweep.stages.shelf import ModelShelf

NO_LPIPS = "none"
# Different datasets, validation sets and prompts that a process keeps; a sweep over more of them opens some twice.
KEPT = 16


class InputCache:
    """Keeps the last few things a process opened, by the settings that made them, and the model it used last."""

    def __init__(self) -> None:
        self.shelf = ModelShelf()
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, kind: str, settings: object, make: Callable[[], Any]) -> Any:
        """What `make` returned for these settings, now or before."""
        key = fingerprint([kind, settings])
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def open_prompts(config: RootCfg, style: str, source: SceneSource, cache: InputCache) -> PromptEmbeddings:
    """The embeddings of a style for the views of a source.

    Raises:
        MflabError: no such style or file, or embeddings that the UNet cannot attend to.
    """
    cfg = replace(config.prompts, style="")

    def make() -> PromptEmbeddings:
        is_file = cfg.encoder is EncoderKind.file
        encoder = None if is_file else cache.get("encoder", cfg, lambda: make_encoder(cfg))
        return make_embeddings(
            cfg, style, source.view_names, source.azimuths_deg, source.elevations_deg, encoder=encoder
        )

    views = [source.view_names, source.azimuths_deg, source.elevations_deg]
    embeddings = cache.get("prompts", [cfg, style, views], make)
    check_width(embeddings, config.model.unet.cross_attention_dim)
    return embeddings


def find_metric(net: str) -> LpipsMetric | Absent | None:
    """LPIPS of a validation config: the metric, why it is absent, or None where it is not asked for."""
    return None if net == NO_LPIPS else find_lpips(net)


def open_lpips(net: str, cache: InputCache) -> LpipsMetric | None:
    """LPIPS of a validation config, None where it is absent or not asked for."""
    found = cache.get("lpips", net, lambda: find_metric(net))
    return found if isinstance(found, LpipsMetric) else None


def open_scenes(cfg: DataCfg, folder: Path, cache: InputCache) -> Sources:
    """The scenes of a data config.

    Args:
        cfg: what to open.
        folder: of procedural datasets.
        cache: keeps them.

    Raises:
        MflabError: anything missing or broken, with its path.
    """
    return cache.get("sources", [cfg, str(folder)], lambda: open_sources(cfg, folder))
