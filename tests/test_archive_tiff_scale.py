import io

import pytest
import tifffile
from drawn import draw_cells

from embryofrag.archive import decode_image


def scale(**options):
    file = io.BytesIO()
    tifffile.imwrite(file, draw_cells(), **options)
    return decode_image(file.getvalue())[1].um_per_px


@pytest.mark.parametrize(
    ("metadata", "um_per_px"),
    [
        ({"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}, 0.5),
        ({"PhysicalSizeX": 500, "PhysicalSizeXUnit": "nm"}, 0.5),
        ({"PhysicalSizeX": 50}, None),
        ({"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "pixel"}, None),
        ({}, None),
    ],
)
def test_ome_gives_the_size_of_a_pixel(metadata, um_per_px):
    assert scale(ome=True, metadata=metadata) == um_per_px


@pytest.mark.parametrize(("unit", "um_per_px"), [("um", 0.5), ("micron", 0.5), ("mm", None), ("inch", None)])
def test_imagej_gives_the_size_of_a_pixel(unit, um_per_px):
    assert scale(imagej=True, resolution=(2, 2), metadata={"unit": unit}) == um_per_px


def test_resolution_tags_give_the_size_of_a_pixel_where_plausible():
    assert scale(resolution=(20000, 20000), resolutionunit="CENTIMETER") == 0.5
    assert scale(resolution=(96, 96), resolutionunit="INCH") is None
    assert scale() is None
