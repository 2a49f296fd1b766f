# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs as a script uses them, at a machine that runs"""

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import unittest
import zlib

import rig

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
# A browser that does not end has hung.
PATIENCE = 300


def run(name, *words, **environment):
    return subprocess.run([*rig.program(name), *words], check=False,
                          env=dict(os.environ, **environment),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding='utf-8',
                          timeout=PATIENCE)


def recorded(guest, directory):
    """A recording in which edu is refused a write"""
    path = os.path.join(directory, 'run.json.gz')
    guest.again()
    done = run('viommu-top', guest.monitor, '--record', path, '-n', '2',
               '-i', '0.2')
    assert done.returncode == 0, done.stderr
    return path


class Scripts(rig.Case):
    def top(self, *words, **environment):
        return run('viommu-top', self.guest.monitor, '-i', '0.2', *words,
                   **environment)

    def test_once(self):
        done = self.top('--once')
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertIn('translation on', done.stdout)
        self.assertIn('00:04.0 edu', done.stdout)
        self.assertTrue(all(len(line) <= 80
                            for line in done.stdout.splitlines()))

    def test_once_json(self):
        done = self.top('--once', '--json', '--sort', 'address')
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        got = json.loads(done.stdout)
        unit = got['units'][0]
        self.assertGreater(got['seconds'], 0)
        self.assertEqual(unit['rates']['faults'], 0)
        self.assertEqual(unit['model'], 'vtd')
        addresses = [one['address'] for one in unit['endpoint-info']]
        self.assertEqual(addresses, sorted(addresses))
        self.assertIn('00:04.0', addresses)

    def of_the_page(self):
        """What docs/system/viommu-top.rst tells a test of a driver to ask"""
        path = os.path.join(rig.ROOT, 'docs', 'system', 'viommu-top.rst')
        with open(path, encoding='utf-8') as page:
            return re.search(r"\| jq -es '(.*)'$", page.read(), re.M)[1]

    @unittest.skipUnless(shutil.which('jq'), 'there is no jq')
    def test_status_of_findings(self):
        good = {'faults': 0, 'fault-log': [], 'findings': []}
        refused = {'interrupt': True}
        for unit, status in ((good, 0), ({**good, 'faults': 1}, 1),
                             ({**good, 'findings': [{'kind': 'bypass'}]}, 1),
                             ({**good, 'fault-log': [refused]}, 1),
                             ({'faults': 0, 'fault-log': []}, 0)):
            done = subprocess.run(['jq', '-es', self.of_the_page()],
                                  check=False, encoding='utf-8',
                                  input=json.dumps({'units': [unit]}),
                                  stdout=subprocess.PIPE, timeout=PATIENCE)
            self.assertEqual(done.returncode, status, unit)
        # No answer, no good one.  The guest of this test makes mistakes.
        for said in ('', self.top('--once', '--json').stdout):
            done = subprocess.run(['jq', '-es', self.of_the_page()],
                                  check=False, input=said, encoding='utf-8',
                                  stdout=subprocess.PIPE, timeout=PATIENCE)
            self.assertNotEqual(done.returncode, 0)

    def test_lines_of_json(self):
        done = self.top('--json', '-n', '3', PYTHONPATH=rig.PACKAGE)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertEqual(len([json.loads(line) for line in
                              done.stdout.splitlines()]), 3)

    def test_no_terminal(self):
        done = self.top()
        self.assertEqual(done.returncode, 2)
        self.assertIn('--once', done.stderr)

    def test_arguments(self):
        for words, said in ((('-i', '0'), '--interval is 0'),
                            (('-i', 'nan'), '--interval is nan'),
                            (('-n', '-3'), '--count is -3'),
                            (('--sort', 'x'), 'invalid choice')):
            done = run('viommu-top', 'x', *words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)

    def test_cannot_write(self):
        done = self.top('--record', '/no/such/place')
        self.assertEqual(done.returncode, 1)
        self.assertIn('/no/such/place: No such file', done.stderr)


class Monitors(unittest.TestCase):
    def failing(self, where, *said):
        for path in ('', rig.PACKAGE):
            done = run('viommu-top', where, '--once', '-i', '0.2',
                       PYTHONPATH=path)
            self.assertEqual(done.returncode, 1)
            for words in said:
                self.assertIn(words, done.stderr)
            self.assertEqual(done.stderr.count('\n'), 1, done.stderr)

    def test_not_there(self):
        self.failing('/no/such/socket', 'viommu-top: /no/such/socket: ',
                     'does the emulator run?')
        self.failing('no-address', 'neither a socket that is there nor',
                     '-qmp')
        self.failing('localhost:99999', 'HOST:PORT')

    def server(self, *answers):
        """A path where each connection is told one of these, and closed"""
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f'{directory}/socket')
        listener.listen(4)
        self.addCleanup(listener.close)

        def serve():
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f'{directory}/socket'

    def test_no_qmp(self):
        for answer in (b'QEMU 10.0.2 monitor\r\n(qemu) \r\n', b'{}\n',
                       b'[]\n'):
            self.failing(self.server(answer, answer), 'viommu-top: ')

    def test_closes_at_once(self):
        self.failing(self.server(b'', b''), 'closed')


class Browser(rig.Case):
    def setUp(self):
        if not BROWSER:
            self.skipTest('there is no chromium; scripts/install-deps '
                          '--browser installs one')
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def browse(self, page, *words):
        """What a browser without a network makes of it"""
        done = subprocess.run(
            [BROWSER, '--headless', '--no-sandbox', '--disable-gpu',
             '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND',
             f'--user-data-dir={self.dir}/profile', '--window-size=800,1600',
             *words, f'file://{page}'], check=False, timeout=PATIENCE,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding='utf-8')
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, done.stderr

    def report(self, recording):
        page = os.path.join(self.dir, 'page.html')
        done = run('viommu-report', recording, '-o', page)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return page

    def test_report_of_a_machine(self):
        page = self.report(recorded(self.guest, self.dir))
        dom, _ = self.browse(page, '--dump-dom')
        for words in ('<h1>vIOMMU report: guest</h1>',
                      'no table entry lets the device write there',
                      'Domain DID 0x7', '0x8000000 .. 0x8000fff'):
            self.assertIn(words, dom)
        picture = os.path.join(self.dir, 'page.png')
        self.browse(page, f'--screenshot={picture}')
        width, height, pixels = decode_png(picture)
        self.assertEqual(width, 800)
        # There are lines of the first two colours, and both kinds of range.
        seen = {tuple(pixels[i:i + 3]) for i in range(0, len(pixels), 3)}
        self.assertIn((0x1f, 0x6f, 0xeb), seen)
        self.assertGreater(height, 1000)

    def test_what_others_chose_is_text(self):
        from test_report import HOSTILE, mapping, recording, stalled
        head, records = recording(name=HOSTILE, fault_words=HOSTILE,
                                  device=HOSTILE)
        records += [{'t': 4.5, 'event': stalled(HOSTILE)},
                    {'t': 4.6, 'map': dict(mapping(), endpoint=HOSTILE)}]
        path = os.path.join(self.dir, 'hostile.json')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(map(json.dumps, [head, *records])))
        dom, said = self.browse(self.report(path), '--dump-dom',
                                '--enable-logging=stderr')
        for element in ('<script', '<img'):
            self.assertNotIn(element, dom)
        self.assertIn('&lt;script&gt;alert(1)', dom)
        # Nothing was even tried that the page's own policy forbids.
        self.assertNotIn('Content Security Policy', said)


def decode_png(path):
    """(width, height, RGB) of a picture of 8 bits without interlace"""
    with open(path, 'rb') as file:
        data = file.read()
    at, body = 8, b''
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        if kind == b'IHDR':
            width, height, _, colour = struct.unpack('>IIBB',
                                                     data[at + 8:at + 18])
        elif kind == b'IDAT':
            body += data[at + 8:at + 8 + size]
        at += 12 + size
    deep = {2: 3, 6: 4}[colour]
    raw, line, out = zlib.decompress(body), bytearray(width * deep), []
    for y in range(height):
        start = y * (width * deep + 1)
        line = unfilter(raw[start], bytearray(
            raw[start + 1:start + 1 + width * deep]), line, deep)
        out.append(b''.join(line[i:i + 3]
                            for i in range(0, len(line), deep)))
    return width, height, b''.join(out)


def unfilter(kind, line, above, deep):
    """One line of a picture (PNG 9.2)"""
    for i in range(len(line) if kind else 0):
        left = line[i - deep] if i >= deep else 0
        up, corner = above[i], above[i - deep] if i >= deep else 0
        if kind == 4:
            near = min((left, up, corner),
                       key=lambda one: abs(left + up - corner - one))
        else:
            near = {1: left, 2: up, 3: (left + up) // 2}[kind]
        line[i] = (line[i] + near) & 0xff
    return line
