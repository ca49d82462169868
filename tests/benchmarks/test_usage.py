"""The workload of the benchmark of metered use is one that an exchange takes."""

import json

import msgspec

from api.v1.metering import Usage
from benchmarks.usage import BATCH, batch, documents, holder_key, issuer_key, redemptions
from exchange.registry.documents import KeyCreated


class _Vault:
    def encrypt(self, secret: bytes) -> bytes:
        return secret


def test_a_batch_is_one_and_its_keys_have_accounts() -> None:
    usage = msgspec.json.decode(batch(1, 7, 3), type=Usage)
    assert (usage.batch, len(usage.records)) == (7, BATCH)
    assert {record.key for record in usage.records} == {holder_key(1, number) for number in range(3)}
    keys = [one.key for one in documents(_Vault(), 2, 3) if isinstance(one, KeyCreated)]
    assert keys == [issuer_key(0), issuer_key(1)]
    assert json.loads(batch(0, 1, 1))["records"][0]["id"] != json.loads(batch(1, 1, 1))["records"][0]["id"]


def test_redemptions_have_ids_of_their_own() -> None:
    made = redemptions(1_000, 10)
    assert len({tuple(row) for row in made["words"][:, :2].tolist()}) == 1_000
    assert made["amount"].min() > 0
