"""What the pages about MQTT and quiet Python clients show, with the libraries they name."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.messaging.webpubsubclient.aio import WebPubSubClient
from paho.mqtt.client import MQTTv5

from localpubsub.testing import LocalService
from tests.docs.examples import module_of
from tests.docs.upstreams import served
from tests.e2e.paho_client import Connected, Paho, Published, Said
from tests.localpubsub.mqtt.peer import mqtt_path


async def test_a_device_comes_in_by_its_secret_and_reports(localpubsub: LocalService) -> None:
    page = module_of("docs/howto/mqtt.md")
    async with served(localpubsub, page.SeaHub), localpubsub.client("sea", "mia") as mia:
        path = mqtt_path(localpubsub, "sea", user=None, roles=(), key=localpubsub.config.access_keys[0])
        async with _device(localpubsub, path, "salt") as (device, _):
            device.client.publish("waves", b"1.5", qos=1)
            await mia.expect(type="message", group="waves")

            device.client.publish("$webpubsub/server/events/reading", b"2.5", qos=1)

            await mia.expect(type="message", data={"device": "buoy7", "metres": 2.5})
            heard = [await device.hear() for _ in range(2)]
            assert all(isinstance(one, Published | Said) for one in heard)


async def test_the_device_of_the_page_reports(localpubsub: LocalService) -> None:
    page = module_of("docs/howto/mqtt.md")
    async with served(localpubsub, page.SeaHub) as upstream, localpubsub.client("sea", "mia") as mia:
        async with asyncio.timeout(60):
            await asyncio.to_thread(page.report, upstream, localpubsub.port)

        await mia.expect(type="message", group="waves", fromUserId="buoy7")
        await mia.expect(type="message", data={"device": "buoy7", "metres": 2.5})


async def test_a_device_with_another_secret_stays_outside(localpubsub: LocalService) -> None:
    page = module_of("docs/howto/mqtt.md")
    async with served(localpubsub, page.SeaHub):
        path = mqtt_path(localpubsub, "sea", user=None, roles=(), key=localpubsub.config.access_keys[0])
        async with _device(localpubsub, path, "sugar") as (_, connected):
            assert connected.reason == "Bad user name or password"


async def test_a_quiet_client_says_something(localpubsub: LocalService) -> None:
    stay_awake = module_of("docs/howto/python-clients.md").stay_awake
    hub = module_of("docs/howto/python-clients.md").QuietHub
    heard = asyncio.Event()
    hub.on_user_event = lambda self, event: _note(heard, event.name)
    async with served(localpubsub, hub):
        client = WebPubSubClient(localpubsub.client_url("quiet", "mia"))
        async with client:
            task = asyncio.create_task(stay_awake(client, seconds=0.01))
            async with asyncio.timeout(10):
                await heard.wait()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def _device(service: LocalService, path: str, secret: str) -> AsyncIterator[tuple[Paho, Connected]]:
    device = Paho(path, "buoy7", MQTTv5)
    device.client.username_pw_set("buoy7", secret)
    try:
        yield device, await device.connect(service.port)
    finally:
        await device.stop()


async def _note(heard: asyncio.Event, name: str) -> None:
    if name == "still-here":
        heard.set()
