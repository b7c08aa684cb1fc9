"""The store of several replicas, in Redis Streams."""
