"""The gateway of the package matching-engine on a free port, which is the first line of the output.

It runs in an interpreter that has that package, with its defaults but for the market, which ME_MARKETS names; its own
command line takes no free port. Nothing of the exchange is imported here.
"""

import socket

import uvicorn
from matching_engine.gateway import create_app


def main() -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(create_app(), http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
