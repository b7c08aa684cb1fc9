"""The keep-alive client's connections: when they are stale, given up, closed, and where they lead."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from app.clients.http1 import KeepAliveClient, NoAnswer
from tests.app.clients.conftest import ACCEPTED, REQUEST, Link, MakeClient, Peer, Serve, accept_all

STRAY = b"HTTP/1.1 500 No\r\nX-Stray: 1\r\nContent-Length: 0\r\n\r\n"


async def one_link_for_each(client: KeepAliveClient, count: int, peer: Peer) -> None:
    """Leaves `count` kept connections. The peer answers the first requests only when all of them are there."""
    answers = await asyncio.gather(*(client.request(REQUEST) for _ in range(count)))
    assert {answer.status for answer in answers} == {202}
    assert len(peer.links) == count


@pytest.mark.parametrize("how", [Link.end, Link.reset])
async def test_stale_connections_are_replaced_without_a_word(
    serve: Serve, client_of: MakeClient, how: Callable[[Link], None]
) -> None:
    all_there = asyncio.Barrier(3)
    seen: list[Link] = []

    async def script(link: Link) -> None:
        await link.request()
        if len(peer.links) <= 3:
            await all_there.wait()
            link.send(ACCEPTED)
            await link.request()
            seen.append(link)
            how(link)
        else:
            link.send(ACCEPTED)
            await link.gone()

    peer = await serve(script)
    client = client_of(peer.url)
    await one_link_for_each(client, 3, peer)

    assert (await client.request(REQUEST)).status == 202

    assert len(seen) == 3
    assert len(peer.links) == 4


async def test_a_connection_closed_while_idle_is_replaced(serve: Serve, client_of: MakeClient) -> None:
    peer = await serve(lambda link: _answer_and_end(link, ACCEPTED))
    client = client_of(peer.url)

    for _ in range(3):
        assert (await client.request(REQUEST)).status == 202

    assert len(peer.links) == 3


async def _answer_and_end(link: Link, data: bytes) -> None:
    await link.request()
    link.send(data)


async def test_a_kept_connection_that_breaks_within_an_answer_is_not_tried_again(
    serve: Serve, client_of: MakeClient
) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(ACCEPTED)
        await link.request()
        link.send(b"HTTP/1.1 2")

    peer = await serve(script)
    client = client_of(peer.url)
    await client.request(REQUEST)

    with pytest.raises(NoAnswer, match=r"^the connection was closed$"):
        await client.request(REQUEST)

    assert len(peer.links) == 1


@pytest.mark.parametrize("stray", [STRAY, b"HTTP/1.1 500 N", b"garbage", b"H"])
async def test_bytes_after_an_answer_are_not_taken_for_the_next(
    serve: Serve, client_of: MakeClient, stray: bytes
) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(ACCEPTED + stray)
        await link.gone()

    peer = await serve(script)
    client = client_of(peer.url)

    for _ in range(2):
        assert await client.request(REQUEST) == (202, {b"content-length": b"0"})

    await peer.links[0].gone()
    assert len(peer.links) == 2


async def test_a_peer_that_closes_at_once_gives_no_answer(serve: Serve, client_of: MakeClient) -> None:
    async def script(link: Link) -> None:
        link.end()

    peer = await serve(script)

    with pytest.raises(NoAnswer, match=r"^the connection "):
        await client_of(peer.url).request(REQUEST)


async def test_a_connection_lost_before_it_is_used_gives_no_answer(
    serve: Serve, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    create_connection = loop.create_connection

    async def slowly(*args: Any, **options: Any) -> Any:
        transport, connection = await create_connection(*args, **options)
        await connection.lost
        return transport, connection

    async def script(link: Link) -> None:
        link.end()

    peer = await serve(script)
    monkeypatch.setattr(loop, "create_connection", slowly)

    with pytest.raises(NoAnswer, match=r"^the connection was closed$"):
        async with asyncio.timeout(5):
            await client_of(peer.url).request(REQUEST)


async def test_a_connection_whose_peer_said_its_last_is_not_used_again(serve: Serve, client_of: MakeClient) -> None:
    peer = await serve(accept_all)
    client = client_of(peer.url)
    await client.request(REQUEST)

    client._idle[0].eof_received()
    await client.request(REQUEST)

    assert len(peer.links) == 2


async def test_bytes_on_an_idle_connection_close_it(serve: Serve, client_of: MakeClient) -> None:
    answered = asyncio.Event()

    async def script(link: Link) -> None:
        await link.request()
        link.send(ACCEPTED)
        await answered.wait()
        link.send(STRAY)
        await link.gone()

    peer = await serve(script)
    client = client_of(peer.url)
    await client.request(REQUEST)

    answered.set()
    await peer.links[0].gone()

    assert (await client.request(REQUEST)).status == 202
    assert len(peer.links) == 2


async def test_an_idle_connection_is_closed_after_a_while(serve: Serve, client_of: MakeClient) -> None:
    peer = await serve(accept_all)
    client = client_of(peer.url, idle_seconds=0.02)
    await client.request(REQUEST)

    await peer.links[0].gone()
    assert client._alive == set()

    assert (await client.request(REQUEST)).status == 202


async def test_who_gives_up_on_an_answer_closes_the_connection(serve: Serve, client_of: MakeClient) -> None:
    arrived = asyncio.Event()

    async def script(link: Link) -> None:
        await link.request()
        arrived.set()
        await link.gone()

    peer = await serve(script)
    client = client_of(peer.url)
    request = asyncio.create_task(client.request(REQUEST))
    await arrived.wait()

    request.cancel()

    await peer.links[0].gone()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_closing_fails_what_is_on_its_way_and_what_comes_after(serve: Serve, client_of: MakeClient) -> None:
    arrived = asyncio.Event()

    async def script(link: Link) -> None:
        if link is peer.links[0]:
            await accept_all(link)
        await link.request()
        arrived.set()
        await link.gone()

    peer = await serve(script)
    client = client_of(peer.url)
    requests = [asyncio.create_task(client.request(REQUEST)) for _ in range(2)]
    (answered,), (waiting,) = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
    await arrived.wait()

    await client.close()

    assert (await answered).status == 202
    for request in (waiting, client.request(REQUEST)):
        with pytest.raises(NoAnswer, match=r"^the client was closed$"):
            await request
    for link in peer.links:
        await link.gone()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_nothing_is_left_when_the_loop_ends_right_after(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main(listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        client = KeepAliveClient(f"http://127.0.0.1:{listener.getsockname()[1]}")
        requests = [asyncio.create_task(client.request(REQUEST)) for _ in range(2)]
        accepted = [(await loop.sock_accept(listener))[0] for _ in range(2)]
        await loop.sock_sendall(accepted[0], ACCEPTED)
        await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        await client.close()
        await asyncio.gather(*requests, return_exceptions=True)
        for one in accepted:
            one.close()

    with socket.create_server(("127.0.0.1", 0)) as listener, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        listener.setblocking(False)
        loop = new_loop()
        loop.run_until_complete(main(listener))
        loop.close()
        del loop
        gc.collect()

    assert [str(warning.message) for warning in caught] == []


async def test_closing_a_client_that_did_nothing_is_no_error(client_of: MakeClient) -> None:
    client = client_of("http://localhost")
    await client.close()
    await client.close()


async def test_an_endpoint_may_be_an_ipv6_address(serve: Serve, client_of: MakeClient) -> None:
    peer = await serve(accept_all, host="::1")
    client = client_of(peer.url)

    assert (await client.request(REQUEST)).status == 202
    assert client.host_header == peer.url.removeprefix("http://").encode()


@pytest.mark.parametrize(
    ("endpoint", "header"),
    [
        ("https://Contoso.webpubsub.azure.com", b"contoso.webpubsub.azure.com"),
        ("https://contoso.webpubsub.azure.com:443/base/", b"contoso.webpubsub.azure.com"),
        ("http://localhost:80", b"localhost"),
        ("http://localhost:443", b"localhost:443"),
        ("https://localhost:80/base", b"localhost:80"),
        ("http://[::1]", b"[::1]"),
        ("http://user:secret@localhost:8080", b"localhost:8080"),
    ],
)
async def test_the_host_header_names_a_port_only_where_it_is_unusual(
    client_of: MakeClient, endpoint: str, header: bytes
) -> None:
    assert client_of(endpoint).host_header == header
