"""Faults that retailers' files are known for: what the doctor makes of each, and what `data` then holds."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop_files import HEAD, days_of, parquet_file, route, run_doctor, text_file, weekly_lines

from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.process.errors import SettingError

# --- kinds and states ---


EVENTS = "event_time,event_type,product_id,product_name,price,user_id"
CLICKS = (
    "{day} 09:00:00,view,K1,Kettle,20.00,u{n}",
    "{day} 09:01:00,remove_from_cart,K1,Kettle,20.00,u{n}",
    "{day} 09:02:00,purchase,K1,Kettle,20.00,u{n}",
)


def test_events_of_unknown_kind_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = days_of(tmp_path / "clicks.csv", EVENTS, *CLICKS)
    done = route(tmp_path, events)
    said = capsys.readouterr().out
    assert done.status == 3
    assert "remove_from_cart (21)" in said
    assert "--kinds" in said
    assert done.sales().kind.value_counts().to_dict() == {"view": 21, "purchase": 21}
    assert done.features("product_weeks").units.sum() == 21


def test_kinds_can_be_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = days_of(tmp_path / "clicks.csv", EVENTS, *CLICKS)
    assert run_doctor(events, "--kinds", "remove_from_cart=") == 0, "left out on purpose is no loss"
    assert "no sale: remove_from_cart (21)" in capsys.readouterr().out
    assert run_doctor(events, "--kinds", "remove_from_cart=view") == 0
    assert "view 42" in capsys.readouterr().out
    assert run_doctor(events, "--strict") == 1
    with pytest.raises(SettingError, match="no event and no order has this value"):
        run_doctor(events, "--kinds", "wishlist=view", "--kinds", "remove_from_cart=")
    with pytest.raises(SettingError, match="VALUE=KIND"):
        run_doctor(events, "--kinds", "remove_from_cart=steal")


def test_cancelled_orders_are_no_sales_and_two_prices_are_told_apart(tmp_path: Path) -> None:
    header = "order_id,customer_id,sku,name,qty,price,base_price,date,status,category,sub_category"
    orders = days_of(
        tmp_path / "orders.csv",
        header,
        "a{n},u1,K1,Kettle,2,8.00,10.00,{day},Completed,Kitchen,Kettles",
        "b{n},u2,K1,Kettle,1,8.00,10.00,{day},cancelled,Kitchen,Kettles",
        "c{n},u3,T1,Towel,1,3.00,3.00,{day},refunded,Kitchen,Towels",
        "d{n},u3,T1,Towel,1,3.00,3.00,{day},pending,Kitchen,Towels",
        "e{n},u3,T1,Towel,1,3.00,3.00,{day},shipped,Kitchen,Towels",
    )
    done = route(tmp_path, orders)
    assert done.status == 0, "a cancelled order is understood: no loss"
    sales = done.sales()
    assert sales.order_id.str[0].value_counts().to_dict() == {"a": 21, "e": 21}
    assert sales[sales.product_id == "K1"].revenue.unique().tolist() == [16.0]
    assert sales[sales.product_id == "K1"].discount.unique().tolist() == [4.0]
    assert sales[sales.product_id == "T1"].discount.unique().tolist() == [0.0]
    assert done.products().list_price.to_dict() == {"K1": 10.0, "T1": 3.0}
    assert done.products().category_path.to_dict() == {"K1": "Kitchen > Kettles", "T1": "Kitchen > Towels"}


def test_a_state_that_is_not_known_is_no_sale_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "order_id,customer_id,sku,name,amount,date,status"
    lines = ("a{n},u1,K1,Kettle,8.00,{day},completed", "b{n},u2,K1,Kettle,8.00,{day},zurückgestellt")
    orders = days_of(tmp_path / "orders.csv", header, *lines)
    assert run_doctor(orders) == 3
    assert "zurückgestellt (21)" in capsys.readouterr().out
    assert run_doctor(orders, "--kinds", "zurückgestellt=purchase") == 0
    assert "purchase 42" in capsys.readouterr().out


# --- values ---


def test_null_words_are_no_users(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{{n}}{i},K1,Kettle,1,{{day}},4.50,{user}" for i, user in enumerate(("NULL", "nan", "\\N", "c7", "c8"))]
    done = route(tmp_path, days_of(tmp_path / "orders.csv", HEAD, *lines))
    assert "c7" not in capsys.readouterr().out, "users are not shown"
    assert set(done.sales().user_id.dropna()) == {"c7", "c8"}
    assert done.features("users").user_id.tolist() == ["c7", "c8"]


def test_signs_in_brackets_and_of_typographers_are_returns(tmp_path: Path) -> None:
    lines = ("{n}a,K1,Kettle,1,{day},4.50,u1", "{n}b,K1,Kettle,1,{day},(4.50),u1", "{n}c,K1,Kettle,1,{day},−4.50,u1")
    done = route(tmp_path, days_of(tmp_path / "orders.csv", HEAD, *lines))
    assert done.status == 0
    sales = done.sales()
    assert sales.kind.value_counts().to_dict() == {"return": 42, "purchase": 21}
    assert sales.revenue.unique().tolist() == [4.5]


def test_a_percentage_is_a_share_of_the_regular_price(tmp_path: Path) -> None:
    lines = ("{n}a,K1,Kettle,1,{day},8.00,20%,u1", "{n}b,K1,Kettle,2,{day},20.00,0%,u2")
    orders = days_of(tmp_path / "orders.csv", "Bill,SKU,Title,Qty,Order Date,Amount,Discount,Customer ID", *lines)
    done = route(tmp_path, orders)
    sales = done.sales().set_index("order_id")
    assert sales.loc["0a", "discount"] == pytest.approx(2.0)
    assert sales.loc["0b", "discount"] == 0
    assert done.features("product_weeks").price.round(6).unique().tolist() == [10.0]


def test_a_percentage_off_a_price_when_no_amount_is_given(tmp_path: Path) -> None:
    orders = days_of(
        tmp_path / "orders.csv",
        "Bill,SKU,Title,Qty,Order Date,Unit Price,Discount %,Customer ID".replace("Discount %", "Discount Percent"),
        "{n}a,K1,Kettle,2,{day},10.00,25,u1",
    )
    sales = route(tmp_path, orders).sales()
    assert (sales.revenue.iloc[0], sales.discount.iloc[0]) == (15.0, 5.0)


def test_a_value_that_is_not_understood_is_neither_the_default_nor_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ("{n}a,K1,Kettle,2,{day},9.00,u1",) * 2
    orders = days_of(tmp_path / "orders.csv", HEAD, *lines)
    orders.write_text(orders.read_text() + "x1,K1,Kettle,[/two],2024-01-03,9.00,u5\nx2,K1,Kettle,2,soon,9.00,u6\n")
    done = route(tmp_path, orders)
    said = capsys.readouterr().out
    assert done.status == 3
    assert not set(done.sales().order_id) & {"x1", "x2"}
    assert any("quantity not understood" in line and "[/two]" in line and "9.00" in line for line in said.splitlines())
    assert any("time not understood" in line and "soon" in line for line in said.splitlines())


# --- products out of sales ---


def test_texts_of_a_product_are_the_most_frequent_among_its_sales(tmp_path: Path) -> None:
    header = "InvoiceNo,StockCode,Description,Brand,Category,Quantity,InvoiceDate,UnitPrice,CustomerID"
    orders = days_of(tmp_path / "orders.csv", header, "{n},K1,KETTLE RED,Zeta,Kitchen/Kettles,1,{day},12.75,u{n}")
    late = [
        "90,K1,damages,Alpha,Any,-3,2024-01-20,0,u1",
        "91,K1,KETTLE RED 2L,Alpha,Any,1,2024-01-21,12.75,u1",
        "92,S1,SPOON,Beta,Kitchen,1,2024-01-20,2.00,u1",
        "93,S1,SPOON LARGE,Beta,Kitchen,1,2024-01-21,2.00,u1",
    ]
    orders.write_text(orders.read_text() + "\n".join(late) + "\n")
    products = route(tmp_path, orders).products()
    assert products.title.to_dict() == {"K1": "KETTLE RED", "S1": "SPOON LARGE"}, "the latest where two are as frequent"
    assert products.brand["K1"] == "Zeta"
    assert products.category_path["K1"] == "Kitchen > Kettles"


def test_a_service_line_does_not_block_a_shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID"
    lines = ("{n},K1,Kettle,1,{day},12.75,u1",)
    orders = days_of(tmp_path / "orders.csv", header, *lines)
    extra = ["A1,B,Adjust bad debt,1,2024-01-03,-110.06,u1", "2,N0,,1,2024-01-04,0,u1",
             "3,P,POSTAGE,1,2024-01-04,18.00,u1", "4,X9,Zweckform,1,2024-01-05,-5.00,u2"]  # fmt: skip
    orders.write_text(orders.read_text() + "\n".join(extra) + "\n")
    done = route(tmp_path, orders)
    said = capsys.readouterr().out
    assert done.status == 3
    assert done.products().index.tolist() == ["K1"]
    assert set(done.sales().product_id) == {"K1"}
    for shown in ("Adjust bad debt", "POSTAGE", "no title", "negative prices", "-110.06"):
        assert shown in said, shown
    assert run_doctor(orders, "--strict") == 1
    assert run_doctor(orders, "--keep-services") == 3
    assert "285.75" in capsys.readouterr().out


def test_a_comma_in_a_path_is_no_level(tmp_path: Path) -> None:
    text_file(
        tmp_path / "in" / "products.csv",
        """sku;name;category
        1;Tea;Kitchen > Tea, Gifts > For her
        2;Cup;Gifts > For her
        3;Pot;Kitchen > Pots, pans and lids
        4;Ring;Jewels > Rings/Bands""",
    )
    sales = "order;sku;date;customer\n" + "\n".join(f"{i};{1 + i % 4};2024-01-{1 + i:02};u{i}" for i in range(21))
    text_file(tmp_path / "in" / "orders.csv", sales)
    paths = route(tmp_path, tmp_path / "in").products().category_path.to_dict()
    assert paths == {
        "1": "Kitchen > Tea",
        "2": "Gifts > For her",
        "3": "Kitchen > Pots, pans and lids",
        "4": "Jewels > Rings/Bands",
    }


def test_outer_slashes_are_no_levels(tmp_path: Path) -> None:
    text_file(
        tmp_path / "in" / "products.csv", "sku,name,category\n1,Tea,/Kitchen/Tea\n2,Cup,Kitchen/Cups/\n3,Lid,Lids"
    )
    sales = "order,sku,date,customer\n" + "\n".join(f"{i},{1 + i % 3},2024-01-{1 + i:02},u{i}" for i in range(21))
    text_file(tmp_path / "in" / "orders.csv", sales)
    paths = route(tmp_path, tmp_path / "in").products().category_path.to_dict()
    assert paths == {"1": "Kitchen > Tea", "2": "Kitchen > Cups", "3": "Lids"}


# --- files that belong together ---


def test_monthly_files_are_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    for month in (1, 2):  # the day before the month is known from the second file only
        days = [f"{3 + day:02}/{month:02}/2024" for day in range(10 if month == 1 else 22)]
        text_file(
            folder / f"sales_2024_{month:02}.csv",
            "\n".join([HEAD, *(f"{month}{n},K1,Kettle,1,{day},4.50,u{n}" for n, day in enumerate(days))]),
        )
    done = route(tmp_path, folder)
    assert done.status == 0
    assert "2 files, united" in capsys.readouterr().out
    sales = done.sales()
    assert len(sales) == 32
    assert sales.time.dt.month.value_counts().to_dict() == {2: 22, 1: 10}
    (folder / "sales_2024_03.csv").write_text("Article No,Title,Order Date,Customer ID\nK1,Kettle,05/03/2024,u1\n")
    assert run_doctor(folder) == 1
    said = capsys.readouterr().out
    assert "sales_2024_03.csv and sales_2024_01.csv" in said
    assert "Amount" in said
    assert run_doctor(folder, "--table", "sales_2024_03.csv=") == 0


def test_files_may_be_named_one_by_one_and_compressed(tmp_path: Path) -> None:
    import gzip

    first = days_of(tmp_path / "sales_jan.csv", HEAD, "{n},K1,Kettle,1,{day},4.50,u1", count=14)
    packed = tmp_path / "sales_feb.csv.gz"
    packed.write_bytes(gzip.compress(f"{HEAD}\nf1,K1,Kettle,1,2024-01-15,4.50,u2\n".encode()))
    done = route(tmp_path, first, packed)
    assert done.status == 0
    assert len(done.sales()) == 15


def test_a_file_that_is_no_table_is_a_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    days_of(folder / "orders.csv", HEAD, "{n},K1,Kettle,1,{day},4.50,u1")
    (folder / "notes.pdf").write_bytes(b"%PDF")
    text_file(folder / "things.csv", "colour,cust_nr\nred,1")
    assert run_doctor(folder) == 3
    said = capsys.readouterr().out
    assert "notes.pdf" in said
    assert "--table things.csv=TABLE" in said
    assert "--map cust_nr=user_id" in said, "the best guess for a header that nobody knows"


def test_ids_that_became_floats_are_matched(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    text_file(folder / "products.csv", "sku,name\n1001,Tea\n1002,Cup")
    lines = [f"{i},{1001 + i % 2}.0,2024-01-{1 + i:02},u{i}" for i in range(21)]
    text_file(folder / "orders.csv", "\n".join(["order id,sku,date,customer id", *lines]))
    done = route(tmp_path, folder)
    assert done.status == 0
    assert set(done.sales().product_id) == {"1001", "1002"}


def test_tables_that_do_not_join_are_not_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    text_file(folder / "products.csv", "sku,name\n00101,Tea\n00102,Cup")
    lines = [f"{i},{101 + i % 2},2024-01-{1 + i:02},u{i}" for i in range(21)]
    orders = text_file(folder / "orders.csv", "\n".join(["order id,sku,date,customer id", *lines]))
    assert run_doctor(folder) == 1
    said = capsys.readouterr().out
    assert "100% of the rows name no product" in said
    assert "leading zeros" in said
    orders.write_text(
        orders.read_text().replace(",101,", ",00101,").replace(",102,", ",00102,") + "x,777,2024-01-05,u1\n"
    )
    assert run_doctor(folder) == 3
    said = capsys.readouterr().out
    assert any("not in products" in line and "777" in line for line in said.splitlines())


def test_part_files_of_an_engine_are_one_table_on_both_routes(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    days = pd.date_range("2024-01-01", periods=21)
    sold = pd.DataFrame({"user_id": "u1", "product_id": "A", "time": days, "order_id": [f"o{i}" for i in range(21)]})
    parquet_file(
        folder / "products.parquet" / "part-00000.parquet", pd.DataFrame({"product_id": ["A"], "title": ["Tea"]})
    )
    parquet_file(folder / "interactions.parquet" / "part-00000.parquet", sold[:12])
    parquet_file(folder / "interactions.parquet" / "part-00001.parquet", sold[12:])
    (folder / "interactions.parquet" / "_SUCCESS").touch()
    (folder / "shop.json").write_text('{"currency": "EUR"}')
    done = route(tmp_path, folder)
    assert done.status == 0
    assert len(done.sales()) == 21
    direct = prepare("direct", tmp_path / "data", adapter="parquet", source=folder)
    assert len(pq.read_table(direct / "canonical" / "interactions.parquet")) == 21


# --- times ---


@pytest.mark.parametrize("unit", ["zone", "microseconds"])
def test_instants_become_local_times_on_both_routes(unit: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    instants = pd.date_range("2024-01-01 20:30", periods=21, tz="UTC").as_unit("us")
    times = pa.array(instants) if unit == "zone" else pa.array(instants.view("int64"))
    folder.mkdir()
    sold = {"user_id": ["u1"] * 21, "product_id": ["A"] * 21, "order_id": [f"o{i}" for i in range(21)], "time": times}
    pq.write_table(pa.table(sold), folder / "interactions.parquet")
    pq.write_table(pa.table({"product_id": ["A"], "title": ["Tea"]}), folder / "products.parquet")
    (folder / "shop.json").write_text('{"currency": "CNY", "timezone": "Asia/Shanghai"}')
    done = route(tmp_path, folder, currency="CNY")
    direct = prepare("direct", tmp_path / "data", adapter="parquet", source=folder)
    for data in (done.data, direct):
        first = pd.read_parquet(data / "canonical" / "interactions.parquet").time.min()
        assert first == pd.Timestamp("2024-01-02 04:30")


def test_a_format_of_dates_can_be_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{n},K1,Kettle,1,{3 + n // 28:02}/{1 + n % 12:02}/2024,4.50,u{n}" for n in range(36)]
    orders = text_file(tmp_path / "orders.csv", "\n".join([HEAD, *lines]))
    assert run_doctor(orders) == 0
    assert "To check" in capsys.readouterr().out
    assert run_doctor(orders, "--strict") == 1, "an open question is refused"
    capsys.readouterr()
    assert run_doctor(orders, "--date-format", "Order Date=%m/%d/%Y", "--strict") == 0
    assert "2024-03-01 to" in capsys.readouterr().out
    with pytest.raises(SettingError, match="no column of dates"):
        run_doctor(orders, "--date-format", "Day=%m/%d/%Y")


# --- settings ---


def test_a_filter_in_sql_reaches_the_rows_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = days_of(tmp_path / "orders.csv", HEAD, "A{n},K1,Kettle,1,{day},4.50,u1", "B{n},K1,Kettle,1,{day},9.00,u2")
    done = route(tmp_path, orders, "--where", "Bill NOT LIKE 'B%'")
    assert done.status == 0
    assert set(done.sales().revenue) == {4.5}
    assert any("left out by --where" in line and "21" in line for line in capsys.readouterr().out.splitlines())
    with pytest.raises(SettingError, match="no file has the columns"):
        run_doctor(orders, "--where", "Colour = 'red'")
    with pytest.raises(SettingError, match="no condition in SQL"):
        run_doctor(orders, "--where", "Bill = = 'A1'")


def test_an_encoding_can_be_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "\n".join(f"{n},K1,Чайник,1,2024-01-{1 + n:02},4.50,u1" for n in range(21))
    orders = text_file(tmp_path / "orders.csv", f"{HEAD}\n{rows}", encoding="koi8-r")
    done = route(tmp_path, orders, "--encoding", "orders.csv:koi8-r")
    assert done.products().title["K1"] == "Чайник"
    with pytest.raises(SettingError, match="--encoding"):
        run_doctor(orders, "--encoding", "others.csv:koi8-r")


def test_a_header_can_serve_two_columns_and_is_mapped_once(tmp_path: Path) -> None:
    orders = days_of(tmp_path / "orders.csv", "no,thing,when,who,paid", "{n},Kettle,{day},u1,4.50")
    maps = ("--map", "thing=product_id,title", "--map", "when=time", "--map", "orders.csv:who=user_id")
    done = route(tmp_path, orders, *maps)
    assert done.products().title.to_dict() == {"Kettle": "Kettle"}
    assert done.sales().revenue.sum() == pytest.approx(21 * 4.5)
    with pytest.raises(SettingError, match="was mapped to product_id before"):
        run_doctor(orders, "--map", "thing=product_id", "--map", "thing=title")
    with pytest.raises(SettingError, match="no file has this header"):
        run_doctor(orders, *maps, "--map", "other.csv:who=user_id")


def test_amounts_in_two_currencies_are_not_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ("{n}a,K1,Kettle,1,{day},4.50 EUR,u1", "{n}b,K1,Kettle,1,{day},4.90 USD,u2")
    orders = days_of(tmp_path / "orders.csv", HEAD, *lines)
    assert run_doctor(orders) == 1
    assert "several currencies" in capsys.readouterr().out
    assert run_doctor(orders, "--where", "Amount LIKE '%EUR'") == 0
    assert run_doctor(orders, "--where", "Amount LIKE '%EUR'", "--currency", "USD") == 1


# --- weekly sales with flags, without users ---


WEEKLY = (
    "week_end_date,store_num,upc,description,product_size,units,visits,spend,price,base_price,feature,display,tpr_only"
)


def weekly_sales(path: Path, count: int = 12) -> Path:
    days = pd.date_range("2009-01-14", periods=count, freq="7D")
    rows = [WEEKLY]
    for n, day in enumerate(days):
        rows.append(f"{day:%d-%b-%y},367,1001,PRETZELS,15 OZ,{10 + n},9,{(10 + n) * 1.5:.2f},1.50,2.00,0,{n % 2},1")
        rows.append(f"{day:%d-%b-%y},368,1002,STICKS,15 OZ,5,5,10.00,2.00,2.00,0,0,0")
    return text_file(path, "\n".join(rows))


def test_flags_of_weekly_sales_become_promotions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = route(tmp_path, weekly_sales(tmp_path / "weeks.csv"), currency="USD")
    assert done.status == 0
    said = capsys.readouterr().out
    assert "counts of baskets" in said
    sales = done.sales()
    assert sales.user_id.isnull().all()
    assert sales[sales.product_id == "1001"].discount.iloc[0] == pytest.approx(5.0)
    promotions = done.canonical("promotions")
    assert promotions.channel_id.value_counts().to_dict() == {"tpr_only": 12, "display": 6}
    assert set(promotions.product_id) == {"1001"}
    assert done.products().list_price.to_dict() == {"1001": 2.0, "1002": 2.0}
    assert done.products().package_size["1001"] == "15 OZ"
    assert '"week_start": "thursday"' in (done.shop / "shop.json").read_text(), "a week that ends on a Wednesday"


# --- what a merchant can check ---


def test_the_summary_counts_what_was_sold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = text_file(tmp_path / "orders.csv", weekly_lines(10, HEAD, "{n},K1,Kettle,2,{day},9.00,u{n}"))
    assert run_doctor(orders, "--currency", "EUR") == 0
    said = capsys.readouterr().out
    rows = {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in said.splitlines() if line.count("│") == 3
    }
    assert rows["days"].startswith("2024-01-01 to 2024-03-04")
    assert rows["revenue"] == "90.00 EUR"
    assert rows["2024-02"] == "36.00 (8 units)"
    assert rows["users"] == "10"
    assert rows["launches"].startswith("0, ")


def test_users_are_not_shown_and_a_year_in_front_is_no_phone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = days_of(tmp_path / "orders.csv", HEAD, "{n},K1,Kettle,1,{day},4.50,2023-1000{n:02d}")
    assert run_doctor(orders) == 0
    assert "2023-1000" not in capsys.readouterr().out


# --- how values are written, from the file to the canonical tables ---

WRITTEN = (  # date, amount as a shop writes them; the time in the shop's zone, and the amount
    ("sep=;", ";", "13-05-2024 02:30 PM", "Rs. 499", "2024-05-13 14:30", 499.0),
    ("sep=;", ";", "31-May-2024", "0,450", "2024-05-31 00:00", 0.45),
    ("", ",", "2024-05-13T18:30:00Z", "3.49 EUR", "2024-05-14 02:30", 3.49),
    ("", ",,,", "2024-05-13 18:30:00+02:00", "4.50", "2024-05-14 00:30", 4.5),
)


@pytest.mark.parametrize(("first", "sign", "date", "amount", "time", "revenue"), WRITTEN)
def test_what_is_written_arrives(
    tmp_path: Path, first: str, sign: str, date: str, amount: str, time: str, revenue: float
) -> None:
    header = ["Order Date", "Customer ID", "Article No", "Title", "Amount"]
    rows = [[date, f"c{n}", f"a{n % 3}", f"Tea {n % 3}", f'"{amount}"'] for n in range(9)]
    trailing = sign[1:]  # headers that a spreadsheet leaves behind, without a name or a value
    lines = [*([first] if first else []), *(sign[0].join(row) + trailing for row in (header, *rows))]
    currency = "INR" if "Rs" in amount else "EUR"
    stated = ("--timezone", "Asia/Shanghai") if trailing or "Z" in date else ()
    done = route(tmp_path, text_file(tmp_path / "in.csv", "\n".join(lines)), *stated, currency=currency)
    assert done.status == 0
    sales = done.sales()
    assert set(sales.time) == {pd.Timestamp(time)}
    assert set(sales.revenue) == {revenue}
    assert sales.user_id.nunique() == 9
