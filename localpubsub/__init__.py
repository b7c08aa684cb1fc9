"""Azure Web PubSub on one machine: clients, the REST API and webhooks, as the service does them."""
