"""The service's memory: hubs, connections, groups. Plain dictionaries on one event loop."""
