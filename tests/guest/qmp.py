# SPDX-License-Identifier: GPL-2.0-or-later
"""The little of QMP the tests need."""

import contextlib
import json
import socket
import time


class QmpError(Exception):
    """The emulator answered a command with an error."""

    def __init__(self, command, error):
        super().__init__(f'{command}: {error.get("desc")}')
        self.kind = error.get('class')


class Qmp:
    def __init__(self, path, timeout):
        self.socket = socket.socket(socket.AF_UNIX)
        self.timeout = timeout
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = self.socket.makefile('rwb')
        self.events = []
        self._read()                        # the greeting
        self.command('qmp_capabilities')

    def _read(self):
        line = self.stream.readline()
        if not line:
            raise ConnectionError('the emulator closed its monitor')
        return json.loads(line)

    def command(self, name, **arguments):
        request = {'execute': name}
        if arguments:
            request['arguments'] = {k.replace('_', '-'): v
                                    for k, v in arguments.items()}
        self.stream.write(json.dumps(request).encode() + b'\n')
        self.stream.flush()
        end = time.monotonic() + self.timeout
        while True:
            answer = self._read()
            if 'event' in answer:
                self.events.append(answer)
                if time.monotonic() > end:
                    raise TimeoutError(f'{name}: no answer, only events')
            elif 'error' in answer:
                raise QmpError(name, answer['error'])
            else:
                return answer['return']

    def close(self):
        # What it was not told before it went away, it need not hear now.
        with contextlib.suppress(OSError):
            self.stream.close()
        self.socket.close()
