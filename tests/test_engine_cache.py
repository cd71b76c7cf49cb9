"""Compiled graphs are kept between starts, never taken where damaged, and never needed."""

import logging
from pathlib import Path

import numpy as np
import pytest
from tiny_model import TINY, draw_discs, write_tiny_model

from embryofrag.engine import backends, cache
from embryofrag.engine.build import build_engines
from embryofrag.engine.cache import CACHE_VARIABLE, OFF, cache_folder, read_entry, write_entry
from embryofrag.engine.machine import num_cpus
from embryofrag.engine.openvino import import_openvino
from embryofrag.engine.select import choose_engine, load_pair


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tiny model with its fp32 engine; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(folder)
    build_engines(folder, precision="fp32")
    return folder


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty cache folder that does not exist yet."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kept"))
    monkeypatch.setattr(backends, "CACHED_PRECISIONS", ("fp32",))
    cache._say_once.cache_clear()
    return tmp_path / "kept"


@pytest.fixture
def compilations(monkeypatch):
    """The graphs that were compiled rather than taken from the cache."""
    compiled, core = [], import_openvino().Core
    compile_model = core.compile_model

    def count(self, model, *rest):
        compiled.append(model.name)
        return compile_model(self, model, *rest)

    monkeypatch.setattr(core, "compile_model", count)
    return compiled


def ratios_of(model_dir):
    pair = load_pair(choose_engine(model_dir))
    ratios = pair.ratios(draw_discs(TINY.input_px, 3))
    pair.close()
    return ratios


def test_second_start_compiles_nothing_and_gives_the_same(built, kept, compilations):
    first = ratios_of(built)
    assert sorted(compilations) == ["module_a.xml", "module_b.xml", "module_b_head.xml"]
    assert len(list(kept.iterdir())) == 3
    assert np.array_equal(ratios_of(built), first)
    assert len(compilations) == 3


def test_other_weights_or_threads_are_another_entry(built, kept, tmp_path):
    """OpenVINO's own cache tells graphs apart by their structure and the file's name alone."""
    write_tiny_model(tmp_path / "tiny", seed=1)
    build_engines(tmp_path / "tiny", precision="fp32")
    assert not kept.exists()  # a build keeps nothing
    assert not np.array_equal(ratios_of(built), ratios_of(tmp_path / "tiny"))
    assert len(list(kept.iterdir())) == 6
    load_pair(choose_engine(built), num_threads=num_cpus() + 1).close()
    assert len(list(kept.iterdir())) == 8  # the head has one thread always


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-200] + bytes(200), lambda data: b""])
def test_damaged_entry_is_compiled_anew(built, kept, compilations, damage):
    first = ratios_of(built)
    sound = {path: path.read_bytes() for path in kept.iterdir()}
    for path, data in sound.items():
        path.write_bytes(damage(data))
    assert np.array_equal(ratios_of(built), first)
    assert len(compilations) == 6
    assert sound.keys() == set(kept.iterdir())
    assert np.array_equal(ratios_of(built), first)
    assert len(compilations) == 6


def test_entry_that_openvino_refuses_is_compiled_anew(built, kept, compilations):
    first = ratios_of(built)
    for path in list(kept.iterdir()):
        write_entry(kept, path.stem, b"whole, but from elsewhere")
    assert np.array_equal(ratios_of(built), first)
    assert len(compilations) == 6


def test_unwritable_cache_is_said_once_and_does_without(built, kept, compilations, caplog):
    kept.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        ratios_of(built)
    assert len(compilations) == 3
    (said,) = caplog.messages
    assert said.startswith(f"engines are compiled anew at every start, as {kept} cannot be used (")
    assert CACHE_VARIABLE in said


def test_switched_off(built, kept, compilations, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, OFF)
    assert cache_folder() is None
    for _ in range(2):
        load_pair(choose_engine(built)).close()
    assert len(compilations) == 6
    assert not kept.exists()


def test_exact_engines_are_not_kept(built, kept, monkeypatch):
    """Reading and checking their weights again takes longer than compiling."""
    monkeypatch.undo()
    monkeypatch.setenv(CACHE_VARIABLE, str(kept))
    load_pair(choose_engine(built)).close()
    assert not kept.exists()


def test_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, "")
    for named, expected in ((None, tmp_path / ".cache"), ("relative", tmp_path / ".cache"), ("/other", Path("/other"))):
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        if named is not None:
            monkeypatch.setenv("XDG_CACHE_HOME", named)
        assert cache_folder() == expected / "embryofrag/openvino"
    monkeypatch.setenv(CACHE_VARIABLE, "/named")
    assert cache_folder() == Path("/named")


def test_entries(tmp_path):
    assert read_entry(tmp_path, "k") is None
    write_entry(tmp_path, "k", b"content")
    assert read_entry(tmp_path, "k") == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["k.compiled"]
