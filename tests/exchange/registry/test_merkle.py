"""The content root: what it is made of, and that a proof holds for its chunk alone."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.registry.merkle import Sample, leaf, levels, proves, root, sampled, siblings

SOME_ROOT = sha256(b"").digest()


def test_a_root_of_three_chunks_by_hand() -> None:
    one, two, three = (sha256(b"\0\0" + chunk).digest() for chunk in (b"a", b"b", b"c"))
    both = sha256(b"\1" + one + two).digest()
    top = sha256(b"\1" + both + three).digest()
    assert root(levels([one, two, three])) == sha256(b"\2" + bytes(7) + b"\3" + top).digest()
    assert leaf("", b"a") == one
    assert leaf("x/y", b"a") == sha256(b"\0x/y\0a").digest()
    assert root(levels([one])) == sha256(b"\2" + bytes(7) + b"\1" + one).digest()


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_every_chunk_is_proved_and_nothing_else(chunks: list[bytes], data: st.DataObject) -> None:
    tree = levels(leaf("", chunk) for chunk in chunks)
    top, count = root(tree), len(chunks)
    index = data.draw(st.integers(0, count - 1))
    sample = Sample(index, "", chunks[index], siblings(tree, index))
    assert proves(top, count, sample)
    assert not proves(top, count, sample._replace(chunk=sample.chunk + b"x"))
    assert not proves(top, count, sample._replace(name="other"))
    assert not proves(top, count, sample._replace(siblings=(*sample.siblings, top)))
    assert not proves(top, count, sample._replace(chunk_index=count))
    assert not proves(sha256(top).digest(), count, sample)
    assert not proves(top, count + 1, sample)
    if sample.siblings:
        assert not proves(top, count, sample._replace(siblings=sample.siblings[:-1]))


@pytest.mark.parametrize(("count", "samples"), [(0, 4), (3, 4), (4, 4), (1_000, 16)])
def test_the_nonce_says_which_chunks_are_asked_for(count: int, samples: int) -> None:
    found = sampled(SOME_ROOT, b"nonce", count, samples)
    assert len(found) == min(count, samples)
    assert found == sorted(set(found))
    assert all(0 <= index < count for index in found)
    assert found == sampled(SOME_ROOT, b"nonce", count, samples)
    assert count < 1_000 or found != sampled(SOME_ROOT, b"another", count, samples)
