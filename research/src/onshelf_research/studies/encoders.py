"""Text encoders to compare with BERT on the same tokens: a convolution and a recurrent network.

Both have the shape of a transformers' model (`config.hidden_size`, `.last_hidden_state`), so that the same fine-tuning
trains all of them, and both start from BERT's own word embeddings, kept as they are.
"""

from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onshelf_exporter.models.product_encoder import TextEncoder

WIDTH = 256


class Convolution(nn.Module):
    """Two convolutions over three tokens each (Kim 2014, Convolutional neural networks for sentence classification)."""

    def __init__(self, words: Tensor) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=WIDTH)
        self.embeddings = frozen_words(words)
        self.first = nn.Conv1d(words.shape[1], WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """INT64 [batch, tokens] twice -> last_hidden_state FP32 [batch, tokens, 256]."""
        mask = attention_mask.unsqueeze(1)
        hidden = F.gelu(self.first(self.embeddings(input_ids).transpose(1, 2) * mask))
        hidden = hidden + F.gelu(self.second(hidden * mask))
        return SimpleNamespace(last_hidden_state=hidden.transpose(1, 2))


class Recurrent(nn.Module):
    """A gated recurrent network read in both directions (Cho et al. 2014)."""

    def __init__(self, words: Tensor) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=WIDTH)
        self.embeddings = frozen_words(words)
        self.gru = nn.GRU(words.shape[1], WIDTH // 2, batch_first=True, bidirectional=True)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """INT64 [batch, tokens] twice -> last_hidden_state FP32 [batch, tokens, 256]."""
        lengths = attention_mask.sum(1).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embeddings(input_ids), lengths, batch_first=True, enforce_sorted=False
        )
        hidden, _ = nn.utils.rnn.pad_packed_sequence(
            self.gru(packed)[0], batch_first=True, total_length=input_ids.shape[1]
        )
        return SimpleNamespace(last_hidden_state=hidden)


def frozen_words(words: Tensor) -> nn.Embedding:
    """An embedding that holds `words` and is not trained."""
    table = nn.Embedding(*words.shape)
    table.weight = nn.Parameter(words.clone(), requires_grad=False)
    return table


def word_embeddings(text: TextEncoder) -> Tensor:
    """The pretrained word embeddings of a BERT, [words, hidden]."""
    table = text.bert.get_input_embeddings()  # type: ignore[operator]
    weight: Tensor = table.weight.detach()
    return weight


def encoder(kind: str, bert: TextEncoder) -> TextEncoder:
    """An untrained "convolution" or "recurrent" encoder over the words of `bert`."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        words = word_embeddings(bert)
        return TextEncoder({"convolution": Convolution, "recurrent": Recurrent}[kind](words))
