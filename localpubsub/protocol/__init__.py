"""What goes over the sockets, without sockets: names, permissions, frames."""
