"""What hubs keep, in SQLite or Redis, and what the outbox's stores share with it."""
