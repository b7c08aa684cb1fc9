"""The outbox: what hubs publish is stored, then sent in order, again and again until it is accepted or given up."""
