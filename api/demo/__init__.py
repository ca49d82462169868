"""A day in miniature: a real server, driven through its sockets by an issuer, market makers, buyers and a meter."""
