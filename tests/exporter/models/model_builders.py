"""Small models with random weights, for tests of what holds by construction."""

import numpy as np
import torch
from transformers import BertConfig, BertModel

from onshelf_exporter.models.completion import CategoryCompletion
from onshelf_exporter.models.forest import Forest
from onshelf_exporter.models.kin import FEATURES, GROUPS, STATISTICS, KinTables
from onshelf_exporter.models.launch_outcome import BUYER_ROWS, KINDS, LaunchOutcome, OutcomeGraph, ResponseTable
from onshelf_exporter.models.lookups import CategoryTable
from onshelf_exporter.models.product_encoder import ContentEncoder, ProductEncoder, ProductTower, TextEncoder
from onshelf_exporter.training.forest import bin_values, count_support
from onshelf_release.candidates import CANDIDATE_COLUMNS
from onshelf_release.signatures import UNITS_SUPPORT

SIZES = (4, 6, 9, 5)
DIRECTIONS = 8


def category_table(width: int) -> CategoryTable:
    return CategoryTable(*(torch.randn(size, width) for size in SIZES[:3]))


def kin_tables(random: np.random.Generator, rows: int = 6) -> KinTables:
    """Some of the keys that groups can have, with plausible sums."""
    sizes = {"department": SIZES[0], "category": SIZES[1], "type": SIZES[2], "brand": SIZES[3]}
    sizes |= {"brand_category": SIZES[3] * SIZES[1], "brand_type": SIZES[3] * SIZES[2], "type_label": SIZES[2] * 3}
    tables = {}
    for group in GROUPS:
        keys = np.sort(random.choice(sizes[group], min(rows, sizes[group]), replace=False))
        values = random.gamma(1.0, 20.0, (len(keys), len(STATISTICS)))
        tables[group] = (torch.from_numpy(keys), torch.from_numpy(values).float())
    return KinTables(SIZES, torch.tensor([6.0, 0.2]), tables)


def random_forest(random: np.random.Generator, columns: int, trees: int = 3, depth: int = 4) -> Forest:
    """Full trees whose leaves hold distribution functions, as a fitted forest does."""
    inner, leaves = 2**depth - 1, 2**depth
    nodes = inner + leaves
    start = np.arange(trees)[:, None] * nodes
    own = np.arange(nodes)
    end = own >= inner
    left = np.where(end, own, 2 * own + 1) + start
    right = np.where(end, own, 2 * own + 2) + start
    number = np.where(end, own - inner, 0) + np.arange(trees)[:, None] * leaves * end
    values = [
        np.sort(random.random((trees * leaves, n)), axis=1)
        for n in (UNITS_SUPPORT, UNITS_SUPPORT, *[len(BUYER_ROWS)] * 2)
    ]
    repeat = random.random((trees * leaves, 2)) * [1.0, 9.0]
    return Forest(
        roots=torch.from_numpy(start[:, 0]),
        feature=torch.from_numpy(random.integers(0, columns, trees * nodes) * np.tile(~end, trees)),
        threshold=torch.from_numpy(random.normal(0, 1, trees * nodes)).float(),
        left=torch.from_numpy(left.ravel()),
        right=torch.from_numpy(right.ravel()),
        leaf=torch.from_numpy(number.ravel()),
        values=torch.from_numpy(np.concatenate([*values, repeat], axis=1)).float(),
        depth=depth,
    )


def outcome_graph(seed: int) -> OutcomeGraph:
    """A graph with random parameters of either sign and a calibration that changes something."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    rows = SIZES[0] + SIZES[1]
    response = ResponseTable(
        torch.rand(rows) * 3, torch.rand(rows) * 3, torch.rand(rows), torch.rand(rows, 32) * 0.3, SIZES[0]
    )
    support = count_support(200.0)
    kinds = torch.zeros(32, KINDS)
    kinds[:16, 0], kinds[16:31, 1] = 1.0, 1.0
    model = LaunchOutcome(
        kin=kin_tables(random),
        forest=random_forest(random, len(FEATURES) + DIRECTIONS),
        support=torch.from_numpy(support).float(),
        values=torch.from_numpy(bin_values(support, np.zeros(0))).float(),
        seasonality=category_table(106),
        response=response,
        kinds=kinds,
        center=torch.randn(128) * 0.05,
        directions=torch.linalg.qr(torch.randn(128, DIRECTIONS)).Q,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter + torch.randn_like(parameter) * 0.7).requires_grad_(False)
    return OutcomeGraph(model, np.array([[1.2, 0.8, 0.3], [0.7, 1.3, -0.4]])).eval()


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
    content = ContentEncoder(hidden=16, sizes=SIZES, price_table=category_table(1))
    return ProductEncoder(text=TextEncoder(bert), completion=completion(), content=content, tower=ProductTower()).eval()


def completion() -> CategoryCompletion:
    """Types 1-3 in category 1, 4-6 in 2, 7-8 in 4; categories 1-2 in department 1, 3-5 in 2."""
    return CategoryCompletion(torch.tensor([0, 1, 1, 1, 2, 2, 2, 4, 4]), torch.tensor([0, 1, 1, 2, 2, 3]))
