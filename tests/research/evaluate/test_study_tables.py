"""Which rows of a study are drawn."""

from onshelf_research.report.study_tables import plotted

STUDY = {
    "columns": ["text", "predictor", "n", "WAPE (median)", "low", "high"],
    "rows": [["bert", "trees", 9, 0.75, 0.7, 0.8], ["none", "ridge", 9, None, None, None]],
}


def test_the_first_column_on_wape_is_drawn_where_no_plot_is_named():
    assert plotted(STUDY) == ("WAPE (median)", [{"label": "bert, trees", "value": 0.75}])
    assert plotted(STUDY | {"columns": ["text", "predictor", "n", "F1", "low", "high"]}) is None
    assert plotted(STUDY | {"rows": STUDY["rows"][1:]}) is None


def test_a_named_plot_has_its_own_columns():
    named = STUDY | {"plot": {"label": "text", "value": "n", "low": "low", "high": "high"}}
    rows = [{"label": "bert", "value": 9, "low": 0.7, "high": 0.8}]
    assert plotted(named) == ("n", [*rows, {"label": "none", "value": 9, "low": None, "high": None}])
