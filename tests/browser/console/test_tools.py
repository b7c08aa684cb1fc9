"""The console's tools: replay, publishing, connections, tokens, faults, and its own client."""

import json
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import Browser, Locator, expect

from localpubsub.protocol.messages import (
    DataType,
    Frame,
    JoinGroup,
    Message,
    Payload,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
)
from localpubsub.protocol.protobuf_codec import decode_frame
from localpubsub.protocol.protobuf_frames import encode_ack, encode_connected, encode_message, with_sequence_id
from tests.browser.console.page import MARKUP, Console, event, open_console
from tests.browser.console.stub import ConsoleStub, connection, hub, record


async def test_an_event_is_replayed_and_a_refusal_is_told(console: Console) -> None:
    await console.stub.tell_records(event("e-7", summary="an event"))
    await console.item("an event").click()

    await console.button("Replay").click()
    asked = await console.stub.was_asked("replay")
    assert (asked.method, asked.body, asked.is_marked) == ("POST", {"recordId": "e-7"}, True)
    await expect(console.page.get_by_text("The event was sent again.")).to_be_visible()

    console.stub.answers["replay"] = (409, "This event is no longer kept.")
    await console.button("Replay").click()
    await expect(console.page.get_by_text("This event is no longer kept.")).to_be_visible()


async def test_publishing_asks_for_what_the_form_says(console: Console) -> None:
    await console.stub.tell_hubs(hub("chat", groups=[{"name": "lobby", "members": 3}]))

    await console.button("Send to group lobby").click()
    panel = console.page.get_by_role("tabpanel", name="Publish")
    await expect(panel.get_by_label("Data")).to_be_focused()
    await panel.get_by_label("Type").select_option("JSON")
    await panel.get_by_label("Data").fill("{not json")
    await panel.get_by_role("button", name="Publish").click()
    await expect(panel.get_by_role("alert")).to_contain_text("not JSON")

    await panel.get_by_label("Data").fill('{"a": 1}')
    await panel.get_by_role("button", name="Publish").click()
    await expect(panel.get_by_role("alert")).to_have_text("Sent to group lobby.")
    asked = await console.stub.was_asked("publish")
    target = {"kind": "group", "name": "lobby"}
    assert asked.body == {"hub": "chat", "target": target, "dataType": "json", "data": '{"a": 1}'}
    assert asked.is_marked

    await panel.get_by_label("To").select_option("Everybody")
    await panel.get_by_role("button", name="Publish").click()
    assert (await console.stub.was_asked("publish")).body["target"] == {"kind": "all", "name": ""}


async def test_a_connection_shows_what_it_may_and_can_be_closed(console: Console) -> None:
    await console.stub.tell_hubs(hub("chat", connection("c-1", "ivy", groups=["lobby"]), connection("c-2", "bob")))
    await console.stub.tell_records(record("f", "frame", "bob's", connectionId="c-2"))
    await console.stub.tell_records(record("g", "frame", "ivy's", connectionId="c-1"))
    await console.page.get_by_label("Filter connections and groups").fill("LOBBY")
    await expect(console.page.locator(".connection")).to_have_count(1)

    row = console.page.locator(".connection").filter(has_text="ivy")
    await row.locator("summary").click()
    await expect(row).to_contain_text("May send toevery group")
    await expect(row).to_contain_text("May joinno group")
    await row.get_by_role("button", name="Show traffic").click()
    await expect(console.tree.locator(".summary")).to_have_text(["ivy's"])
    await row.get_by_label("Reason").fill("go home")
    await row.get_by_role("button", name="Close connection c-1").click()

    asked = await console.stub.was_asked("close")
    assert asked.body == {"hub": "chat", "connectionId": "c-1", "reason": "go home"}
    await console.stub.tell_hubs(hub("chat", connection("c-2", "bob")))
    await expect(console.page.locator(".connection")).to_have_count(0)
    await expect(console.page.get_by_text("No connection fits the filter.")).to_be_visible()


async def test_a_token_is_made_as_asked(console: Console) -> None:
    console.stub.answers["token"] = (
        200,
        json.dumps({"url": "ws://localhost/client/hubs/chat?access_token=t", "token": "t"}),
    )
    panel = await console.open_tool("Token")
    await panel.get_by_label("Hub").fill("chat")
    await panel.get_by_label("User").fill("ivy")
    await panel.get_by_label("send to groups").uncheck()
    await panel.get_by_label("More roles").fill("webpubsub.sendToGroup.lobby")
    await panel.get_by_label("Groups to start in").fill("lobby, team.red")
    await panel.get_by_label("Minutes").fill("5")
    await panel.get_by_label("Protocol").select_option("MQTT")
    await panel.get_by_role("button", name="Make a token").click()

    asked = await console.stub.was_asked("token")
    assert asked.body == {
        "hub": "chat",
        "userId": "ivy",
        "roles": ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup.lobby"],
        "groups": ["lobby", "team.red"],
        "minutes": 5,
        "protocol": "mqtt",
    }
    await expect(panel.get_by_label("Client access URL")).to_have_value(
        "ws://localhost/client/hubs/chat?access_token=t"
    )
    await panel.get_by_role("button", name="Copy token").click()
    await expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    assert await console.copied() == "t"


async def test_faults_are_hidden_where_there_are_none_to_have(console: Console) -> None:
    await expect(console.page.get_by_role("tab", name="Publish")).to_be_visible()
    await expect(console.page.get_by_role("tab", name="Faults")).to_be_hidden()


async def test_faults_are_set_and_taken_away(browser: Browser, stub: ConsoleStub) -> None:
    stub.chaos = []
    async with AsyncExitStack() as exits:
        console = await open_console(browser, stub, exits)
        panel = await console.open_tool("Faults")
        await panel.get_by_role("combobox", name="Fault").select_option("Delay messages")
        await panel.get_by_label("Milliseconds").fill("300")
        await panel.get_by_label("Chance in percent").fill("25")
        await panel.get_by_label("Group").fill("lobby")
        await panel.get_by_role("button", name="Add the fault").click()

        asked = await stub.was_asked("chaos")
        rule = {"hub": "", "group": "lobby", "user": "", "what": "delay", "value": 300, "probability": 0.25}
        assert asked.body == rule
        await expect(panel.get_by_role("listitem")).to_contain_text("Delay messages (300 ms)")
        await expect(console.button("1 fault")).to_be_visible()

        await panel.get_by_role("button", name="Remove").click()
        asked = await stub.was_asked("chaos")
        assert (asked.method, asked.body) == ("DELETE", {"id": "rule-0"})
        await expect(panel.get_by_role("listitem")).to_have_count(0)
        await expect(console.button("1 fault")).to_be_hidden()


async def test_a_refused_frame_says_so_and_binary_ones_are_shown(console: Console) -> None:
    ack = {"id": 1, "success": False, "error": {"name": "Forbidden", "message": "You may not."}}
    await console.stub.tell_records(record("f", "frame", "joinGroup", detail={"base64": "SgA=", "ack": ack}))

    await expect(console.item("joinGroup")).to_contain_text("Forbidden")
    await console.item("joinGroup").click()

    await expect(console.detail).to_contain_text("Binary, as base64")
    await expect(console.detail).to_contain_text("You may not.")


async def connect_client(console: Console, subprotocol: str) -> Locator:
    """The service gives an address by another name of this machine, which the page's policy would not allow."""
    other_name = console.stub.url.replace("http://localhost", "ws://127.0.0.1")
    url = f"{other_name}/client/hubs/chat?access_token=t"
    console.stub.answers["token"] = (200, json.dumps({"url": url, "token": "t"}))
    panel = console.page.get_by_role("tabpanel", name="Client")
    await panel.get_by_role("combobox", name="Subprotocol").select_option(subprotocol)
    await panel.get_by_label("Hub").fill("chat")
    await panel.get_by_label("User").fill("ivy")
    await panel.get_by_role("button", name="Connect", exact=True).click()
    await expect(panel.get_by_role("status")).to_have_text("Connected")
    return panel


async def test_the_test_client_speaks_json(console: Console) -> None:
    panel = await connect_client(console, "JSON")
    assert (await console.stub.was_asked("token")).body == {
        "hub": "chat",
        "userId": "ivy",
        "roles": ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"],
        "groups": [],
        "minutes": 60,
        "protocol": "default",
    }
    assert console.stub.offered == ["json.webpubsub.azure.v1 access_token=t"]
    [socket] = console.stub.clients
    await socket.send_json({"type": "system", "event": "connected", "userId": "ivy", "connectionId": "c-9"})
    await expect(panel.get_by_role("status")).to_have_text("Connected as c-9")

    for name in ("Join", "Leave", "Send", "Send event", "Ping"):
        await panel.get_by_role("button", name=name, exact=True).click()
    assert [json.loads(await console.stub.next_frame()) for _ in range(5)] == [
        {"type": "joinGroup", "group": "lobby", "ackId": 1},
        {"type": "leaveGroup", "group": "lobby", "ackId": 2},
        {"type": "sendToGroup", "group": "lobby", "dataType": "text", "data": "hello", "ackId": 3},
        {"type": "event", "event": "message", "dataType": "text", "data": "hello", "ackId": 4},
        {"type": "ping"},
    ]
    await panel.get_by_label("Frame", exact=True).fill("no JSON, and sent all the same")
    await panel.get_by_role("button", name="Send frame").click()
    assert await console.stub.next_frame() == "no JSON, and sent all the same"

    await socket.send_str(json.dumps({"type": "message", "data": MARKUP}))
    log = panel.get_by_role("log")
    await expect(log.get_by_role("listitem").first).to_contain_text("<b>bold</b>")
    await expect(log.locator("img, b")).to_have_count(0)
    await socket.close(code=4001, message=b"enough")
    await expect(panel.get_by_role("status")).to_have_text("Closed with 4001: “enough”")
    await expect(panel.get_by_role("button", name="Join")).to_be_disabled()


async def test_the_test_client_speaks_protobuf(console: Console) -> None:
    panel = await connect_client(console, "Protobuf")
    await panel.get_by_label("Group", exact=True).fill("größe")
    await panel.get_by_role("button", name="Join", exact=True).click()
    await panel.get_by_label("Type").select_option("JSON")
    await panel.get_by_label("Data").fill('{"a":' + '"x"' + "," + '"b":"' + "y" * 200 + '"}')
    await panel.get_by_role("button", name="Send", exact=True).click()
    await panel.get_by_label("Type").select_option("Base64")
    await panel.get_by_label("Data").fill("AAH/")
    await panel.get_by_role("button", name="Send event").click()
    await panel.get_by_role("button", name="Ping").click()

    async def next_command() -> object:
        frame = await console.stub.next_frame()
        assert isinstance(frame, bytes)
        return decode_frame(Frame(frame, is_text=False))

    assert await next_command() == JoinGroup("größe", 1)
    data = b'{"a":"x","b":"' + b"y" * 200 + b'"}'
    assert await next_command() == SendToGroup("größe", Payload(DataType.JSON, data), 2, no_echo=False)
    assert await next_command() == SendEvent("message", Payload(DataType.BINARY, b"\0\1\xff"), 3)
    assert await next_command() == Ping()
    await expect(panel.get_by_label("Frame", exact=True)).to_have_value("4a 00")

    await console.stub.clients[0].send_bytes(encode_ack(1).data)
    await expect(panel.get_by_role("log").get_by_role("listitem").first).to_contain_text("0a 04 08 01 10 01")
    await panel.get_by_label("Frame", exact=True).fill("not hex")
    await panel.get_by_role("button", name="Send frame").click()
    await expect(panel.get_by_role("alert").filter(has_text="hex")).to_be_visible()


@pytest.mark.parametrize("subprotocol", ["JSON, reliable", "Protobuf, reliable"])
async def test_a_reliable_test_client_acknowledges_and_comes_back(console: Console, subprotocol: str) -> None:
    panel = await connect_client(console, subprotocol)
    message = Message(Payload(DataType.TEXT, b"hi"), group="lobby")
    [socket] = console.stub.clients
    if subprotocol.startswith("JSON"):
        members = {"type": "system", "event": "connected", "connectionId": "c-9", "reconnectionToken": "again"}
        await socket.send_json(members)
        await socket.send_json({"type": "message", "sequenceId": 300, "dataType": "text", "data": "hi"})
        assert await console.stub.next_frame() == '{"type":"sequenceAck","sequenceId":300}'
    else:
        await socket.send_bytes(encode_connected("c-9", "ivy", "again").data)
        await socket.send_bytes(with_sequence_id(encode_message(message), 300).data)
        frame = await console.stub.next_frame()
        assert isinstance(frame, bytes)
        assert decode_frame(Frame(frame, is_text=False)) == SequenceAck(300)

    await panel.get_by_role("button", name="Cut off").click()
    await expect(panel.get_by_role("status")).to_contain_text("Closed with")
    await panel.get_by_role("button", name="Come back").click()

    await expect(panel.get_by_role("status")).to_have_text("Connected as c-9")
    assert console.stub.offered[1].endswith(" awps_connection_id=c-9&awps_reconnection_token=again")
