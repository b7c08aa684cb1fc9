"""The hub of the page about storage does what the page says."""

import asyncio
import json

from app.upstream.history import History
from app.upstream.memory_storage import MemoryStorage
from app.upstream.running import running
from app.upstream.testing import HubClient, RecordingPublisher
from tests.app.fanout.redis.conftest import eventually
from tests.test_documents import shown


async def test_the_hub_of_the_page_keeps_what_it_says() -> None:
    storage, publisher = MemoryStorage(), RecordingPublisher()
    hub = shown("docs/storage.md")["BoardHub"](publisher, storage, History(storage))
    mia, jonas = HubClient(hub, connection_id="mia"), HubClient(hub, connection_id="jonas")

    await mia.send("note", "first")
    await jonas.send("note", "second")

    assert [sent.value for sent in publisher.sent] == [
        {"number": 1, "note": "first"},
        {"number": 2, "note": "second"},
    ]
    assert json.loads((await mia.send("look", "")).body) == {"notes": ["first", "second"], "looking": 1}
    assert json.loads((await jonas.send("look", "")).body)["looking"] == 2
    await mia.disconnected()
    assert json.loads((await jonas.send("look", "")).body)["looking"] == 1


async def test_replicas_hear_of_a_new_title_and_find_the_one_there_is() -> None:
    storage, publisher = MemoryStorage(), RecordingPublisher()
    board_hub = shown("docs/storage.md")["BoardHub"]
    one, two, late = (board_hub(publisher, storage, History(storage)) for _ in range(3))

    async with asyncio.timeout(10), running([one, two]):
        await HubClient(one).send("title", "Plans")
        await eventually(lambda: one.title == two.title == "Plans")
        async with running([late]):
            await eventually(lambda: late.title == "Plans")
