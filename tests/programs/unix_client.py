"""A connection over a unix socket, as the tests of servers have them: a time out that ends a hang, and answers
read from a file. The protocol is each test's own."""

import socket

SECONDS = 60  # for one answer


class UnixClient:
    """Raises OSError where nobody listens."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()
