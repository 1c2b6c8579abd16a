"""`onshelf plan --file`: any headers, a status for each row, the order of the file, and nothing lost on the way."""

import contextlib
import csv
import importlib
import io
import json
import os
import queue
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import date
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow.parquet
import pytest

from onshelf import (
    BrandClass,
    DeadlineExceeded,
    ErrorReason,
    InvalidRequest,
    Money,
    Overloaded,
    PlanConstraints,
    Unavailable,
)
from onshelf._cli import main
from onshelf._cli._journal import Journal
from onshelf._cli._json_form import to_json
from onshelf._cli._plan_output import COLUMNS
from onshelf._cli._product_file import RowError, read_products, to_product
from onshelf._cli._usage import UsageError
from onshelf.testing import sample_answer


@pytest.fixture
def run(run):
    """Runs `onshelf plan --file products.csv` in an empty folder: exit status and standard error."""

    def call(*argv):
        status, out, err = run("plan", "--file", "products.csv", *argv)
        assert out == ""
        return status, err

    return call


def write(text, encoding="utf-8"):
    Path("products.csv").write_bytes(text.encode(encoding))


def products(server):
    return [call.arguments["product"] for call in server.calls if call.method == "plan_launch"]


def titles(server):
    return [product.title for product in products(server)]


def read_csv(path="plans.csv"):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def left_over():
    return sorted(p.name for p in Path().iterdir() if p.name not in ("products.csv", "plans.csv", "plans.json"))


# Reading.


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (
            "Product Name,Category,List Price,Cost,SKU,Store brand\nSea salt chips,Snacks>Chips,$3.99,1.90,p1,yes\n",
            "utf-8",
        ),
        (
            "\ufeffTITLE;category;PRICE (USD);cost;Item ID;own-brand\nSea salt chips;Snacks>Chips;3.99;1.90;p1;1\n",
            "utf-8",
        ),
        (
            "title\tcategory\tprice\tunit_cost\tid\tprivate_label\nSea salt chips\tSnacks>Chips\t3.99\t1.90\tp1\tx\n",
            "utf-16",
        ),
        (
            "商品名称,类目,售价(含税),成本,商品编号,自有品牌\nSea salt chips,Snacks＞Chips,3.99,1.90,p1,是\n",
            "gb18030",
        ),
        ("标题,部门,品类,定价,进价,货号,自有品牌\nSea salt chips,Snacks,Chips,3.99,1.90,p1,是\n", "utf-8-sig"),
    ],
    ids=["english", "bom and semicolons", "utf-16 and tabs", "gb18030", "chinese"],
)
def test_any_usual_headers_encodings_and_delimiters_are_read(server, run, content, encoding):
    write(content, encoding)
    assert run("--out", "plans.csv")[0] == 0
    product = server.calls[-1].arguments["product"]
    assert (product.title, product.category_path, product.product_id) == ("Sea salt chips", ("Snacks", "Chips"), "p1")
    assert (product.list_price, product.unit_cost) == (Money("3.99", "USD"), Money("1.90", "USD"))
    assert product.brand_class is BrandClass.PRIVATE_LABEL


def test_a_header_may_state_the_unit_of_prices(server, run):
    write("title,Price (cents)\nchips,399\n")
    assert run("--out", "plans.csv", "--currency", "EUR")[0] == 0
    assert server.calls[-1].arguments["product"].list_price == Money("3.99", "EUR")
    write("title,Price (USD)\nchips,3.99\n")
    run("--out", "other.csv", "--currency", "EUR")
    assert read_csv("other.csv")[0]["error_field"] == "product.list_price"
    write("title,price,Cost %\nchips,3.99,35\n")
    assert "not used: Cost %" in run("--out", "third.csv")[1]
    assert server.calls[-1].arguments["product"].unit_cost is None


def test_what_was_understood_and_what_not_is_said(run):
    write("商品名称,售价,shelf\nchips,3.99,A\n")
    _, err = run("--out", "plans.csv")
    assert "read 商品名称 as title, 售价 as price\n" in err
    assert "not used: shelf\n" in err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"price,brand\n3.99,x\n", "has no title column: its headers are price, brand"),
        (b"title,name\na,b\n", "title and name are both read as title; rename or drop one"),
        (b"\x00\x01\x02\x03", "is not a text file in any usual encoding"),
    ],
)
def test_a_file_that_is_no_table_of_products_is_refused(server, run, content, told):
    Path("products.csv").write_bytes(content)
    status, err = run("--out", "plans.csv")
    assert (status, server.calls, left_over()) == (2, [], [])
    assert told in err


def test_a_missing_file_is_one_line(run):
    status, err = run("--out", "plans.csv")
    assert (status, err) == (2, "onshelf: --file products.csv: No such file or directory\n")


@pytest.mark.parametrize(
    ("cell", "currency", "amount"),
    [
        ("3.99", "USD", "3.99"),
        ("$1,234.50", "USD", "1234.50"),
        ("¥12", "CNY", "12"),
        ("12元", "CNY", "12"),
        ("3.99 USD", "USD", "3.99"),
        ("3,99", "EUR", "3.99"),
        ("1.299,90 €", "EUR", "1299.90"),
        ("Rs. 499", "INR", "499"),
    ],
)
def test_amounts_are_read_as_people_write_them(tmp_path, cell, currency, amount):
    path = tmp_path / "products.csv"
    path.write_text(f'title,price\nchips,"{cell}"\n')
    assert to_product(read_products(path).rows[0], currency).list_price == Money(amount, currency)


@pytest.mark.parametrize(
    ("header", "cells", "field", "told"),
    [
        ("title,price", "chips,cheap", "product.list_price", "'cheap' is no amount of money"),
        ("title,price", "chips,5%", "product.list_price", "'5%' is no amount of money; write it like 3.99"),
        ("title,price", "chips,¥3", "product.list_price", "'¥3' is in CNY or JPY, but amounts are in USD"),
        ("title,cost", "chips,€3", "product.unit_cost", "'€3' is in EUR, but amounts are in USD"),
        ("title,sku", "chips,1.23E+12", "product.product_id", "'1.23E+12' has lost its digits, or is a"),
        (
            "title,sku",
            "chips,#REF!",
            "product.product_id",
            "'#REF!' has lost its digits, or is a spreadsheet's error; write",
        ),
        ("title", "#NAME?", "product.title", "'#NAME?' is an error of a spreadsheet; mend its formula"),
        ("title,brand", "chips,#REF!", "product.brand", "'#REF!' is an error of a spreadsheet; mend its formula"),
        ("title,department", "chips,#REF!", "product.category_path", "'#REF!' is an error of a spreadsheet"),
        ("title,category", "chips,#REF!", "product.category_path", "'#REF!' is an error of a spreadsheet"),
        ("title,type", "chips,#REF!", "product.category_path", "'#REF!' is an error of a spreadsheet"),
        ("title,size", "chips,#DIV/0!", "product.package_size", "'#DIV/0!' is an error of a spreadsheet"),
        ("title,language", "chips,#REF!", "product.language", "'#REF!' is an error of a spreadsheet"),
        ("title,currency", "chips,#REF!", "product.list_price.currency_code", "'#REF!' is an error of a spreadsheet"),
        ("title,private label", "chips,maybe", "product.brand_class", "'maybe' is neither yes nor no"),
        ("title,units per case", "chips,a dozen", "product.case_units", "'a dozen' is no number of units"),
        ("title,brand", ",Acme", "product.title", "is empty"),
    ],
)
def test_a_row_that_cannot_be_read_names_its_field(tmp_path, header, cells, field, told):
    path = tmp_path / "products.csv"
    path.write_text(f"{header}\n{cells}\n")
    with pytest.raises(RowError, match=re.escape(told)) as caught:
        to_product(read_products(path).rows[0], "USD")
    assert caught.value.field == field


def test_cells_may_hold_line_breaks_and_delimiters(server, run):
    write('title,price\n"sea, salt\nchips",3.99\n\n,\n')
    assert run("--out", "plans.csv")[0] == 0
    assert titles(server) == ["sea, salt\nchips"]


# Writing.

MIXED = "title,price\nfirst,3.99\nsecond,cheap\n薯片,2.99\nfourth,4.99\n"


def refuse_chinese(arguments):
    if not arguments["product"].title.isascii():
        raise InvalidRequest("is unknown", reason=ErrorReason.TEXT_NOT_UNDERSTOOD, field="product.title")
    return sample_answer("plan_launch")


def test_bad_rows_do_not_stop_the_file_and_rows_keep_their_order(server, run):
    server.answer("plan_launch", refuse_chinese)
    write(MIXED)
    status, err = run("--out", "plans.csv")
    rows = read_csv()
    assert status == 2
    assert [(row["row"], row["title"], row["status"]) for row in rows] == [
        *(("1", "first", "ok"), ("2", "second", "error"), ("3", "薯片", "error"), ("4", "fourth", "ok")),
    ]
    assert (rows[1]["error_reason"], rows[1]["error_field"]) == ("INVALID", "product.list_price")
    assert (rows[2]["error_reason"], rows[2]["error_message"]) == ("TEXT_NOT_UNDERSTOOD", "is unknown")
    assert "wrote plans.csv: 2 plans, 2 rows without one\n  row 2: product.list_price: 'cheap' is no amount" in err
    assert left_over() == []


def test_a_spreadsheet_does_not_run_a_title(run):
    names = ["=1+1", "+chips", "-chips", "@chips", "chips = good", "-5"]
    write("title,price\n" + "".join(f"{title},3.99\n" for title in names))
    assert run("--out", "plans.csv")[0] == 0
    rows = read_csv()
    assert [row["title"] for row in rows] == ["'=1+1", "'+chips", "'-chips", "'@chips", "chips = good", "'-5"]
    assert run("--out", "plans.json")[0] == 0
    assert [row["title"] for row in json.loads(Path("plans.json").read_text())] == names


def test_csv_holds_the_best_plan(run):
    write("title,price\nchips,3.99\n")
    assert run("--out", "plans.csv")[0] == 0
    (row,) = read_csv()
    assert list(row) == list(COLUMNS)
    expected = {
        "launch_date": "2018-01-22",
        "channels": "display_front_end_cap=0.3;mailer_interior_feature=1",
        "discount": "0.1",
        "coupon": "false",
        "list_price": "3.99",
        "sale_price": "3.59",
        "currency": "USD",
        "horizon_weeks": "8",
        "units_mean": "9.6",
        "units_p10": "2.4",
        "stock_units": "15",
        "stock_covers_days": "56",
        "price_path": "1=3.59;2=3.59;3=3.99;4=3.99;5=3.99;6=3.99;7=3.99;8=3.19",
        "practice_breaks": "",
        "support": "good",
        "practice_launch_date": "2018-01-08",
        "notices": "promotion_cost_assumed_zero",
        "model_release": "7",
        "error_reason": "",
    }
    assert {name: row[name] for name in expected} == expected


def test_json_holds_complete_answers(server, run):
    write(MIXED)
    assert run("--out", "plans.json")[0] == 2
    rows = json.loads(Path("plans.json").read_text(encoding="utf-8"))
    assert rows[0]["answer"] == to_json(sample_answer("plan_launch"))
    assert [row["status"] for row in rows] == ["ok", "error", "ok", "ok"]
    assert server.calls[-1].arguments["audience_size"] is None


def test_parquet_has_types(run):
    write(MIXED)
    assert run("--out", "plans.parquet")[0] == 2
    table = pyarrow.parquet.read_table("plans.parquet")
    assert table.column_names == list(COLUMNS)
    first, second, *_ = table.to_pylist()
    assert (first["launch_date"], first["list_price"], first["coupon"]) == (date(2018, 1, 22), Decimal("3.99"), False)
    assert (first["units_mean"], first["stock_units"], first["row"]) == (9.6, 15, 1)
    assert (second["status"], second["list_price"], second["units_mean"]) == ("error", None, None)


def test_parquet_without_pyarrow_says_what_to_install_before_anything_is_asked(server, run, monkeypatch):
    def without_pyarrow(name):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return found(name)

    found = importlib.import_module
    monkeypatch.setattr("importlib.import_module", without_pyarrow)
    write(MIXED)
    status, err = run("--out", "plans.parquet")
    assert (status, server.calls) == (2, [])
    assert "pip install 'onshelf[parquet]'" in err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ((), "--file needs --out"),
        (("--out", "plans.xlsx"), "the name must end in .csv, .json or .parquet"),
        (("--out", "nowhere/plans.csv"), "there is no folder"),
        (("--out", "plans.csv", "--title", "x"), "are for one product"),
        (("--out", "plans.csv", "--concurrency", "0"), "--concurrency is 0; give 1 or more"),
    ],
)
def test_options_that_do_not_fit_a_file_are_refused(server, run, argv, told):
    write(MIXED)
    status, err = run(*argv)
    assert (status, server.calls) == (2, [])
    assert told in err


def test_settings_hold_for_every_row(server, run):
    write("title,price,currency\na,3.99,\nb,2.99,EUR\n")
    assert run("--out", "plans.csv", "--budget", "100", "--max-channels", "2", "--currency", "EUR")[0] == 0
    for call in server.calls:
        assert call.arguments["constraints"] == PlanConstraints(promotion_budget=Money(100, "EUR"), max_channels=2)
        assert call.arguments["product"].list_price.currency == "EUR"
        assert (call.arguments["audience_size"], call.arguments["similar_launches"]) == (0, 0)  # not in the columns


def test_no_more_than_concurrency_are_asked_at_once(server, run):
    lock, running, most = threading.Lock(), [0], [0]
    all_there = threading.Barrier(3)

    def answer(_):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        all_there.wait(10)  # all three are there together, or the test fails
        with lock:
            running[0] -= 1
        return sample_answer("plan_launch")

    server.answer("plan_launch", answer)
    write("title\n" + "".join(f"chips {n}\n" for n in range(9)))
    assert run("--out", "plans.csv", "--concurrency", "3")[0] == 0
    assert most == [3]
    assert [row["title"] for row in read_csv()] == [f"chips {n}" for n in range(9)]


# Interruption.

TEN = "title,price\n" + "".join(f"chips {n},3.{n}9\n" for n in range(10))


@pytest.fixture
def interruptible():
    """Python's own handler of SIGINT, which a process started in the background may lack; its children inherit it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_run_goes_on_where_it_was(server, run):
    started: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()

    def interrupt_at_the_fifth(arguments):
        if arguments["product"].title == "chips 4":
            process = started.get()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        return sample_answer("plan_launch")

    server.answer("plan_launch", interrupt_at_the_fifth)
    write(TEN)
    # A process of its own: within pytest's an interrupt may meet a destructor of another test's, which loses it.
    command = [sys.executable, "-c", "import sys; from onshelf._cli import main; sys.exit(main())"]
    arguments = ["plan", "--file", "products.csv", "--out", "plans.csv", "--concurrency", "1"]
    with subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True) as process:
        started.put(process)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    kept = "interrupted; [34] plans kept in plans.csv.journal; run the same command again to go on"
    assert re.search(f"{kept}\n$", err), err  # and nothing after it
    assert left_over() == ["plans.csv.journal"]
    assert not Path("plans.csv").exists()

    before = len(titles(server))
    server.answer("plan_launch", sample_answer("plan_launch"))
    status, err = run("--out", "plans.csv", "--concurrency", "1")
    assert status == 0
    assert "going on: " in err
    assert [row["title"] for row in read_csv()] == [f"chips {n}" for n in range(10)]
    assert left_over() == []
    again = titles(server)[before:]
    assert "chips 0" not in again
    assert again[-1] == "chips 9"
    assert set(again) | set(titles(server)[:before]) == {f"chips {n}" for n in range(10)}


def gone_after_three(arguments):
    if arguments["product"].title == "chips 3":
        raise Unavailable("shutting down", reason=ErrorReason.DRAINING, retry_after=600.0)
    return sample_answer("plan_launch")


def test_a_service_that_is_away_when_the_run_goes_on_loses_nothing(server, run):
    server.answer("plan_launch", gone_after_three)
    write(TEN)
    assert run("--out", "plans.csv", "--concurrency", "1")[0] == 3
    server.fail("list_model_releases", Unavailable("away", reason=ErrorReason.MODEL_UNAVAILABLE), times=9)
    status, err = run("--out", "plans.csv")
    assert status == 3
    assert "away [MODEL_UNAVAILABLE]" in err
    assert left_over() == ["plans.csv.journal"]
    server.answer("plan_launch", sample_answer("plan_launch"))
    status, err = run("--out", "plans.csv", "--currency", "USD")
    assert status == 0
    assert "going on: 3 of 10 products were planned before" in err


def test_a_model_release_that_is_not_served_is_told_once(server, run):
    write(TEN)
    status, err = run("--out", "plans.csv", "--model-release", "99")
    assert status == 2
    assert "99 is not served" in err
    assert left_over() == []


def test_a_service_that_goes_away_stops_the_run_and_loses_nothing(server, run):
    server.answer("plan_launch", gone_after_three)
    write(TEN)
    status, err = run("--out", "plans.csv", "--concurrency", "1")
    assert status == 3
    assert "shutting down [DRAINING]; 3 plans kept in plans.csv.journal" in err
    server.answer("plan_launch", sample_answer("plan_launch"))
    server.calls.clear()
    status, err = run("--out", "plans.csv")
    assert status == 0
    assert "going on: 3 of 10 products were planned before" in err
    assert sorted(titles(server)) == [f"chips {n}" for n in range(3, 10)]


def test_all_parts_of_a_run_share_request_ids_and_other_runs_do_not(server, run):
    server.fail("plan_launch", DeadlineExceeded("late", reason=ErrorReason.DEADLINE_EXCEEDED))
    write("title\nchips\n")
    assert run("--out", "plans.csv")[0] == 3
    assert run("--out", "plans.csv")[0] == 0
    assert run("--out", "plans.csv")[0] == 0
    first, again, other = [c.arguments["request_id"] for c in server.calls if c.method == "plan_launch"]
    assert first == again != other


def test_a_row_that_changed_is_planned_anew_and_the_others_are_not(server, run):
    server.fail("plan_launch", DeadlineExceeded("late", reason=ErrorReason.DEADLINE_EXCEEDED))
    write("title\nlate\nkept\n")
    assert run("--out", "plans.csv", "--concurrency", "1")[0] == 3
    server.calls.clear()
    write("title\nnew\nkept\nlate\n")
    assert run("--out", "plans.csv", "--concurrency", "1")[0] == 0
    assert titles(server) == ["new", "late"]
    assert [row["title"] for row in read_csv()] == ["new", "kept", "late"]


def test_other_settings_are_another_question(server, run):
    server.fail("plan_launch", DeadlineExceeded("late", reason=ErrorReason.DEADLINE_EXCEEDED))
    write("title\nlate\nkept\n")
    run("--out", "plans.csv", "--concurrency", "1")
    server.calls.clear()
    run("--out", "plans.csv", "--concurrency", "1", "--max-channels", "1")
    assert titles(server) == ["late", "kept"]


def test_a_row_without_an_answer_is_told_and_can_be_asked_again(server, run):
    server.fail("plan_launch", DeadlineExceeded("late", reason=ErrorReason.DEADLINE_EXCEEDED))
    write("title\nchips\n")
    status, err = run("--out", "plans.csv")
    assert status == 3
    assert "1 row got no answer in time; run the same command again" in err
    assert read_csv()[0]["error_reason"] == "DEADLINE_EXCEEDED"
    assert left_over() == ["plans.csv.journal"]


def test_a_busy_service_is_asked_again(server, run):
    server.fail("plan_launch", Overloaded("busy", reason=ErrorReason.OVERLOADED))
    write("title\nchips\n")
    assert run("--out", "plans.csv")[0] == 0
    assert len(titles(server)) == 2


def test_several_model_releases_in_one_file_are_told(server, run):
    answer = sample_answer("plan_launch")
    versions = iter([7, 8])

    def changing(_):
        release = type(answer.info.model_release)(version=next(versions), currency="USD")
        info = type(answer.info)(model_release=release)
        return type(answer)(**{**vars(answer), "info": info})

    server.answer("plan_launch", changing)
    write("title\na\nb\n")
    status, err = run("--out", "plans.csv")
    assert status == 0
    assert "planned by several model releases: [7, 8]" in err


# The journal.


def test_a_journal_of_a_run_that_was_killed_has_all_that_was_added(tmp_path):
    path = tmp_path / "plans.csv.journal"
    code = """
import os, sys
from pathlib import Path
from onshelf._cli._journal import Journal

journal = Journal(Path(sys.argv[1]), "csv")
journal.add("a", {"status": "ok"})
journal.add("b", {"status": "error"})
print(journal.run, flush=True)
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert killed.returncode == -9
    with Journal(path, "csv") as journal:
        assert journal.run == killed.stdout.strip()
        assert (journal["a"], journal["b"], "c" in journal) == ({"status": "ok"}, {"status": "error"}, False)
        journal.add("c", {"status": "error"})
        assert journal["c"] == {"status": "error"}
    assert os.listdir(tmp_path) == ["plans.csv.journal"]
    with Journal(path, "csv") as journal:
        assert [key for key in "abcd" if key in journal] == ["a", "b", "c"]
        journal.remove()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content", ['{"onshelf_journal": 1, "form": "json", "run": "x"}\n', "title,price\n1\n", "[]\n"]
)
def test_a_file_that_is_another_journal_or_none_is_left_alone(tmp_path, content):
    path = tmp_path / "plans.csv.journal"
    path.write_text(content)
    with pytest.raises(UsageError, match="is no journal of a run that writes csv"):
        Journal(path, "csv")
    assert path.read_text() == content


def test_a_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "plans.csv.journal"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE results (key TEXT PRIMARY KEY, record TEXT)")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is no journal of a run that writes csv"):
        Journal(path, "csv")
    assert path.read_bytes() == before


def test_a_journal_belongs_to_one_run_at_a_time(server, run):
    write("title\nchips\n")
    with Journal(Path("plans.csv.journal"), "csv") as journal:
        journal.add("a", {"status": "ok"})
        status, err = run("--out", "plans.csv")
        assert (status, titles(server)) == (2, [])
        assert "plans.csv.journal is in use: another run writes the same --out" in err
        assert journal["a"] == {"status": "ok"}
        assert run("--out", "other.csv")[0] == 0
    status, _ = run("--out", "plans.csv")
    assert status == 0
    assert not Path("plans.csv.journal").exists()


def test_a_model_that_is_away_for_a_moment_ends_no_run(server, run):
    server.fail("plan_launch", Unavailable("away", reason=ErrorReason.MODEL_UNAVAILABLE))
    write(TEN)
    assert run("--out", "plans.csv", "--concurrency", "2")[0] == 0
    assert [row["status"] for row in read_csv()] == ["ok"] * 10


def test_a_service_that_never_answers_ends_the_run(server, run):
    server.hang("plan_launch")
    write("title\nchips\n")
    status, err = run("--out", "plans.csv", "--timeout", "0.2")
    assert status == 3
    assert "no answer from" in err


# One reader of files.


def test_a_file_in_another_encoding_is_planned_as_it_is_written(server, run):
    write("sku;name;price\n1;Küchenmesser Größe 5;3,49\n2;Bürste für Käse;4,00\n", "cp1252")
    status, err = run("--out", "plans.csv", "--currency", "EUR")
    assert (status, titles(server)) == (0, ["Küchenmesser Größe 5", "Bürste für Käse"])
    assert [product.list_price for product in products(server)] == [Money("3.49", "EUR"), Money("4", "EUR")]
    assert "encoding CP1252\n" in err
    assert "price: decimal comma\n" in err


def test_an_encoding_can_be_given(server, run):
    write("title\nKřeslo\n", "cp1250")
    assert run("--out", "plans.csv", "--encoding", "cp1250")[0] == 0
    assert titles(server) == ["Křeslo"]
    status, err = run("--out", "plans.csv", "--encoding", "martian")
    assert status == 2
    assert "encoding 'martian' is unknown" in err


@pytest.mark.parametrize(("sign", "price"), [(",", "1.299"), (".", "1299")])
def test_the_sign_before_decimals_can_be_given(server, run, sign, price):
    write("title;price\nchips;1,299\n")
    status, err = run("--out", "plans.csv", "--currency", "KWD", "--decimal", sign)
    assert status == 0
    assert [product.list_price for product in products(server)] == [Money(price, "KWD")]
    assert "check this" not in err


def test_lines_that_are_no_rows_are_told_and_the_others_planned(server, run):
    write("sku,title,price\n1,chips,3.99\n2,chips, salted,3.99\n3\n4,nuts,2.99\n")
    status, err = run("--out", "plans.csv")
    assert (status, titles(server)) == (2, ["chips", "nuts"])
    assert "wrote plans.csv: 2 plans, 2 rows without one\n" in err
    assert "  line 3: number of cells: 4 instead of 3: 2,chips, salted,3.99\n" in err


def test_words_for_nothing_are_no_products(server, run):
    write("sku,title,price\nNULL,chips,n/a\n1002.0,NULL,2.99\n")
    assert run("--out", "plans.csv")[0] == 2
    (product,) = products(server)
    assert (product.title, product.product_id, product.list_price) == ("chips", None, None)
    _, row = read_csv()
    assert (row["product_id"], row["error_message"]) == ("1002", "is empty; write the title as a shop would show it")


def test_an_amount_that_could_be_two_is_pointed_out(run):
    write('title,price\nsofa,"1,299"\n')
    _, err = run("--out", "plans.csv")
    assert "price: values like 1,299 are read with thousands; all of them could be three decimals" in err


def test_standard_input_is_a_table(server, run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("title;price\nMüsli;3,49\n".encode("cp1252"))))
    assert main(["plan", "--file", "-", "--out", "plans.csv"]) == 0
    assert titles(server) == ["Müsli"]


def test_an_error_in_a_workbook_is_no_empty_cell(tmp_path):
    book = openpyxl.Workbook()
    for row in (["title", "brand", "price"], ["chips", "Acme", 3.99], ["nuts", "#REF!", 2.9], ["peas", "Acme", "#N/A"]):
        book.active.append(row)
    book.save(tmp_path / "products.xlsx")
    good, bad, unpriced = read_products(tmp_path / "products.xlsx").rows
    assert to_product(good, "USD").brand == "Acme"
    with pytest.raises(RowError, match="'#REF!' is an error of a spreadsheet") as caught:
        to_product(bad, "USD")
    assert caught.value.field == "product.brand"
    assert to_product(unpriced, "USD").list_price is None


def test_spreadsheets_and_parquet_are_planned(server, run):
    book = openpyxl.Workbook()
    for row in (["sku", "title", "price"], [1001, "chips", 3.99]):
        book.active.append(row)
    book.save("products.xlsx")
    pyarrow.parquet.write_table(
        pyarrow.table({"sku": [1002.0], "title": ["nuts"], "price": [Decimal("2.90")]}), "products.parquet"
    )
    for name in ("products.xlsx", "products.parquet"):
        assert main(["plan", "--file", name, "--out", f"{name}.csv"]) == 0
    assert [(product.product_id, product.title, product.list_price) for product in products(server)] == [
        ("1001", "chips", Money("3.99", "USD")),
        ("1002", "nuts", Money("2.90", "USD")),
    ]


def test_without_the_packages_that_read_files_the_extra_is_named(tmp_path):
    (tmp_path / "products.csv").write_text("title\nchips\n")
    code = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"duckdb", "pyarrow", "charset_normalizer", "python_calamine", "openpyxl"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from onshelf._cli import main
sys.exit(main(["plan", "--file", "products.csv", "--out", "plans.csv"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "onshelf: reading a file needs more packages: pip install 'onshelf[files]'\n"
