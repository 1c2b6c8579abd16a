"""Category paths: the sign between levels is that of the column."""

import pyarrow as pa
import pytest

from onshelf.files import texts
from onshelf_exporter.doctor.paths import paths


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["Toys > Dolls", "Toys>Cars/Trucks", "Books"], ["Toys > Dolls", "Toys > Cars/Trucks", "Books"]),
        (["/Toys/Dolls/", "Toys//Cars", "Books"], ["Toys > Dolls", "Toys > Cars", "Books"]),
        (["Toys|Dolls", "Toys|AC/DC"], ["Toys > Dolls", "Toys > AC/DC"]),
        (["toys.dolls", "toys.cars.red", None], ["toys > dolls", "toys > cars > red", None]),
        (["Men's & Co. Shirts", "Dr. Best"], ["Men's & Co. Shirts", "Dr. Best"]),
        (["Toys &gt; Dolls", '["Toys", "Cars"]'], ["Toys > Dolls", "Toys > Cars"]),
        (["玩具＞娃娃", "玩具 » 车"], ["玩具 > 娃娃", "玩具 > 车"]),
        (["Toys > Dolls, Gifts > For her", "Gifts, Toys > Cars"], ["Toys > Dolls", "Gifts"]),
        (["Home > Pots, pans and lids", "Home > Cups"], ["Home > Pots, pans and lids", "Home > Cups"]),
        (["/", "Toys"], [None, "Toys"]),
    ],
)
def test_levels(written: list[str | None], read: list[str | None]) -> None:
    assert paths(texts(pa.array(written))).values.to_pylist() == read


def test_several_paths_are_pointed_out() -> None:
    assert "2 values name several paths" in paths(texts(pa.array(["A > B, C > D"] * 2 + ["A > B"]))).remark
