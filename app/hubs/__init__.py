"""The hubs. A new one is one file here, or anywhere, and one entry in `HUBS`."""
