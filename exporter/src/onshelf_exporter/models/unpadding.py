"""Text encoders that compute nothing for padding: `LeanTextEncoder` learns, `UnpaddedTextEncoder` is served on CPUs.

The tokens that the mask keeps are laid one after the other; only attention, a small part of the work, sees texts padded
to one length. So texts of any lengths share a batch. As by Zeng et al. (2022), Boosting Distributed Training
Performance of the Unpadded BERT Model. How many tokens there are is known only while the graph runs, which engines for
GPUs do not record well: those take the padded graph.

Two parts of the served one are written so that ONNX Runtime runs its fast kernels: the GELU in the form that it fuses,
and layer norm over a matrix, which keeps it from fusing the sum before into a kernel that takes several times as long.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onshelf_exporter.models.product_encoder import ProductEncoder, TextEncoder

ATTENTION, LEAN = "onshelf_unpadded", "onshelf_lean"
ARCHITECTURES = ("bert",)  # positions count from 0 and nothing but attention looks beyond one token
MASKED = -1e4  # added to the scores of padding; exp of it is 0


class LeanTextEncoder(TextEncoder):
    """A `TextEncoder` of one of ARCHITECTURES with the very same weights, for training; every text has a token."""

    def __init__(self, text: TextEncoder) -> None:
        _register()
        bert: Any = text.bert
        bert.set_attn_implementation(LEAN)
        super().__init__(bert)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, hidden], L2 norm 1."""
        batch, length = attention_mask.shape
        kept = torch.nonzero(attention_mask.reshape(-1)).squeeze(1)
        hidden = self.bert(
            input_ids=torch.index_select(input_ids.reshape(-1), 0, kept).unsqueeze(0),
            position_ids=(kept % length).unsqueeze(0),
            kept=kept,
            there=attention_mask.bool().view(batch, 1, 1, length),
        ).last_hidden_state
        tokens = hidden.squeeze(0).float()
        sums = tokens.new_zeros(batch, tokens.shape[1]).index_add(0, kept // length, tokens)
        return F.normalize(sums / attention_mask.sum(1, keepdim=True), dim=1)


def lean(text: TextEncoder) -> TextEncoder:
    """The encoder without work for padding, for training; as it is where its architecture does not allow it."""
    return LeanTextEncoder(text) if _allows(text) else text


class UnpaddedTextEncoder(TextEncoder):
    """The same embeddings as a `TextEncoder` of one of ARCHITECTURES, whose weights it copies."""

    def __init__(self, text: TextEncoder) -> None:
        _register()
        bert: Any = copy.deepcopy(text.bert)
        bert.set_attn_implementation(ATTENTION)
        _replace(bert, nn.LayerNorm, RowNorm)
        _replace(bert, _gelu(), lambda _: FusableGelu())
        super().__init__(bert)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, hidden], L2 norm 1."""
        batch, length = attention_mask.shape
        # the first token of every text stays, so that a text of padding alone, as a warm-up sends it, is no empty one
        stays = torch.cat([torch.ones_like(attention_mask[:, :1]), attention_mask[:, 1:]], dim=1).reshape(-1)
        kept = torch.nonzero(stays).squeeze(1)
        place = (torch.cumsum(stays, 0) - 1).reshape(batch, length)
        positions = torch.arange(length, device=stays.device).unsqueeze(0).expand(batch, length).reshape(-1)
        mask = attention_mask.to(torch.float32)
        hidden = self.bert(
            input_ids=torch.index_select(input_ids.reshape(-1), 0, kept).unsqueeze(0),
            position_ids=torch.index_select(positions, 0, kept).unsqueeze(0),
            kept=kept,
            place=place,
            masked=((1.0 - mask) * MASKED).view(batch, 1, 1, length),
        ).last_hidden_state
        padded = _padded(hidden.squeeze(0).float(), place)
        mask = mask.unsqueeze(2)
        pooled = (padded * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        return F.normalize(pooled, dim=1)


class RowNorm(nn.Module):
    """Layer norm of [1, tokens, hidden] over the matrix [tokens, hidden]."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, hidden: Tensor) -> Tensor:
        """[1, tokens, hidden] -> the same shape."""
        rows: Tensor = self.norm(hidden.reshape(-1, hidden.shape[-1]))
        return rows.unsqueeze(0)


class FusableGelu(nn.Module):
    """GELU in the order of operations that ONNX Runtime knows as one."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Elementwise."""
        return hidden * 0.5 * (1.0 + torch.erf(hidden / math.sqrt(2.0)))


def unpadded(encoder: ProductEncoder) -> ProductEncoder | None:
    """The same encoder without work for padding, sharing all but the text's weights; None where its text encoder is of
    another architecture than ARCHITECTURES."""
    if not _allows(encoder.text):
        return None
    text = UnpaddedTextEncoder(encoder.text).eval().requires_grad_(False)
    return ProductEncoder(
        text=text, completion=encoder.completion, content=encoder.content, tower=encoder.tower, rates=encoder.rates
    ).eval()


def _allows(text: TextEncoder) -> bool:
    config: Any = text.bert.config
    return config.model_type in ARCHITECTURES and not getattr(config, "is_decoder", False)


def _padded(rows: Tensor, place: Tensor) -> Tensor:
    """Rows [tokens, width] at their texts' places [batch, length] -> [batch, length, width]; padding repeats a row."""
    return torch.index_select(rows, 0, place.reshape(-1)).view(*place.shape, rows.shape[1])


def _attention(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: None,
    *,
    scaling: float,
    kept: Tensor,
    place: Tensor,
    masked: Tensor,
    **_: object,
) -> tuple[Tensor, None]:
    """Query, key and value [1, heads, tokens, size] of all texts together -> [1, tokens, heads, size]."""
    heads, size = query.shape[1], query.shape[3]

    def texts(all_tokens: Tensor) -> Tensor:
        rows = all_tokens.transpose(1, 2).reshape(-1, heads * size)
        return _padded(rows, place).view(*place.shape, heads, size)

    scores = torch.matmul(texts(query).transpose(1, 2) * scaling, texts(key).permute(0, 2, 3, 1)) + masked
    mixed = torch.matmul(torch.softmax(scores, dim=-1), texts(value).transpose(1, 2))
    rows = mixed.transpose(1, 2).reshape(-1, heads * size)
    return torch.index_select(rows, 0, kept).view(1, -1, heads, size), None


def _lean_attention(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: None,
    *,
    dropout: float,
    scaling: float,
    kept: Tensor,
    there: Tensor,
    **_: object,
) -> tuple[Tensor, None]:
    """The same with dropout; a gradient comes back as a plain copy of rows."""
    heads, size = query.shape[1], query.shape[3]
    batch, length = there.shape[0], there.shape[3]

    def texts(all_tokens: Tensor) -> Tensor:
        rows = all_tokens.transpose(1, 2).reshape(-1, heads * size)
        padded = rows.new_zeros(batch * length, heads * size).index_copy(0, kept, rows)
        return padded.view(batch, length, heads, size).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
        texts(query), texts(key), texts(value), attn_mask=there, dropout_p=dropout, scale=scaling
    )
    rows = mixed.transpose(1, 2).reshape(-1, heads * size)
    return torch.index_select(rows, 0, kept).view(1, -1, heads, size), None


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    for name, attention in ((ATTENTION, _attention), (LEAN, _lean_attention)):
        AttentionInterface.register(name, attention)
        AttentionMaskInterface.register(name, lambda *_, **__: None)


def _gelu() -> type[nn.Module]:
    from transformers.activations import GELUActivation

    kind: type[nn.Module] = GELUActivation
    return kind


def _replace(module: nn.Module, kind: type[nn.Module], make: Callable[[nn.Module], nn.Module]) -> None:
    """Put `make(child)` in the place of each descendant of a kind."""
    for name, child in module.named_children():
        if isinstance(child, kind):
            setattr(module, name, make(child))
        else:
            _replace(child, kind, make)
