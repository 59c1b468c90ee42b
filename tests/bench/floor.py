"""The unit of every ratio: a bare Starlette POST that reads its body, on the very settings that `serve` has.

    python tests/bench/floor.py

Prints its port, ends at SIGTERM. Not concerned with what comes.
"""

from __future__ import annotations

import asyncio
import socket

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

BACKLOG = 2048


async def answer(request: Request) -> JSONResponse:
    """Take it whole, and say so."""
    await request.body()
    return JSONResponse({"success": True})


def run() -> None:
    """Serve on any free port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    print(listening.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=20,
            backlog=BACKLOG,
        )
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listening]))


if __name__ == "__main__":
    run()
