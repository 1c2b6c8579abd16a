"""The doctor: a retailer's own files, headers and encodings; what it says, and what it writes."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from shop_files import run_doctor

from onshelf_exporter.data.headers import (
    COLUMN_NAMES,
    MEANING_NAMES,
    MEANINGS,
    columns_of,
    guess_of,
    is_service,
    kind_of,
    normal,
    status_of,
    table_of,
)
from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.data.schema import COLUMNS, TABLES
from onshelf_exporter.data.titles import LEVEL
from onshelf_exporter.process.errors import SettingError, SourceError

CHINESE = ("用户ID", "商品编号", "商品名称", "类目", "价格", "数量", "金额", "下单时间", "行为类型", "备注")


def chinese_rows(n: int = 60) -> list[list[object]]:
    titles = ("有机绿茶 茉莉花香", "手工锻造园艺剪刀", "儿童木制拼图")
    paths = ("厨房/茶", "花园/工具", "玩具/拼图")
    prices = ("¥ 39.90", "¥ 1,129.00", "¥ 89.00")
    values = (39.9, 1129.0, 89.0)
    return [
        [f"u{i % 7}", f"G{i % 3}", titles[i % 3], paths[i % 3], prices[i % 3], 1 + i % 2, values[i % 3] * (1 + i % 2),
         f"2024/{1 + i // 28}/{1 + i % 28} 1{i % 10}:05:00", "购买", "无"]
        for i in range(n)
    ]  # fmt: skip


def write_csv(
    path: Path, header: tuple[str, ...], rows: list[list[object]], encoding: str = "utf-8", delimiter: str = ","
) -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_chinese_shop_in_one_file(encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_csv(tmp_path / "店铺.csv", CHINESE, chinese_rows(), encoding)
    assert run_doctor(path, "--write", tmp_path / "shop", "--currency", "CNY", "--timezone", "Asia/Shanghai") == 0
    said = capsys.readouterr().out
    for header, column in {"商品名称": "title", "价格": "list_price", "下单时间": "time", "金额": "revenue"}.items():
        assert any(header in line and column in line for line in said.splitlines()), header
    assert "备注" in said
    assert "not understood" in said
    assert "购买 = purchase" in said
    if encoding == "gb18030":
        assert "encoding GB18030" in said
    assert "promotions" in said
    assert "channels cannot be planned" in said, "what a missing table costs"
    products = pd.read_parquet(tmp_path / "shop" / "products.parquet").set_index("product_id")
    assert products.title["G0"] == "有机绿茶 茉莉花香"
    assert products.list_price["G1"] == 1129.0
    assert products.category_path["G2"] == f"玩具{LEVEL}拼图"
    data = prepare("shop", tmp_path / "data", source=tmp_path / "shop")
    assert pd.read_parquet(data / "features" / "product_weeks.parquet").revenue.sum() > 1000


def test_a_european_shop_in_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    write_csv(
        tmp_path / "in" / "articles.csv",
        ("Article No.", "Product Name", "Main category", "Sub-Category", "Price (EUR)"),
        [["7", "Grüner Tee", "Küche", "Tee", "1.299,50"], ["8", "Schere", "Garten", "", "14,00"]],
        "cp1252",
        ";",
    )
    write_csv(
        tmp_path / "in" / "orders.csv",
        ("Customer ID", "Article No.", "Order Date", "Qty", "Amount", "Order No."),
        [[f"k{i}", "7" if i % 2 else "8", f"{1 + i % 28:02}.03.2024 10:00", "1", "12,50", str(i)] for i in range(40)],
        delimiter=";",
    )
    assert run_doctor(tmp_path / "in", "--write", tmp_path / "shop", "--currency", "EUR") == 0
    assert "decimal comma" in capsys.readouterr().out
    products = pd.read_parquet(tmp_path / "shop" / "products.parquet").set_index("product_id")
    assert products.list_price["7"] == 1299.5
    assert products.category_path.to_dict() == {"7": "Küche > Tee", "8": "Garten"}
    assert products.title["7"] == "Grüner Tee"
    interactions = pd.read_parquet(tmp_path / "shop" / "interactions.parquet")
    assert interactions.time.min() == pd.Timestamp("2024-03-01 10:00")
    assert interactions.revenue.tolist() == [12.5] * 40


def test_what_is_required_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_csv(tmp_path / "products.csv", ("sku", "name"), [["1", "Tea"], ["2", "Shears"]])
    assert run_doctor(path) == 1
    said = capsys.readouterr().out
    assert "Not usable yet" in said
    assert "no interactions: no file holds product_id, time" in said


def test_unreadable_values_are_counted_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = chinese_rows()
    rows[0][7] = "昨天"
    path = write_csv(tmp_path / "s.csv", CHINESE, rows)
    assert run_doctor(path) == 3, "usable with losses"
    said = capsys.readouterr().out
    assert "59 of 60" in said
    assert "'昨天'" in said


def test_a_table_that_breaks_a_rule_is_not_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = chinese_rows()
    rows[3][0] = "13812345678"
    path = write_csv(tmp_path / "s.csv", CHINESE, rows)
    assert run_doctor(path, "--write", tmp_path / "shop", "--currency", "CNY") == 1
    said = capsys.readouterr().out
    assert "pseudonym" in said
    assert "13812345678" not in said
    assert not (tmp_path / "shop").exists()


def test_a_misunderstood_header_can_be_mapped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = ("who", "sku", "name", "when", "qty")
    rows: list[list[object]] = [[f"u{i}", "1", "Tea", "2024-01-02", 1] for i in range(9)]
    path = write_csv(tmp_path / "s.csv", header, rows)
    assert run_doctor(path) == 1
    assert run_doctor(path, "--map", "who=user_id", "--map", "when=time") == 0
    capsys.readouterr()
    with pytest.raises(SettingError, match="--map"):
        run_doctor(path, "--map", "who=customer")


def test_equal_lines_are_a_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = chinese_rows()
    path = write_csv(tmp_path / "s.csv", CHINESE, rows + rows[:2])
    assert run_doctor(path) == 3
    said = capsys.readouterr().out
    assert "row that equals another: one is kept" in said
    assert "2 rows lost, in 1 ways" in said


def test_sales_without_revenue_ask_which_header_is_the_money(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = ("user", "sku", "name", "date", "stk", "kassiert", "bon")
    rows: list[list[object]] = [[f"u{i}", "1", "Tea", f"2024-01-{1 + i:02}", 1, f"{i}.99", 700 + i] for i in range(9)]
    path = write_csv(tmp_path / "s.csv", header, rows)
    assert run_doctor(path) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no revenue or price was understood, and kassiert (s.csv) has amounts" in said
    assert run_doctor(path, "--strict") == 1
    assert run_doctor(path, "--strict", "--map", "kassiert=price_paid") == 0


def test_day_and_month_that_could_be_either_are_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = ("user", "sku", "name", "date")
    path = write_csv(
        tmp_path / "orders.csv", header, [["a", "1", "Tea", "03/04/2024"], ["b", "1", "Tea", "05/06/2024"]]
    )
    run_doctor(path)
    assert "month first as well" in capsys.readouterr().out
    write_csv(path, header, [["a", "1", "Tea", "03/24/2024"], ["b", "1", "Tea", "05/06/2024"]])
    run_doctor(path)
    said = capsys.readouterr().out
    assert "month first" in said
    assert "To check" not in said


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no \.csv"):
        run_doctor(tmp_path)
    with pytest.raises(SourceError, match="no such file or folder"):
        run_doctor(tmp_path / "nowhere.csv")
    (tmp_path / "orders.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(SourceError, match=r"orders\.xlsx: is not a readable spreadsheet"):
        run_doctor(tmp_path / "orders.xlsx")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(SourceError, match="is empty"):
        run_doctor(tmp_path / "empty.csv")


def test_writing_needs_a_currency_and_an_empty_folder(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "s.csv", CHINESE, chinese_rows())
    with pytest.raises(SettingError, match="--currency"):
        run_doctor(path, "--write", tmp_path / "shop")
    with pytest.raises(SettingError, match="ISO 4217"):
        run_doctor(path, "--write", tmp_path / "shop", "--currency", "yuan")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(SettingError, match="empty"):
        run_doctor(path, "--write", tmp_path / "full", "--currency", "CNY")


def test_the_shop_itself_is_healthy(shop_source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_doctor(shop_source) == 0
    assert "Usable" in capsys.readouterr().out


def test_names() -> None:
    assert columns_of("商品名称")[0] == "title"
    assert columns_of("Unit Price (EUR)") == ("list_price",)
    assert columns_of("﻿User_ID") == ("user_id",)
    assert columns_of("whatever") == ()
    assert table_of("orders_2024") == "interactions"
    assert table_of("订单明细") == "interactions"
    assert table_of("misc") is None
    assert kind_of("Add to cart") == "cart"
    assert kind_of("退货") == "return"
    assert kind_of("cancelled") == "", "no event at all"
    assert kind_of("wishlist") is None
    assert status_of("Refunded") == ""
    assert status_of("Partially refunded") == "purchase"
    assert status_of("view") == "view"
    assert status_of("odd") is None
    assert table_of("sales_jan_2024") == "interactions"
    assert table_of("user_events") is None, "the headers decide"
    assert is_service("Adjust bad debt")
    assert not is_service("Postage stamp mug")
    assert guess_of("cust_nr") == ("custno", "user_id")
    known = {column.name for column in COLUMNS} | set(MEANINGS)
    assert set(COLUMN_NAMES) | set(MEANING_NAMES) <= known
    assert not set(COLUMN_NAMES) & set(MEANING_NAMES)
    assert all(normal(name) == name for names in COLUMN_NAMES.values() for name in names), (
        "names are written as compared"
    )
    assert all(table_of(name) == name for name in TABLES)
