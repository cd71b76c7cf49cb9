import pytest

from embryofrag.run.filesystem import network_kind

LINES = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / {root}/share rw - nfs4 server:/export rw
31 30 254:1 / {root}/share/local rw shared:7 - xfs /dev/vdb rw
32 22 0:41 / {root}/my\\040lab rw - cifs //server/lab rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("here", None), ("share/results", "nfs4"), ("share/local/results", None), ("my lab", "cifs"), ("shared", None)],
)
def test_the_nearest_mount_decides(tmp_path, folder, kind):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(LINES.format(root=tmp_path))
    assert network_kind(tmp_path / folder, mounts) == kind


def test_a_system_that_does_not_say_is_taken_as_local(tmp_path):
    assert network_kind(tmp_path, tmp_path / "no such file") is None
