"""A chat in which everybody reads their own language."""
