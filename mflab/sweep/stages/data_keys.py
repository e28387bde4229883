"""Which fields of a data config can change what training or validation sees."""

import hashlib
from pathlib import Path
from typing import Any

from mflab.config import fields_of
from mflab.data.sources import DataCfg, DataKind, Sources

# Names, memory, places of files whose content is hashed, and what only concerns the other half.
_NOT_TRAINED = ("name", "cache_mb", "root", "train_list", "val_list", "num_val", "allow_overlap")
_NOT_SHOWN = ("name", "cache_mb", "root", "train_list", "val_list", "num_train", "allow_overlap")
# Fields that only procedural scenes read.
_PROCEDURAL = ("world", "seed", "num_train", "num_val")


def trained_data(cfg: DataCfg) -> dict[str, Any]:
    """What matters to training beside the content of the scenes, for `mflab.config.fingerprint`."""
    return _relevant(cfg, _NOT_TRAINED)


def base_data(cfg: DataCfg) -> dict[str, Any]:
    """The same of base scenes, which are put on the background of the others."""
    return _relevant(cfg, (*_NOT_TRAINED, "background"))


def validation_data(cfg: DataCfg, sources: Sources) -> dict[str, Any]:
    """What the validation shows, for `fingerprint`: content of the scenes, and how they are read from their files."""
    return {**_relevant(cfg, _NOT_SHOWN), "content": sources.val.fingerprint}


def _relevant(cfg: DataCfg, left_out: tuple[str, ...]) -> dict[str, Any]:
    if cfg.kind is DataKind.folder:
        left_out = (*left_out, *_PROCEDURAL)
    values = {name: value for name, value in fields_of(cfg).items() if name not in left_out}
    if cfg.camera_file:
        values["camera_file"] = hashlib.sha256((Path(cfg.root) / cfg.camera_file).read_bytes()).hexdigest()
    return values
