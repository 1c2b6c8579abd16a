"""What is kept, until when, and on which code it depends."""

import numpy as np

from onshelf_exporter.process.imported import sources
from onshelf_research.data.cache import WITHIN, WITHOUT_EFFECT, Cache, code_hash


def test_what_is_kept_is_not_made_again_and_only_the_newest_is_kept(tmp_path):
    made = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"x": np.arange(3.0), "text": np.array("words")}

    cache = Cache(tmp_path, "shop-validation", "data")
    for depends_on in ("a", "a", "b"):
        kept = cache.arrays("part/one", depends_on, make)
        assert kept["x"].tolist() == [0.0, 1.0, 2.0]
        assert str(kept["text"]) == "words"
    assert len(made) == 2
    cache.arrays("part/one-more", "a", make)
    Cache(tmp_path, "shop-test", "data").arrays("part/one", "a", make)
    names = sorted(path.name.split(".")[0] for path in tmp_path.iterdir())
    assert names == ["shop-test-part-one", "shop-validation-part-one", "shop-validation-part-one-more"]
    cache.arrays("part/one", "a", make)  # it went when the newer one came
    assert len(made) == 5


def test_code_that_a_model_imports_is_part_of_it_and_other_code_is_not():
    package = "onshelf_research."
    one = code_hash(package + "baselines.factors")
    assert one == code_hash(package + "baselines.factors", package + "baselines.warm")  # factors imports warm
    assert one != code_hash(package + "baselines.factors", package + "baselines.tutorials")
    assert code_hash(package + "baselines.cold") != code_hash(package + "baselines.analogs")


def test_code_of_other_parts_that_a_prediction_comes_from_counts_too():
    def followed(module: str) -> set[str]:
        found = sources([f"onshelf_research.{module}"], within=WITHIN, without=WITHOUT_EFFECT)
        return {path.as_posix().partition("/src/onshelf_")[2] for path in found}

    served = followed("evaluation.served")
    assert {"exporter/data/weeks.py", "research/evaluation/release.py"} <= served
    assert not {"research/report/report.py", "exporter/process/progress_display.py", "research/data/cache.py"} & served
    assert {"exporter/training/history.py", "research/policy/effects.py"} <= followed("policy.report")
