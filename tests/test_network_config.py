"""The network's config refuses what cannot be built and survives JSON."""

import json

import pytest

from embryofrag.network.config import NetworkConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"backbone": "resnet101"},
        {"output_stride": 32},
        {"input_px": 16},
        {"input_px": 512.0},
        {"width": 0},
        {"aspp_rates": ()},
        {"aspp_rates": (6, 0)},
        {"normalise": "none"},
    ],
)
def test_refuses(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NetworkConfig(**wrong)


def test_survives_json():
    config = NetworkConfig(backbone="resnet18", output_stride=8, width=0.125, aspp_rates=(2, 4), injection=False)
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("change", [{"depth": 3}, {"width": None}])
def test_from_dict_names_the_odd_field(change):
    values = {key: value for key, value in (NetworkConfig().to_dict() | change).items() if value is not None}
    with pytest.raises(ValueError, match=next(iter(change))):
        NetworkConfig.from_dict(values)
