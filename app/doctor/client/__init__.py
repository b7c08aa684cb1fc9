"""The checks of a service, seen by its clients (spec/service.md). They decide; `app.doctor.client.sockets` talks."""
