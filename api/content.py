"""The content of a dataset on disk: its root, and proofs of sampled chunks that anybody can check without the rest.

A dataset is a file, or a folder whose files count in the order of their paths; an empty file has one empty chunk.
"""

import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from exchange.registry.merkle import CHUNK_BYTES, SAMPLES_MAX, Sample, leaf, levels, proves, root, sampled, siblings

Progress = Callable[[str, int, int], None]  # what, done, of how much
BLOCK_CHUNKS = 64  # read at once
NONCE_BYTES_MAX = 64
CHUNKS_MAX = (1 << 63) - 1


class ContentError(ValueError):
    """There is no such content, or the proof is none; the message says why."""


class Content(NamedTuple):
    """A dataset's root, how large it is, and of how many chunks."""

    root: str
    size_bytes: int
    chunks: int


class _File(NamedTuple):
    path: Path
    name: str
    size: int

    @property
    def chunks(self) -> int:
        """Return of how many chunks the file is."""
        return max(1, -(-self.size // CHUNK_BYTES))


def content_of(path: Path, progress: Progress) -> Content:
    """Return the root of a file or folder. Raises ContentError, OSError."""
    files = _files(path)
    tree = levels(_leaves(files, progress))
    return Content(root(tree).hex(), sum(file.size for file in files), len(tree[0]))


def prove(path: Path, nonce: bytes, samples: int, progress: Progress) -> dict[str, Any]:
    """Return the proof that the chunks which a nonce asks for are there. Raises ContentError, OSError."""
    _check_terms(nonce, samples)
    files = _files(path)
    tree = levels(_leaves(files, progress))
    top, count = root(tree), len(tree[0])
    found = [_sample(files, tree, index) for index in sampled(top, nonce, count, samples)]
    return {"root": top.hex(), "chunks": count, "nonce": nonce.hex(), "samples": found}


def verify(proof: object, content_root: str, nonce: bytes, samples: int) -> int:
    """Return how many chunks a proof shows under a root. Raises ContentError where it shows less than asked for."""
    _check_terms(nonce, samples)
    try:
        count, found = _read(proof)
        top = bytes.fromhex(content_root)
    except (KeyError, TypeError, ValueError, OverflowError, Base64Error) as error:
        raise ContentError(f"this is no proof: {error!r}") from None
    wanted = sampled(top, nonce, count, samples)
    if [sample.chunk_index for sample in found] != wanted:
        raise ContentError("the proof is of other chunks than those that root and nonce ask for")
    for sample in found:
        if not proves(top, count, sample):
            raise ContentError(f"chunk {sample.chunk_index} is not under this root")
    return len(found)


def _check_terms(nonce: bytes, samples: int) -> None:
    if not 1 <= samples <= SAMPLES_MAX or len(nonce) > NONCE_BYTES_MAX:
        raise ContentError(f"ask for 1 to {SAMPLES_MAX} samples with a nonce of at most {NONCE_BYTES_MAX} bytes")


def _files(path: Path) -> list[_File]:
    if path.is_file():
        return [_File(path, "", path.stat().st_size)]
    found = [(file.relative_to(path).as_posix(), file) for file in _below(path)] if path.is_dir() else []
    if not found:
        raise ContentError(f"no file at {path}")
    return [_File(file, name, file.stat().st_size) for name, file in sorted(found)]


def _below(path: Path) -> Iterator[Path]:
    """Yield every file of a folder; refuse what would be left out of the root without a word."""
    for folder, folders, names in os.walk(path, onerror=_fail):
        for file in [Path(folder, name) for name in names]:
            if not file.is_file():
                raise ContentError(f"{file} is no file, or a link to none: take it out, or put the file there")
            yield file
        for inner in [Path(folder, name) for name in folders]:
            if inner.is_symlink():
                raise ContentError(f"{inner} is a link to a folder: take it out, or put the folder there")


def _fail(error: OSError) -> None:
    raise error


def _leaves(files: list[_File], progress: Progress) -> Iterator[bytes]:
    """Yield the hash of every chunk."""
    done, total = 0, sum(file.size for file in files)
    for file in files:
        with file.path.open("rb") as opened:
            if not file.size:
                yield leaf(file.name, b"")
            while block := opened.read(BLOCK_CHUNKS * CHUNK_BYTES):
                for start in range(0, len(block), CHUNK_BYTES):
                    yield leaf(file.name, block[start : start + CHUNK_BYTES])
                done += len(block)
                progress("bytes", done, total)


def _sample(files: list[_File], tree: list[list[bytes]], index: int) -> dict[str, Any]:
    """Return one chunk and its siblings as JSON."""
    place = index
    for file in files:
        if place < file.chunks:
            break
        place -= file.chunks
    with file.path.open("rb") as opened:
        opened.seek(place * CHUNK_BYTES)
        chunk = opened.read(CHUNK_BYTES)
    beside = [one.hex() for one in siblings(tree, index)]
    return {"index": index, "name": file.name, "chunk": b64encode(chunk).decode(), "siblings": beside}


def _read(proof: Any) -> tuple[int, list[Sample]]:  # noqa: ANN401 - whatever JSON the file holds
    count = int(proof["chunks"])
    if not 1 <= count <= CHUNKS_MAX:
        raise ValueError("no such number of chunks")
    return count, [
        Sample(
            int(one["index"]),
            str(one["name"]),
            b64decode(one["chunk"], validate=True),
            tuple(bytes.fromhex(beside) for beside in one["siblings"]),
        )
        for one in proof["samples"]
    ]
