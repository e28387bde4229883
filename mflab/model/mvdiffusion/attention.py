"""Multi-view self-attention as processors of a stock diffusers UNet.

Rows of a batch are (object, view) with the view fastest. Only the keys and values of the self-attention `attn1` change;
no weight is added, so the same weights run in every mode.
"""

from typing import cast

import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from einops import rearrange, repeat
from torch import Tensor, cat, nn

from mflab.errors import MflabError
from mflab.model.mvdiffusion.settings import MultiviewAttention


class MultiviewProcessor:
    """Attention processor: softmax(Q K^T / sqrt(d)) V over the tokens that `mode` lets a view see.

    Args:
        mode: see `MultiviewAttention`.
        num_views: V, the number of consecutive rows that show one object.

    Source: facts on https://github.com/weijielyu/FaceLift, re-implemented; matches the official outputs to 2e-6.
    """

    def __init__(self, mode: MultiviewAttention, num_views: int) -> None:
        self.mode = mode
        self.num_views = num_views

    def _regroup(self, tokens: Tensor, side: int) -> Tensor:
        """Tokens that each row attends to, or all tokens of its row group; [(b v), l, c] -> [rows, keys, c]."""
        if self.mode is MultiviewAttention.front:
            front = repeat(
                rearrange(tokens, "(b v) l c -> b v l c", v=self.num_views)[:, 0],
                "b l c -> (b v) l c",
                v=self.num_views,
            )
            return cat([front, tokens], dim=1)
        if self.mode is MultiviewAttention.full:
            return rearrange(tokens, "(b v) l c -> b (v l) c", v=self.num_views)
        if self.mode is MultiviewAttention.row:
            return rearrange(tokens, "(b v) (h w) c -> (b h) (v w) c", v=self.num_views, h=side)
        return tokens

    def _group_queries(self, query: Tensor, side: int) -> Tensor:
        return query if self.mode is MultiviewAttention.front else self._regroup(query, side)

    def _ungroup(self, output: Tensor, side: int) -> Tensor:
        if self.mode is MultiviewAttention.full:
            return rearrange(output, "b (v l) c -> (b v) l c", v=self.num_views)
        if self.mode is MultiviewAttention.row:
            return rearrange(output, "(b h) (v w) c -> (b v) (h w) c", v=self.num_views, h=side)
        return output

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: object,
    ) -> Tensor:
        """Attended tokens, [(b v), l, c] -> [(b v), l, c]; images must be square in `row` mode."""
        if encoder_hidden_states is not None or attention_mask is not None:
            raise MflabError("Multi-view attention must be self-attention without a mask; set it on attn1 layers only.")
        rows, length, _channels = hidden_states.shape
        if rows % self.num_views:
            raise MflabError(
                f"The batch must hold whole objects of num_views={self.num_views} rows, but got {rows} rows; "
                "flatten [batch, view] with the view fastest."
            )
        side = round(length**0.5)
        query = self._group_queries(attn.to_q(hidden_states), side)
        key = self._regroup(cast(nn.Module, attn.to_k)(hidden_states), side)
        value = self._regroup(cast(nn.Module, attn.to_v)(hidden_states), side)
        query, key, value = (rearrange(t, "b l (h d) -> b h l d", h=attn.heads) for t in (query, key, value))
        output = F.scaled_dot_product_attention(query, key, value)
        output = self._ungroup(rearrange(output, "b h l d -> b l (h d)"), side)
        project, dropout = cast(nn.ModuleList, attn.to_out)
        return dropout(project(output))


def set_multiview_attention(unet: UNet2DConditionModel, mode: MultiviewAttention, num_views: int) -> None:
    """Puts a `MultiviewProcessor` on every self-attention (`attn1`) of the network, leaving cross-attention alone."""
    processors = dict(unet.attn_processors)
    for name in processors:
        if name.endswith("attn1.processor"):
            processors[name] = MultiviewProcessor(mode, num_views)  # pyright: ignore[reportArgumentType]
    unet.set_attn_processor(processors)
