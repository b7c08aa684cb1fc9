"""What one session receives with QoS 2, exactly once (MQTT 5.0, 4.3.3; the memory is the session's)."""

from localpubsub.protocol.mqtt.errors import MqttError
from localpubsub.protocol.mqtt.packets import V5, PubComp, Publish, PubRel
from localpubsub.protocol.mqtt.reasons import Reason

RECEIVE_MAXIMUM = 100


class Incoming:
    """Remembers the packet ids that the sender has not let go of."""

    def __init__(self) -> None:
        self._held: set[int] = set()

    def is_repeat(self, publish: Publish, version: int) -> bool:
        """Whether it was received before. Raises `MqttError` past the maximum that CONNACK names."""
        if publish.qos < 2:
            return False
        if publish.packet_id in self._held:
            return True
        if version == V5 and len(self._held) >= RECEIVE_MAXIMUM:
            raise MqttError(
                Reason.RECEIVE_MAXIMUM_EXCEEDED, f"more than {RECEIVE_MAXIMUM} messages are not acknowledged"
            )
        return False

    def hold(self, publish: Publish) -> None:
        """It was taken: what comes with its id is a repeat until it is released."""
        if publish.qos == 2:
            self._held.add(publish.packet_id)

    def release(self, packet: PubRel) -> PubComp:
        known = packet.packet_id in self._held
        self._held.discard(packet.packet_id)
        return PubComp(packet.packet_id, Reason.SUCCESS if known else Reason.PACKET_IDENTIFIER_NOT_FOUND)
