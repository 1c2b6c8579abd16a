"""Numbers that the models are given and give for kinds of events, levels of categories and classes of discounts."""

EVENT_KINDS = {"purchase": 1, "view": 2, "click": 3, "cart": 4, "review": 5}  # 0 pads; others tell the models nothing
CATEGORY_LEVELS = ("department", "category", "type")
BRAND = "brand"
LEVELS = (*CATEGORY_LEVELS, BRAND)  # columns of categorical_ids; 0 = unknown
# Class 0 has none, class n up to the n-th of these shares, the last class more; what a class stands for.
DISCOUNT_EDGES = (0.1, 0.2, 0.3)
TYPICAL_DISCOUNTS = (0.0, *DISCOUNT_EDGES, 0.4)
NEW_PRODUCT_WEEKS = 8  # a product is new for so long after its launch
SENTIMENTS = ("negative", "neutral", "positive")  # of a sentence of a review, in the order of the model's output
