"""`onshelf evaluate-plan` and `onshelf update`: one action, before the launch and after its first weeks."""

from typing import Annotated

from onshelf._cli import _options as o
from onshelf._cli._plan_view import evaluation_sections, footer, notices
from onshelf._cli._prices import Prices
from onshelf._cli._stock_view import update_sections
from onshelf._cli._values import Count, WeeklyUnits, option


def evaluate_plan(
    *,
    product: o.ProductOptions = o.ProductOptions(),
    action: o.ActionOptions,
    costs: o.ObjectiveOptions = o.ObjectiveOptions(),
    stock: o.SpreadStockOptions = o.SpreadStockOptions(),
    answer: o.EvaluationAnswerOptions = o.EvaluationAnswerOptions(),
    service: o.Service = o.Service(),
) -> None:
    """Forecast one action: this product, this week, these channels, this price."""
    with service.connect() as client:
        price = Prices(client, product.currency, answer.model_release)
        about = product.product(price, costs.unit_cost)
        found = client.evaluate_plan(
            about,
            action.action(),
            costs=costs.costs(price),
            objective=costs.objective(),
            stock_policy=stock.policy(price),
            **answer.asked(),
        )
    answer.print(found, lambda: evaluation_sections(found, about))


def update(
    *,
    product: o.ProductOptions = o.ProductOptions(),
    action: o.ActionOptions,
    sold: Annotated[WeeklyUnits, option("units of each full week so far, 1 to 7: N[,N...]", group=o.HAPPENED)],
    on_hand: Annotated[Count, option("units there and on order, for a reorder and prices", group=o.HAPPENED)] = None,
    limits: o.Limits = o.Limits(),
    costs: o.CostOptions = o.CostOptions(),
    stock: o.StockOptions = o.StockOptions(),
    answer: o.LaunchAnswerOptions = o.LaunchAnswerOptions(),
    service: o.Service = o.Service(),
) -> None:
    """After the first weeks on sale: what the rest will bring, what to reorder, which prices to ask."""
    with service.connect() as client:
        price = Prices(client, product.currency, answer.model_release)
        about = product.product(price, costs.unit_cost)
        found = client.update_forecast(
            about,
            action.action(),
            sold,
            stock_units=on_hand,
            costs=costs.costs(price),
            stock_policy=stock.policy(price),
            constraints=limits.limits(price),
            **answer.asked(),
        )
    answer.print(
        found,
        lambda: [
            *update_sections(found, about.title),
            notices(found.info.notices),
            footer(found.info, plan_id=found.plan_id),
        ],
    )
