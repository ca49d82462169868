"""The machine operations: compiled and plain, they agree; the cache belongs to exactly these sources."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit, types

from exchange.core import jit

WORDS = st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1)
MASKS = st.integers(min_value=1, max_value=(1 << 64) - 1)


@njit([types.int64(types.uint64)])
def _lowest(mask):
    return jit.lowest_bit(mask)


@njit([types.int64(types.uint64)])
def _highest(mask):
    return jit.highest_bit(mask)


@njit([types.int64(types.int64, types.int64)])
def _scatter(key, bits):
    return jit.scatter(key, bits)


@njit([types.int64(types.int64, types.int64)])
def _blend(hash_, word):
    return jit.blend(hash_, word)


@given(MASKS)
def test_bits_are_found_compiled_as_plain(mask):
    assert _lowest(mask) == jit.lowest_bit(mask) == next(bit for bit in range(64) if mask >> bit & 1)
    assert _highest(mask) == jit.highest_bit(mask) == len(f"{mask:b}") - 1


@given(WORDS, st.integers(min_value=1, max_value=30))
def test_scatter_is_the_same_compiled_and_stays_in_range(key, bits):
    assert _scatter(key, bits) == jit.scatter(key, bits)
    assert 0 <= jit.scatter(key, bits) < 1 << bits


@given(WORDS, WORDS)
def test_blend_is_the_same_compiled_and_an_int64(hash_, word):
    assert _blend(hash_, word) == jit.blend(hash_, word)
    assert -(1 << 63) <= jit.blend(hash_, word) < 1 << 63


def test_blend_tells_words_and_their_order_apart():
    assert len({jit.blend(jit.blend(0, first), second) for first in range(40) for second in range(40)}) == 1600


def test_compiled_kernels_are_kept_by_the_digest_of_all_core_sources(monkeypatch, tmp_path):
    (tmp_path / "jit.py").write_text("one")
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))
    before = jit._cache_directory()
    assert Path(before).name.startswith("kernels-")
    assert jit._cache_directory() == before
    (tmp_path / "other.py").write_text("two")
    assert jit._cache_directory() != before


@pytest.mark.parametrize("name", ["kernel", "routine", "entry"])
def test_decorators_compile_in_nopython_mode(name):
    assert getattr(jit, name)(lambda: 7).targetoptions.get("nopython", True)
