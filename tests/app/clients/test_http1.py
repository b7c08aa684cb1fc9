"""The keep-alive client against peers of every kind."""

import asyncio
from collections.abc import Callable

import pytest

from app.clients.http1 import MAX_ANSWER_BYTES, Answer, NoAnswer
from tests.app.clients.conftest import ACCEPTED, REQUEST, Link, MakeClient, Script, Serve, accept_all


def answer_once(data: bytes) -> Script:
    async def script(link: Link) -> None:
        await link.request()
        link.send(data)

    return script


async def test_requests_one_after_the_other_share_a_connection(serve: Serve, client_of: MakeClient) -> None:
    peer = await serve(accept_all)
    client = client_of(peer.url)

    for _ in range(5):
        assert (await client.request(REQUEST)).status == 202

    assert len(peer.links) == 1


async def test_a_request_arrives_byte_for_byte(serve: Serve, client_of: MakeClient) -> None:
    seen = []

    async def script(link: Link) -> None:
        seen.append(await link.request())
        link.send(ACCEPTED)

    request = b"POST /x HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n" + bytes(1048576)
    await client_of((await serve(script)).url).request(request)

    assert seen == [request]


async def test_requests_at_one_time_have_a_connection_each_and_all_are_kept(
    serve: Serve, client_of: MakeClient
) -> None:
    waiting: list[Link] = []

    async def together(link: Link) -> None:
        while True:
            await link.request()
            waiting.append(link)
            if len(waiting) == 3:
                for one in waiting:
                    one.send(ACCEPTED)
                waiting.clear()

    peer = await serve(together)
    client = client_of(peer.url)

    for _ in range(2):
        answers = await asyncio.gather(*(client.request(REQUEST) for _ in range(3)))
        assert [answer.status for answer in answers] == [202] * 3

    assert len(peer.links) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_connection_the_peer_wants_closed_is_not_used_again(
    serve: Serve, client_of: MakeClient, answer: bytes
) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(answer)
        await link.gone()

    peer = await serve(script)
    client = client_of(peer.url)

    assert (await client.request(REQUEST)).status == 202
    await peer.links[0].gone()
    assert (await client.request(REQUEST)).status == 202
    assert len(peer.links) == 2


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, {})),
        (
            b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\nX-Ms-Error-Code: a\r\nX-MS-ERROR-CODE: b\r\n\r\n{}",
            Answer(400, {b"content-length": b"2", b"x-ms-error-code": b"b"}),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
            Answer(200, {b"transfer-encoding": b"chunked", b"t": b"1"}),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ACCEPTED, Answer(202, {b"content-length": b"0"})),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ACCEPTED,
            Answer(202, {b"content-length": b"0"}),
        ),
    ],
)
async def test_an_answer_of_any_form_is_read_to_its_end(
    serve: Serve, client_of: MakeClient, data: bytes, answer: Answer, at_once: bool
) -> None:
    async def script(link: Link) -> None:
        while True:
            await link.request()
            for piece in [data] if at_once else [data[at : at + 1] for at in range(len(data))]:
                link.send(piece)
                await asyncio.sleep(0)

    peer = await serve(script)
    client = client_of(peer.url)

    assert await client.request(REQUEST) == answer
    assert await client.request(REQUEST) == answer
    assert len(peer.links) == 1


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
async def test_an_answer_without_a_length_ends_with_the_connection(
    serve: Serve, client_of: MakeClient, header: bytes
) -> None:
    peer = await serve(answer_once(b"HTTP/1.1 200 OK\r\nA: b\r\n" + header + b"\r\nbody"))

    answer = await client_of(peer.url).request(REQUEST)

    assert (answer.status, answer.headers[b"a"]) == (200, b"b")


@pytest.mark.parametrize("how", [Link.end, Link.reset])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 202 Acc",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
async def test_an_answer_that_is_cut_is_none_and_not_asked_for_again(
    serve: Serve, client_of: MakeClient, data: bytes, how: Callable[[Link], None]
) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(data)
        how(link)

    peer = await serve(script)

    with pytest.raises(NoAnswer, match=r"^the connection (was closed|broke: ConnectionResetError)$"):
        await client_of(peer.url).request(REQUEST)

    assert len(peer.links) == 1


async def test_an_answer_without_a_length_that_ends_in_a_reset_is_none(serve: Serve, client_of: MakeClient) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(b"HTTP/1.1 200 OK\r\n\r\nbody")
        link.reset()

    with pytest.raises(NoAnswer, match=r"broke"):
        await client_of((await serve(script)).url).request(REQUEST)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_no_answer_and_ends_the_connection(
    serve: Serve, client_of: MakeClient, data: bytes
) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(data)
        await link.gone()

    peer = await serve(script)

    with pytest.raises(NoAnswer, match=r"^the answer is not HTTP$"):
        await client_of(peer.url).request(REQUEST)

    await peer.links[0].gone()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: "])
async def test_an_answer_without_end_is_none(serve: Serve, client_of: MakeClient, head: bytes) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(head + b"x" * MAX_ANSWER_BYTES)
        await link.gone()

    with pytest.raises(NoAnswer, match=r"^the answer is too large$"):
        await client_of((await serve(script)).url).request(REQUEST)


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 202 Acc", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"],
)
async def test_an_answer_that_does_not_come_in_time_is_none(serve: Serve, client_of: MakeClient, data: bytes) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(data)
        await link.gone()

    peer = await serve(script)

    with pytest.raises(NoAnswer, match=r"^no answer in time$"):
        await client_of(peer.url, timeout_seconds=0.05).request(REQUEST)

    await peer.links[0].gone()


async def test_a_peer_that_refuses_is_named_without_its_address(unused_address: str, client_of: MakeClient) -> None:
    with pytest.raises(NoAnswer, match=r"^cannot connect: Connection refused$"):
        await client_of(unused_address).request(REQUEST)


async def test_a_host_that_cannot_be_is_no_answer(client_of: MakeClient) -> None:
    with pytest.raises(NoAnswer, match=r"^cannot connect: "):
        await client_of("http://a..b").request(REQUEST)
