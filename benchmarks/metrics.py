"""What mflab's metrics cost: PSNR and SSIM beside a loop over images with scikit-image, and the consistency suite.

images       six views and their truth. `plain` is the loop most code has: peak_signal_noise_ratio and
             structural_similarity (Gaussian window, sigma 1.5, population covariance) of scikit-image for each
             image. `mflab` is psnr and ssim of the set. They take turns in one process, on the same float32
             images, with torch's own number of threads.
LPIPS        the same with the lpips package's call per image, where its weights are installed.
consistency  measure_consistency of a six-view set without any weights, on one thread: CPU seconds, which other
             work on the machine changes little. Leave-one-out, the dearest part, also by itself.

python benchmarks/metrics.py            # 64, 256 and 512 px, 40 turns
python benchmarks/metrics.py --quick    # 64 and 512 px, 8 turns, under 50 s on two cores
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mflab.data.procedural import ProceduralScenes, World
from mflab.data.scenes import composite
from mflab.geometry import get_rig
from mflab.metrics import LpipsMetric, evaluate_views, find_lpips, ms_ssim, psnr, ssim
from mflab.metrics.consistency import ViewSet, leave_one_out, measure_consistency

NUM_VIEWS = 6
SIZE = 512
CONSISTENCY_WIDTHS = (64, 128, 256, 512)
# Values of both must agree to this.
LIMIT = 1e-4


@dataclass(frozen=True)
class Turns:
    """Median seconds of one call: wall clock and CPU of the whole process."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """Both ways at one image size, and by how much their values differ."""

    size: int
    plain: Turns
    mflab: Turns
    psnr_error: float
    ssim_error: float

    @property
    def ratio(self) -> float:
        return self.plain.wall / self.mflab.wall


def views(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction, target and alpha of six textured discs on white."""
    generator = torch.Generator().manual_seed(0)
    grid = (torch.arange(size) + 0.5) / size - 0.5
    alpha = ((grid[:, None] ** 2 + grid**2) < 0.09).float().expand(NUM_VIEWS, 1, size, size).contiguous()
    texture = torch.rand(NUM_VIEWS, 3, 32, 32, generator=generator)
    texture = torch.nn.functional.interpolate(texture, size=(size, size), mode="bilinear")
    target = alpha * texture + (1 - alpha)
    noise = torch.randn(target.shape, generator=generator)
    return (target + 0.05 * noise).clamp(0, 1), target, alpha


def take_turns(ways: list[Callable[[], object]], turns: int) -> list[Turns]:
    """Times every way `turns` times; each turn starts with another one."""
    spent: list[list[tuple[float, float]]] = [[] for _ in ways]
    for way in ways:
        way()
    for turn in range(turns):
        for place in range(len(ways)):
            index = (turn + place) % len(ways)
            wall, cpu = time.perf_counter(), time.process_time()
            ways[index]()
            spent[index].append((time.perf_counter() - wall, time.process_time() - cpu))
    return [Turns(*(statistics.median(column) for column in zip(*times, strict=True))) for times in spent]


def by_scikit_image(prediction: list[np.ndarray], target: list[np.ndarray]) -> list[tuple[float, float]]:
    """PSNR and SSIM of each image [H, W, 3]."""
    values = []
    for x, y in zip(prediction, target, strict=True):
        similarity = structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=-1
        )
        assert isinstance(similarity, np.floating)
        values.append((float(peak_signal_noise_ratio(y, x, data_range=1.0)), float(similarity)))
    return values


def compare(size: int, turns: int) -> Comparison:
    """PSNR and SSIM of a set, both ways."""
    prediction, target, _ = views(size)
    arrays = [[image.permute(1, 2, 0).contiguous().numpy() for image in images] for images in (prediction, target)]
    expected = torch.tensor(by_scikit_image(*arrays)).T
    found = torch.stack([psnr(prediction, target), ssim(prediction, target)])
    error = (found - expected).abs().amax(1)
    plain, ours = take_turns(
        [lambda: by_scikit_image(*arrays), lambda: (psnr(prediction, target), ssim(prediction, target))], turns
    )
    return Comparison(size, plain, ours, float(error[0]), float(error[1]))


def more_metrics(turns: int) -> dict[str, Turns]:
    """Time of what has no counterpart in scikit-image, for a set at 512 px."""
    prediction, target, alpha = views(SIZE)
    ways: dict[str, Callable[[], object]] = {
        "MS-SSIM": lambda: ms_ssim(prediction, target),
        "all of evaluate_views": lambda: evaluate_views(prediction, target, alpha, pred_alpha=alpha),
    }
    if torch.cuda.is_available():
        on_gpu = prediction.cuda(), target.cuda()
        ways["PSNR and SSIM on CUDA"] = lambda: (psnr(*on_gpu).cpu(), ssim(*on_gpu).cpu())
    return dict(zip(ways, take_turns(list(ways.values()), turns), strict=True))


def compare_lpips(metric: LpipsMetric, turns: int) -> list[Turns]:
    """LPIPS of a set at 256 px: the call per image, then mflab's."""
    prediction, target, _ = views(256)
    weight = next(metric.network.parameters())
    pairs = [(x[None].to(weight), y[None].to(weight)) for x, y in zip(prediction, target, strict=True)]

    def plain() -> list[float]:
        with torch.no_grad():
            return [float(metric.network(x, y, normalize=True)) for x, y in pairs]

    return take_turns([plain, lambda: metric(prediction, target)], turns)


def consistency_seconds(width: int, turns: int) -> tuple[float, float]:
    """CPU seconds on one thread of the whole suite and of leave-one-out alone, for six views of a mouse."""
    scene = ProceduralScenes(World.mice, get_rig("facelift6_el20"), width, 0, 1)[0]
    assert scene.cameras is not None
    view_set = ViewSet(*composite(scene.rgba, "white"), scene.cameras)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole, part = take_turns(
        [lambda: measure_consistency(view_set, torch.Generator().manual_seed(0)), lambda: leave_one_out(view_set)],
        turns,
    )
    torch.set_num_threads(threads)
    return whole.cpu, part.cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and turns")
    is_quick = parser.parse_args().quick
    turns = 8 if is_quick else 40
    print(f"PSNR and SSIM of {NUM_VIEWS} views, {torch.get_num_threads()} threads, ms per set")
    heads = ("plain", "mflab", "ratio", "CPU plain", "CPU mflab", "dB error", "SSIM error")
    print(f"{'px':>6}" + "".join(f"{head:>11}" for head in heads))
    results = [compare(size, turns) for size in ((64, SIZE) if is_quick else (64, 256, SIZE))]
    for one in results:
        times = [1e3 * seconds for seconds in (one.plain.wall, one.mflab.wall, one.plain.cpu, one.mflab.cpu)]
        print(
            f"{one.size:>6}{times[0]:>11.1f}{times[1]:>11.1f}{one.ratio:>11.2f}{times[2]:>11.1f}{times[3]:>11.1f}"
            f"{one.psnr_error:>11.1e}{one.ssim_error:>11.1e}"
        )
    for name, spent in more_metrics(turns // 2).items():
        print(f"{name} of {NUM_VIEWS} views at {SIZE} px: {1e3 * spent.wall:.1f} ms, CPU {1e3 * spent.cpu:.1f} ms")
    lpips = find_lpips("alex")
    if isinstance(lpips, LpipsMetric):
        plain, ours = compare_lpips(lpips, turns // 2)
        print(f"LPIPS (alex) at 256 px: plain {1e3 * plain.wall:.1f} ms, mflab {1e3 * ours.wall:.1f} ms")
    else:
        print(f"LPIPS not timed: {lpips.reason}")
    suite = {width: consistency_seconds(width, 2 if is_quick else 5) for width in CONSISTENCY_WIDTHS}
    print("consistency suite, six views, CPU s on one thread")
    for width, (whole, part) in suite.items():
        print(f"{width:>6} px{whole:>8.2f}, leave-one-out alone {part:.2f}")
    largest = results[-1]
    is_equal = all(max(one.psnr_error, one.ssim_error) <= LIMIT for one in results)
    print(
        json.dumps(
            {
                "ratio": round(largest.ratio, 2),
                "cpu_ratio": round(largest.plain.cpu / largest.mflab.cpu, 2),
                "ms_plain": round(1e3 * largest.plain.wall, 1),
                "ms_mflab": round(1e3 * largest.mflab.wall, 1),
                "max_error": max(max(one.psnr_error, one.ssim_error) for one in results),
                "values_equal": is_equal,
                "consistency_cpu_s": {str(width): round(whole, 3) for width, (whole, _) in suite.items()},
                "consistency_without_loo_cpu_s": {
                    str(width): round(whole - part, 3) for width, (whole, part) in suite.items()
                },
                "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
                "threads": torch.get_num_threads(),
            }
        )
    )
    sys.exit(0 if is_equal else 1)


if __name__ == "__main__":
    main()
