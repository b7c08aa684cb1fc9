"""What clients sent, in a few words (for the console)."""

from localpubsub.protocol.errors import Disconnect
from localpubsub.protocol.messages import Command, Frame, SendEvent, is_text
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.subprotocols import Codec

_TARGETS = ("group", "event", "stream_id", "invocation_id")


def summary_of_frame(codec: Codec, frame: Frame) -> str:
    try:
        return summary_of_command(codec.decode(frame))
    except Disconnect as refusal:
        return f"not understood: {refusal.reason or refusal.code}"


def summary_of_command(command: Command) -> str:
    """`sendToGroup lobby`."""
    name = type(command).__name__
    word = "event" if isinstance(command, SendEvent) else name[0].lower() + name[1:]
    target = next((getattr(command, target) for target in _TARGETS if hasattr(command, target)), "")
    return f"{word} {target}".rstrip()


def summary_of_packet(packet: p.Packet) -> str:
    """`PUBLISH lobby`."""
    word = type(packet).__name__.upper()
    match packet:
        case p.Publish(topic):
            return f"{word} {topic}"
        case p.Subscribe():
            return f"{word} {', '.join(one.topic_filter for one in packet.subscriptions)}"
        case p.Unsubscribe():
            return f"{word} {', '.join(packet.topic_filters)}"
    return word


def frame_of_packet(packet: p.Packet, version: int) -> Frame:
    """The payload of a PUBLISH, which is what people look for; the bytes of any other."""
    if isinstance(packet, p.Publish):
        return Frame(packet.payload, is_text=is_text(packet.payload))
    return Frame(encode(packet, version), is_text=False)
