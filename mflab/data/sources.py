"""The training and validation scenes of a config."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from mflab.data.images import AlphaMode
from mflab.data.layout import CameraSource, Layout
from mflab.data.procedural import ProceduralScenes, World
from mflab.data.reader import FolderScenes
from mflab.data.scenes import SceneSource
from mflab.data.splits import check_leakage
from mflab.data.writer import write_dataset
from mflab.errors import MflabError
from mflab.geometry import get_rig

TRAIN_LIST = "data_train.txt"
VAL_LIST = "data_val.txt"


class DataKind(Enum):
    """procedural: a world written once in the on-disk layout. stream: the same rendered on demand, without end.
    folder: an existing dataset in that layout."""

    procedural = "procedural"
    stream = "stream"
    folder = "folder"


@dataclass
class DataCfg:
    """Training and validation scenes.

    Attributes:
        name: for tables.
        kind: where scenes come from.
        rig: views, a key of `mflab.geometry.RIGS`.
        size: image side, pixels.
        background: white, black or gray; transparent pixels take it.
        cache_mb: memory for decoded scenes, MiB.
        world: procedural world (kinds procedural and stream).
        num_train: training scenes (kinds procedural and stream).
        num_val: validation scenes (kinds procedural and stream).
        seed: seed of the world, not of the trial.
        root: dataset folder (kind folder).
        train_list: list file of training samples, relative to `root`.
        val_list: list file of validation samples.
        view_indices: image number of each slot; empty means file order.
        alpha: whether images carry alpha or are declared opaque.
        cameras: where cameras come from.
        camera_file: shared camera file (cameras=file), relative to `root`.
        camera_indices: frame of each slot in the shared camera file; empty means file order.
        allow_overlap: validate on images that are also trained on; the report says so.
    """

    name: str = "mice"
    kind: DataKind = DataKind.procedural
    rig: str = "facelift6_el20"
    size: int = 64
    background: str = "white"
    cache_mb: float = 256.0
    world: World = World.mice
    num_train: int = 200
    num_val: int = 24
    seed: int = 0
    root: str = ""
    train_list: str = TRAIN_LIST
    val_list: str = VAL_LIST
    view_indices: list[int] = field(default_factory=list)
    alpha: AlphaMode = AlphaMode.straight
    cameras: CameraSource = CameraSource.sample
    camera_file: str = ""
    camera_indices: list[int] = field(default_factory=list)
    allow_overlap: bool = False


class Sources(NamedTuple):
    """Scenes to train on and scenes to validate on."""

    train: SceneSource
    val: SceneSource


def open_sources(cfg: DataCfg, cache: Path) -> Sources:
    """Training and validation scenes, written first if they are procedural and not there yet.

    Args:
        cfg: what to open.
        cache: folder for procedural datasets.

    Raises:
        MflabError: anything missing or broken, with its path.
    """
    if cfg.kind is DataKind.folder:
        return _open_folder(cfg)
    rig = get_rig(cfg.rig)
    if cfg.num_train < 1 or cfg.num_val < 1:
        raise MflabError(
            f"num_train and num_val must be at least 1, but got num_train={cfg.num_train}, num_val={cfg.num_val}; "
            "set data.num_train and data.num_val."
        )
    if cfg.kind is DataKind.stream:
        # Even seeds train and odd seeds validate, so that no seed's validation is another seed's training.
        train = ProceduralScenes(cfg.world, rig, cfg.size, 2 * cfg.seed, cfg.num_train)
        return Sources(train, ProceduralScenes(cfg.world, rig, cfg.size, 2 * cfg.seed + 1, cfg.num_val))
    scenes = ProceduralScenes(cfg.world, rig, cfg.size, cfg.seed, cfg.num_train + cfg.num_val)
    root = cache / f"{scenes.name}_{cfg.num_train}+{cfg.num_val}_{scenes.fingerprint[:12]}"
    lists = {TRAIN_LIST: range(cfg.num_train), VAL_LIST: range(cfg.num_train, scenes.num_scenes)}
    recipe = {**scenes.recipe, "num_train": cfg.num_train, "num_val": cfg.num_val}
    write_dataset(root, (scenes[index] for index in range(len(scenes))), lists, recipe)
    layout = Layout(rig, size=cfg.size)
    return Sources(
        FolderScenes(root, layout, TRAIN_LIST, cfg.cache_mb, "train"),
        FolderScenes(root, layout, VAL_LIST, cfg.cache_mb, "val"),
    )


def _open_folder(cfg: DataCfg) -> Sources:
    if not cfg.root:
        raise MflabError("data.kind=folder must have data.root, but got none; set data.root to the dataset folder.")
    root = Path(cfg.root)
    layout = Layout(
        get_rig(cfg.rig),
        size=cfg.size,
        view_indices=tuple(cfg.view_indices) or None,
        alpha=cfg.alpha,
        cameras=cfg.cameras,
        camera_file=root / cfg.camera_file if cfg.camera_file else None,
        camera_indices=tuple(cfg.camera_indices) or None,
    )
    sources = Sources(
        FolderScenes(root, layout, cfg.train_list, cfg.cache_mb, "train"),
        FolderScenes(root, layout, cfg.val_list, cfg.cache_mb, "val"),
    )
    if not cfg.allow_overlap:
        check_leakage(sources.train, sources.val)
    return sources
