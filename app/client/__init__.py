"""A client of the service, from the frames up to the prompt of `webpubsub client`."""
