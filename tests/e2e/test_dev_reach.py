"""Whom an upstream for development lets near, as far as its address and its key go."""

import aiohttp

from app.devserver import run_dev
from localpubsub.config import DEFAULT_ACCESS_KEY, KEY_LENGTH

HUBS = ("app.hubs.chat:ChatHub",)


async def test_a_page_that_points_its_name_at_this_machine_gets_nothing() -> None:
    async with run_dev(port=0, service_port=0, hubs=HUBS) as servers, aiohttp.ClientSession() as session:
        assert servers.service.config.access_keys == (DEFAULT_ACCESS_KEY,)
        for url in (f"{servers.upstream_url}/negotiate?id=mia", f"{servers.service.endpoint}/api/health"):
            async with session.get(url, headers={"Host": "evil.example"}) as foreign, session.get(url) as own:
                assert (foreign.status in {403, 421}, own.status) == (True, 200)


async def test_where_others_reach_the_upstream_the_key_is_one_that_nobody_knows() -> None:
    """Events are signed with it."""
    async with run_dev(host="0.0.0.0", port=0, service_port=0, hubs=HUBS) as servers:
        (first,) = servers.service.config.access_keys
    async with run_dev(host="0.0.0.0", port=0, service_port=0, hubs=HUBS) as servers:
        (second,) = servers.service.config.access_keys

    assert len({first, second, DEFAULT_ACCESS_KEY}) == 3
    assert len(first) >= KEY_LENGTH
