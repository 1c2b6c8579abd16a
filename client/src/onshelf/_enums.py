"""Enums of the contract, by the contract's names in lower case. UNKNOWN stands for a value that a newer service
sent.
"""

import enum


class PriceTax(enum.Enum):
    """What prices include."""

    INCLUDED = "included"
    EXCLUDED = "excluded"


class BrandClass(enum.Enum):
    """Who owns a product's brand."""

    NATIONAL = "national"
    PRIVATE_LABEL = "private_label"


class ObjectiveMetric(enum.Enum):
    """What a plan is optimised for, after the cost of promotion."""

    GROSS_PROFIT = "gross_profit"
    REVENUE = "revenue"
    UNITS = "units"
    BUYERS = "buyers"


class NoticeCode(enum.Enum):
    """What kind of remark a notice is."""

    UNKNOWN = "unknown"
    TITLE_PARTLY_UNKNOWN = "title_partly_unknown"
    CATEGORY_UNKNOWN = "category_unknown"
    CATEGORY_INFERRED = "category_inferred"
    PRICE_ASSUMED = "price_assumed"
    SEASONAL_PROJECTION = "seasonal_projection"
    PROMOTION_COST_ASSUMED_ZERO = "promotion_cost_assumed_zero"
    CRITICAL_FRACTILE_ASSUMED = "critical_fractile_assumed"
    UNPROMOTED_EXTRAPOLATED = "unpromoted_extrapolated"
    LOW_SUPPORT = "low_support"
    PRICE_UNUSUAL = "price_unusual"
    DEGRADED = "degraded"
    FIELD_IGNORED = "field_ignored"
    POPULATION_SCALED = "population_scaled"
    ASSOCIATION = "association"
    USER_COLD = "user_cold"
    BRAND_UNKNOWN = "brand_unknown"
    CANDIDATES_LIMITED = "candidates_limited"
    TAX_BASIS_DIFFERS = "tax_basis_differs"
    STOCK_SHORTENED = "stock_shortened"
    STOCK_RAISED = "stock_raised"
    SALES_FOR_DEMAND = "sales_for_demand"
    CATALOG_INCOMPLETE = "catalog_incomplete"
    TITLE_STRANGE = "title_strange"
    NOT_LEARNED = "not_learned"
    NOT_REMEMBERED = "not_remembered"
    NO_EVENTS = "no_events"
    REVIEWS_NOT_READ = "reviews_not_read"
    OTHER_MODEL_RELEASE = "other_model_release"
    ORDER_DRAWN = "order_drawn"
    HELD_OUT = "held_out"
    INFERRED_FROM_SIMILAR = "inferred_from_similar"
    EFFECTS_UNKNOWN = "effects_unknown"


class SupportLevel(enum.Enum):
    """How far an answer is supported by the history."""

    UNKNOWN = "unknown"
    NONE = "none"
    LOW = "low"
    GOOD = "good"


class PricePhase(enum.Enum):
    """Why a week has its price."""

    UNKNOWN = "unknown"
    LAUNCH_PROMOTION = "launch_promotion"
    REGULAR = "regular"
    MARKDOWN = "markdown"


class RecommendationScope(enum.Enum):
    """Which products may be recommended; all of them where none is named."""

    NEW_TO_USER = "new_to_user"
    BOUGHT_BEFORE = "bought_before"
    NEW_PRODUCTS = "new_products"


class RelationKind(enum.Enum):
    """How two products belong together: bought together, or instead of each other; both where none is named."""

    COMPLEMENT = "complement"
    SUBSTITUTE = "substitute"


class EventKind(enum.Enum):
    """What a user did with a product."""

    PURCHASE = "purchase"
    VIEW = "view"
    CLICK = "click"
    CART = "cart"
    REVIEW = "review"
    IMPRESSION = "impression"
    RETURN = "return"


class ServingState(enum.Enum):
    """What a model release is used for."""

    UNKNOWN = "unknown"
    IDLE = "idle"
    SERVING = "serving"
    CANARY = "canary"
    SHADOW = "shadow"


class HealthStatus(enum.Enum):
    """What the service says of itself."""

    UNKNOWN = "unknown"
    SERVING = "serving"
    NOT_SERVING = "not_serving"
    SERVICE_UNKNOWN = "service_unknown"


class ErrorReason(enum.Enum):
    """Why a call was refused or failed."""

    FIELD_REQUIRED = "field_required"
    TEXT_TOO_LONG = "text_too_long"
    TEXT_INVALID = "text_invalid"
    TEXT_NOT_UNDERSTOOD = "text_not_understood"
    PRICE_INVALID = "price_invalid"
    CURRENCY_MISMATCH = "currency_mismatch"
    UNIT_COST_REQUIRED = "unit_cost_required"
    DATE_INVALID = "date_invalid"
    WINDOW_INVALID = "window_invalid"
    WINDOW_OUT_OF_RANGE = "window_out_of_range"
    CHANNEL_UNKNOWN = "channel_unknown"
    VALUE_OUT_OF_RANGE = "value_out_of_range"
    TOO_MANY = "too_many"
    FIELDS_CONFLICT = "fields_conflict"
    IDENTIFIER_INVALID = "identifier_invalid"
    USER_ID_PERSONAL = "user_id_personal"
    NO_FEASIBLE_PLAN = "no_feasible_plan"
    USER_NOT_FOUND = "user_not_found"
    PRODUCT_NOT_FOUND = "product_not_found"
    PLAN_NOT_FOUND = "plan_not_found"
    MODEL_RELEASE_NOT_FOUND = "model_release_not_found"
    REQUEST_ID_REUSED = "request_id_reused"
    OVERLOADED = "overloaded"
    MODEL_UNAVAILABLE = "model_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    NOT_IMPLEMENTED = "not_implemented"
    DRAINING = "draining"
    MODEL_OUTPUT_INVALID = "model_output_invalid"
    MODEL_NOT_FOUND = "model_not_found"
    TENSOR_INVALID = "tensor_invalid"
    MESSAGE_INVALID = "message_invalid"
    CATALOG_FULL = "catalog_full"
    STORE_UNAVAILABLE = "store_unavailable"
    MODEL_RELEASE_TOO_OLD = "model_release_too_old"
    NOT_LEARNED = "not_learned"
    EVENT_ID_REUSED = "event_id_reused"
    DECISION_CHANGED = "decision_changed"
    PAGE_TOKEN_INVALID = "page_token_invalid"
    NOT_EXECUTED = "not_executed"


class LaunchState(enum.Enum):
    """State of a launch."""

    UNKNOWN = "unknown"
    PLANNED = "planned"
    DECIDED = "decided"
    ON_SALE = "on_sale"
    COMPLETED = "completed"
    REJECTED = "rejected"
    POSTPONED = "postponed"


class DecisionKind(enum.Enum):
    """What was decided about a plan."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    CHANGED = "changed"
    REJECTED = "rejected"
    POSTPONED = "postponed"


class DecisionReason(enum.Enum):
    """Why a plan was decided as it was."""

    UNKNOWN = "unknown"
    FORECAST_TOO_HIGH = "forecast_too_high"
    FORECAST_TOO_LOW = "forecast_too_low"
    CHANNEL_UNAVAILABLE = "channel_unavailable"
    PRICE = "price"
    BUDGET = "budget"
    SUPPLY = "supply"
    TIMING = "timing"
    AGREEMENT = "agreement"
    PRODUCT_CHANGED = "product_changed"
    EXPERIMENT = "experiment"
    OTHER = "other"


class PowerUnit(enum.Enum):
    """What a test is randomised by."""

    UNKNOWN = "unknown"
    USERS = "users"
    SITES = "sites"


class HoldoutVerdict(enum.Enum):
    """What a holdout says: seen and not_seen are of a difference; underpowered makes no claim."""

    UNKNOWN = "unknown"
    UNDERPOWERED = "underpowered"
    NOT_SEEN = "not_seen"
    SEEN = "seen"


class LaunchException(enum.Enum):
    """Why a launch needs attention."""

    UNKNOWN = "unknown"
    BELOW_BAND = "below_band"
    ABOVE_BAND = "above_band"
    STOCK_ENDS = "stock_ends"
    REVIEWS_TURN = "reviews_turn"
    DATA_MISSING = "data_missing"
