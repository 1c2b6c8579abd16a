"""Does pre-training on all products help before the launch tasks?

onshelf-exporter study pretraining
"""

from onshelf_research.studies.inputs import Setting
from onshelf_research.studies.readings import BLOCKS, EPOCHS, TEXTS, readings, rolling
from onshelf_research.studies.table import Table

KINDS = {"transformer": "fine-tuned on the tasks at once", "pretrained": "masked words and types first, then the tasks"}


def study(setting: Setting) -> Table:
    """Both encoders over the rolling origins, with all inputs and with product and plan only."""
    given = readings(setting, tuple(KINDS))
    table = Table(
        title="Pre-training on all products",
        question="Do masked words and types of all products, learned first, help the forecast of launches?",
        columns=["encoder", "inputs", "n", "WAPE (median)", "Poisson deviance (mean)", "Spearman"],
    )
    for inputs, blocks in (("product + plan", BLOCKS[:2]), ("product + plan + history", BLOCKS)):
        for kind, name in KINDS.items():
            demand, actual = rolling(given, kind, blocks, setting.recipe.seed)
            table.add(name, inputs, len(actual), *demand.scores(actual))
    table.remarks.append(
        f"Both on the same sample of {TEXTS:,} titles; {EPOCHS} epochs of the tasks, and one epoch of masked words "
        "before them for the second. The tasks themselves already name the type of every product, launched or not."
    )
    return table
