import os
import subprocess
import sys

import pytest

from embryofrag.run.atomic import PARTIAL_SUFFIX, OutputError, open_atomic, sweep_partials, write_atomic


def test_content_arrives_whole_and_leaves_no_temporary_file(tmp_path):
    write_atomic(tmp_path / "a.csv", b"one\n")
    write_atomic(tmp_path / "a.csv", b"two\n")
    assert (tmp_path / "a.csv").read_bytes() == b"two\n"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    write_atomic(tmp_path / "a.csv", b"old\n")
    with pytest.raises(ZeroDivisionError), open_atomic(tmp_path / "a.csv") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert (tmp_path / "a.csv").read_bytes() == b"old\n"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_an_equal_file_is_not_touched(tmp_path):
    path = tmp_path / "a.csv"
    write_atomic(path, b"same")
    os.utime(path, ns=(1, 1))
    write_atomic(path, b"same")
    assert path.stat().st_mtime_ns == 1


def test_trouble_with_the_output_is_one_sentence_with_the_remedy(tmp_path):
    with pytest.raises(OutputError, match=r"could not write .*a\.csv: .*run the same command again"):
        write_atomic(tmp_path / "missing" / "a.csv", b"x")


def test_kill_in_the_middle_leaves_only_what_the_sweep_removes(tmp_path):
    (tmp_path / "deep").mkdir()
    code = f"""
import os, signal
from pathlib import Path
from embryofrag.run.atomic import open_atomic
with open_atomic(Path({str(tmp_path)!r}) / "deep" / "a.png") as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = os.listdir(tmp_path / "deep")
    assert left.endswith(PARTIAL_SUFFIX)
    assert sweep_partials(tmp_path) == 1
    assert os.listdir(tmp_path / "deep") == []
