"""The reusable core: hubs, CloudEvents, authenticity, dispatch. It knows no web framework and no SDK."""
