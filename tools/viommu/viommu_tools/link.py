# SPDX-License-Identifier: GPL-2.0-or-later
"""
QMP: to ask the emulator, and to hear of its events.

The package qemu.qmp does it where it is installed; the standard library, where
it is not.
"""

import collections
import json
import logging
import os
import select
import socket
import time

# Seconds that an answer may take. An emulator that says nothing for so long is
# stopped, or its monitor talks to somebody else.
PATIENCE = 5
# What is kept of events that nobody has taken
EVENTS = 1000


class Lost(Exception):
    """There is no connection, or none any more."""


class Refused(Exception):
    """The emulator says that it cannot do that; why is the text."""

    def __init__(self, text, kind='GenericError'):
        super().__init__(text)
        self.kind = kind


def parse_address(text):
    """
    A path, or (host, port), of what the user calls the monitor: PATH,
    unix:PATH, HOST:PORT, tcp:HOST:PORT. ValueError says what is wrong.
    """
    if text.startswith('unix:'):
        # As on the emulator's command line, options may follow.
        return text[5:].split(',', 1)[0]
    tcp = text.startswith('tcp:')
    plain = text[4:].split(',', 1)[0] if tcp else text
    if not tcp and ('/' in plain or os.path.exists(plain)):
        return plain
    host, colon, port = plain.rpartition(':')
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'{text}: neither a socket that is there nor '
                         'HOST:PORT; the emulator makes one with '
                         '-qmp unix:PATH,server=on,wait=off')
    return host.strip('[]') or 'localhost', int(port)


def why_lost(error):
    """A sentence for an exception of the socket's."""
    if isinstance(error, FileNotFoundError):
        return 'the socket is not there; does the emulator run?'
    if isinstance(error, ConnectionRefusedError):
        return 'nobody listens there; does the emulator run?'
    if isinstance(error, PermissionError):
        return 'the socket may not be opened: permission denied'
    if isinstance(error, TimeoutError):
        return ('no answer; the emulator is stopped, or the monitor talks to '
                'somebody else (each takes one client: give it a second -qmp)')
    if isinstance(error, (EOFError, ConnectionResetError, BrokenPipeError)):
        return 'the emulator has closed the connection'
    # The first line of what the package may say in several
    return (str(error).splitlines() or [type(error).__name__])[0]


class SocketLink:
    """The protocol by the standard library alone."""

    def __init__(self, address, patience=PATIENCE):
        self.patience = patience
        self.events = collections.deque(maxlen=EVENTS)
        self.pending = b''
        family = socket.AF_UNIX if isinstance(address, str) else \
            socket.AF_UNSPEC
        try:
            if family == socket.AF_UNIX:
                self.socket = socket.socket(family)
                self.socket.settimeout(patience)
                self.socket.connect(address)
            else:
                self.socket = socket.create_connection(address, patience)
        except OSError as error:
            raise Lost(why_lost(error)) from error
        try:
            if 'QMP' not in self._message(time.monotonic() + patience):
                raise Lost('what answers there is no QMP monitor')
            self.ask('qmp_capabilities')
        except BaseException:
            self.close()
            raise

    def _line(self, deadline):
        """The next line; None: there is none until @deadline."""
        while b'\n' not in self.pending:
            left = max(deadline - time.monotonic(), 0)
            if not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                more = self.socket.recv(1 << 16)
            except OSError as error:
                raise Lost(why_lost(error)) from error
            if not more:
                raise Lost('the emulator has closed the connection')
            self.pending += more
        line, self.pending = self.pending.split(b'\n', 1)
        return line

    def _message(self, deadline):
        line = self._line(deadline)
        if line is None:
            raise Lost(why_lost(TimeoutError()))
        try:
            message = json.loads(line)
        except ValueError as error:
            raise Lost('what answers there is no QMP monitor') from error
        if not isinstance(message, dict):
            raise Lost('what answers there is no QMP monitor')
        return message

    def ask(self, command, **arguments):
        request = {'execute': command}
        if arguments:
            request['arguments'] = arguments
        try:
            self.socket.sendall(json.dumps(request).encode() + b'\n')
        except OSError as error:
            raise Lost(why_lost(error)) from error
        deadline = time.monotonic() + self.patience
        while True:
            message = self._message(deadline)
            if 'event' in message:
                self.events.append(message)
            elif 'error' in message:
                raise Refused(message['error'].get('desc', 'no reason given'),
                              message['error'].get('class', 'GenericError'))
            elif 'return' in message:
                return message['return']

    def take_events(self):
        while True:
            line = self._line(0)
            if line is None:
                break
            message = json.loads(line)
            if 'event' in message:
                self.events.append(message)
        taken = list(self.events)
        self.events.clear()
        return taken

    def close(self):
        self.socket.close()


class PackageLink:
    """The same through the package qemu.qmp."""

    def __init__(self, address, patience=PATIENCE):
        import asyncio
        from qemu import qmp
        self.asyncio, self.qmp, self.patience = asyncio, qmp, patience
        # It warns where a terminal would show it in the middle of the screen.
        log = logging.getLogger('qemu')
        log.addHandler(logging.NullHandler())
        log.propagate = False
        self.loop = asyncio.new_event_loop()
        # Python before 3.10 takes a queue's loop from here.
        asyncio.set_event_loop(self.loop)
        self.client = qmp.QMPClient()
        self.client.logger = log
        try:
            self._run(self.client.connect(address))
        except BaseException:
            self.close()
            raise

    def _run(self, work):
        try:
            return self.loop.run_until_complete(
                self.asyncio.wait_for(work, self.patience))
        except self.asyncio.TimeoutError as error:
            raise Lost(why_lost(TimeoutError())) from error
        except self.qmp.ConnectError as error:
            raise Lost(why_lost(getattr(error, 'exc', error))) from error
        except self.qmp.QMPError as error:
            if isinstance(error, self.qmp.ExecuteError):
                raise Refused(error.error.desc,
                              error.error.class_) from error
            raise Lost('the emulator has closed the connection') from error
        except (OSError, EOFError) as error:
            raise Lost(why_lost(error)) from error

    def ask(self, command, **arguments):
        return self._run(self.client.execute(command, arguments or None))

    async def _rest(self):
        await self.asyncio.sleep(0.01)

    def take_events(self):
        self._run(self._rest())
        if self.client.runstate != self.qmp.Runstate.RUNNING:
            raise Lost('the emulator has closed the connection')
        return list(self.client.events.clear() or [])

    def close(self):
        try:
            self.loop.run_until_complete(
                self.asyncio.wait_for(self.client.disconnect(), self.patience))
        except Exception:  # pylint: disable=broad-except
            pass  # It is closed, whatever the other side thinks of that.
        self.loop.close()


def connect(text, patience=PATIENCE):
    """A link to the monitor that the user calls @text; Lost, ValueError."""
    address = parse_address(text)
    try:
        from qemu import qmp
        kind = PackageLink if hasattr(qmp, 'QMPClient') else SocketLink
    except ImportError:
        kind = SocketLink
    return kind(address, patience)
