"""Thin: HTTP in, HTTP out. Decisions live in `app.upstream` and `app.clients`."""
