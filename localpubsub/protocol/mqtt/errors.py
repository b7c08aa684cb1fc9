"""What ends an MQTT connection."""

from localpubsub.protocol.errors import ProtocolError
from localpubsub.protocol.mqtt.reasons import Reason


class MqttError(ProtocolError):
    """The other side broke the protocol, or asked for what is not offered. `reason` is for MQTT 5.0."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(f"{reason.name}: {text}")
        self.reason = reason
        self.text = text


def malformed(text: str) -> MqttError:
    """It cannot be parsed."""
    return MqttError(Reason.MALFORMED_PACKET, text)


def violation(text: str) -> MqttError:
    """It can be parsed, and is not allowed."""
    return MqttError(Reason.PROTOCOL_ERROR, text)
