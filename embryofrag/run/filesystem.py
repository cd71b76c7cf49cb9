"""Which kind of file system a folder lies on."""

import re
from pathlib import Path

NETWORK_KINDS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "lustre",
        "gpfs",
        "beegfs",
        "ceph",
        "afs",
        "9p",
        "fuse.sshfs",
        "fuse.glusterfs",
    ]
)
"""File systems on which SQLite's locks and syncs cannot be relied on."""

MOUNTS = Path("/proc/self/mountinfo")


def network_kind(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Name the network file system that a folder lies on; None where it is local, or where the system does not say."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    kinds = dict(map(_mount, lines))  # a later mount on the same point covers the earlier
    folder = folder.resolve()
    nearest = next((str(place) for place in (folder, *folder.parents) if str(place) in kinds), None)
    kind = kinds.get(nearest)
    return kind if kind in NETWORK_KINDS else None


def _mount(line: str) -> tuple[str, str]:
    r"""Mount point and kind of one line of mountinfo (proc(5)).

    >>> _mount("36 35 98:0 /root /mnt/my\\040disk rw - ext4 /dev/sda rw")
    ('/mnt/my disk', 'ext4')
    """
    before, _, after = line.partition(" - ")
    point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
    return point, after.split()[0]
