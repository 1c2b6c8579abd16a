"""Model cards say what was measured, of which model release, and nothing that was not."""

import json

from onshelf_exporter.release.cards import CARDS, NOT_MEASURED, write_cards
from onshelf_release.signatures import SIGNATURES

MANIFEST = {
    "version": 7,
    "role": "production",
    "recipe": "full",
    "seed": 5,
    "git_commit": "abc",
    "dataset": "shop",
    "cut_week": 53,
    "as_of": "2018-01-01",
    "data_hash": "h1",
    "encoder_cut_week": 27,
    "units_basis": {"description": "units of a panel", "users": 2469},
    "launch_rule": "first sale",
    "metrics": {"outcome": {"validation": {"wape_8w": 0.7512}}, "towers": {"recall": 0.25}},
    "models": {"launch_outcome": {"bytes": 2_000_000, "parity": {"max_abs": 1e-6}}},
}


def evaluation(**changed: object) -> dict:
    release = {"version": 6, "role": "replay", "recipe": "full", "cut_week": 27}
    row = {"slice": "food", "n": 9, "wape": 0.71, "poisson_deviance": 2.0, "bias": 1.0, "coverage80": 0.8, "p": 0.3}
    content = {"data_hash": "h1", "dataset": "shop", "split": "validation", "model_release": release, "slices": [row]}
    content |= {"ours": {"demand": {"wape": 0.7431, "wape_ci": [0.7, 0.8]}}}
    versus = {"column": "wape", "baseline": "x", "difference": -0.02, "verdict": "ahead"}
    return content | {"versus": {"demand": [versus]}} | changed


def test_every_model_has_a_card_with_its_sections(tmp_path):
    write_cards(tmp_path, MANIFEST, None)
    assert {path.stem for path in tmp_path.iterdir()} == set(CARDS)
    described = [model for card in CARDS.values() for model in card.models]
    assert len(described) == len(set(described))
    assert set(described) == set(SIGNATURES)
    for name in CARDS:
        text = (tmp_path / f"{name}.md").read_text()
        for heading in ("What it does", "Intended use", "Data", "Metrics", "Limits", "Ethics"):
            assert f"## {heading}\n" in text
        assert "Model release 7, role production" in text
        assert "2,469 users" in text
    outcome = (tmp_path / "launch_outcome.md").read_text()
    assert NOT_MEASURED in outcome
    assert "outcome.validation.wape_8w: 0.751" in outcome
    assert "launch_outcome, 2.0 MB; checked against PyTorch: parity.max_abs 1e-06" in outcome


def test_figures_come_from_an_evaluation_of_the_same_recipe_and_data_only(tmp_path):
    write_cards(tmp_path, MANIFEST, evaluation())
    text = (tmp_path / "launch_outcome.md").read_text()
    assert "by model release 6 (replay, cut at week 27)" in text
    assert "| WAPE (median) | 0.743 | 0.700 to 0.800 | -0.020 (ahead) |" in text
    assert "| food | 9 | 0.710 |" in text
    other = evaluation()["model_release"] | {"recipe": "default"}
    for foreign in (evaluation(data_hash="h2"), evaluation(model_release=other)):
        write_cards(tmp_path, MANIFEST, foreign)
        assert NOT_MEASURED in (tmp_path / "launch_outcome.md").read_text()


def test_cards_of_an_evaluation_and_of_its_release_agree(out, published):
    numbers = json.loads((out / "reports" / "evaluation.json").read_text())
    manifest = json.loads((published / "releases" / "1" / "manifest.json").read_text())
    text = (out / "reports" / "model_cards" / "audience_retrieval.md").read_text()
    assert f"commit {manifest['git_commit']}" in text
    assert f"| AUC | {numbers['ours']['cold']['auc']:.3f} |" in text


def test_every_measured_model_shows_its_slices(tmp_path):
    served = {"map": 0.43, "auc": 0.75, "any_display_auc": 0.7, "any_mailer_auc": None}
    part = [{"slice": "non-food", "n": 1204, **served}]
    households = [{"slice": "households, lowest third by purchases", "n": 7, "all_n10": 0.123456}]
    households[0] |= dict.fromkeys(("all_r10", "new_n10", "new_r10"), 0.5)
    measured = evaluation()
    measured |= {"policy": {"practice": {"models": {"served": served}, "slices": part}}, "warm": {"slices": households}}
    measured["ours"]["warm"] = {"all_n10": 0.4}
    measured["versus"]["warm"] = []
    write_cards(tmp_path, MANIFEST, measured)
    encoder = (tmp_path / "product_encoder.md").read_text()
    assert "| macro mAP over channels | 0.430 | – | – |" in encoder
    assert "| non-food | 1,204 | 0.430 | 0.750 | 0.700 | – |" in encoder
    assert (
        "| households, lowest third by purchases | 7 | 0.123 | 0.500 | 0.500 | 0.500 |"
        in (tmp_path / "recommendations.md").read_text()
    )
    assert NOT_MEASURED in (tmp_path / "audience_retrieval.md").read_text()
