"""MQTT 3.1.1 and 5.0 without sockets: packets, and what a session remembers (spec/service.md 7)."""
