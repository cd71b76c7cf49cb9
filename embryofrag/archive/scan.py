"""An archive on disk -> its frames, and every other file with the reason why it is none."""

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from embryofrag.archive.clock import is_time_file, read_clock
from embryofrag.archive.evidence import is_other_plane, other_plane_reason
from embryofrag.archive.layouts import LAYOUTS
from embryofrag.archive.layouts.identity import Identity, Surroundings, split_number, without_plane_folder
from embryofrag.archive.names import natural_path_key, printable, with_hash
from embryofrag.archive.options import ScanOptions
from embryofrag.archive.walk import Found, walk_archive
from embryofrag.errors import EmbryofragError, ItemError
from embryofrag.records import Frame, Outcome, SetAside

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})

NOT_READ = {
    "video files are not read": (".avi", ".mp4", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg", ".m4v", ".webm"),
    "a packed archive is not read, unpack it": (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz"),
    "a slide database is not read, export its images": (".pdb",),
    "this image format is not read": (
        *(".gif", ".webp", ".heic", ".jp2", ".jxl", ".nd2", ".czi", ".lif", ".vsi", ".svs", ".dcm", ".psd"),
    ),
}
"""Reason -> suffixes it is given for; any other suffix is "not an image"."""

_REASON_BY_SUFFIX = {suffix: reason for reason, suffixes in NOT_READ.items() for suffix in suffixes}
_PARTIAL = re.compile(
    r"(?:.+\.(?:jpe?g|png|bmp|tiff?)\.(?:tmp|temp|part|partial|filepart|crdownload)"
    r"|\..+\.(?:jpe?g|png|bmp|tiff?)\.[A-Za-z0-9]{6})",
    re.I | re.S,
)
"""An image that a copying program has not finished, by its temporary name (the second kind is rsync's)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What an archive holds. Every regular file but desktop junk is in exactly one of the two."""

    root: Path
    frames: tuple[Frame, ...]
    """Images to read, in natural order."""
    set_aside: tuple[SetAside, ...]
    """All other files, links and folders that could not be listed, in natural order."""


def scan_archive(root: Path, options: ScanOptions = ScanOptions()) -> Scan:  # noqa: B008 - frozen
    """Find the frames of an archive. No image is opened; small time files beside the frames are read.

    A file whose embryo, RUN and plane an earlier file already has stays a frame, with ``twin_of`` set and a name of
    its own: whether it is a duplicate or a conflict only its bytes can tell.

    Raises:
        EmbryofragError: the root cannot be listed, or no image lies below it.
    """
    files, aside = walk_archive(root)
    images = [found for found in files if found.suffix in IMAGE_SUFFIXES]
    if not images:
        unlisted = sum(row.outcome == Outcome.FAILED for row in aside)
        more = f" and {unlisted} that could not be read" if unlisted else ""
        raise EmbryofragError(
            f"no images found below {printable(str(root))} ({len(files)} other files{more}); check the path"
        )
    clock = read_clock((found for found in files if is_time_file(found)), Path(root).absolute().name)
    aside += [_not_an_image(found) for found in files if found.suffix not in IMAGE_SUFFIXES and not is_time_file(found)]
    around = _surroundings(images, options)
    frames: list[Frame] = []
    register = _Register()
    for found in images:
        try:
            layout, identity = _explain(found, around)
        except ItemError as error:
            aside.append(found.set_aside(error.outcome, error.reason))
            continue
        identity = register.settle_embryo(identity)
        if is_other_plane(identity.focal_um, options):
            reason = other_plane_reason(identity.focal_um, options)
            aside.append(found.set_aside(Outcome.OTHER_PLANE, reason, identity.embryo))
            continue
        hpi = clock.hpi(found, identity)
        frames.append(register.enter(found, layout, identity if hpi is None else replace(identity, hpi=hpi)))
    aside += clock.rows()
    return Scan(
        root=Path(root),
        frames=tuple(frames),
        set_aside=tuple(sorted(aside, key=lambda row: natural_path_key(row.source))),
    )


@dataclass(slots=True)
class _Register:
    """Names given so far: keeps keys and frame names apart, also on disks that do not tell upper from lower case."""

    embryos: dict[str, str] = field(default_factory=dict)
    frames: set[tuple[str, str]] = field(default_factory=set)
    firsts: dict[tuple, str] = field(default_factory=dict)

    def settle_embryo(self, identity: Identity) -> Identity:
        first = self.embryos.setdefault(identity.embryo.lower(), identity.embryo)
        return identity if first == identity.embryo else replace(identity, embryo=with_hash(*[identity.embryo] * 2))

    def enter(self, found: Found, layout: str, identity: Identity) -> Frame:
        twin_of = None
        if identity.moment is not None:
            first = self.firsts.setdefault((identity.embryo, identity.moment, identity.focal_um), found.source)
            twin_of = None if first == found.source else first
        name = identity.frame
        if twin_of is not None or (identity.embryo, name.lower()) in self.frames:
            name = with_hash(name, found.source)
        self.frames.add((identity.embryo, name.lower()))
        return Frame(
            source=found.source,
            path=found.path,
            size_bytes=found.size_bytes,
            mtime_ns=found.mtime_ns,
            embryo=identity.embryo,
            frame=name,
            layout=layout,
            slide=identity.slide,
            well=identity.well,
            run=identity.run,
            focal_um=identity.focal_um,
            hpi=identity.hpi,
            twin_of=twin_of,
        )


def _explain(found: Found, around: Surroundings) -> tuple[str, Identity]:
    for name, layout in LAYOUTS.items():
        identity = layout(found, around)
        if identity is not None:
            return name, identity
    raise ItemError(Outcome.UNPARSED, "no layout explains the name")


def _surroundings(images: list[Found], options: ScanOptions) -> Surroundings:
    folders = [without_plane_folder(found.folders) for found in images]
    # one stem in several focal-plane folders is one moment, not a series
    moments = {(folder, found.stem) for folder, found in zip(folders, images, strict=True)}
    return Surroundings(
        options=options,
        series=Counter((folder, split_number(stem)[0]) for folder, stem in moments),
        folders=frozenset(folders),
    )


def _not_an_image(found: Found) -> SetAside:
    if _PARTIAL.fullmatch(found.name):
        return found.set_aside(Outcome.INCOMPLETE, "a copy not finished, by its temporary name")
    kind = printable(found.suffix)[:16] or "no suffix"
    return found.set_aside(Outcome.UNSUPPORTED, f"{_REASON_BY_SUFFIX.get(found.suffix, 'not an image')} ({kind})")
