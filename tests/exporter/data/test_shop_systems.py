"""Exports in the shape that well-known shop systems and public data sets have, read without a setting."""

import json
from pathlib import Path

import pandas as pd
import pytest
from shop_files import Route, route, text_file

TITLES = {"A1": "Tea mug", "A2": "Desk lamp", "A3": "Oak clock"}
PRICES = {"A1": 4.5, "A2": 1250.0, "A3": 30.0}


def orders(count: int = 40) -> pd.DataFrame:
    """Lines of orders with two or three products each: 40 orders, 100 lines, 200 units, of 5 users, over 20 weeks."""
    rows = []
    for n in range(count):
        when = pd.Timestamp("2024-01-01 10:00") + pd.Timedelta(days=3.5 * n)
        for sku in list(TITLES)[: 2 + n % 2]:
            rows.append((f"{1000 + n}", f"u{n % 5}", when, sku, TITLES[sku], PRICES[sku], 1 + (n + int(sku[1])) % 3))
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
