"""Plays the service against an upstream, and a client against a service: says what is wrong and how to mend it."""
