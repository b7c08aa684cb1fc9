"""How requests get in and answers out: the server, its limits, and what it answers before routing."""
