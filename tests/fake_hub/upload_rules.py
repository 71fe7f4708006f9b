"""Which files are stored as large files, and which are left out: `.gitattributes` and `.gitignore`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

LARGE = 10 * 1024 * 1024  # bytes; a larger file is never kept in git itself

_SUFFIXES = """
7z arrow bin bz2 ckpt ftz gz h5 joblib lfs.* mlmodel model msgpack npy npz onnx ot parquet pb pickle pkl pt pth rar
safetensors tar.* tar tflite tgz wasm xz zip zst
"""
DEFAULT_ATTRIBUTES = "".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n"
    for pattern in [*(f"*.{suffix}" for suffix in _SUFFIXES.split()), "saved_model/**/*", "*tfevents*"]
).encode()


def large_file_patterns(attributes: bytes) -> list[str]:
    """The patterns of a `.gitattributes` file that ask for large-file storage."""
    lines = (line.split() for line in attributes.decode(errors="replace").splitlines())
    return [words[0] for words in lines if "filter=lfs" in words]


def is_large(path: str, size: int, patterns: Iterable[str]) -> bool:
    """Whether a file goes to large-file storage; an empty one never does."""
    return size > 0 and (size > LARGE or any(_matches(path, pattern) for pattern in patterns))


def is_ignored(path: str, gitignore: str) -> bool:
    """Whether `.gitignore` leaves the path out (later lines win, `!` takes one back in)."""
    ignored = False
    for line in gitignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negated = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        parts = path.split("/")
        parents = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        candidates = parents if pattern.endswith("/") else [*parents, path]
        if any(_matches(candidate, pattern.strip("/"), rooted="/" in pattern[:-1]) for candidate in candidates):
            ignored = not negated
    return ignored


def _matches(path: str, pattern: str, *, rooted: bool | None = None) -> bool:
    """Match as git does: a pattern without a slash looks at the name alone."""
    rooted = "/" in pattern if rooted is None else rooted
    return fnmatchcase(path if rooted else path.rpartition("/")[2], pattern)
