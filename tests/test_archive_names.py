import re

from hypothesis import given
from hypothesis import strategies as st

from embryofrag.archive.names import MAX_KEY_BYTES, natural_path_key, printable, safe_key, with_hash

# file names as the system hands them out: any bytes but the separator and NUL
NAMES = st.one_of(
    st.binary(min_size=1, max_size=40).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_")),
    st.text("ab_xX.-5f\\é", min_size=1, max_size=8).map(str.encode),
).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)


@given(PATHS)
def test_a_key_is_safe_as_a_file_name(path):
    key = safe_key(path)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", key)
    assert not key.endswith(".")
    assert len(key) <= MAX_KEY_BYTES < 120


@given(PATHS, PATHS)
def test_different_paths_have_different_keys(one, other):
    assert (safe_key(one) == safe_key(other)) == (one == other)


def test_paths_that_look_alike_have_different_keys():
    paths = [
        *[("a", "b"), ("a_b",), ("a__b",), ("a_", "b"), ("a", "_b"), ("a___b",), ("a b",), ("a_x20b",), ("a_x5fb",)],
        *[("e\u0301",), ("\u00e9",), (".a",), ("-a",), ("_x2ea",), ("a.",), ("a_x2e",), ("a" * 300,), ("a" * 301,)],
    ]
    assert len({safe_key(path) for path in paths}) == len(paths)


def test_a_safe_name_stays_as_it_is():
    assert safe_key(("microscope", "AA83-7_t.1")) == "microscope__AA83-7_t.1"


@given(NAMES, NAMES)
def test_printable_text_is_printable_and_tells_names_apart(one, other):
    assert printable(one).isprintable()
    printable(one).encode("utf-8")
    assert (printable(one) == printable(other)) == (one == other)


def test_bytes_and_control_characters_are_escaped():
    assert printable(b"a\xff\n\\.jpg".decode("utf-8", "surrogateescape")) == r"a\xff\x0a\x5c.jpg"


def test_with_hash_keeps_names_within_the_limit():
    assert len(with_hash("a" * 500, "one")) == MAX_KEY_BYTES
    assert with_hash("a", "one") != with_hash("a", "other")


def test_natural_order_goes_by_number_and_puts_a_copy_behind_its_original():
    paths = ["W10/RUN1.jpg", "W2/RUN10.jpg", "W2/RUN2.jpg", "W2/RUN2 (1).jpg", "W2/run3.JPG"]
    expected = ["W2/RUN2.jpg", "W2/RUN2 (1).jpg", "W2/run3.JPG", "W2/RUN10.jpg", "W10/RUN1.jpg"]
    assert sorted(paths, key=natural_path_key) == expected
