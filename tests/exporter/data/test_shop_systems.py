"""Exports in the shape that well-known shop systems and public data sets have, read without a setting."""

from pathlib import Path

import pandas as pd
import pytest
from shop_files import Route, route, run_doctor

TITLES = {"A1": "Tea mug", "A2": "Desk lamp", "A3": "Oak clock"}
PRICES = {"A1": 4.5, "A2": 1250.0, "A3": 30.0}


def orders(count: int = 40) -> pd.DataFrame:
    """Lines of orders with two or three products each: 40 orders, 100 lines, 200 units, of 5 users, over 20 weeks."""
    rows = []
    for n in range(count):
        when = pd.Timestamp("2024-01-01 10:00") + pd.Timedelta(days=3.5 * n)
        rows += [
            (f"{1000 + n}", f"u{n % 5}", when, sku, TITLES[sku], PRICES[sku], 1 + (n + int(sku[1])) % 3)
            for sku in list(TITLES)[: 2 + n % 2]
        ]
    table = pd.DataFrame(rows, columns=["order", "user", "when", "sku", "title", "price", "units"])
    return table.assign(amount=table.price * table.units)


def is_right(came: Route, *, users: bool = True, money: bool = True) -> None:
    """Every line of `orders` came out with its product, its units, its amount, its user and its day."""
    lines, sales = orders(), came.sales()
    assert sales.quantity.sum() == lines.units.sum()
    assert sales.groupby("product_id").quantity.sum().to_dict() == lines.groupby("sku").units.sum().to_dict()
    assert sorted(sales.time.dt.date) == sorted(lines.when.dt.date)
    assert came.products().title.to_dict() == TITLES
    if money:
        assert sales.revenue.sum() == pytest.approx(lines.amount.sum())
    if users:
        assert sales.user_id.nunique() == lines.user.nunique()


def test_sheets_of_the_same_header_are_one_table(tmp_path: Path) -> None:
    lines = orders()[["order", "sku", "title", "units", "when", "price", "user"]]
    lines.columns = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID"]
    with pd.ExcelWriter(tmp_path / "retail.xlsx") as book:
        lines[:50].to_excel(book, sheet_name="Year 2009-2010", index=False)
        lines[50:].to_excel(book, sheet_name="Year 2010-2011", index=False)
    came = route(tmp_path, tmp_path / "retail.xlsx")
    assert came.status == 0
    is_right(came)


def test_sheets_of_different_headers_are_tables_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = orders()
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        pd.DataFrame({"About": ["Made for a course", "Two years"]}).to_excel(book, sheet_name="Glossary", index=False)
        products = pd.DataFrame({"UPC": list(TITLES), "DESCRIPTION": list(TITLES.values())})
        products.to_excel(book, sheet_name="Products Lookup", index=False)
        sales = lines.rename(columns={"sku": "UPC", "units": "UNITS", "amount": "SPEND", "when": "DATE"})
        sales[["DATE", "UPC", "UNITS", "SPEND"]].to_excel(book, sheet_name="Transaction Data", index=False)
    came = route(tmp_path, tmp_path / "book.xlsx")
    assert came.status == 3, "the sheet that is no table is told"
    assert "book.xlsx/Glossary" in capsys.readouterr().out
    is_right(came, users=False)


def written(path: Path, table: pd.DataFrame, **options: str) -> Path:
    """A text file of a table."""
    table.to_csv(path, index=False, **options)
    return path


def test_shopifys_cells_that_are_filled_once_an_order(tmp_path: Path) -> None:
    lines = orders()
    first = ~lines.order.duplicated()
    table = pd.DataFrame(
        {
            "Name": "#" + lines.order,
            "Financial Status": lines.order.map(lambda order: "refunded" if order == "1001" else "paid").where(first),
            "Total": (lines.groupby("order").amount.transform("sum") + 4.9).where(first),
            "Created at": lines.when.dt.strftime("%Y-%m-%d %H:%M:%S +0000"),
            "Lineitem quantity": lines.units,
            "Lineitem name": lines.title,
            "Lineitem price": lines.price,
            "Lineitem sku": lines.sku,
        }
    )
    came = route(tmp_path, written(tmp_path / "orders_export.csv", table))
    assert came.status == 0
    sales, right = came.sales(), lines[lines.order != "1001"]
    assert len(sales) == len(right), "a refunded order is none of its lines"
    assert sales.revenue.sum() == pytest.approx(right.amount.sum()), (
        "an order's total with shipping is no line's amount"
    )
    assert came.products().title.to_dict() == TITLES


@pytest.mark.parametrize("priced", [True, False])
def test_an_orders_total_on_each_line_is_no_revenue_of_a_line(
    priced: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = orders().rename(columns={"order": "Order ID", "user": "Customer ID", "when": "Date", "units": "Qty"})
    lines["Total"] = lines.groupby("Order ID").amount.transform("sum")
    lines = lines.drop(columns=["amount"] if priced else ["amount", "price"])
    came = route(tmp_path, written(tmp_path / "sales.csv", lines))
    assert came.status == (0 if priced else 3)
    assert "'Total' is the amount of a whole order" in " ".join(capsys.readouterr().out.split())
    is_right(came, money=priced)
    assert priced or came.sales().revenue.isna().all()


@pytest.mark.parametrize("once", [True, False])
def test_an_orders_discount_is_shared_out_to_its_lines(
    once: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = orders()
    off = lines.groupby("order").amount.transform("sum") * 0.1
    lines["Discount"] = off.where(~lines.order.duplicated()) if once else off
    lines = lines.rename(columns={"order": "Order ID", "user": "Customer ID", "when": "Date", "units": "Qty"})
    came = route(tmp_path, written(tmp_path / "sales.csv", lines.rename(columns={"amount": "Line total"})))
    assert "discount is that of a whole order" in " ".join(capsys.readouterr().out.split())
    is_right(came)
    sales = came.sales()
    assert sales.discount.to_numpy() == pytest.approx(0.1 * sales.revenue.to_numpy())


def test_a_discount_of_its_own_on_each_line_stays_there(tmp_path: Path) -> None:
    lines = orders()
    lines["Discount"] = (lines.amount * 0.1).round(2)
    lines = lines.rename(columns={"order": "Order ID", "user": "Customer ID", "when": "Date", "units": "Qty"})
    sales = route(tmp_path, written(tmp_path / "sales.csv", lines.rename(columns={"amount": "Line total"}))).sales()
    assert sales.discount.sum() == pytest.approx(lines.Discount.sum())


@pytest.mark.parametrize("word", ["Total", "Grand Total:", "Gesamtsumme", "合计"])
def test_a_row_that_sums_up_the_others_is_no_sale(word: str, tmp_path: Path) -> None:
    lines = orders()[["sku", "title", "when", "units", "amount"]].rename(columns={"when": "date"})
    last = pd.DataFrame(
        {"sku": [word], "title": [word], "date": lines.date.max(), "units": lines.units.sum(), "amount": 9e5}
    )
    came = route(tmp_path, written(tmp_path / "sales.csv", pd.concat([lines, last])))
    assert came.status == 0
    is_right(came, users=False)


def test_rows_of_one_unit_each_are_units(tmp_path: Path) -> None:
    lines = orders()
    single = lines.loc[lines.index.repeat(lines.units)]
    table = pd.DataFrame(
        {"t_dat": single.when.dt.date, "customer_id": single.user, "article_id": single.sku, "price": single.price}
    )
    table["prod_name"] = single.title
    came = route(tmp_path, written(tmp_path / "transactions_train.csv", table))
    assert came.status == 0
    is_right(came)


GERMAN = ("Bestellnummer", "Kundennummer", "Bestelldatum", "Artikelnummer", "Bezeichnung", "Einzelpreis", "Menge")
FRENCH = ("N° commande", "Code client", "Date de commande", "Référence", "Désignation", "Prix unitaire", "Quantité")
SPANISH = ("Pedido", "Cliente", "Fecha del pedido", "Código", "Producto", "Precio unitario", "Cantidad")
CHINESE = ("订单编号", "买家会员名", "订单创建时间", "商品编号", "宝贝标题", "商品单价", "购买数量")


@pytest.mark.parametrize(
    ("header", "state"),
    [(GERMAN, "Komplett abgeschlossen"), (FRENCH, "Terminée"), (SPANISH, "Completado"), (CHINESE, "交易成功")],
)
def test_headers_and_states_of_other_languages(header: tuple[str, ...], state: str, tmp_path: Path) -> None:
    lines = orders().drop(columns="amount")
    lines["when"] = lines.when.dt.strftime("%d.%m.%Y %H:%M")
    lines["price"] = lines.price.map(lambda price: f"{price:,.2f}".translate(str.maketrans(",.", ".,")))
    lines.columns = header
    lines["Status"] = state
    came = route(tmp_path, written(tmp_path / "export.csv", lines, sep=";", encoding="utf-8"))
    assert came.status == 0
    is_right(came)


def test_orders_in_one_file_and_their_lines_in_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, folder = orders(), tmp_path / "exports"
    folder.mkdir()
    heads = lines.drop_duplicates("order").iloc[::-1]
    heads = heads.assign(status="delivered")[["order", "user", "status", "when"]]
    heads.columns = ["order_id", "customer_id", "order_status", "order_purchase_timestamp"]
    written(folder / "olist_orders_dataset.csv", heads)
    items = lines[["order", "sku", "units", "price"]]
    items.columns = ["order_id", "product_id", "quantity", "price"]
    written(folder / "olist_order_items_dataset.csv", items)
    written(folder / "products.csv", pd.DataFrame({"product_id": list(TITLES), "title": list(TITLES.values())}))
    came = route(tmp_path, folder)
    assert came.status == 0
    assert "each line with its order of olist_orders_dataset.csv" in " ".join(capsys.readouterr().out.split())
    is_right(came)


def test_two_times_of_one_order_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "orders.csv", pd.DataFrame({"order_id": [1, 1], "date": ["2024-05-01", "2024-06-01"]}))
    written(tmp_path / "items.csv", pd.DataFrame({"order_id": [1], "sku": ["A1"], "name": ["Tea mug"], "qty": [1]}))
    assert run_doctor(tmp_path / "orders.csv", tmp_path / "items.csv") == 1
    assert "orders.csv: 1 order_id" in " ".join(capsys.readouterr().out.split())
