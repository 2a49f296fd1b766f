# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulator process: its monitor, and the guest's two serial ports."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

from qmp import Qmp

# A guard against a guest that hangs, far above what any machine needs; no
# test depends on how long anything takes.
LIMIT = float(os.environ.get('VIOMMU_GUEST_TIMEOUT', '300'))

# A test that is told to end ends its emulators first.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class GuestError(Exception):
    """The guest or the emulator did not do what the test needs."""


class Machine:
    """
    The emulator is started stopped, so that the test is connected before the
    guest's first word; start() lets it run.
    """

    def __init__(self, binary, args, directory, name='vm'):
        self.name = name
        self.console = os.path.join(directory, f'{name}.console')
        self.errors = os.path.join(directory, f'{name}.stderr')
        # Short names: a socket's path has little room.
        monitor = os.path.join(directory, f'{name}.qmp')
        channel = os.path.join(directory, f'{name}.chan')
        command = list(binary) + [
            '-nodefaults', '-no-user-config', '-display', 'none', '-S',
            '-chardev', f'socket,id=mon,path={monitor},server=on,wait=off',
            '-mon', 'chardev=mon,mode=control',
            '-chardev', f'file,id=console,path={self.console}',
            '-serial', 'chardev:console',
            '-chardev', f'socket,id=channel,path={channel},server=on,wait=off',
            '-serial', 'chardev:channel',
        ] + list(args)
        self.lines = queue.Queue()
        self.socket = None
        self.qmp = None
        with open(self.errors, 'wb') as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=errors, stderr=errors)
        try:
            self.qmp = self._await_socket(lambda: Qmp(monitor, LIMIT))
            self.socket = self._await_socket(lambda: self._connect(channel))
        except BaseException:
            self.kill()
            raise
        threading.Thread(target=self._read_channel, daemon=True).start()

    def _connect(self, path):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return connection

    def _await_socket(self, connect):
        end = time.monotonic() + LIMIT
        while True:
            try:
                return connect()
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None:
                    raise GuestError(
                        f'the emulator did not start: {self.stderr()}'
                    ) from None
                if time.monotonic() > end:
                    raise GuestError('the emulator made no monitor') from None
                time.sleep(0.05)

    def _read_channel(self):
        # A line may have lost its beginning when the guest changed emulators
        # in the middle of it; the reader of the lines ignores what it does
        # not know.
        try:
            with self.socket.makefile('rb') as stream:
                for line in stream:
                    self.lines.put(line.decode(errors='replace').strip())
        except OSError:
            pass
        self.lines.put(None)

    def start(self):
        self.qmp.command('cont')

    def next_line(self):
        """The guest's next line; an error if there is none any more."""
        try:
            line = self.lines.get(timeout=LIMIT)
        except queue.Empty:
            raise GuestError(f'the guest is silent for {LIMIT:.0f} s; '
                             f'{self.last_words()}') from None
        if line is None:
            raise GuestError(f'the emulator went away; {self.last_words()}')
        return line

    def send(self, line):
        self.socket.sendall(line.encode() + b'\n')

    def wait(self):
        """Waits for the emulator to end; its exit status."""
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise GuestError('the guest did not power off; '
                             f'{self.last_words()}') from None

    def stderr(self):
        with open(self.errors, encoding='utf-8', errors='replace') as f:
            return f.read().strip()

    def last_words(self):
        try:
            with open(self.console, encoding='utf-8', errors='replace') as f:
                tail = f.read().splitlines()[-15:]
        except OSError:
            tail = []
        return '\n'.join([f'stderr: {self.stderr() or "none"}',
                          'end of the console:'] + tail)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.qmp:
            self.qmp.close()
        if self.socket:
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
