import os
import subprocess
import sys

import pytest
from drawn import plant
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.archive import LAYOUTS, ScanOptions, scan_archive
from embryofrag.archive.walk import JUNK_NAMES
from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.records import Outcome

NEEDS_RAW_NAMES = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")


def rows(scan):
    return {row.source: (row.outcome, row.reason) for row in scan.set_aside}


def test_every_file_is_a_frame_or_a_row(tmp_path):
    names = ["a/1.jpg", "a/2.JPG", "b/x.TIF", "b/x.bmp", "notes.txt", "movie.avi", "slide.pdb", "all.zip", "no_suffix"]
    scan = scan_archive(plant(tmp_path, *names))
    assert sorted([frame.source for frame in scan.frames] + [row.source for row in scan.set_aside]) == sorted(names)
    assert {frame.layout for frame in scan.frames} <= set(LAYOUTS)


@given(paths=st.sets(st.lists(st.sampled_from(["a", "F-15", "WELL1", "D2013.01.28_S1_I2"]), max_size=3).map(tuple)))
def test_totals_add_up_and_names_are_unique_in_any_tree(tmp_path_factory, paths):
    stems = ["1.jpg", "2.png", "D2013.01.28_S1_I2_WELL1_RUN3.jpg", "x_F15_2.jpg", "n.txt"]
    root = plant(tmp_path_factory.mktemp("tree"), "first.jpg", *("/".join((*path, s)) for path in paths for s in stems))
    scan = scan_archive(root)
    sources = [item.source for item in (*scan.frames, *scan.set_aside)]
    assert len(sources) == len(set(sources)) == 1 + len(stems) * len(paths)
    assert len({(frame.embryo, frame.frame.lower()) for frame in scan.frames}) == len(scan.frames)


def test_files_that_are_no_images_say_what_they_are(tmp_path):
    found = rows(scan_archive(plant(tmp_path, "a.jpg", "b.json", "c.AVI", "d.pdb", "e.zip", "f.nd2", "g")))
    assert {name: reason for name, (_, reason) in found.items()} == {
        "b.json": "not an image (.json)",
        "c.AVI": "video files are not read (.avi)",
        "d.pdb": "a slide database is not read, export its images (.pdb)",
        "e.zip": "a packed archive is not read, unpack it (.zip)",
        "f.nd2": "this image format is not read (.nd2)",
        "g": "not an image (no suffix)",
    }
    assert {outcome for outcome, _ in found.values()} == {Outcome.UNSUPPORTED}


def test_a_copy_in_progress_is_incomplete(tmp_path):
    found = rows(scan_archive(plant(tmp_path, "a.jpg", "b.jpg.part", ".c.png.Xy12ab", "d.tmp")))
    assert found["b.jpg.part"][0] == found[".c.png.Xy12ab"][0] == Outcome.INCOMPLETE
    assert found["d.tmp"][0] == Outcome.UNSUPPORTED


def test_junk_leaves_no_row(tmp_path):
    plant(tmp_path, "a.jpg", "._a.jpg", "~$a.doc", ".DS_Store", "Thumbs.db", "@eaDir/a.jpg", "Desktop.ini")
    scan = scan_archive(tmp_path)
    assert [frame.source for frame in scan.frames] == ["a.jpg"]
    assert not scan.set_aside
    assert all(name == name.lower() for name in JUNK_NAMES)


def test_links_are_rows_and_loops_end(tmp_path):
    plant(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "again.jpg").symlink_to(tmp_path / "a" / "1.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    scan = scan_archive(tmp_path)
    assert len(scan.frames) == 1
    expected = (Outcome.UNSUPPORTED, "symbolic link, not followed")
    assert rows(scan) == dict.fromkeys(["a/loop", "again.jpg", "gone.jpg"], expected)


def test_a_pipe_is_a_row(tmp_path):
    plant(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert rows(scan_archive(tmp_path)) == {"pipe.jpg": (Outcome.UNSUPPORTED, "not a regular file")}


def test_an_output_folder_inside_is_one_row(tmp_path):
    plant(tmp_path, "a.jpg", "out/ledger.sqlite", "out/run.json", "out/masks/a.png")
    assert rows(scan_archive(tmp_path)) == {"out/": (Outcome.UNSUPPORTED, "an embryofrag output folder")}
    with pytest.raises(EmbryofragError, match="is an embryofrag output folder"):
        scan_archive(tmp_path / "out")


def test_a_folder_that_cannot_be_listed_is_a_failed_row(tmp_path, monkeypatch):
    plant(tmp_path, "a.jpg", "locked/b.jpg")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    reason = "the folder cannot be listed: Permission denied"
    assert rows(scan_archive(tmp_path)) == {"locked/": (Outcome.FAILED, reason)}


def test_a_root_that_cannot_be_read_stops(tmp_path, monkeypatch):
    with pytest.raises(EmbryofragError, match=r"there is no folder .*gone; check the path"):
        scan_archive(tmp_path / "gone")
    with pytest.raises(EmbryofragError, match="is a file; give the folder"):
        scan_archive(plant(tmp_path, "a.jpg") / "a.jpg")

    def fail(path):
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(EmbryofragError, match=r"cannot be listed \(Input/output error\)"):
        scan_archive(tmp_path)


def test_an_archive_without_images_stops(tmp_path):
    with pytest.raises(EmbryofragError, match=r"no images found below .* \(0 other files\); check the path"):
        scan_archive(tmp_path)
    with pytest.raises(EmbryofragError, match=r"\(2 other files\)"):
        scan_archive(plant(tmp_path, "a.txt", "b/c.txt"))


@NEEDS_RAW_NAMES
def test_odd_names_are_opened_by_their_raw_path(tmp_path):
    names = [
        b"a\xff.jpg",
        b"new\nline.jpg",
        "e\u0301.jpg".encode(),
        "\u00e9.jpg".encode(),
        b"=1+1.jpg",
        b"l" * 250 + b".jpg",
    ]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(name)
    scan = scan_archive(tmp_path)
    contents = set()
    for frame in scan.frames:
        frame.source.encode("utf-8")
        with open(frame.path, "rb") as file:
            contents.add(file.read())
    assert contents == set(names)
    assert {r"a\xff.jpg", r"new\x0aline.jpg"} < {frame.source for frame in scan.frames}
    assert len({frame.embryo for frame in scan.frames}) == len(names)


def test_frames_carry_size_and_time(tmp_path):
    plant(tmp_path, "a.jpg", content=b"12345")
    os.utime(tmp_path / "a.jpg", ns=(1, 1_700_000_000_123_456_789))
    (frame,) = scan_archive(tmp_path).frames
    assert (frame.size_bytes, frame.mtime_ns) == (5, 1_700_000_000_123_456_789)


def test_the_same_picture_twice_names_its_twin(tmp_path):
    name = "D2013.01.28_S0717_I132_WELL7_RUN1"
    scan = scan_archive(plant(tmp_path, f"a/{name}.jpg", f"b/{name}.jpg", f"b/{name} (1).jpg", f"b/{name[:-1]}2.jpg"))
    twins = {frame.source: frame.twin_of for frame in scan.frames}
    assert twins == {
        f"a/{name}.jpg": None,
        f"b/{name}.jpg": f"a/{name}.jpg",
        f"b/{name} (1).jpg": f"a/{name}.jpg",
        f"b/{name[:-1]}2.jpg": None,
    }
    assert len({frame.frame for frame in scan.frames}) == 4


def test_the_name_of_a_twin_depends_on_its_own_path_only(tmp_path):
    name = "D2013.01.28_S0717_I132_WELL7_RUN1.jpg"
    few = scan_archive(plant(tmp_path / "few", f"a/{name}", f"c/{name}"))
    many = scan_archive(plant(tmp_path / "many", f"a/{name}", f"b/{name}", f"c/{name}"))
    assert {frame.source: frame.frame for frame in few.frames}.items() <= {
        frame.source: frame.frame for frame in many.frames
    }.items()


def test_other_planes_are_set_aside_unless_all_are_asked_for(tmp_path):
    plant(tmp_path, "E/F-15/1.jpg", "E/F0/1.jpg", "E/F15/1.jpg", "E/2.jpg")
    scan = scan_archive(tmp_path)
    assert [(frame.source, frame.focal_um) for frame in scan.frames] == [("E/2.jpg", None), ("E/F0/1.jpg", 0.0)]
    assert {(row.embryo, row.outcome, row.reason) for row in scan.set_aside} == {
        ("E", Outcome.OTHER_PLANE, "focal plane -15 um, asked for 0 um"),
        ("E", Outcome.OTHER_PLANE, "focal plane 15 um, asked for 0 um"),
    }
    everything = scan_archive(tmp_path, ScanOptions(focal_um=None))
    assert len(everything.frames) == 4
    assert not everything.set_aside


def test_keys_that_differ_in_case_only_are_kept_apart(tmp_path):
    scan = scan_archive(plant(tmp_path, "dish/1.jpg", "dish/2.jpg", "DISH/1.jpg", "DISH/2.jpg"))
    assert len({frame.embryo.lower() for frame in scan.frames}) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"focal_um": float("nan")}, "focal plane"),
        ({"embryo_by": "moon"}, "auto, folder, stem"),
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": "(?P<patient>x)"}, "unknown group 'patient'"),
        ({"pattern": "(?P<run>x)"}, "names no embryo"),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        ScanOptions(**options)


def test_the_room_loads_no_image_library():
    libraries = "cv2 PIL tifffile imagecodecs simplejpeg torch openvino"
    code = f"import sys, embryofrag.archive; print([m for m in '{libraries}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
