"""The parts of the `webpubsub` command."""
