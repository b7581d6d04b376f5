"""The server process: sockets, signals, worker processes."""
