"""Rules that every still decoder shares: size limits, zero tails, bit depths."""

import numpy as np

from embryofrag.archive.options import ReadLimits
from embryofrag.errors import ItemError
from embryofrag.records import Outcome

ZERO_TAIL_SHARE = 0.10
"""Share of a file's last bytes that, when all zero, means a copy in progress, in formats without checksums.

A copy that lacks less than this cannot be told from an image that is black at that end.
"""


def check_size(width_px: float, height_px: float, limits: ReadLimits) -> None:
    """Refuse an impossible or too large declared size.

    Raises:
        ItemError: damaged.
    """
    if not (width_px >= 1 and height_px >= 1):
        raise ItemError(Outcome.DAMAGED, f"declares {width_px}x{height_px} px")
    if width_px * height_px > limits.max_pixels:
        raise ItemError(
            Outcome.DAMAGED, f"declares {width_px}x{height_px} px, over the limit of {limits.max_pixels} px"
        )


def count_zero_tail(data: bytes) -> int:
    """Number of zero bytes at the end.

    >>> count_zero_tail(b"ab" + bytes(3))
    3
    """
    return len(data) - len(data.rstrip(b"\0"))


def check_zero_tail(data: bytes, what: str) -> None:
    """Refuse bytes of which the last `ZERO_TAIL_SHARE` or more were never written.

    Raises:
        ItemError: incomplete.
    """
    num_zeros = count_zero_tail(data)
    if num_zeros >= max(1, len(data) * ZERO_TAIL_SHARE):
        raise ItemError(Outcome.INCOMPLETE, f"the {what} ends in {num_zeros} zero bytes of {len(data)}")


def significant_bits(max_value: int) -> int:
    """Bits that a camera which stores ``max_value`` in 16 bits most likely has: 8, 10, 12, 14 or 16.

    >>> significant_bits(4000), significant_bits(255)
    (12, 8)
    """
    return next(bits for bits in (8, 10, 12, 14, 16) if max_value < 1 << bits)


def scale_to_uint8(image: np.ndarray, bits: int | None = None) -> np.ndarray:
    """Scale an unsigned image so that full scale of its ``bits`` becomes 255, rounding to nearest.

    Args:
        image: uint8 or uint16, any shape.
        bits: significant bits by the header; by default `significant_bits` of the largest value.

    >>> scale_to_uint8(np.array([0, 2048, 4095], np.uint16))
    array([  0, 128, 255], dtype=uint8)
    """
    largest = int(image.max(initial=0))
    if bits is None or bits < 1 or largest >= 1 << bits:
        bits = significant_bits(largest)
    full_scale = (1 << bits) - 1
    return ((image.astype(np.uint32) * 255 + full_scale // 2) // full_scale).astype(np.uint8)
