import subprocess
import sys

import pytest

from embryofrag.errors import EmbryofragError
from embryofrag.run.lock import hold_lock

HOLD = """
import sys
from pathlib import Path
from embryofrag.run.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_and_told_who_holds_it(tmp_path):
    words = r"another run is writing to .*process \d+ on"
    with hold_lock(tmp_path), pytest.raises(EmbryofragError, match=words), hold_lock(tmp_path):
        pass


def test_the_lock_is_free_after_the_run(tmp_path):
    with hold_lock(tmp_path):
        pass
    with hold_lock(tmp_path):
        pass


def test_a_killed_run_leaves_no_lock(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(EmbryofragError), hold_lock(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with hold_lock(tmp_path):
        pass
