"""The checks of an upstream (spec/upstream.md), a module a group. They decide; `app.doctor.http` does the talking."""
