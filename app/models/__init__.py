"""The wire as Pydantic models: what the service sends and what an upstream may answer."""
