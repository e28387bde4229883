"""From a config and a rig to prompt embeddings."""

from collections.abc import Sequence
from dataclasses import replace

from mflab.errors import MflabError
from mflab.prompts.cfg import EncoderKind, PromptsCfg, ViewNaming
from mflab.prompts.clip import ClipEncoder
from mflab.prompts.embeddings import PromptEmbeddings, check_views
from mflab.prompts.encoders import HashedEncoder, TextEncoder
from mflab.prompts.files import load
from mflab.prompts.styles import FACELIFT_ORDER, get_style, write_prompts


def make_encoder(cfg: PromptsCfg) -> TextEncoder:
    """Returns the encoder of a config.

    Raises:
        MflabError: `file` is no encoder, or the encoder's own refusal.
    """
    if cfg.encoder is EncoderKind.hashed:
        return HashedEncoder(cfg.width, cfg.length)
    if cfg.encoder is EncoderKind.clip:
        return ClipEncoder(cfg.path)
    raise MflabError("prompts.encoder must be hashed or clip to encode a text, but got file; set prompts.encoder.")


def slot_names(naming: ViewNaming, view_names: Sequence[str]) -> tuple[str, ...]:
    """Returns the view names to write, slot by slot.

    >>> slot_names(ViewNaming.facelift_order, ["front", "back", "left", "right", "front_left", "front_right"])
    ('front', 'front_right', 'right', 'back', 'left', 'front_left')

    Raises:
        MflabError: `facelift_order` for another number of views than six.
    """
    if naming is ViewNaming.rig:
        return tuple(view_names)
    if len(view_names) != len(FACELIFT_ORDER):
        raise MflabError(
            f"prompts.view_names=facelift_order needs a rig of {len(FACELIFT_ORDER)} views, but got "
            f"{len(view_names)}; set prompts.view_names=rig."
        )
    return FACELIFT_ORDER


def make_embeddings(
    cfg: PromptsCfg,
    style: str,
    view_names: Sequence[str],
    azimuths_deg: Sequence[float],
    elevations_deg: Sequence[float],
    kind: str = "colour",
    encoder: TextEncoder | None = None,
) -> PromptEmbeddings:
    """Returns the embeddings of one style for the views of a rig.

    Args:
        cfg: Encoder and view naming. `cfg.style` is not read: a curriculum asks for several styles.
        style: The style to write.
        view_names: The rig's view names; `cfg.view_names` says whether the text uses them.
        azimuths_deg: Rig azimuth per view, clockwise, 0 = front.
        elevations_deg: Elevation per view.
        kind: colour or normal.
        encoder: An encoder already made from `cfg`, so that several styles load it once.

    Raises:
        MflabError: From writing, encoding or loading; a file of another style, kind or views than asked for.
    """
    get_style(style)
    names = slot_names(cfg.view_names, view_names)
    if cfg.encoder is EncoderKind.file:
        return _load_for(cfg, style, names, kind)
    texts = write_prompts(style, names, azimuths_deg, elevations_deg, kind)
    encoder = encoder or make_encoder(cfg)
    return PromptEmbeddings(encoder.encode(texts), style, kind, names, texts, encoder.identity)


def _load_for(cfg: PromptsCfg, style: str, names: tuple[str, ...], kind: str) -> PromptEmbeddings:
    """Returns the file at cfg.path, where {style} stands for the style; an unrecorded style is taken as asked for."""
    if not cfg.path:
        raise MflabError("prompts.encoder=file needs an embedding file or folder, but got none; set prompts.path.")
    path = cfg.path.replace("{style}", style)
    embeddings = load(path)
    for label, recorded, asked in (("style", embeddings.style, style), ("kind", embeddings.kind, kind)):
        if recorded not in (None, asked):
            raise MflabError(
                f"{path} must hold prompts of {label} '{asked}', but records {label} '{recorded}'; set prompts.path "
                "(it may contain {style}) or the style."
            )
    check_views(embeddings, names, path)
    return replace(embeddings, style=style)
