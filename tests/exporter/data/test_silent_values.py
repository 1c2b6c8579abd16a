"""Values that a reader could take for something else without a word: each is read right, or told."""

import datetime as dt
import json
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from shop_files import HEAD, days_of, parquet_file, route, run_doctor, text_file

from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.process.errors import DataError, SettingError

PRICED = "Bill,SKU,Title,Qty,Order Date,Unit Price,{},Customer ID"
KETTLE = "{n}a,K1,Kettle,1,{day},4.50,u1"


# --- units ---


def test_a_column_of_currencies_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "order_id,customer_id,sku,name,qty,date,amount,currency"
    lines = ("{n}a,u1,K1,Kettle,1,{day},4.50,EUR", "{n}b,u2,K1,Kettle,1,{day},490,JPY")
    orders = days_of(tmp_path / "orders.csv", header, *lines)
    assert run_doctor(orders, "--currency", "EUR") == 1
    assert "amounts in several currencies: EUR in currency, JPY in currency" in capsys.readouterr().out
    done = route(tmp_path, orders, "--where", "currency = 'EUR'")
    assert done.status == 0
    assert done.sales().revenue.unique().tolist() == [4.5]
    odd = days_of(tmp_path / "odd.csv", header, *lines[:1], "{n}c,u2,K1,Kettle,1,{day},9,bottle caps")
    assert run_doctor(odd) == 3
    assert "currency not understood" in capsys.readouterr().out
    own = days_of(tmp_path / "own.csv", header, "{n}a,u1,K1,Kettle,1,{day},4.50,1")
    assert run_doctor(own, "--currency", "EUR") == 0, "a column in which nothing is understood is asked about"
    assert "'1': no currency that is known; the stated one is taken for all rows" in capsys.readouterr().out


def test_a_sign_must_be_able_to_stand_for_the_stated_currency(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = days_of(tmp_path / "orders.csv", HEAD, "{n},K1,Kettle,1,{day},$4.50,u1")
    assert run_doctor(orders, "--currency", "AUD") == 0
    assert run_doctor(orders, "--currency", "EUR") == 1
    assert "amounts are marked $, and the currency stated is EUR" in capsys.readouterr().out
    both = days_of(tmp_path / "both.csv", HEAD, "{n}a,K1,Kettle,1,{day},$4.50,u1", "{n}b,K1,Kettle,1,{day},C$4.90,u1")
    assert run_doctor(both, "--strict") == 1
    assert "amounts are marked $ and CAD: read as one currency, CAD" in capsys.readouterr().out
    named = days_of(tmp_path / "named.csv", HEAD.replace("Amount", "Amount (USD)"), KETTLE)
    assert run_doctor(named, "--currency", "EUR") == 1
    assert run_doctor(named, "--currency", "USD") == 0


def test_a_percentage_may_be_said_by_the_header(tmp_path: Path) -> None:
    orders = days_of(tmp_path / "orders.csv", PRICED.format("Discount (%)"), "{n},K1,Kettle,1,{day},12.00,20,u1")
    sales = route(tmp_path, orders).sales()
    assert sales.revenue.tolist() == pytest.approx([9.6] * 21)
    assert sales.discount.tolist() == pytest.approx([2.4] * 21)


@pytest.mark.parametrize("written", ["Discount %", "Discount (%)"])
def test_shares_under_a_percent_sign_are_shares(written: str, tmp_path: Path) -> None:
    orders = days_of(tmp_path / "orders.csv", PRICED.format(written), "{n},K1,Kettle,1,{day},12.00,0.2,u1")
    assert route(tmp_path, orders).sales().revenue.tolist() == pytest.approx([9.6] * 21)


def test_a_percentage_takes_no_amounts_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "Bill,SKU,Title,Qty,Order Date,Sales %,Sales,Cost %,Price (incl. 19% VAT),Customer ID"
    done = route(tmp_path, days_of(tmp_path / "orders.csv", header, "{n},K1,Kettle,1,{day},5,12.00,35,12.50,u1"))
    assert done.status == 0
    assert done.sales().revenue.unique().tolist() == [12.0]
    assert done.products().unit_cost.isnull().all()


def test_a_percentage_that_can_be_none_is_not_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "Bill,SKU,Title,Qty,Order Date,Amount,Coupon Discount,Customer ID"
    lines = ("{n}a,K1,Kettle,1,{day},12.00,10%,u1", "{n}b,K1,Kettle,1,{day},12.00,1.20,u1")
    done = route(tmp_path, days_of(tmp_path / "orders.csv", header, *lines))
    assert done.status == 3
    assert "coupon_discount not understood" in capsys.readouterr().out
    assert done.sales().coupon_discount.unique().tolist() == [1.2]


def test_cents_are_no_whole_units(tmp_path: Path) -> None:
    orders = days_of(tmp_path / "orders.csv", HEAD.replace("Amount", "Amount (cents)"), "{n},K1,Kettle,1,{day},450,u1")
    assert route(tmp_path, orders).sales().revenue.unique().tolist() == [4.5]


def test_one_percentage_leaves_the_unit_of_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ("{n}a,K1,Kettle,1,{day},450,u1", "{n}b,K1,Kettle,1,{day},50%,u1")
    done = route(tmp_path, days_of(tmp_path / "orders.csv", HEAD.replace("Amount", "Amount (cents)"), *lines))
    assert done.status == 3
    assert done.sales().revenue.unique().tolist() == [4.5]


def test_files_in_different_units_are_not_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for month, header in (("01", "Amount (EUR)"), ("02", "Amount (cents)")):
        days_of(
            tmp_path / "in" / f"sales_2024{month}.csv",
            HEAD.replace("Amount", header),
            KETTLE.replace("a,", f"{month},"),
        )
    assert run_doctor(tmp_path / "in") == 1
    assert "different units" in capsys.readouterr().out


def test_a_spreadsheets_currencies_are_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = openpyxl.Workbook()
    book.active.append(HEAD.split(","))
    for n, day in enumerate(pd.date_range("2024-01-01", periods=42)):
        book.active.append([n, "K1", "Kettle", 1, day.to_pydatetime(), 4.5, "u1"])
        book.active.cell(n + 2, 6).number_format = '#,##0.00 "€"' if n % 2 else "[$£-809]#,##0.00"
    hidden = book.create_sheet("July")
    hidden.append(HEAD.split(","))
    hidden.append([99, "K1", "Kettle", 1, pd.Timestamp("2024-07-01").to_pydatetime(), 4.5, "u1"])
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "orders.xlsx")
    assert run_doctor(tmp_path / "orders.xlsx") == 1
    said = capsys.readouterr().out
    assert "amounts in several currencies" in said
    assert "hidden sheet 'July' has the same headers, and is not read" in said


# --- values that were not understood ---


def test_identifiers_without_their_digits_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = days_of(tmp_path / "orders.csv", HEAD, KETTLE, "1.23457E+17,K1,Kettle,1,{day},4.50,u2")
    done = route(tmp_path, orders)
    assert done.status == 3
    assert "order_id not understood: emptied" in capsys.readouterr().out
    assert len(done.sales()) == 42, "what was sold stays"


def test_values_of_products_in_a_file_of_sales_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ("{n}a,K1,Kettle,1,{day},4.50,u1,soon", "{n}b,T1,Towel,1,{day},4.50,u1,2024-01-01")
    assert run_doctor(days_of(tmp_path / "orders.csv", f"{HEAD},Launch Date", *lines)) == 3
    assert "launch_date not understood: emptied" in capsys.readouterr().out


def test_an_error_in_a_cell_is_no_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = ("{n}b,K1,Kettle,#VALUE!,{day},4.50,u1", "{n}c,K1,Kettle,?,{day},4.50,?")
    lines = (KETTLE, KETTLE.replace("a,", "d,"), KETTLE.replace("a,", "e,"), *odd)
    done = route(tmp_path, days_of(tmp_path / "orders.csv", HEAD, *lines))
    assert done.status == 3
    assert "quantity not understood" in capsys.readouterr().out
    assert len(done.sales()) == 63


def test_an_error_in_a_state_is_no_sale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (
        KETTLE + ",completed",
        KETTLE.replace("a,", "b,") + ",cancelled",
        KETTLE.replace("a,", "c,") + ",completed",
        KETTLE.replace("a,", "d,") + ",completed",
        KETTLE.replace("a,", "e,") + ",completed",
    )
    orders = days_of(tmp_path / "orders.csv", f"{HEAD},Status", *lines)
    rows = orders.read_text().splitlines()
    for number, odd in ((1, "#REF!"), (6, "?")):
        rows[number] = rows[number].replace("completed", odd)
    orders.write_text("\n".join(rows) + "\n")
    done = route(tmp_path, orders)
    assert done.status == 3
    told = capsys.readouterr().out
    assert "not understood: #REF! (1), ? (1)" in told
    assert len(done.sales()) == 4 * 21 - 2


def test_errors_in_a_workbook_are_no_empty_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([*HEAD.split(","), "Status"])
    for n in range(60):
        sheet.append([f"b{n}", "K1", "Kettle", 1, dt.datetime(2024, 1, 1) + dt.timedelta(days=n), 4.5, "u1", "paid"])
    for cell, error in {"D5": "#VALUE!", "G9": "#REF!", "H12": "#NAME?", "C20": "#N/A"}.items():
        sheet[cell] = error
    book.save(tmp_path / "orders.xlsx")
    done = route(tmp_path, tmp_path / "orders.xlsx")
    assert done.status == 3
    told = capsys.readouterr().out
    assert "quantity not understood" in told
    assert "user_id not understood" in told
    assert "not understood: #NAME? (1)" in told
    assert "taken as missing: '#N/A' (1)" in told
    assert len(done.sales()) == 57


def test_an_error_in_a_name_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (KETTLE, "{n}b,K1,Kettle,1,{day},4.50,#REF!", "{n}c,T1,#NAME?,1,{day},2.00,u2")
    done = route(tmp_path, days_of(tmp_path / "orders.csv", HEAD, *lines))
    assert done.status == 3
    told = capsys.readouterr().out
    assert "user_id not understood" in told
    assert "title not understood: emptied" in told
    assert not done.sales().user_id.str.contains("#").any()
    assert "#NAME?" not in done.products().title.to_list()


def test_an_error_hides_no_other_value_that_is_emptied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (KETTLE + ",Home > Kitchen", "{n}b,T1,Towel,1,{day},2.00,u2,>", "{n}c,S1,Soap,1,{day},2.00,u2,#REF!")
    assert run_doctor(days_of(tmp_path / "orders.csv", f"{HEAD},Category", *lines)) == 3
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "category_path not understood" in line]
    assert " 42 " in told


def test_an_error_in_a_trait_of_users_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = days_of(tmp_path / "orders.csv", HEAD, KETTLE, "{n}b,T1,Towel,1,{day},2.00,u2")
    users = text_file(tmp_path / "customers.csv", "Customer ID,Segment\nu1,#REF!\nu2,gold")
    assert run_doctor(orders, users) == 3
    assert "Segment not understood: emptied" in capsys.readouterr().out


def test_an_event_without_a_kind_is_no_purchase(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "event_time,event_type,product_id,product_name,price,user_id"
    lines = (
        "{day} 09:00:00,view,K1,Kettle,20,u1",
        "{day} 09:01:00,,K1,Kettle,20,u1",
        "{day} 09:02:00,purchase,K1,Kettle,20,u1",
    )
    done = route(tmp_path, days_of(tmp_path / "clicks.csv", header, *lines))
    assert done.status == 3
    assert "no kind" in capsys.readouterr().out
    assert done.sales().kind.value_counts().to_dict() == {"view": 21, "purchase": 21}


def test_an_event_may_be_about_several_products(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "event_id,event_time,event_type,product_id,product_name,price,user_id"
    lines = (
        "e{n},{day} 09:00:00,purchase,K1,Kettle,20,u{n}",
        "e{n},{day} 09:00:00,purchase,T1,Towel,5,u{n}",
        "e{n},{day} 09:00:00,purchase,T1,Towel,5,u{n}",
    )
    events = days_of(tmp_path / "clicks.csv", header, *lines)
    done = route(tmp_path, events)
    assert done.status == 0, "the same delivered twice is no loss"
    assert done.sales().product_id.value_counts().to_dict() == {"K1": 21, "T1": 21}
    again = days_of(tmp_path / "again.csv", header, "e1,{day} 09:00:00,purchase,K1,Kettle,20,u{n}")
    assert run_doctor(again) == 3, "ids that begin anew name different events"
    capsys.readouterr()
    differing = days_of(tmp_path / "other.csv", header, *lines[:2], lines[2].replace(",5,", ",6,"))
    assert run_doctor(differing) == 3
    assert "with another time, user, order, site, kind, quantity or revenue" in capsys.readouterr().out


# --- orders ---


def test_receipts_that_begin_anew_lend_no_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{n % 7},K1,Kettle,1,2024-01-{1 + n:02},4.50,{'u5' if n < 7 else ''}" for n in range(28)]
    done = route(tmp_path, text_file(tmp_path / "till.csv", "\n".join([HEAD, *lines])))
    sales = done.sales()
    assert sales.user_id.notnull().sum() == 7
    assert sales.order_id.nunique() == 28
    assert "order numbers begin anew" in capsys.readouterr().out
    few = [KETTLE.format(n=n, day=f"2024-01-{1 + n:02}") for n in range(20)]
    few += ["3a,T1,Towel,1,2024-01-04,4.50,", "4a,T1,Towel,1,2024-01-20,4.50,"]
    done = route(tmp_path / "few", text_file(tmp_path / "few.csv", "\n".join([HEAD, *few])))
    towels = done.sales().query("product_id == 'T1'").set_index("order_id")
    assert towels.user_id["3a"] == "u1", "a line of the same day is of the same order"
    assert pd.isnull(towels.user_id["4a"])


def test_what_is_sent_back_later_is_of_the_same_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [KETTLE.format(n=n, day=f"2024-01-{1 + n:02}") for n in range(20)]
    lines += [f"{n}a,K1,Kettle,-1,2024-02-{1 + n:02},-4.50," for n in range(8)]
    done = route(tmp_path, text_file(tmp_path / "orders.csv", "\n".join([HEAD, *lines])))
    assert "begin anew" not in capsys.readouterr().out
    assert set(done.sales().user_id) == {"u1"}


def test_a_flag_that_is_not_understood_is_no_promotion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ("{n}a,K1,Kettle,1,{day},4.50,u1,1", "{n}b,T1,Towel,1,{day},4.50,u1,#REF!", "{n}c,M1,Mug,1,{day},4,u1,0")
    done = route(tmp_path, days_of(tmp_path / "orders.csv", f"{HEAD},On Promo", *lines))
    assert done.status == 3
    assert "On Promo: a flag not understood: no promotion" in capsys.readouterr().out
    assert done.canonical("promotions").product_id.unique().tolist() == ["K1"]


def test_a_product_may_be_called_total(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (KETTLE, "{n}b,Y7,Total 0%,1,{day},1.20,u1", "{n}c,Y8,Total,1,{day},1.20,u1")
    orders = days_of(tmp_path / "orders.csv", HEAD, *lines)
    with orders.open("a") as file:
        file.write("Grand Total,,,63,,144.90,\n20 Total,,,3,,6.90,\n,,Sum:,63,,144.90,\n20b,Y9,Total 5%,1,,1.20,u1\n")
    done = route(tmp_path, orders)
    assert done.status == 0
    assert done.sales().product_id.value_counts().to_dict() == {"K1": 21, "Y7": 21, "Y8": 21, "Y9": 1}
    assert "sums of other lines" in capsys.readouterr().out


def test_one_product_under_two_ids_is_asked_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days_of(
        tmp_path / "in" / "sales_01.csv", HEAD, "{n}a,00101,Kettle,1,{day},4.50,u1", "{n}b,85123A,Towel,1,{day},3,u1"
    )
    days_of(tmp_path / "in" / "sales_02.csv", HEAD, "{n}c,101,Kettle,1,{day},4.50,u1", "{n}d,85123a,Mug,1,{day},3,u1")
    assert run_doctor(tmp_path / "in") == 0
    assert "1 products stand under ids that differ in leading zeros or in capitals alone (00101 and 101)" in (
        capsys.readouterr().out
    )
    assert run_doctor(tmp_path / "in", "--strict") == 1


# --- people ---


def test_nothing_of_people_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = f"{HEAD},Customer,Email,Remark,Comment"
    line = "{n},K1,Kéttle,1,{day},4.50,u{n},anna{n},anna{n}@shop.example,call anna{n},ask anna{n}"
    orders = days_of(tmp_path / "orders.csv", header, line)
    with orders.open("ab") as file:
        file.write(
            b"77,K1,Kettle,1,2024-01-09,4.50,anna\xff77,x,y,z,c\n78,K1,anna78,1,2024-01-09,4.50,anna78,x,y,z,c,zz,z\n"
        )
    shop = tmp_path / "written"
    assert run_doctor(orders, "--write", shop, "--currency", "EUR") == 3
    assert run_doctor(orders, "--map", "Customer ID=") in (0, 3)
    (tmp_path / "other").mkdir()
    text_file(tmp_path / "other" / "crm.csv", "who,where\nanna1,street 1\nanna2,street 2,way\n")
    run_doctor(orders, tmp_path / "other" / "crm.csv")
    said = capsys.readouterr().out
    assert "anna" not in said
    assert "line 23" in said, "where a stray byte is"
    assert "line 24: number of cells: 12 instead of 11" in said
    assert "anna" not in (shop / "understood.json").read_text()


# --- settings ---


def test_a_setting_that_changes_nothing_is_refused(tmp_path: Path) -> None:
    orders = days_of(tmp_path / "orders.csv", HEAD, KETTLE)
    frame = pd.read_csv(orders, parse_dates=["Order Date"])
    typed = parquet_file(tmp_path / "typed" / "orders.parquet", frame)
    with pytest.raises(SettingError, match=r"'Qty' of orders\.csv is mapped to revenue already"):
        run_doctor(orders, "--map", "Amount=revenue", "--map", "Qty=revenue")
    with pytest.raises(SettingError, match="no text file of this name was read"):
        run_doctor(typed, "--encoding", "cp1252")
    with pytest.raises(SettingError, match="no column of dates has this header"):
        run_doctor(typed, "--date-format", "Order Date=%d.%m.%Y")


# --- the adapter of Parquet files has the same rules ---


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("revenue", ["4.50 EUR", "4.90 USD"], "must be in EUR, the currency of the shop, not in USD"),
        ("revenue", ["1.299", "1.300"], "must have one reading"),
        ("discount", ["20%", "1.00"], "must not be a percentage"),
        ("time", ["03/04/2024", "05/04/2024"], "must have one reading"),
    ],
)
def test_texts_that_allow_two_readings_are_refused(column: str, values: list[str], rule: str, tmp_path: Path) -> None:
    sold = pd.DataFrame({"product_id": "K1", "time": pd.date_range("2024-01-01", periods=20), "user_id": "undefined"})
    parquet_file(tmp_path / "in" / "products.parquet", pd.DataFrame({"product_id": ["K1"], "title": ["Kettle"]}))
    parquet_file(tmp_path / "in" / "interactions.parquet", sold)
    (tmp_path / "in" / "shop.json").write_text(json.dumps({"currency": "EUR"}))
    data = prepare("shop", tmp_path / "data", adapter="parquet", source=tmp_path / "in")
    assert pd.read_parquet(data / "canonical" / "interactions.parquet").user_id.isnull().all()
    parquet_file(tmp_path / "in" / "interactions.parquet", sold.assign(**{column: values * 10}))
    with pytest.raises(DataError, match=rule):
        prepare("shop", tmp_path / "data", adapter="parquet", source=tmp_path / "in")
