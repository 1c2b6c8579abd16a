"""`onshelf catalog` against the fake service."""

import json

import pytest

from onshelf import DeleteProductsResult, Overloaded, ProductError, UpsertProductsResult


def sent(server, method="upsert_products"):
    return [call.arguments for call in server.calls if call.method == method]


def test_a_table_is_upserted(server, run, tmp_path):
    server.answer("upsert_products", lambda arguments: UpsertProductsResult(added=len(arguments["products"])))
    (tmp_path / "products.csv").write_text(
        "sku;name;category;price\np-1;Sea salt chips;Snacks > Chips;3.99\np-2;Tea;;\n"
    )
    status, out, err = run("catalog", "upsert", "--file", "products.csv", "--currency", "EUR")
    assert (status, out, err) == (0, "2 added, 0 replaced, 0 refused\n", "")
    (asked,) = sent(server)
    one, two = asked["products"]
    assert (one.product_id, one.title, one.category_path) == ("p-1", "Sea salt chips", ("Snacks", "Chips"))
    assert (str(one.list_price.amount), one.list_price.currency) == ("3.99", "EUR")
    assert (two.product_id, two.list_price) == ("p-2", None)


def test_json_lines_are_upserted_in_parts(server, run, tmp_path):
    server.answer("upsert_products", lambda arguments: UpsertProductsResult(added=len(arguments["products"])))
    rows = [
        {"product_id": n, "title": f"tea {n}", "category": ["Kitchen", "Tea"], "price": 3.90, "private_label": n == 0}
        for n in range(501)
    ]
    (tmp_path / "products.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    status, out, _ = run("catalog", "upsert", "--file", "products.jsonl", "--currency", "USD", "--json")
    assert status == 0
    assert json.loads(out) == {"added": 501, "replaced": 0, "errors": []}
    assert [len(asked["products"]) for asked in sent(server)] == [500, 1]
    first = sent(server)[0]["products"][0]
    assert (first.product_id, first.category_path, str(first.list_price.amount)) == ("0", ("Kitchen", "Tea"), "3.90")
    assert first.brand_class is not None


def test_refused_rows_are_named_and_the_others_taken(server, run, tmp_path):
    error = ProductError(index=1, reason="TEXT_NOT_UNDERSTOOD", field="products[1].title", message="is not understood")
    server.answer("upsert_products", UpsertProductsResult(added=1, errors=(error,)))
    (tmp_path / "products.csv").write_text("id,title,price\n1,Tea,much\n2,Coffee,2\n3,茶,1\n")
    status, out, err = run("catalog", "upsert", "--file", "products.csv", "--currency", "USD")
    assert status == 2
    assert out.startswith("1 added, 0 replaced, 2 refused\n")
    assert "row 1: product.list_price: 'much' is no amount of money" in err
    assert "row 3: title: is not understood [TEXT_NOT_UNDERSTOOD]" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1 is no JSON"),
        ("[]", "line 1 is no JSON object"),
        ('{"title": {"en": "tea"}}', "line 1 has {'en': 'tea'}"),
        ('{"id": 1}', "has no title column"),
    ],
)
def test_files_that_are_no_json_lines_are_refused(run, tmp_path, text, message):
    (tmp_path / "products.jsonl").write_text(text)
    status, _, err = run("catalog", "upsert", "--file", "products.jsonl")
    assert status == 2
    assert message in err


def test_products_are_deleted(server, run):
    server.answer(
        "delete_products", lambda asked: DeleteProductsResult(deleted=len(asked["product_ids"]) - 1, unknown=1)
    )
    status, out, _ = run("catalog", "delete", "p-1", "p-2", "p-3")
    assert (status, out) == (0, "2 deleted, 1 not in the catalog\n")
    assert sent(server, "delete_products") == [{"product_ids": ("p-1", "p-2", "p-3")}]


def test_a_full_catalog_ends_the_command(server, run):
    server.fail("delete_products", Overloaded("full"))
    status, _, err = run("catalog", "delete", "p-1")
    assert status == 3
    assert "full" in err


def test_a_command_is_needed(run):
    assert run("catalog")[0] == 2
    assert run("catalog", "upsert")[0] == 2
