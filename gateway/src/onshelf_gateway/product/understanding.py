"""A product as the models understand it: tokens, one call of the encoder, its category, its price and its brand."""

from dataclasses import dataclass
from decimal import Decimal

from onshelf.v1 import types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import refuse
from onshelf_gateway.inference.encodings import Row
from onshelf_gateway.inference.models import Models, encoder_row
from onshelf_gateway.inference.outputs import EncodedProduct
from onshelf_gateway.product.categories import Category, NamedCategory, completed, named_category
from onshelf_gateway.product.text import Tokens, tokenize
from onshelf_gateway.releases.model_release import CategoryFacts, ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.questions import ProductQuestion
from onshelf_gateway.settings import Settings

T = types_pb2


@dataclass(frozen=True, kw_only=True)
class UnderstoodProduct:
    """A product ready to be scored.

    Attributes:
        ids: department, category, type and brand ids as launch_outcome gets them.
        price: the list price, given or assumed, in the release's currency.
        attributes: (list price or 0, private label) as the models get them.
    """

    question: ProductQuestion
    encoded: EncodedProduct
    category: Category
    facts: CategoryFacts
    ids: tuple[int, int, int, int]
    price: Decimal
    attributes: tuple[float, float]


async def understand(
    call: Call,
    release: ModelRelease,
    models: Models,
    settings: Settings,
    question: ProductQuestion,
    price_matters: bool = True,
) -> UnderstoodProduct:
    """Read a product with one call of the encoder, which finds the levels of the category that are not named.

    Raises:
        GatewayError: TEXT_NOT_UNDERSTOOD, or a failure of the model.
    """
    with call.stage("tokenize") as stage:
        ready = prepare(call, release, settings, question)
        stage.items = int(ready.tokens.mask.sum())
    row = ready.row()
    encoded = models.encoded_product(release, row, (await models.encode_rows(call, release, [row]))[0])
    category = completed(release.vocabulary, ready.named, encoded.category_ids, encoded.confidence)
    notice_reading(call, ready, category)
    facts = release.category_facts(category.ids)
    price = question.list_price
    if price is None:
        price = money.price_like(Decimal(repr(facts.median_price)), Decimal("0.99"), release.manifest.currency)
        price = max(price, money.minor_unit(release.manifest.currency))
        if price_matters:
            shown = money.text(price, release.manifest.currency)
            call.notice(
                T.NOTICE_CODE_PRICE_ASSUMED,
                f"no price was given; the category's median {shown} is used",
                "product.list_price",
            )
    elif price_matters:
        _notice_price(call, release, question, facts, price)
    ids = (*category.ids, ready.brand)
    return UnderstoodProduct(
        question=question,
        encoded=encoded,
        category=category,
        facts=facts,
        ids=ids,
        price=price,
        attributes=(float(price), question.private_label),
    )


@dataclass(frozen=True)
class PreparedProduct:
    """A product ready to be read by the encoder; `brand` is its id, 0 unknown."""

    question: ProductQuestion
    tokens: Tokens
    named: NamedCategory
    brand: int

    def row(self) -> Row:
        """The encoder's inputs."""
        attributes = (float(self.question.list_price or 0), self.question.private_label)
        return encoder_row(self.tokens.input_ids, self.tokens.mask, (*self.named.ids, self.brand), attributes)


def prepare(call: Call, release: ModelRelease, settings: Settings, question: ProductQuestion) -> PreparedProduct:
    """Tokenise a product and look its names up.

    Raises:
        GatewayError: TEXT_NOT_UNDERSTOOD.
    """
    tokens = tokenize(release, question)
    _check_title(call, release, settings, question, tokens.unknown_share)
    _check_strangeness(call, release, settings, question.title)
    named = named_category(release.vocabulary, question.category_path)
    return PreparedProduct(question, tokens, named, release.vocabulary.brand(question.brand) if question.brand else 0)


def notice_reading(call: Call, ready: PreparedProduct, category: Category) -> None:
    """Remarks on what was unknown, inferred or left out."""
    question = ready.question
    _notice_category(call, question, category, ready.named.unknown)
    if question.brand and not ready.brand:
        call.notice(
            T.NOTICE_CODE_BRAND_UNKNOWN,
            f"brand {question.brand!r} is not in the history; planned as unknown",
            "product.brand",
        )
    for path in question.ignored:
        call.notice(T.NOTICE_CODE_FIELD_IGNORED, f"{path} is kept but has no effect in this model release", path)


def _check_title(
    call: Call, release: ModelRelease, settings: Settings, question: ProductQuestion, share: float
) -> None:
    if share > settings.unknown_title_limit:
        raise refuse(
            "TEXT_NOT_UNDERSTOOD",
            "product.title",
            f"{share:.0%} of its words are unknown to the encoder, which reads {release.manifest.language!r} (at most "
            f"{settings.unknown_title_limit:.0%}); send a title in that language, or serve a model "
            "release with another encoder",
        )
    if share > settings.unknown_title_notice:
        call.notice(
            T.NOTICE_CODE_TITLE_PARTLY_UNKNOWN,
            f"{share:.0%} of the title's words are unknown to the encoder and were not read",
            "product.title",
        )
    language = question.language.split("-")[0].lower()
    if language and language != release.manifest.language.split("-")[0].lower():
        call.notice(
            T.NOTICE_CODE_TITLE_PARTLY_UNKNOWN,
            f"the title is marked {question.language!r}; this encoder reads {release.manifest.language!r}",
            "product.language",
        )


def _check_strangeness(call: Call, release: ModelRelease, settings: Settings, title: str) -> None:
    known, language = release.familiarity, release.manifest.language
    if known is None:
        return
    strangeness = known.strangeness(release.tokenizer, title)
    if strangeness > known.refuse and settings.strange_titles == "refuse":
        raise refuse(
            "TEXT_NOT_UNDERSTOOD",
            "product.title",
            f"it reads like nothing that the shop's titles or the encoder, which reads {language!r}, know (strangeness "
            f"{strangeness:.1f}, at most {known.refuse:.1f}): another language, a misread encoding or no words; send "
            "a title in that language, or serve a model release with another encoder",
        )
    if strangeness > known.notice:
        call.notice(
            T.NOTICE_CODE_TITLE_STRANGE,
            f"the title reads unlike the shop's titles and the words that the encoder, which reads {language!r}, knows "
            f"(strangeness {strangeness:.1f}, usual up to {known.notice:.1f}): another language, a misread encoding or "
            "no words; what rests on its text is little supported",
            "product.title",
        )


def _notice_category(
    call: Call, question: ProductQuestion, category: Category, unknown: tuple[tuple[int, str], ...]
) -> None:
    used = f"as {' > '.join(category.path)}" if category.path else "without a category"
    if not question.category_path:
        told = f"{used}, read from the title ({category.confidence:.0%} sure)" if category.path else used
        call.notice(
            T.NOTICE_CODE_CATEGORY_INFERRED,
            f"no category was given; planned {told}",
            "product.category_path",
        )
    elif category.matched and not unknown and category.inferred:
        call.notice(
            T.NOTICE_CODE_CATEGORY_INFERRED,
            f"the narrower category {category.inferred!r} was read from the title",
            "product.category_path",
        )
    for position, name in unknown:
        nearest = f"; nearest names: {', '.join(category.nearest)}" if category.nearest else ""
        call.notice(
            T.NOTICE_CODE_CATEGORY_UNKNOWN,
            f"category {name!r} is not in the history; planned {used}{nearest}",
            f"product.category_path[{position}]",
        )


def _notice_price(
    call: Call, release: ModelRelease, question: ProductQuestion, facts: CategoryFacts, price: Decimal
) -> None:
    currency = release.manifest.currency
    if facts.median_price > 0 and not facts.price_p05 <= float(price) <= facts.price_p95:
        low, high = money.text(facts.price_p05, currency), money.text(facts.price_p95, currency)
        call.notice(
            T.NOTICE_CODE_PRICE_UNUSUAL,
            f"{money.text(price, currency)} lies outside the middle 90 % of the category's prices ({low} to {high})",
            "product.list_price",
        )
    basis = release.manifest.prices_include_tax
    wanted = {T.PRICE_TAX_INCLUDED: True, T.PRICE_TAX_EXCLUDED: False}.get(question.price_tax)  # type: ignore[call-overload]
    if basis is not None and wanted is not None and wanted != basis:
        call.notice(
            T.NOTICE_CODE_TAX_BASIS_DIFFERS,
            f"the model release's prices {'include' if basis else 'exclude'} tax; yours were not converted",
            "product.price_tax",
        )
