"""Where I/O lives: WebSockets, REST, webhooks."""
