"""Hashes that names and checks are made of."""

import hashlib
import json
from pathlib import Path


def sha256_of_file(path: Path) -> str:
    """Return the hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_values(values: object) -> str:
    """Return the hex digest of JSON values; the order of keys does not count.

    >>> sha256_of_values({"a": 1, "b": 2}) == sha256_of_values({"b": 2, "a": 1})
    True
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
