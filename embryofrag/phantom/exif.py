"""EXIF and JFIF headers as EmbryoScope exports carry them, oddities included."""

import struct
from datetime import datetime

from PIL import Image, TiffImagePlugin

MAKE, MODEL = "Vitrolife A/S", "EmbryoScope"
SOFTWARE = "EmbryoScope/EmbryoViewer/EmbryoServer"

PX_PER_INCH = {"embryoscope": (43688, 1), "embryoscope_plus": (73914, 10)}
"""What the header claims, as a fraction; EmbryoScope+ claims a tenth of the truth."""

_EXIF_IFD = 0x8769


def build_exif(instrument: str, acquired_at: datetime, focal_um: float) -> bytes:
    r"""EXIF block of one exported frame.

    `DateTimeDigitized` ends in a literal `0x00`, as the real one does; `UserComment` is UTF-16LE behind `UNICODE\0`.

    Args:
        instrument: A key of PX_PER_INCH.
        acquired_at: Local time of the instrument.
        focal_um: Focal plane, whole um.

    Returns:
        `Exif\0\0` and a TIFF structure.
    """
    exif = Image.Exif()
    resolution = TiffImagePlugin.IFDRational(*PX_PER_INCH[instrument])
    exif[TiffImagePlugin.X_RESOLUTION] = exif[TiffImagePlugin.Y_RESOLUTION] = resolution
    exif[TiffImagePlugin.RESOLUTION_UNIT] = 2  # inch
    exif[0x010F], exif[0x0110], exif[0x0131] = MAKE, MODEL, SOFTWARE
    details = exif.get_ifd(_EXIF_IFD)
    details[0x9004] = f"{acquired_at:%Y:%m:%d %H:%M:%S}0x00"
    details[0x9286] = b"UNICODE\0" + f"Focal plane in mu: {focal_um:.0f}".encode("utf-16-le")
    return exif.tobytes()


def insert_exif(jpeg: bytes, exif: bytes, px_per_inch: float) -> bytes:
    """Puts an APP1 segment behind the JFIF header of a JPEG and the resolution into it.

    Args:
        jpeg: Starts with SOI and a JFIF APP0 segment, as OpenCV writes it.
        exif: What `build_exif` gave.
        px_per_inch: Stored in 16 bits, so the fraction is lost.
    """
    if jpeg[2:4] != b"\xff\xe0" or jpeg[6:11] != b"JFIF\0":
        raise ValueError("not a JPEG with a JFIF header")
    end_of_jfif = 4 + struct.unpack(">H", jpeg[4:6])[0]
    density = struct.pack(">BHH", 1, int(px_per_inch), int(px_per_inch))
    jfif = jpeg[:13] + density + jpeg[18:end_of_jfif]
    return jfif + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[end_of_jfif:]
