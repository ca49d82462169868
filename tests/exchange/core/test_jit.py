"""The machine operations: compiled and plain, they agree; the cache belongs to exactly these sources."""

from pathlib import Path

import numpy as np
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


@pytest.mark.skipif(not jit.JIT_ENABLED, reason="without the compiler they decorate nothing")
@pytest.mark.parametrize("name", ["kernel", "routine", "entry"])
def test_decorators_compile_in_nopython_mode(name):
    assert getattr(jit, name)(lambda: 7).targetoptions.get("nopython", True)


@pytest.mark.skipif(not jit.JIT_ENABLED, reason="without the compiler they decorate nothing")
def test_only_an_entry_has_a_python_wrapper_and_runs_without_the_lock():
    inner, outer = jit.kernel(lambda: 7).targetoptions, jit.entry(lambda: 7).targetoptions
    assert (inner["no_cpython_wrapper"], inner["no_cfunc_wrapper"]) == (True, True)
    assert outer.get("no_cpython_wrapper", False) is False
    assert outer["nogil"] is True


@given(WORDS, st.integers(min_value=1, max_value=30))
def test_what_is_compiled_in_place_of_scatter_is_scatter(key, bits):
    with np.errstate(over="ignore"):
        assert jit._scatter(None, None)(np.int64(key), bits) == jit.scatter(key, bits)


@given(WORDS, WORDS)
def test_what_is_compiled_in_place_of_blend_is_blend(hash_, word):
    with np.errstate(over="ignore"):
        assert jit._blend(None, None)(np.int64(hash_), np.int64(word)) == jit.blend(hash_, word)


@pytest.mark.parametrize("make", [jit._lowest_bit, jit._highest_bit, jit._prefetch_record])
def test_an_operation_that_python_lacks_is_replaced_by_a_function_of_one_argument(make):
    assert make(None).__code__.co_argcount == 1


def test_to_ask_for_memory_early_changes_nothing():
    row = np.ones(1, np.dtype([("value", "i8")]))
    jit.prefetch(row[0])
    assert row["value"].tolist() == [1]


def test_a_field_goes_before_an_attribute_of_numpy_of_the_same_name():
    rows = np.zeros(1, np.dtype((jit.PlainRecord, np.dtype([("flags", "u1"), ("price", "i8")]))))
    rows["flags"], rows["price"] = 5, 7
    assert (rows[0].flags, rows[0].price, rows[0].itemsize) == (5, 7, 9)


def test_a_cache_directory_is_where_the_settings_say(monkeypatch, tmp_path):
    monkeypatch.setattr(jit.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Path(jit._cache_directory()).parent == tmp_path / "tokenbourse"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Path(jit._cache_directory()).parent == tmp_path / "home" / ".cache" / "tokenbourse"
