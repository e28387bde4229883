"""Configs and rigs become embeddings; files must be what was asked for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from mflab.errors import MflabError
from mflab.prompts import (
    FACELIFT_ORDER,
    EncoderKind,
    HashedEncoder,
    PromptsCfg,
    ViewNaming,
    make_embeddings,
    make_encoder,
    save,
    slot_names,
)

RING = ("front", "right", "back", "left", "back_left", "back_right")
AZIMUTHS = (0.0, 90.0, 180.0, 270.0, 225.0, 135.0)
LEVEL = (20.0,) * 6
CONF = Path(__file__).resolve().parents[2] / "conf" / "prompts"


def test_rig_naming_writes_the_rig_names_and_facelift_order_the_slots() -> None:
    own = make_embeddings(PromptsCfg(), "facelift", RING, AZIMUTHS, LEVEL)
    slots = make_embeddings(PromptsCfg(view_names=ViewNaming.facelift_order), "facelift", RING, AZIMUTHS, LEVEL)
    assert (own.view_names, slots.view_names) == (RING, FACELIFT_ORDER)
    assert own.texts is not None
    assert "back_right view" in own.texts[5]
    assert slots.texts is not None
    assert "front_left view" in slots.texts[5]
    assert torch.equal(own.tensor[0], slots.tensor[0])
    assert not torch.equal(own.tensor[1], slots.tensor[1])


def test_facelift_order_needs_six_views() -> None:
    with pytest.raises(MflabError, match="rig of 6 views, but got 2"):
        slot_names(ViewNaming.facelift_order, ["front", "back"])


def test_width_and_length_come_from_the_config() -> None:
    embeddings = make_embeddings(PromptsCfg(width=16, length=40), "simple", RING, AZIMUTHS, LEVEL)
    assert embeddings.tensor.shape == (6, 40, 16)
    assert embeddings.tensor.dtype == torch.float32
    assert embeddings.encoder == HashedEncoder(16, 40).identity


def test_default_length_holds_every_style_at_any_view() -> None:
    for style in ("mouse_elevated", "with_angles_top", "from_camera"):
        embeddings = make_embeddings(PromptsCfg(), style, ["front_right"], [45.0], [60.0])
        assert embeddings.tensor.shape == (1, PromptsCfg.length, PromptsCfg.width)


def test_given_encoder_is_used() -> None:
    embeddings = make_embeddings(PromptsCfg(), "simple", RING, AZIMUTHS, LEVEL, encoder=HashedEncoder(8, 30))
    assert embeddings.width == 8


def test_file_is_loaded_for_its_style(tmp_path: Path) -> None:
    for style in ("facelift", "simple"):
        save(make_embeddings(PromptsCfg(), style, RING, AZIMUTHS, LEVEL), tmp_path / style)
    cfg = PromptsCfg(encoder=EncoderKind.file, path=str(tmp_path / "{style}"))
    assert make_embeddings(cfg, "simple", RING, AZIMUTHS, LEVEL).style == "simple"
    fixed = replace(cfg, path=str(tmp_path / "simple"))
    with pytest.raises(MflabError, match="style 'facelift', but records style 'simple'"):
        make_embeddings(fixed, "facelift", RING, AZIMUTHS, LEVEL)
    with pytest.raises(MflabError, match="kind 'normal', but records kind 'colour'"):
        make_embeddings(cfg, "facelift", RING, AZIMUTHS, LEVEL, kind="normal")
    with pytest.raises(MflabError, match=r"set prompts.view_names or make"):
        make_embeddings(cfg, "facelift", FACELIFT_ORDER, AZIMUTHS, LEVEL)
    with pytest.raises(MflabError, match="which has 2, but got 6"):
        make_embeddings(cfg, "facelift", RING[:2], AZIMUTHS[:2], LEVEL[:2])


def test_unrecorded_style_is_taken_as_asked_for(tmp_path: Path) -> None:
    torch.save(torch.ones(6, 77, 8), tmp_path / "clr_embeds.pt")
    cfg = PromptsCfg(encoder=EncoderKind.file, path=str(tmp_path))
    embeddings = make_embeddings(cfg, "facelift", RING, AZIMUTHS, LEVEL)
    assert (embeddings.style, embeddings.view_names, embeddings.encoder) == ("facelift", None, None)


def test_unknown_style_is_refused_before_a_file_is_read() -> None:
    cfg = PromptsCfg(encoder=EncoderKind.file, path="absent")
    with pytest.raises(MflabError, match="Unknown prompt style"):
        make_embeddings(cfg, "nonsense", RING, AZIMUTHS, LEVEL)


def test_file_needs_a_path_and_is_no_encoder() -> None:
    cfg = PromptsCfg(encoder=EncoderKind.file)
    with pytest.raises(MflabError, match="needs an embedding file"):
        make_embeddings(cfg, "facelift", RING, AZIMUTHS, LEVEL)
    with pytest.raises(MflabError, match="must be hashed or clip"):
        make_encoder(cfg)


def test_shared_facelift_file_serves_the_facelift_style(shared: Path) -> None:
    cfg = PromptsCfg(encoder=EncoderKind.file, path=str(shared / "data" / "prompt_embeds" / "{style}"))
    embeddings = make_embeddings(cfg, "facelift", FACELIFT_ORDER, AZIMUTHS, LEVEL)
    assert embeddings.tensor.shape == (6, 77, 1024)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_fit_the_schema(path: Path) -> None:
    values = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(values, dict)
    assert values.pop("defaults") == ["prompts_schema", "_self_"]
    cfg = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(PromptsCfg), values))
    assert isinstance(cfg, PromptsCfg)
    assert cfg.encoder.name == path.stem
