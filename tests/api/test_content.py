"""Roots and proofs of files and folders: what they depend on, and what a proof does not show."""

import json
import os
from pathlib import Path

import pytest

from api.content import ContentError, content_of, prove, verify
from exchange.registry.merkle import CHUNK_BYTES, leaf, levels, root

NONCE = b"nonce"


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Show nothing."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "corpus"
    (made / "b").mkdir(parents=True)
    (made / "a.txt").write_bytes(b"x" * (CHUNK_BYTES * 2 + 1))
    (made / "b" / "c.txt").write_bytes(b"y" * CHUNK_BYTES)
    (made / "empty").write_bytes(b"")
    return made


def test_a_folders_root_is_that_of_its_chunks_by_path(folder: Path) -> None:
    chunks = [("a.txt", b"x" * CHUNK_BYTES)] * 2 + [("a.txt", b"x"), ("b/c.txt", b"y" * CHUNK_BYTES), ("empty", b"")]
    found = content_of(folder, _quiet)
    assert found.root == root(levels(leaf(*chunk) for chunk in chunks)).hex()
    assert (found.size_bytes, found.chunks) == (CHUNK_BYTES * 3 + 1, 5)


def test_a_root_changes_with_every_byte_and_every_name(folder: Path) -> None:
    before = content_of(folder, _quiet).root
    (folder / "empty").rename(folder / "void")
    renamed = content_of(folder, _quiet).root
    (folder / "void").write_bytes(b"1")
    assert len({before, renamed, content_of(folder, _quiet).root}) == 3
    single = content_of(folder / "a.txt", _quiet)
    assert (single.chunks, single.root != before) == (3, True)


def test_progress_is_told_in_bytes(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    content_of(folder, lambda *step: told.append(step))
    assert told[-1] == ("bytes", CHUNK_BYTES * 3 + 1, CHUNK_BYTES * 3 + 1)


@pytest.mark.parametrize("samples", [1, 3, 16])
def test_a_proof_holds_for_its_root_and_nonce_alone(folder: Path, samples: int) -> None:
    found = content_of(folder, _quiet)
    proof = json.loads(json.dumps(prove(folder, NONCE, samples, _quiet)))
    assert verify(proof, found.root, NONCE, samples) == min(samples, 5)
    with pytest.raises(ContentError):
        verify(proof, "00" * 32, NONCE, samples)
    with pytest.raises(ContentError):
        verify(proof | {"chunks": 4}, found.root, NONCE, samples)


def test_the_prover_does_not_choose_the_chunks(folder: Path) -> None:
    found = content_of(folder, _quiet)
    nonces = [bytes([number]) for number in range(8)]
    proofs = [prove(folder, nonce, 1, _quiet) for nonce in nonces]
    chosen = {proof["samples"][0]["index"] for proof in proofs}
    assert len(chosen) > 1
    wrong = next(one for one in proofs if one["samples"][0]["index"] != proofs[0]["samples"][0]["index"])
    with pytest.raises(ContentError, match="other chunks"):
        verify(wrong, found.root, nonces[0], 1)


@pytest.mark.parametrize(
    "change", [{"chunk": "AAAA"}, {"name": "other"}, {"siblings": []}, {"chunk": "!"}, {"siblings": ["zz"]}]
)
def test_a_changed_proof_does_not_hold(folder: Path, change: dict[str, object]) -> None:
    found = content_of(folder, _quiet)
    proof = prove(folder, NONCE, 1, _quiet)
    proof["samples"][0] |= change
    with pytest.raises(ContentError):
        verify(proof, found.root, NONCE, 1)


@pytest.mark.parametrize("proof", [{}, [], {"chunks": 0, "samples": []}, None])
def test_what_is_no_proof_is_refused(proof: object) -> None:
    with pytest.raises(ContentError, match="no proof"):
        verify(proof, "00" * 32, NONCE, 1)


def test_there_must_be_something_to_prove(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ContentError, match="no file"):
        content_of(tmp_path / "none", _quiet)
    for nonce, samples in ((NONCE, 0), (NONCE, 5_000), (b"x" * 65, 1)):
        with pytest.raises(ContentError, match="samples"):
            prove(folder, nonce, samples, _quiet)


@pytest.mark.parametrize("chunks", [1e400, 10**30])
def test_a_proof_of_more_chunks_than_there_can_be_is_none(chunks: float) -> None:
    with pytest.raises(ContentError):
        verify({"chunks": chunks, "samples": []}, "00" * 32, NONCE, 1)


def test_a_name_that_is_no_utf_8_counts_as_it_is(folder: Path) -> None:
    before = content_of(folder, _quiet)
    (folder / os.fsdecode("中".encode("gbk"))).write_bytes(b"1")
    found = content_of(folder, _quiet)
    assert (found.chunks, found.root != before.root) == (6, True)
    assert verify(json.loads(json.dumps(prove(folder, NONCE, 16, _quiet))), found.root, NONCE, 16) == 6


def test_what_would_be_left_out_without_a_word_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "link").symlink_to(folder / "a.txt")  # of a file: it counts as that file
    assert content_of(folder, _quiet).chunks == 8
    (tmp_path / "elsewhere").mkdir()
    for target in (tmp_path / "elsewhere", tmp_path / "nowhere"):
        (folder / "b" / "lost").symlink_to(target)
        with pytest.raises(ContentError, match="lost"):
            content_of(folder, _quiet)
        (folder / "b" / "lost").unlink()


def test_a_folder_that_cannot_be_read_is_not_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refuse(path: Path | str) -> object:
        if Path(path).name == "b":
            raise PermissionError(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        content_of(folder, _quiet)
