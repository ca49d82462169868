"""The typed client of the exchange: waiting or awaited, over HTTP and websockets, with nothing hidden.

    from api.client.faults import InsufficientBalance
    from api.client.rest import Client
    from api.client.signing import find_key
    from api.client.streams import MarketStream

    symbol = "TA.CTEL.Q3.OUT.GZ.M2701.G80A"
    with Client("http://127.0.0.1:8080", find_key()) as client:
        try:
            order = client.buy(symbol, quantity=5, price="0.2")
        except InsufficientBalance as refused:
            raise SystemExit(f"deposit first: {refused}") from None
        print(order.order_id, order.status, order.executed_qty)

        stream = MarketStream("http://127.0.0.1:8080", f"{symbol.lower()}@trade")
        book = stream.book(symbol)
        for event in stream:
            print(event, "stale:" if book.is_stale else "best:", book.best_bid, book.best_ask)
            if not book.is_stale:
                break
        client.cancel(symbol, order.order_id)

`operations` lists what can be asked, `answers` and `owned` what comes back, `faults` what can go wrong. `rest` and
`socket` hold the clients, each in two kinds; `streams` those that listen, also to an account's own events.
"""
