"""The multi-task learning of the product encoder: losses, the fine-tuning of the text encoder, the refit of the part
behind it.

Tasks at once: complete the type from the text alone, launch timing, launch channels, promotion depth, demand (a week's
and a launch's), price, and as auxiliary tasks on all products, not only on launches, the channels and discounts they
ever had.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.models.launch_outcome import nb_loss
from onshelf_exporter.models.product_encoder import DISCOUNT_BINS, ContentEncoder, Practice, TextEncoder
from onshelf_exporter.training import devices, precision
from onshelf_exporter.training.context import price_table
from onshelf_exporter.training.history import History
from onshelf_exporter.training.loop import Fit, fit
from onshelf_exporter.training.recipe import ContentRecipe, EncoderRecipe
from onshelf_exporter.training.targets import Targets, build_targets, newest_outcomes
from onshelf_exporter.training.texts import Tokens
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.signatures import EMBEDDING_DIM

WEIGHTS = {
    "type": 1.0,
    "demand": 0.3,
    "launch": 0.5,
    "week": 0.2,
    "channels": 1.0,
    "discount": 0.3,
    "ever": 0.5,
    "depth": 0.2,
    "price": 0.5,
}
AGREEMENT_TEMPERATURE = 0.1
PAIRED_SHARE = 4  # one product in so many of a batch is read in two wordings, which are made to agree
MAX_LAUNCH_UNITS = 50.0  # more units in 8 weeks count as that: single best-sellers shall not steer the text


class Auxiliary(nn.Module):
    """Heads that exist in training only: channels and discounts a product ever had, and the spread of sales."""

    def __init__(self) -> None:
        super().__init__()
        self.ever = nn.Linear(EMBEDDING_DIM, CHANNEL_SLOTS)
        self.depth = nn.Linear(EMBEDDING_DIM, DISCOUNT_BINS)
        self.log_size = nn.Parameter(torch.zeros(1))


def new_content(history: History, recipe: ContentRecipe, hidden: int) -> ContentEncoder:
    """A content encoder for the vocabulary and prices of `history`."""
    return ContentEncoder(
        hidden=hidden,
        sizes=history.vocabulary.sizes,
        price_table=price_table(history),
        id_dropout=recipe.id_dropout,
        feature_dropout=recipe.feature_dropout,
    )


def task_losses(
    practice: Practice, extra: Auxiliary, target: dict[str, Tensor], week_mask: Tensor
) -> dict[str, Tensor]:
    """The mean loss of each task over the rows where its target is known (0 where there are none)."""
    known_type = target["type"] > 0
    known_units = torch.isfinite(target["units"]) & torch.isfinite(target["weeks"])
    weeks = torch.where(known_units, target["weeks"], 1.0).clamp(min=1.0)
    known_launch = torch.isfinite(target["launch_units"])
    known_channels = torch.isfinite(target["channels"][:, 0])
    known_price = torch.isfinite(target["price"])
    channels = torch.nan_to_num(target["channels"])
    week_logits = practice.week_logits.masked_fill(~week_mask.to(practice.week_logits.device), -1e9)
    rate = torch.log((torch.nan_to_num(target["units"]) + 0.5) / weeks)
    demand = F.smooth_l1_loss(practice.demand[:, 0], rate, reduction="none")
    sold = torch.nan_to_num(target["launch_units"]).clamp(max=MAX_LAUNCH_UNITS)
    launch = nb_loss(sold, practice.demand[:, 1], extra.log_size.clamp(-3, 3).expand(len(weeks)))
    depth = -(target["depth"] * F.log_softmax(extra.depth(practice.trunk), 1)).sum(1)
    return {
        "type": _mean(F.cross_entropy(practice.type_logits, target["type"], reduction="none"), known_type),
        "demand": _mean(demand, known_units),
        "launch": _mean(launch, known_launch),
        "week": _mean(F.cross_entropy(week_logits, target["week"].clamp(min=0), reduction="none"), target["week"] >= 0),
        "channels": _mean(
            F.binary_cross_entropy_with_logits(practice.channel_logits, channels, reduction="none").sum(1),
            known_channels,
        ),
        "discount": _mean(
            F.cross_entropy(practice.discount_logits, target["discount"].clamp(min=0), reduction="none"),
            target["discount"] >= 0,
        ),
        "ever": F.binary_cross_entropy_with_logits(extra.ever(practice.trunk), target["ever"], reduction="none")
        .sum(1)
        .mean(),
        "depth": _mean(depth, target["depth"].sum(1) > 0),
        "price": _mean(
            F.smooth_l1_loss(practice.price[:, 0], torch.nan_to_num(target["price"]), reduction="none"), known_price
        ),
    }


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)


@dataclass
class Rows:
    """Rows of an epoch: products of distinct texts, and launches oversampled."""

    products: NDArray[np.int64]
    launches: NDArray[np.int64]
    held_out: NDArray[np.int64]


def agreement_loss(first: Tensor, second: Tensor) -> Tensor:
    """How badly two wordings of the same products agree, and are told from other products: InfoNCE both ways.

    Two [n, width] of L2 norm 1, row by row the same product; n >= 2. Van den Oord et al. (2018); for sentences Gao et
    al. (2021), SimCSE.
    """
    logits = first @ second.T / AGREEMENT_TEMPERATURE
    same = torch.arange(len(first))
    return (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2 + (1 - (first * second).sum(1)).mean()


class ContentTask:
    """Multi-task training of the content encoder, with pooled text from a table or from the text encoder itself."""

    def __init__(
        self,
        model: nn.ModuleDict,
        history: History,
        targets: Targets,
        rows: Rows,
        *,
        text: TextEncoder | None = None,
        tokens: Tokens | None = None,
        pooled: NDArray[np.float16] | None = None,
        bfloat16: bool = False,
        agreement: float = 0.0,
    ) -> None:
        self.model, self.history, self.targets, self.sets = model, history, targets, rows
        self.text, self.tokens, self.pooled, self.bfloat16 = text, tokens, pooled, bfloat16
        self.agreement = agreement
        self.all = np.concatenate([rows.products, rows.launches])
        seen = np.unique(targets.week[targets.week >= 0])
        mask = np.zeros(53, dtype=bool)
        mask[seen] = True
        self.week_mask = torch.from_numpy(mask if len(seen) else np.ones(53, dtype=bool))

    @property
    def rows(self) -> int:
        """Rows of one epoch."""
        return len(self.all)

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        """Weighted sum of the tasks' losses on a batch."""
        product = self.all[rows]
        if self.text is not None and len(self.sets.products):
            # a text stands for all products that have it: take one of them at random
            product = np.where(rows < len(self.sets.products), self._sibling(product, generator), product)
        pairs = len(product) // PAIRED_SHARE if self.agreement > 0 else 0
        if pairs < 2:
            return self._total(product, generator)
        # the last rows of the batch give way to second readings of the first ones: agreement costs no time
        product[-pairs:] = product[:pairs]
        text = self._pooled(self.history.text_of[product], generator)
        content = self.model["content"]
        assert isinstance(content, ContentEncoder)
        read = F.normalize(content.project(torch.cat([text[:pairs], text[-pairs:]])), dim=1)
        return self._total(product, generator, text) + self.agreement * agreement_loss(read[:pairs], read[pairs:])

    def validate(self) -> float | None:
        """The same loss on held-out products, in batches."""
        rows = self.sets.held_out
        if len(rows) == 0:
            return None
        parts = [rows[start : start + 256] for start in range(0, len(rows), 256)]
        values = [self._total(part, None).item() * len(part) for part in parts]
        return sum(values) / len(rows)

    def _total(
        self, product: NDArray[np.int64], generator: np.random.Generator | None, text: Tensor | None = None
    ) -> Tensor:
        losses = self.losses(product, generator, text)
        return torch.stack([losses[name] * weight for name, weight in WEIGHTS.items()]).sum()

    def losses(
        self, product: NDArray[np.int64], generator: np.random.Generator | None, text: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Each task's loss on some products; without a generator the titles as they stand, nothing dropped.

        `text` is their pooled text where it is there already.
        """
        text = self._pooled(self.history.text_of[product], generator) if text is None else text
        ids = torch.as_tensor(self.history.ids[product])
        attributes = torch.as_tensor(self.history.attributes[product])
        if generator is not None:
            price_known = torch.as_tensor((generator.random(len(product)) > 0.15).astype(np.float32))
            attributes = attributes * torch.stack([price_known, torch.ones_like(price_known)], dim=1)
        content, extra = self.model["content"], self.model["extra"]
        assert isinstance(content, ContentEncoder)
        assert isinstance(extra, Auxiliary)
        practice = content.heads(text, content.embed(text, ids, attributes), ids, attributes)
        target = {name: torch.as_tensor(value) for name, value in self.targets.take(product).items()}
        return task_losses(practice, extra, target, self.week_mask)

    def _pooled(self, text: NDArray[np.int64], generator: np.random.Generator | None) -> Tensor:
        if self.pooled is not None:
            count = len(self.pooled)
            wording = (
                np.zeros(len(text), dtype=np.int64) if generator is None else generator.integers(count, size=len(text))
            )
            return torch.as_tensor(self.pooled[wording, text].astype(np.float32))
        assert self.tokens is not None
        assert self.text is not None
        count = len(self.tokens.ids)
        wording = (
            np.zeros(len(text), dtype=np.int64) if generator is None else generator.integers(count, size=len(text))
        )
        ids, mask = self.tokens.batch(wording, text, generator)
        with devices.autocast(devices.current(), self.bfloat16):
            pooled: Tensor = self.text(torch.as_tensor(ids), torch.as_tensor(mask))
        return pooled.float()

    def _sibling(self, product: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        if not hasattr(self, "_order"):
            self._order = np.argsort(self.history.text_of, kind="stable")
            self._start = np.searchsorted(self.history.text_of[self._order], np.arange(len(self.history.texts) + 1))
        text = self.history.text_of[product]
        low, high = self._start[text], self._start[text + 1]
        other = self._order[low + (generator.random(len(product)) * (high - low)).astype(np.int64)]
        return np.where(self.history.known[other], other, product).astype(np.int64)


def fine_tune(
    text: TextEncoder,
    history: History,
    tokens: Tokens,
    recipe: EncoderRecipe,
    content: ContentRecipe,
    seed: int,
    folder: Path,
) -> Fit:
    """Fine-tune the text encoder in place on all tasks; held out are a twentieth of the texts and the newest launches'
    labels."""
    frame = history.launches.frame
    newest = frame["launch_week"].to_numpy() > history.cut - 3 - recipe.inner_validation_weeks
    targets = build_targets(history, newest_outcomes(history))
    generator = np.random.default_rng(seed)
    known = np.flatnonzero(history.known)
    texts, first = np.unique(history.text_of[known], return_index=True)
    chosen = generator.permutation(len(texts))
    if recipe.texts:
        chosen = chosen[: recipe.texts]
    held = max(1, len(chosen) // 20)
    product = frame["product_index"].to_numpy()
    launch_rows = product[history.launches.complete4 & ~newest]
    late = product[history.launches.complete4 & newest]
    held_texts = np.concatenate([texts[chosen[:held]], history.text_of[late][: 4 * held]])
    training_rows = known[first[chosen[held:]]]
    training_rows = training_rows[~np.isin(history.text_of[training_rows], held_texts)]
    if len(training_rows) < 2:
        training_rows = known[first[chosen]]
    launch_rows = launch_rows[~np.isin(history.text_of[launch_rows], held_texts)]
    if len(launch_rows):
        wanted = int(len(training_rows) * recipe.launch_share / (1 - recipe.launch_share))
        launch_rows = generator.choice(launch_rows, size=min(wanted, 6 * len(launch_rows)))
    held_rows = np.concatenate([known[first[chosen[:held]]], late[: 4 * held]])
    torch.manual_seed(seed)
    model = nn.ModuleDict(
        {"text": text, "content": new_content(history, content, hidden_size(text)), "extra": Auxiliary()}
    )
    freeze_lower(text, recipe.frozen_layers)
    task = ContentTask(
        model,
        history,
        targets,
        Rows(training_rows, launch_rows, held_rows),
        text=text,
        tokens=tokens,
        bfloat16=precision.begun(folder, recipe.precision).bfloat16,
        agreement=recipe.agreement,
    )
    groups: list[dict[str, Any]] = [
        {"params": [p for p in text.parameters() if p.requires_grad], "lr": 1.0},
        {"params": [*model["content"].parameters(), *model["extra"].parameters()], "lr": 20.0},
    ]
    device = devices.current()
    return fit(model, task, recipe.loop, seed=seed, folder=folder, name="product_encoder", groups=groups, device=device)


def refit_content(
    history: History, pooled: NDArray[np.float16], recipe: ContentRecipe, seed: int, folder: Path
) -> tuple[ContentEncoder, dict[str, float]]:
    """Train the part behind the text for the cut of `history`, on pooled text [wordings, texts, hidden] that stays as
    it is."""
    targets = build_targets(history, np.ones(len(history.launches), dtype=bool))  # outcomes belong to launch_outcome
    torch.manual_seed(seed)  # the same weights to begin with, whatever this process did before
    content = new_content(history, recipe, pooled.shape[2])
    start_from_components(content, pooled[0])
    model = nn.ModuleDict({"content": content, "extra": Auxiliary()})
    launches = history.launches.frame["product_index"].to_numpy()[history.launches.complete4]
    rows = Rows(np.flatnonzero(history.known), np.repeat(launches, 4), launches[-512:])
    task = ContentTask(model, history, targets, rows, pooled=pooled)
    result = fit(model, task, recipe.loop, seed=seed, folder=folder, name="content", device=devices.current())
    sample = np.flatnonzero(history.known)[:: max(1, int(history.known.sum()) // 2000)]
    with torch.no_grad():
        final = {f"loss_{name}": value.item() for name, value in task.losses(sample, None).items()}
    return content, {**final, "loss": result.training_losses[-1]}


def start_from_components(content: ContentEncoder, pooled: NDArray[np.float16]) -> None:
    """Start the projection from the principal components of the texts: neighbours stay neighbours."""
    sample = torch.from_numpy(pooled[:: max(1, len(pooled) // 4000)].astype(np.float32))
    mean = sample.mean(0)
    _, _, components = torch.linalg.svd(sample - mean, full_matrices=False)
    rows = min(len(components), content.project.weight.shape[0])
    with torch.no_grad():
        content.project.weight[:rows] = components[:rows]
        content.project.bias[:rows] = -(components[:rows] @ mean)


def freeze_lower(text: TextEncoder, layers: int) -> None:
    """Keep the word embeddings and the lowest `layers` layers as pretrained (for encoders of BERT's layout; others
    train whole)."""
    embeddings, encoder = getattr(text.bert, "embeddings", None), getattr(text.bert, "encoder", None)
    if isinstance(embeddings, nn.Module):
        embeddings.requires_grad_(False)
    stack = getattr(encoder, "layer", None)
    if isinstance(stack, nn.ModuleList):
        for layer in list(stack)[:layers]:
            layer.requires_grad_(False)


def hidden_size(text: TextEncoder) -> int:
    """Width of the pooled text."""
    config: Any = text.bert.config
    return int(config.hidden_size)
