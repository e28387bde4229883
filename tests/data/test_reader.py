"""Reading the on-disk layout: what comes back, and that every broken dataset stops at once with its path."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mflab.data.images import AlphaMode, area_matrix, shrink
from mflab.data.layout import CameraSource, Layout
from mflab.data.reader import FolderScenes, read_scene
from mflab.data.scenes import Scene, background_value, composite
from mflab.data.writer import write_dataset
from mflab.errors import MflabError
from mflab.geometry import get_rig

RIG = get_rig("facelift6")
LAYOUT = Layout(RIG)
LISTS = {"data_train.txt": [0, 1], "data_val.txt": [2]}
# The 32-view ring starts at world azimuth 0; these frames are the directions of facelift6.
RING_VIEWS = (24, 20, 16, 8, 0, 28)


def make_scene(seed: int, size: int = 8) -> Scene:
    rng = torch.Generator().manual_seed(seed)
    rgba = torch.randint(0, 256, (6, 4, size, size), generator=rng, dtype=torch.uint8)
    rgba[:, 3, 2, 2] = 255
    return Scene(f"scene{seed}", rgba, RIG.view_names, RIG.cameras(size))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    write_dataset(folder, (make_scene(seed) for seed in range(3)), LISTS, {"seed": 0})
    (folder / "dataset.json").unlink()
    return folder


def image(root: Path, sample: int = 1, view: int = 3) -> Path:
    return root / f"sample_{sample:06d}" / "images" / f"cam_{view:03d}.png"


def edit_cameras(root: Path, change: Callable[[list[dict]], object]) -> Path:
    path = root / "sample_000001" / "opencv_cameras.json"
    content = json.loads(path.read_text())
    change(content["frames"])
    path.write_text(json.dumps(content))
    return path


def refused(root: Path, *words: str, layout: Layout = LAYOUT, listing: str | None = None) -> None:
    """Asserts that opening fails at once with one message that holds all words."""
    with pytest.raises(MflabError) as caught:
        FolderScenes(root, layout, listing)
    for word in words:
        assert word in str(caught.value)


def test_written_scenes_come_back_bit_for_bit(root: Path) -> None:
    scenes = FolderScenes(root, LAYOUT)
    assert len(scenes) == 3
    for index in range(3):
        expected = make_scene(index)
        assert torch.equal(scenes[index].rgba, expected.rgba)
        cameras, rig_cameras = scenes[index].cameras, expected.cameras
        assert cameras is not None
        assert rig_cameras is not None
        torch.testing.assert_close(cameras.c2w, rig_cameras.c2w, atol=1e-6, rtol=0)
        torch.testing.assert_close(cameras.K, rig_cameras.K, atol=1e-6, rtol=0)


def test_list_gives_samples_in_its_order_relative_to_its_own_folder_or_absolute(root: Path, tmp_path: Path) -> None:
    (root / "lists").mkdir()
    (root / "lists" / "some.txt").write_text(f"../sample_000002\n\n{root / 'sample_000000'}\n")
    scenes = FolderScenes(root, LAYOUT, "lists/some.txt")
    assert [scenes[0].name, scenes[1].name] == ["sample_000002", "sample_000000"]


def test_flat_sample_without_cameras_reads_as_the_folder_with_images(root: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat" / "sample_000000"
    flat.mkdir(parents=True)
    for path in sorted((root / "sample_000000" / "images").iterdir()):
        path.rename(flat / path.name)
    scene = FolderScenes(tmp_path / "flat", replace(LAYOUT, cameras=CameraSource.none))[0]
    assert scene.cameras is None
    assert torch.equal(scene.rgba, make_scene(0).rgba)


def test_view_indices_choose_images_and_frames_together(tmp_path: Path) -> None:
    order = [2, 1, 0, 5, 4, 3]
    scene = make_scene(0)
    assert scene.cameras is not None
    file_order = [order.index(file) for file in range(6)]
    stored = Scene("a", scene.rgba[file_order], RIG.view_names, scene.cameras.select(file_order))
    write_dataset(tmp_path / "set", [stored], {"all.txt": [0]}, {})
    refused(tmp_path / "set", "slot 1 (front_right)", "set the order of views")
    back = FolderScenes(tmp_path / "set", replace(LAYOUT, view_indices=tuple(order)))[0]
    assert torch.equal(back.rgba, scene.rgba)
    assert back.cameras is not None
    torch.testing.assert_close(back.cameras.c2w, scene.cameras.c2w, atol=1e-6, rtol=0)


def test_size_shrinks_images_and_scales_intrinsics(root: Path) -> None:
    scene = FolderScenes(root, replace(LAYOUT, size=4))[0]
    expected = RIG.cameras(4)
    assert scene.rgba.shape == (6, 4, 4, 4)
    assert scene.cameras is not None
    assert (scene.cameras.width, scene.cameras.height) == (4, 4)
    torch.testing.assert_close(scene.cameras.K, expected.K, atol=1e-6, rtol=0)


def test_cache_stays_within_its_bound_and_never_changes_results(root: Path) -> None:
    one_scene_mb = 6 * 4 * 8 * 8 / 2**20
    small = FolderScenes(root, LAYOUT, cache_mb=1.5 * one_scene_mb)
    none = FolderScenes(root, LAYOUT, cache_mb=0.0)
    for index in (0, 1, 0, 2):
        assert torch.equal(small[index].rgba, make_scene(index).rgba)
        assert torch.equal(none[index].rgba, make_scene(index).rgba)
    assert small._cached_bytes == 6 * 4 * 8 * 8
    assert none._cached_bytes == 0


def test_truncated_image_stops_with_its_path(root: Path) -> None:
    path = image(root)
    path.write_bytes(path.read_bytes()[:-40])
    refused(root, str(path), "cannot be decoded")


def test_every_corrupted_byte_of_the_pixels_is_noticed_or_harmless(root: Path) -> None:
    path = image(root)
    content = path.read_bytes()
    start = content.index(b"IDAT") + 4
    for offset in range(start + 20, len(content) - 30, 97):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 0xFF]) + content[offset + 1 :])
        refused(root, str(path))


def test_text_file_in_place_of_an_image_stops_with_its_path(root: Path) -> None:
    image(root).write_text("not an image")
    refused(root, str(image(root)), "cannot be decoded")


@pytest.mark.parametrize("view", [0, 3, 5])
def test_missing_image_stops_with_its_path(root: Path, view: int) -> None:
    image(root, view=view).unlink()
    refused(root, str(image(root, view=view)), "does not exist")


def test_missing_camera_file_stops_with_its_path_unless_none_is_asked(root: Path) -> None:
    path = root / "sample_000001" / "opencv_cameras.json"
    path.unlink()
    refused(root, str(path), "set data.cameras")
    assert FolderScenes(root, replace(LAYOUT, cameras=CameraSource.none))[1].cameras is None


def test_camera_file_with_five_of_six_frames_stops(root: Path) -> None:
    path = edit_cameras(root, lambda frames: frames.pop())
    refused(root, str(path), "5 of 6")


def test_frame_of_a_dropped_view_stops(root: Path) -> None:
    path = edit_cameras(root, lambda frames: frames[2].update(file_path="images/cam_004.png"))
    refused(root, str(path), "cam_002.png", "cam_004.png")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"frames": 3}', '{"frames": [1]}'])
def test_malformed_camera_file_stops_with_its_path(root: Path, text: str) -> None:
    path = root / "sample_000001" / "opencv_cameras.json"
    path.write_text(text)
    refused(root, str(path))


def test_camera_numbers_of_the_wrong_kind_stop_with_the_path(root: Path) -> None:
    refused(root, str(edit_cameras(root, lambda frames: frames[0].update(fx="wide"))))
    refused(root, str(edit_cameras(root, lambda frames: frames[0].update(fx=8.0, w2c=[[1, 2], [3]]))))


def test_reflected_camera_stops_with_its_path(root: Path) -> None:
    def reflect(frames: list[dict]) -> None:
        frames[4]["w2c"][0] = [-value for value in frames[4]["w2c"][0]]

    refused(root, str(edit_cameras(root, reflect)), "reflection", "view 4")


def test_image_of_another_size_than_its_camera_stops(root: Path) -> None:
    Image.open(image(root)).resize((10, 10)).save(image(root))
    refused(root, str(image(root)), "10x10", "8x8")


def test_samples_of_different_size_stop_unless_resized(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", [make_scene(0), make_scene(1, 10)], {"all.txt": [0, 1]}, {})
    refused(tmp_path / "set", "sample_000001", "10x10", "set data.size")
    assert FolderScenes(tmp_path / "set", replace(LAYOUT, size=8))[1].rgba.shape[-1] == 8


def test_image_without_alpha_stops_unless_declared_opaque(root: Path) -> None:
    for sample in range(3):
        for view in range(6):
            Image.open(image(root, sample, view)).convert("RGB").save(image(root, sample, view))
    refused(root, str(image(root, 0, 0)), "is RGB", "alpha=opaque")
    opaque = FolderScenes(root, replace(LAYOUT, alpha=AlphaMode.opaque))[0].rgba
    assert bool((opaque[:, 3] == 255).all())
    assert torch.equal(opaque[:, :3], make_scene(0).rgba[:, :3])


def test_alpha_is_never_dropped_from_a_transparent_image_declared_opaque(root: Path) -> None:
    refused(root, str(image(root, 0, 0)), "is RGBA", "alpha=straight", layout=replace(LAYOUT, alpha=AlphaMode.opaque))


def test_palette_image_stops_with_its_mode(root: Path) -> None:
    Image.open(image(root)).convert("L").save(image(root))
    refused(root, str(image(root)), "is L", "8-bit RGBA")


def test_wholly_transparent_image_stops_with_its_path(root: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(image(root))
    refused(root, str(image(root)), "alpha is zero everywhere")


def test_list_that_leads_nowhere_stops_with_line_and_path(root: Path) -> None:
    (root / "bad.txt").write_text("sample_000000\nsample_000009\n")
    refused(root, "line 2", str(root / "sample_000009"), listing="bad.txt")


def test_empty_missing_and_repeating_lists_stop(root: Path) -> None:
    (root / "empty.txt").write_text("\n")
    (root / "twice.txt").write_text(f"sample_000000\n{root / 'sample_000000'}\n")
    refused(root, str(root / "empty.txt"), "is empty", listing="empty.txt")
    refused(root, str(root / "none.txt"), "does not", listing="none.txt")
    refused(root, "line 2", "repeats", listing="twice.txt")


def test_folder_that_is_missing_or_holds_no_sample_stops(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", str(tmp_path / "nowhere"), "does not exist")
    refused(tmp_path, str(tmp_path), "sample_*")


def test_sample_with_more_views_than_the_rig_needs_view_indices(root: Path) -> None:
    even = get_rig("even60_el0")
    four = replace(even, view_names=even.view_names[:4], azimuths_deg=even.azimuths_deg[:4])
    refused(root, "4", "has 6", "view_indices", layout=Layout(replace(four, elevations_deg=(0.0,) * 4)))


def test_enlarging_is_refused(root: Path) -> None:
    refused(root, "size=16", "8x8", layout=replace(LAYOUT, size=16))


@pytest.mark.parametrize("order", [(0, 1), (0, 1, 2, 3, 4, 4), (0, 1, 2, 3, 4, -1)])
def test_view_indices_must_be_one_different_file_per_slot(order: tuple[int, ...]) -> None:
    with pytest.raises(MflabError, match="view_indices must be 6 different"):
        replace(LAYOUT, view_indices=order)


def test_shared_camera_file_goes_with_its_source() -> None:
    with pytest.raises(MflabError, match="camera_file"):
        replace(LAYOUT, cameras=CameraSource.file)
    with pytest.raises(MflabError, match="camera_file"):
        replace(LAYOUT, camera_file=Path("a.json"))


def test_area_matrix_rows_sum_to_one_and_keep_constants() -> None:
    for source, target in ((8, 8), (8, 4), (7, 3), (512, 60)):
        matrix = area_matrix(source, target)
        torch.testing.assert_close(matrix.sum(dim=1), torch.ones(target))
        torch.testing.assert_close(matrix.sum(dim=0), torch.full((source,), target / source))


def test_shrinking_equals_the_block_mean_of_premultiplied_colours() -> None:
    rgba = make_scene(3).rgba
    alpha = rgba[:, 3:].double() / 255
    blocks = torch.nn.functional.avg_pool2d(torch.cat([rgba[:, :3] * alpha, alpha], dim=1), 2)
    small = shrink(rgba, 4).double()
    torch.testing.assert_close(small[:, 3:] / 255, blocks[:, 3:], atol=0.5 / 255 + 1e-6, rtol=0)
    torch.testing.assert_close(small[:, :3], blocks[:, :3] / blocks[:, 3:], atol=0.5 + 1e-3, rtol=0)


def test_invisible_colours_do_not_bleed_when_shrinking() -> None:
    rgba = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    rgba[:, 0] = 255
    rgba[:, :, 0, 0] = torch.tensor([10, 20, 30, 255], dtype=torch.uint8)
    assert shrink(rgba, 2)[0, :, 0, 0].tolist() == [10, 20, 30, 64]


def test_composite_is_alpha_blending_on_the_declared_background() -> None:
    rgba = torch.tensor([255, 0, 51, 51], dtype=torch.uint8).view(1, 4, 1, 1)
    for background, grey in (("white", 1.0), ("black", 0.0), ("gray", 0.5), (0.25, 0.25)):
        colour, alpha = composite(rgba, background)
        assert alpha.item() == pytest.approx(0.2)
        expected = [0.2 * value + 0.8 * grey for value in (1.0, 0.0, 0.2)]
        torch.testing.assert_close(colour.flatten(), torch.tensor(expected))


def test_unknown_background_lists_the_choices() -> None:
    with pytest.raises(MflabError, match=re.escape("Unknown background 'pink'; choose one of white, black, gray")):
        background_value("pink")
    with pytest.raises(MflabError, match=r"background=1\.5"):
        background_value(1.5)


def test_facelift_ring_gives_the_six_view_rig_by_indices(shared: Path) -> None:
    folder = shared / "data" / "facelift_sample" / "gslrm"
    layout = Layout(get_rig("facelift6_el20"), size=64, view_indices=RING_VIEWS)
    scenes = FolderScenes(folder, layout, "data_gslrm_train.txt")
    scene = scenes[0]
    assert scene.rgba.shape == (6, 4, 64, 64)
    assert scene.cameras is not None
    expected = layout.rig.cameras(64)
    torch.testing.assert_close(scene.cameras.c2w, expected.c2w, atol=1e-6, rtol=0)
    torch.testing.assert_close(scene.cameras.K, expected.K, atol=1e-5, rtol=0)
    foreground = (scene.rgba[:, 3] > 127).double().mean()
    assert 0.2 < foreground < 0.5


def test_facelift_diffusion_sample_reads_with_the_rigs_cameras_or_a_shared_file(shared: Path) -> None:
    folder = shared / "data" / "facelift_sample"
    rig_layout = Layout(RIG, size=64, cameras=CameraSource.rig)
    file_layout = Layout(
        RIG,
        size=64,
        cameras=CameraSource.file,
        camera_file=folder / "six_view_rig_opencv_cameras.json",
        camera_indices=(2, 1, 0, 5, 4, 3),
    )
    by_rig = read_scene(folder / "mvdiffusion" / "sample_000", rig_layout)
    by_file = read_scene(folder / "mvdiffusion" / "sample_000", file_layout)
    assert torch.equal(by_rig.rgba, by_file.rgba)
    assert by_rig.cameras is not None
    assert by_file.cameras is not None
    torch.testing.assert_close(by_rig.cameras.c2w, by_file.cameras.c2w, atol=1e-6, rtol=0)
    with pytest.raises(MflabError, match="slot 1"):
        read_scene(folder / "mvdiffusion" / "sample_000", replace(file_layout, camera_indices=None))
    refused(folder / "mvdiffusion", "opencv_cameras.json", "set data.cameras")
