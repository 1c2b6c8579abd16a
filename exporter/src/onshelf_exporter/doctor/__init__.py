"""Stage `doctor`: can these files be planned with? Maps a retailer's own files onto the canonical tables.

    onshelf-exporter doctor shop.csv                         what was understood, what is lost, what is missing
    onshelf-exporter doctor exports/ --write shop/ --currency CNY
    onshelf-exporter data --dataset shop --adapter parquet --source shop/

Exit status 0: usable; 3: usable with losses, each counted; 1: not usable, with what to do; 2: a file cannot be read
or a setting is wrong. With `--strict`, losses and open questions make 1 of 0 and 3.
"""

from onshelf_exporter.doctor.settings import add_arguments
from onshelf_exporter.doctor.stage import run

__all__ = ["add_arguments", "run"]
