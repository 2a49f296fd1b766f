# SPDX-License-Identifier: GPL-2.0-or-later
"""
The host's end of the network tests: GET gives the same random file to all,
POST answers with the SHA-256 of what arrived.
"""

import hashlib
import http.server
import os
import threading

SIZE = 2 << 20


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A guest that went away is judged by its results, not here."""


class HostServer:
    def __init__(self):
        blob = os.urandom(SIZE)
        received = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                self.send_response(200)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(blob)

            def do_POST(self):
                length = int(self.headers['Content-Length'])
                body = self.rfile.read(length)
                if len(body) < length:
                    # Of a guest that was reset: its next life may have sent
                    # all of it by the time that this connection ends.
                    return
                digest = hashlib.sha256(body).hexdigest()
                received[self.path.lstrip('/')] = digest
                self.answer(digest.encode() + b'\n')

            def log_message(self, *_):
                pass

        self.blob_digest = hashlib.sha256(blob).hexdigest()
        self.received = received
        # Only this machine can reach it; the guest does through slirp.
        self.server = Server(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
