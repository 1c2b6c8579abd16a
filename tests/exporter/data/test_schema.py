"""The list of rows behind validation, the doctor and the document."""

from pathlib import Path

import pytest

from onshelf_exporter.data import cleaning, schema, schema_document, validation

DOCUMENT = Path(__file__).parents[3] / "docs" / "data.md"


def test_the_document_is_fresh() -> None:
    assert schema_document.main(["--check", str(DOCUMENT)]) == 0


def test_a_stale_document_is_noticed_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "data.md"
    copy.write_text(DOCUMENT.read_text().replace("what a customer reads", "what nobody reads"))
    assert schema_document.main(["--check", str(copy)]) == 1
    assert "stale" in capsys.readouterr().err
    assert schema_document.main(["--write", str(copy)]) == 0
    assert copy.read_text() == DOCUMENT.read_text()
    copy.write_text("no marks here")
    assert schema_document.main(["--write", str(copy)]) == 1
    assert copy.read_text() == "no marks here"


def test_rows_are_complete() -> None:
    assert len({(column.table, column.name) for column in schema.COLUMNS}) == len(schema.COLUMNS)
    assert {column.table for column in schema.COLUMNS} == set(schema.TABLES) == set(schema.KEYS)
    for column in schema.COLUMNS:
        assert column.type in schema.TYPES, column
        assert column.rule in {"", "key", *validation.RULES}, column
        assert column.meaning, column
        assert column.required or column.without, f"{column}: say what is lost without it"
    assert schema.required_tables() == ("products", "interactions")
    assert {column.rule for column in schema.COLUMNS} >= set(validation.RULES), "a rule that no column uses"


def test_every_cleaning_rule_is_described() -> None:
    names = [(table, name) for table, name, _ in cleaning.described()]
    assert len(names) == len(set(names))
    assert {(rule.table, rule.name) for rule in cleaning.RULES} <= set(names)
