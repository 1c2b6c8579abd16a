"""`onshelf.files` reads a file as it is: encodings, delimiters, headers, odd rows, spreadsheets, part files."""

import bz2
import csv
import datetime
import gzip
import zipfile

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onshelf.files import FileError, is_readable, read_file

ROWS = [{"sku": "1", "name": "Théière à thé", "price": "3.50"}, {"sku": "2", "name": "Pâté", "price": "4"}]
TABLE = "sku,name,price\n1,Théière à thé,3.50\n2,Pâté,4\n"


@pytest.fixture
def read(tmp_path):
    """Reads a text, or bytes, as a file of this name."""

    def call(content, name="table.csv", *, encoding=None, written="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(written))
        return read_file(path, encoding=encoding)

    return call


def rows(raw):
    return raw.table.to_pylist()


# Encodings.


def test_values_stay_as_they_are_written(read):
    raw = read('sku,name,price\n007,"5"" ""mug"", red\nsmall", 3.50 \n1.0,,NULL\n')
    assert rows(raw) == [
        {"sku": "007", "name": '5" "mug", red\nsmall', "price": " 3.50 "},
        {"sku": "1.0", "name": None, "price": "NULL"},
    ]
    assert (raw.notes, raw.losses) == (["encoding UTF-8", "delimiter ','"], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_western_texts_in_any_encoding(read, encoding):
    assert rows(read(TABLE, written=encoding)) == ROWS


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gb18030", ["有机绿茶", "海盐薯片", "白色马克杯"]),
        ("gb18030", ["保温杯"]),
        ("big5", ["有機綠茶", "海鹽薯片", "白色馬克杯"]),
        ("cp932", ["緑茶ティーバッグ", "ポテトチップス", "白いマグカップ"]),
        ("euc_kr", ["유기농 녹차", "감자칩 소금맛", "하얀 머그컵", "보온병 파란색"]),
        ("cp1251", ["Чай зелёный", "Кружка белая", "Печенье овсяное"]),
        ("koi8_r", ["Чай зелёный", "Кружка белая", "Печенье овсяное"]),
        ("cp1253", ["Πράσινο τσάι", "Λευκή κούπα"]),
        ("cp1250", ["Żółty kubek", "Łyżka duża", "Herbata zielona"]),
        ("cp1252", ["Küchenmesser Größe 5", "Bürste für Käse", "Müsli-Schüssel"]),
        ("cp1252", ["Mug – 5 €", "½ kg tea ®"]),
        ("cp1252", ["Tea for £5"]),
        ("cp850", ["Küchenmesser Größe 5", "Bürste für Käse", "Müsli-Schüssel"]),
    ],
)
def test_letters_of_many_languages_are_found_from_the_file(read, encoding, names):
    raw = read("sku,name\n" + "".join(f"{n},{name}\n" for n, name in enumerate(names)), written=encoding)
    assert raw.table["name"].to_pylist() == names
    assert f"encoding {encoding.upper()}" in raw.notes


def test_a_stray_byte_keeps_utf_8_and_is_told(read):
    raw = read(TABLE.encode() + b"3,Mug \x965,5\n")
    assert rows(raw) == [*ROWS, {"sku": "3", "name": "Mug \ufffd5", "price": "5"}]
    (loss,) = raw.losses
    assert (loss.what, loss.rows, loss.samples) == (
        "bytes that are no UTF-8 are read as \ufffd",
        1,
        ("line 4: 3,Mug \ufffd5,5",),
    )


def test_a_stray_byte_far_down_does_not_turn_the_other_letters(read):
    lines = "".join(f"{n},Käse mit Kräutern {n}\n" for n in range(60))
    for written, stray in (("utf-8", b"\xff"), ("cp1252", b"\x81")):
        raw = read(f"sku,name\n{lines}".encode(written) + b"60,M" + stray + b"g\n")
        assert raw.table["name"].to_pylist()[:2] == ["Käse mit Kräutern 0", "Käse mit Kräutern 1"]
        assert (raw.table["name"][60].as_py(), raw.losses[0].rows) == ("M\ufffdg", 1)


def test_files_put_together_from_two_encodings_are_read_line_by_line(read):
    raw = read(TABLE.encode("cp1252") + b"3,Cr\xe8me,5\n" + "4,Crème,5\n".encode())
    assert raw.table["name"].to_pylist() == ["Théière à thé", "Pâté", "Crème", "Crème"]
    assert "some lines are UTF-8, the others CP1252: each is read as it is" in raw.notes


def test_another_likely_encoding_is_pointed_out_and_can_be_chosen(read):
    raw = read("sku,name\n1,Křeslo\n", written="cp1250")
    assert any("the encoding could be CP1250 or" in note for note in raw.notes)
    raw = read("sku,name\n1,Křeslo\n", written="cp1250", encoding="cp1250")
    assert (raw.table["name"].to_pylist(), raw.notes[0]) == (["Křeslo"], "encoding CP1250")


def test_an_encoding_that_does_not_fit_is_told(read):
    assert read(TABLE, written="cp1252", encoding="utf-8").losses[0].rows == 6
    with pytest.raises(FileError, match="encoding 'martian' is unknown"):
        read(TABLE, encoding="martian")


# Delimiters and headers.


@pytest.mark.parametrize(
    ("delimiter", "told"),
    [(",", "','"), (";", "';'"), ("\t", "tab"), ("|", "'|'")],
    ids=["comma", "semicolon", "tab", "bar"],
)
def test_any_usual_delimiter(read, delimiter, told):
    raw = read("sku,name,price\n1,Tea,3\n2,Mug,4\n".replace(",", delimiter))
    assert rows(raw) == [{"sku": "1", "name": "Tea", "price": "3"}, {"sku": "2", "name": "Mug", "price": "4"}]
    assert f"delimiter {told}" in raw.notes


def test_decimal_commas_do_not_make_a_comma_the_delimiter(read):
    raw = read("sku;name;price;cost\n1;Tea, green, hot;3,50;2,10\n2;Mug, red, big;4,00;3,20\n")
    assert rows(raw)[0] == {"sku": "1", "name": "Tea, green, hot", "price": "3,50", "cost": "2,10"}


def test_a_spreadsheets_first_line_names_the_delimiter(read):
    raw = read("sep=|\r\nsku|name\r\n1|Tea;hot\r\n")
    assert rows(raw) == [{"sku": "1", "name": "Tea;hot"}]
    assert "its first line says sep=|" in raw.notes


def test_columns_without_name_and_values_are_dropped(read):
    assert rows(read("sku,name,,\n1,Tea,,\n2,Mug,,\n")) == [{"sku": "1", "name": "Tea"}, {"sku": "2", "name": "Mug"}]
    raw = read("sku,,name\n1,x,Tea\n")
    assert raw.table.column_names == ["sku", "column 2", "name"]
    assert "column 2 has no header; it is called 'column 2'" in raw.notes


def test_a_header_that_stands_twice_is_told(read):
    raw = read("sku,price,price\n1,2,3\n")
    assert rows(raw) == [{"sku": "1", "price": "2", "price (2)": "3"}]
    assert "header 'price' stands twice; the second column is called 'price (2)'" in raw.notes


def test_lines_above_the_header_are_passed_over(read):
    raw = read("\nSales of May 2024,,,\n\nsku,name,price,cost\n1,Tea,3,2\n2,Mug,4,3\n")
    assert rows(raw)[0] == {"sku": "1", "name": "Tea", "price": "3", "cost": "2"}
    assert "1 lines above the header are passed over" in raw.notes


def test_a_header_in_the_middle_is_no_row(read):
    raw = read("sku,name\n1,Tea\nsku,name\n2,Mug\n")
    assert rows(raw) == [{"sku": "1", "name": "Tea"}, {"sku": "2", "name": "Mug"}]
    assert "the header stands 1 times more in the file; these lines are no rows" in raw.notes


def test_one_column_may_hold_commas(read):
    assert rows(read("title\nchips, salted\nnuts\n")) == [{"title": "chips, salted"}, {"title": "nuts"}]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_any_line_ends(read, ends):
    assert rows(read(f"sku,name{ends}1,Tea{ends}2,Mug{ends}")) == [
        {"sku": "1", "name": "Tea"},
        {"sku": "2", "name": "Mug"},
    ]


def test_mixed_line_ends(read):
    raw = read("sku,name\r\n1,Tea\r\n2,Mug\n3,Pot\rred\r\r\n")
    assert raw.table["name"].to_pylist() == ["Tea", "Mug", "Pot red"]


def test_quotes_behind_a_backslash(read):
    raw = read('sku,name\n1,"5\\" mug, red"\n2,"Tea"\n')
    assert raw.table["name"].to_pylist() == ['5" mug, red', "Tea"]


CELLS = st.text(alphabet="ab1.,;|\t\n\"'\\ é茶-", max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    ends=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_a_table_that_a_program_wrote_is_read_back(tmp_path, table, delimiter, ends, quoting):
    path = tmp_path / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=ends, quoting=quoting)
        writer.writerows([("sku", "name", "price"), *table])
    raw = read_file(path)
    meant = [tuple(cell.replace("\r\n", "\n") if cell.strip() else None for cell in row) for row in table]
    found = [tuple(c and c.replace("\r\n", "\n") for c in row.values()) for row in rows(raw)]
    assert found == [row for row in meant if any(row)]
    assert raw.losses == []


@pytest.mark.parametrize("last", ["1;1", "1;"])
def test_the_first_line_says_the_delimiter_where_the_rows_would_allow_another(read, last):
    raw = read(f'sku,name,price\n,;,"\n1;1"\n,;,"\n{last}"\n')
    assert raw.table.column_names == ["sku", "name", "price"]
    assert raw.table["name"].to_pylist() == [";", ";"]


# Rows that do not fit.


def test_rows_that_do_not_fit_are_left_out_counted_and_shown(read):
    raw = read('sku,name,price\n1,Tea,3\n2,Mug, red,4\n3,Pot\n"4" x",Cup,5\n5,Jug,6\n(5 rows)\n')
    assert raw.table["sku"].to_pylist() == ["1", "5"]
    assert [(line.line, line.text) for line in raw.rejected] == [
        (3, "2,Mug, red,4"),
        (4, "3,Pot"),
        (5, '"4" x",Cup,5'),
        (7, "(5 rows)"),
    ]
    (loss,) = raw.losses
    assert (loss.what, loss.rows) == ("lines do not fit the header and are left out", 4)
    assert loss.samples[0] == "line 3: number of cells: 4 instead of 3: 2,Mug, red,4"


def test_lines_are_numbered_as_in_the_file(read):
    raw = read('sep=;\n\nsku;name\n1;"Tea\nhot"\n2;Mug;x\n', written="utf-8-sig")
    assert [line.line for line in raw.rejected] == [6]


def test_an_open_quote_counts_all_lines_that_it_takes(read):
    raw = read('sku,name\n1,Tea\n2,"Mug\n3,Pot\n4,Jug\n')
    assert (raw.table["sku"].to_pylist(), raw.losses[0].rows) == (["1"], 3)


def test_rows_may_end_in_more_empty_cells_than_the_header(read):
    raw = read("sku,name\n1,Tea\n2,Mug,\n3,Pot,,\n")
    assert (raw.table["sku"].to_pylist(), raw.losses) == (["1", "2", "3"], [])
    raw = read("sku,name\n1,Tea,\n2,Mug,\n3,Pot\n4,Jug,x\n")
    assert (raw.table["sku"].to_pylist(), [line.line for line in raw.rejected]) == (["1", "2", "3"], [5])


def test_rows_without_cells_are_no_rows(read):
    raw = read("sku,name\n\n1,Tea\n,\n \n2,Mug\n")
    assert (raw.table["sku"].to_pylist(), raw.losses) == (["1", "2"], [])


def test_rows_longer_than_the_header_need_names(read):
    with pytest.raises(FileError, match="its header has 2 names, its rows have 3 cells; name each column"):
        read("sku,name\n1,Tea,3\n2,Mug,4\n")


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(read, content):
    with pytest.raises(FileError, match=r"table.csv: is empty"):
        read(content)


def test_what_is_no_text_is_refused(read):
    with pytest.raises(FileError, match="is not a text file in any usual encoding"):
        read(b"\x00\x01\x02" * 50)
    with pytest.raises(FileError, match=r"\.doc is not read. Save it as CSV"):
        read(TABLE, "table.doc")
    with pytest.raises(FileError, match="is not a readable Parquet file"):
        read(TABLE, "table.parquet")
    with pytest.raises(FileError, match="is not a readable spreadsheet"):
        read(TABLE, "table.xlsx")


def test_a_large_file_is_read_whole(read):
    """Beyond the block in which DuckDB looks for rows, and the lines in which the header is looked for."""
    count = 120_000
    raw = read("sku,name\n" + "".join(f'{n},"Tea, {n}"\n' for n in range(count)) + "x\n")
    assert (len(raw.table), raw.table["name"][count - 1].as_py()) == (count, f"Tea, {count - 1}")
    assert [line.line for line in raw.rejected] == [count + 2]


# Other forms.


def test_packed_files(read, tmp_path):
    assert rows(read(gzip.compress(TABLE.encode("cp1252")), "table.csv.gz")) == ROWS
    assert rows(read(bz2.compress(TABLE.encode()), "table.tsv.bz2")) == ROWS
    for names in (["table.csv"], ["a.csv", "b.csv"]):
        with zipfile.ZipFile(tmp_path / "table.csv.zip", "w") as archive:
            for name in names:
                archive.writestr(name, TABLE)
        if len(names) == 1:
            assert rows(read_file(tmp_path / "table.csv.zip")) == ROWS
        else:
            with pytest.raises(FileError, match="holds 2 files"):
                read_file(tmp_path / "table.csv.zip")
    with pytest.raises(FileError, match="cannot be opened"):
        read(b"no archive", "table.csv.gz")


def test_spreadsheets(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    sheet = book.create_sheet("Sales")
    sheet.append(["Sales of May"])
    sheet.append([])
    sheet.append(["sku", "name", "when", "price", "discount", None])
    sheet.append([1001, "Tea", datetime.datetime(2024, 5, 31), 3.5, 0.2])
    sheet.append(["007", None, datetime.datetime(2024, 5, 31, 18, 30), 4, 0.125])
    sheet.append([])
    for row in (4, 5):
        sheet.cell(row, 5).number_format = "0.0%"
    book.create_sheet("Readme").append(["Made for a course"])
    book.save(tmp_path / "sales.xlsx")
    raw = read_file(tmp_path / "sales.xlsx")
    assert rows(raw) == [
        {"sku": "1001", "name": "Tea", "when": "2024-05-31", "price": "3.5", "discount": "20%"},
        {"sku": "007", "name": None, "when": "2024-05-31 18:30:00", "price": "4", "discount": "12.5%"},
    ]
    assert raw.notes == [
        "sheet 'Sales'",
        "other sheets are not read: 'Readme'",
        "1 lines above the header are passed over",
    ]


def test_an_empty_spreadsheet_is_refused(tmp_path):
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(FileError, match="is empty"):
        read_file(tmp_path / "empty.xlsx")


def test_part_files_of_an_engine_are_one_table(tmp_path):
    folder = tmp_path / "sales.parquet"
    folder.mkdir()
    pa.parquet.write_table(pa.table({"sku": pa.array([1], pa.int32())}), folder / "part-00000-a.snappy.parquet")
    pa.parquet.write_table(
        pa.table({"sku": pa.array([2], pa.int64()), "qty": [3]}), folder / "part-00001-a.snappy.parquet"
    )
    (folder / "_SUCCESS").touch()
    (folder / ".part-00000-a.snappy.parquet.crc").write_bytes(b"crc")
    raw = read_file(folder)
    assert rows(raw) == [{"sku": 1, "qty": None}, {"sku": 2, "qty": 3}]
    assert (raw.notes, is_readable(folder)) == (["Parquet, 2 part files"], True)


def test_part_files_in_folders_of_a_day_keep_the_day(tmp_path):
    for day in ("2024-05-31", "2024-06-01"):
        part = tmp_path / "sales" / f"day={day}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        pa.parquet.write_table(pa.table({"sku": ["1"]}), part)
    assert [str(row["day"]) for row in rows(read_file(tmp_path / "sales"))] == ["2024-05-31", "2024-06-01"]


def test_part_files_of_text(tmp_path):
    folder = tmp_path / "sales.csv"
    folder.mkdir()
    (folder / "part-0.csv").write_text("sku,name\n1,Tea\n")
    (folder / "part-1.csv").write_text("sku,name\n2,Mug\n3\n")
    (folder / "_SUCCESS").touch()
    raw = read_file(folder)
    assert raw.table["sku"].to_pylist() == ["1", "2"]
    assert [loss.what for loss in raw.losses] == ["part-1.csv: lines do not fit the header and are left out"]
    (folder / "part-2.csv").write_text("sku,title\n4,Pot\n")
    with pytest.raises(FileError, match=r"part-2.csv: its headers sku, title differ from sku, name of part-0.csv"):
        read_file(folder)


def test_what_is_readable(tmp_path):
    (tmp_path / "sales").mkdir()
    assert not is_readable(tmp_path / "sales")  # a folder of tables, not a table
    with pytest.raises(FileError, match="holds no part files"):
        read_file(tmp_path / "sales")
    with pytest.raises(FileError, match="No such file or directory"):
        read_file(tmp_path / "nothing.csv")
    for name, fits in {"a.csv": True, "a.CSV.GZ": True, "a.xlsx": True, "~$a.xlsx": False, "a.pdf": False}.items():
        (tmp_path / name).touch()
        assert is_readable(tmp_path / name) is fits, name
