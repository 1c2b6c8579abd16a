"""Small models with random weights, for tests of what holds by construction."""

import torch
from transformers import BertConfig, BertModel

from onshelf_exporter.models.launch_outcome import CANDIDATE_COLUMNS, LEVELS, LaunchOutcome, OutcomeGraph, ResponseTable
from onshelf_exporter.models.lookups import CategoryTable
from onshelf_exporter.models.product_encoder import ContentEncoder, ProductEncoder, ProductTower, TextEncoder

SIZES = (4, 6, 9, 5)


def category_table(width: int) -> CategoryTable:
    return CategoryTable(*(torch.randn(size, width) for size in SIZES[:3]))


def outcome_graph(seed: int) -> OutcomeGraph:
    torch.manual_seed(seed)
    response = ResponseTable(torch.rand(4) * 3, torch.rand(4) * 3, torch.rand(4), torch.rand(4, 32) * 2)
    model = LaunchOutcome(SIZES, category_table(5), category_table(106), response, members=3, hidden=8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    levels = torch.tensor([LEVELS, LEVELS], dtype=torch.float64).numpy()
    return OutcomeGraph(model, levels).eval()


def outcome_inputs(candidates: int, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    embedding = torch.nn.functional.normalize(torch.randn(batch, 128), dim=1)
    ids = torch.stack([torch.randint(0, size, (batch,)) for size in SIZES], dim=1)
    attributes = torch.tensor([[3.0, 1.0], [0.0, -1.0], [12.5, 0.0]])[:batch]
    actions = torch.zeros(batch, candidates, len(CANDIDATE_COLUMNS))
    actions[:, :, 0] = torch.randint(1, 54, (batch, candidates)).float()
    actions[:, :, 1] = 0.5 + 10 * torch.rand(batch, candidates)
    actions[:, :, 2] = 0.4 * torch.rand(batch, candidates)
    actions[:, :, 5:] = torch.rand(batch, candidates, 32) * (torch.rand(batch, candidates, 32) > 0.7)
    return embedding, ids, attributes, actions


def product_encoder(seed: int) -> ProductEncoder:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    bert = BertModel(config, add_pooling_layer=False)
    content = ContentEncoder(16, SIZES, category_table(1))
    return ProductEncoder(TextEncoder(bert), content, ProductTower(SIZES)).eval()
