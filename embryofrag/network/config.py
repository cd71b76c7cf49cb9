"""What a network is made of: one frozen record, stored in ``model.json``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

BACKBONES = ("resnet50", "resnet34", "resnet18")
NORMALISATIONS = ("frame", "imagenet")
CHANNEL_STEP = 8
"""Scaled channel counts are multiples of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Shape of AttnRegDeepLab (arXiv 2511.18454, section III).

    Raises:
        ValueError: a field holds a value that no network can be built from.
    """

    backbone: str = "resnet50"
    """One of `BACKBONES`."""
    output_stride: int = 16
    """Input pixels per pixel of F4: 16 (layer 4 dilated by 2) or 8 (layers 3, 4 dilated by 2, 4).

    The paper names 16 and describes 8 (strides removed in both layers), so both are offered.
    """
    input_px: int = 512
    """Side of the square input the deployed modules take."""
    width: float = 1.0
    """Multiplier of every channel count; 1 is the paper's network."""
    aspp_rates: tuple[int, ...] = (6, 12, 18)
    """Dilations of the atrous branches; DeepLabV3+ doubles them at output stride 8."""
    separable: bool = True
    """Depthwise separable 3x3 convolutions in ASPP and decoder, as DeepLabV3+ has them; False: plain ones."""
    normalise: str = "frame"
    """"frame": each frame to mean 0 and standard deviation 1; "imagenet": ImageNet's channel statistics."""
    gate: bool = True
    """Attention gate on the skip from F1; False: the plain skip of DeepLabV3+."""
    injection: bool = True
    """Inject V_reg into the decoder; False: experiment E and plain DeepLabV3+."""

    def __post_init__(self):
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, not {self.backbone!r}")
        if self.output_stride not in (8, 16):
            raise ValueError(f"output_stride must be 8 or 16, not {self.output_stride!r}")
        if not isinstance(self.input_px, int) or not 32 <= self.input_px <= 4096:
            raise ValueError(f"input_px must be a whole number in 32..4096, not {self.input_px!r}")
        if not 0 < self.width <= 4:
            raise ValueError(f"width must be above 0 and at most 4, not {self.width!r}")
        if not self.aspp_rates or any(not isinstance(rate, int) or rate < 1 for rate in self.aspp_rates):
            raise ValueError(f"aspp_rates must be whole numbers of at least 1, not {self.aspp_rates!r}")
        if self.normalise not in NORMALISATIONS:
            raise ValueError(f"normalise must be one of {', '.join(NORMALISATIONS)}, not {self.normalise!r}")

    def channels(self, count: int) -> int:
        """Scale a channel count of the paper's network by `width`, to a multiple of 8 and at least 8.

        >>> NetworkConfig().channels(256), NetworkConfig(width=0.125).channels(48)
        (256, 8)
        """
        if self.width == 1:
            return count
        return max(CHANNEL_STEP, round(count * self.width / CHANNEL_STEP) * CHANNEL_STEP)

    def to_dict(self) -> dict:
        """Return the record as JSON values.

        >>> NetworkConfig.from_dict(NetworkConfig(width=0.5).to_dict()) == NetworkConfig(width=0.5)
        True
        """
        return asdict(self) | {"aspp_rates": list(self.aspp_rates)}

    @classmethod
    def from_dict(cls, values: Mapping) -> "NetworkConfig":
        """Read what `to_dict` wrote.

        Raises:
            ValueError: a field is unknown or missing, or holds a wrong value.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            odd = ", ".join(sorted(set(values) ^ names))
            raise ValueError(f"network config has unknown or missing fields: {odd}")
        return cls(**{**values, "aspp_rates": tuple(values["aspp_rates"])})
