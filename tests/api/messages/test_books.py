"""What the streams of books say is what the Structs hold, name by name."""

from typing import Any

import msgspec

from api.client.book import LocalBook
from api.messages import books as told
from tests.api.messages.test_market import names
from tests.api.stream.talk import LOWER, hear_all, joined, talk

KINDS = {struct.__struct_config__.tag: struct for struct in told.BookMessage.__args__}


def test_messages_have_the_names_of_their_structs(market) -> None:
    async def conversation() -> list[Any]:
        async with joined(market, f"/stream?streams={LOWER}@book/{LOWER}@orders") as client:
            market.client("bob").order("SELL", 2, "0.2")
            market.client("alice").order("BUY", 1, "0.2")
            return [message["data"] for message in await hear_all(client)]

    heard = talk(conversation)
    assert {message["e"] for message in heard} == KINDS.keys()
    book = LocalBook("X")
    for message in heard:
        struct = KINDS[message["e"]]
        assert message.keys() == names(struct)
        read = msgspec.json.decode(msgspec.json.encode(message), type=told.BookMessage)
        assert type(read) is struct
        if isinstance(read, told.BookSnapshot):
            book.snapshot(read.last_update_id, read.bids, read.asks, read.checksum)
        elif isinstance(read, told.BookUpdate):
            ids = (read.first_update_id, read.last_update_id, read.previous_update_id)
            assert book.update(*ids, read.bids, read.asks, read.checksum)
    assert [(str(price), str(quantity)) for price, quantity in book.asks()] == [("0.2000", "1")]
