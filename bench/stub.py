"""The service's REST API as fast as it can be pretended: `python -m bench.stub PORT [DELAY_MS | hang]`.

Every request is answered 202 and counted; `GET /count` tells how many there were.
"""

import asyncio
import sys
from typing import cast

import uvloop

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
LENGTH = b"content-length:"


class Stub(asyncio.Protocol):
    count = 0
    delay: float | None = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:end].lower()
            at = head.find(LENGTH)
            length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(data) < end + 4 + length:
                break
            self._answer(head)
            data = data[end + 4 + length :]
        self._rest = data

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"get /count"):
            body = str(Stub.count).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            return
        Stub.count += 1
        if Stub.delay == 0:
            self._transport.write(ACCEPTED)
        elif Stub.delay is not None:
            asyncio.get_running_loop().call_later(Stub.delay, self._transport.write, ACCEPTED)


async def main() -> None:
    behaviour = sys.argv[2] if len(sys.argv) > 2 else "0"
    Stub.delay = None if behaviour == "hang" else float(behaviour) / 1000
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
