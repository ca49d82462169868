"""What the streams and the websocket API say, as Structs: what our own client reads, and AsyncAPI publishes."""
