"""Shipments on the move, and everybody who has a part in them. docs/control-tower.md is its protocol."""
