# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of the guests' network tests (tests/guest/hostserver.py)"""

import hashlib
import http.client
import os
import socket
import sys
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), 'guest'))

# pylint: disable=wrong-import-position
from hostserver import SIZE, HostServer             # noqa: E402

BODY = b'what the guest sends\n' * 1000


class Transfers(unittest.TestCase):
    def setUp(self):
        self.server = HostServer()
        self.addCleanup(self.server.close)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port,
                                                timeout=60)
        self.addCleanup(connection.close)
        connection.request(method, path, body)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        return answer.read()

    def test_all_get_the_same(self):
        got = [self.ask('GET', path) for path in ('/one', '/two', '/one')]
        for blob in got:
            self.assertEqual(len(blob), SIZE)
            self.assertEqual(hashlib.sha256(blob).hexdigest(),
                             self.server.blob_digest)

    def test_each_is_told_what_arrived(self):
        digest = hashlib.sha256(BODY).hexdigest()
        self.assertEqual(self.ask('POST', '/card', BODY).decode().strip(),
                         digest)
        self.assertEqual(self.server.received, {'card': digest})

    def cut_off(self, sent):
        """A transfer that a reset ended; returns once the server has seen it"""
        with socket.create_connection(('127.0.0.1', self.server.port)) as one:
            one.settimeout(60)
            one.sendall(b'POST /card HTTP/1.0\r\nContent-Length: %d\r\n\r\n' %
                        len(BODY) + sent)
            one.shutdown(socket.SHUT_WR)
            return one.recv(1)

    def test_what_was_cut_off_has_not_arrived(self):
        for sent in (b'', BODY[:1], BODY[:-1]):
            self.assertEqual(self.cut_off(sent), b'')
            self.assertEqual(self.server.received, {})

    def test_the_next_life_is_not_overwritten(self):
        self.ask('POST', '/card', BODY)
        before = dict(self.server.received)
        self.cut_off(b'of the life before')
        self.assertEqual(self.server.received, before)


if __name__ == '__main__':
    unittest.main()
