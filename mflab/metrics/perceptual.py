"""LPIPS with backbone weights that lie on this computer, or the reason why there are none.

The `lpips` package ships its linear heads only; the backbone is a torchvision download. Nothing is downloaded here,
and a backbone with random weights runs but means nothing, so a file counts only if its checksum is the published one.
"""

import hashlib
import os
import re
import warnings
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from mflab.errors import MflabError
from mflab.metrics.checks import check_pair
from mflab.metrics.learned import CHUNK_IMAGES, Absent
from mflab.metrics.table import METRICS, MetricInfo

# Published file names; as everywhere in torch hub the part after the last dash opens the file's sha256.
BACKBONES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
VERSION = "0.1"
# Below this AlexNet pools its maps away.
MIN_SIZE = 32


class LpipsMetric:
    """Learned perceptual distance of image pairs, lower is better, 0 for identical images.

    Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018,
    https://arxiv.org/abs/1801.03924; network and heads from the `lpips` package, version 0.1 of the heads.
    """

    def __init__(self, net: str, network: nn.Module) -> None:
        self.net = net
        self.network = network.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """Name of the metric with its backbone; values of two backbones are not comparable."""
        return f"lpips_{self.net}"

    @property
    def info(self) -> MetricInfo:
        return METRICS[self.name]

    @property
    def is_symmetric(self) -> bool:
        """Whether both orders of a pair give the same value: the difference of features is squared."""
        return True

    def __call__(self, pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch"]:
        """Returns the distance of each image pair.

        Args:
            pred: prediction in [0, 1], shape [..., 3, H, W]; mapped to [-1, 1] inside, as the network expects.
            target: reference in [0, 1], same shape.

        Raises:
            MflabError: another range, shape or dtype, NaN, or an image below 32 pixels.
        """
        pred, target = check_pair(pred, target)
        if min(pred.shape[-2:]) < MIN_SIZE:
            raise MflabError(
                f"LPIPS needs images of at least {MIN_SIZE} x {MIN_SIZE} px, but got {list(pred.shape[-2:])}; "
                "evaluate at a larger size."
            )
        weight = next(self.network.parameters())
        flat = [
            images.flatten(0, -4).to(weight) if images.ndim > 3 else images[None].to(weight)
            for images in (pred, target)
        ]
        chunks = zip(*(images.split(CHUNK_IMAGES) for images in flat), strict=True)
        with torch.no_grad():
            distances = torch.cat([self.network(x, y, normalize=True).flatten() for x, y in chunks])
        return distances.reshape(pred.shape[:-3])


def find_lpips(net: str = "vgg", path: Path | None = None) -> LpipsMetric | Absent:
    """Returns LPIPS on backbone `net` if its weights lie on this computer, else the reason why not.

    The global random state stays as it was.

    Args:
        net: backbone, alex or vgg.
        path: file of torchvision's weights; None looks in the torch hub cache, `$TORCH_HOME/hub/checkpoints`, by
            default `~/.cache/torch/hub/checkpoints`.

    Raises:
        MflabError: `net` is not a known backbone.
    """
    if net not in BACKBONES:
        raise MflabError(f"Unknown LPIPS backbone {net!r}; choose one of {', '.join(BACKBONES)}.")
    remedy = f"place torchvision's ImageNet weights {BACKBONES[net]} there"
    if path is None:
        path = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONES[net]
        remedy += ", or point TORCH_HOME at the cache that has them"
    remedy += "."
    if not path.is_file():
        return Absent(f"lpips_{net} needs backbone weights at {path}, but there is no such file; {remedy}")
    if not os.access(path, os.R_OK):
        return Absent(f"lpips_{net} needs backbone weights at {path}, but the file is not readable; {remedy}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected = re.sub(r".*-([0-9a-f]+)\.pth", r"\1", BACKBONES[net])
    if not digest.startswith(expected):
        return Absent(
            f"lpips_{net} needs backbone weights whose sha256 starts with {expected}, but {path} has "
            f"{digest[: len(expected)]}: truncated or other weights; {remedy}"
        )
    return LpipsMetric(net, _load_network(net, path))


def _load_network(net: str, path: Path) -> nn.Module:
    """Returns `lpips.LPIPS` with its packaged heads and the backbone in `path`, without touching the network."""
    import lpips  # imports torchvision and scipy, seconds that runs without weights need not pay

    with torch.device("meta"), warnings.catch_warnings():
        # lpips still passes torchvision's old `pretrained=`. pnet_rand keeps it from downloading; on the meta device no
        # random tensor can stay behind, and VGG's unused 400 MB classifier is never allocated.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torchvision\.models")
        network = lpips.LPIPS(net=net, version=VERSION, pretrained=False, pnet_rand=True, verbose=False)
    heads = torch.load(Path(lpips.__file__).parent / "weights" / f"v{VERSION}" / f"{net}.pth", "cpu", weights_only=True)
    network.load_state_dict(heads, strict=False, assign=True)
    state = torch.load(path, map_location="cpu", weights_only=True)
    # lpips regroups torchvision's `features.<i>` as `slice<k>.<i>` and keeps the numbers.
    backbone = {key: state[re.sub(r"^slice\d+", "features", key)] for key in network.net.state_dict()}
    network.net.load_state_dict(backbone, assign=True)
    return network
