"""The content root of a dataset: a Merkle tree of SHA-256 over fixed-size chunks, and proofs of sampled chunks.

A leaf is sha256(0x00 | name | 0x00 | chunk), an inner node sha256(0x01 | left | right), a node without a sibling rises
as it is, and the root is sha256(0x02 | number of leaves in 8 bytes, big end first | top): so none passes for another.
The name is a file's path below the folder, empty for a single file.
Which chunks are asked for follows from root and nonce, so whoever proves does not choose.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

CHUNK_BYTES = 64 * 1024
SAMPLES_MAX = 1_024
HASH_BYTES = 32


class Sample(NamedTuple):
    """One chunk with its way to the root: the siblings from the bottom up."""

    chunk_index: int
    name: str
    chunk: bytes
    siblings: tuple[bytes, ...]


def leaf(name: str, chunk: bytes) -> bytes:
    """Return the hash of one chunk of a file; the bytes of a name that is not UTF-8 count as they are."""
    return sha256(b"\0" + name.encode(errors="surrogateescape") + b"\0" + chunk).digest()


def levels(leaves: Iterable[bytes]) -> list[list[bytes]]:
    """Return the nodes of the tree from the leaves up to the root."""
    found = [list(leaves)]
    while len(found[-1]) > 1:
        below = found[-1]
        paired = [sha256(b"\1" + below[at] + below[at + 1]).digest() for at in range(0, len(below) - 1, 2)]
        found.append(paired + below[len(below) & ~1 :])
    return found


def root(tree: list[list[bytes]]) -> bytes:
    """Return the root of a tree of at least one leaf."""
    return _sealed(len(tree[0]), tree[-1][0])


def siblings(tree: list[list[bytes]], index: int) -> tuple[bytes, ...]:
    """Return what has to be hashed with a leaf on its way to the root."""
    found = []
    for level in tree[:-1]:
        beside = index ^ 1
        if beside < len(level):
            found.append(level[beside])
        index >>= 1
    return tuple(found)


def sampled(content_root: bytes, nonce: bytes, leaf_count: int, samples: int) -> list[int]:
    """Return the chunks that a nonce asks for, rising, none of them twice; all if there are no more."""
    if leaf_count <= samples:
        return list(range(leaf_count))
    found: set[int] = set()
    counter = 0
    while len(found) < samples:
        drawn = sha256(content_root + nonce + counter.to_bytes(8, "big")).digest()
        found.add(int.from_bytes(drawn[:16], "big") % leaf_count)
        counter += 1
    return sorted(found)


def proves(content_root: bytes, leaf_count: int, sample: Sample) -> bool:
    """Tell whether a chunk stands where it says in a tree with this root and so many leaves."""
    node, index, width = leaf(sample.name, sample.chunk), sample.chunk_index, leaf_count
    rest = list(sample.siblings)
    if not 0 <= index < leaf_count:
        return False
    while width > 1:
        if index ^ 1 < width:
            if not rest:
                return False
            beside = rest.pop(0)
            node = sha256(b"\1" + (beside + node if index & 1 else node + beside)).digest()
        index, width = index >> 1, (width + 1) >> 1
    return not rest and _sealed(leaf_count, node) == content_root


def _sealed(leaf_count: int, top: bytes) -> bytes:
    return sha256(b"\2" + leaf_count.to_bytes(8, "big") + top).digest()
