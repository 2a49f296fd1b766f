# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulator process: its monitor, and the guest's two serial ports."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from qmp import Qmp

# Guards against a guest that hangs, far above what any machine needs; no test
# depends on how long anything takes. The first is for a guest that is silent,
# the second for a step of a test: one disk may hang and the others talk on.
LIMIT = float(os.environ.get('VIOMMU_GUEST_TIMEOUT', '300'))
STEP_LIMIT = 2 * LIMIT
# How often to look for what an emulator says instead of its guest
SLICE = 2

# What an emulator says when it cannot go on, although the guest may wait for
# ever, and what it means. Ours should say neither.
LONG_RINGS = re.compile('Virtqueue size exceeded')
BARE_IRQ = re.compile('(gicv3_cpuif_update|cpu_interrupt): '
                      r'assertion failed: \(?bql_locked\(\)')
MEANING = {
    LONG_RINGS:
        'virtio gave up a ring: QEMU 10.0.13 and its like give every queue '
        '1,024 entries, and behind a vIOMMU corrupt a split ring of that size',
    BARE_IRQ:
        'an iothread raised a wired interrupt without the big lock: the '
        "base's SMMUv3 does when it records an event, its virtio when it gives "
        'up a ring of a device without MSI-X; 11.1 does on x86-64, too',
}
# What Linux says if a processor's timer has stopped
NO_TICK = re.compile('Possible timer handling issue on cpu=')

# A test that is told to end ends its emulators first.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
_running = set()
_ended = threading.Event()


class GuestError(Exception):
    """The guest or the emulator did not do what the test needs."""


class NeverUp(GuestError):
    """The guest has not said a word since it was started."""


class KnownDefect(GuestError):
    """The emulator said one of the above."""


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
        self.heard = False
        self.next_look = 0
        self.begin_step('starting')
        self.socket = None
        self.qmp = None
        with open(self.errors, 'wb') as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=errors, stderr=errors)
        _running.add(self)
        if _ended.is_set():
            self.process.kill()
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
        self.begin_step('the guest\'s job')
        self.qmp.command('cont')

    def begin_step(self, what):
        """From here on, a step of the test has STEP_LIMIT to end in."""
        self.step = what
        self.step_end = time.monotonic() + STEP_LIMIT

    def next_line(self):
        """The guest's next line; an error if there is none any more."""
        silent = time.monotonic() + LIMIT
        while True:
            now = time.monotonic()
            if now > self.step_end:
                raise GuestError(f'{self.step}: no end after '
                                 f'{STEP_LIMIT:.0f} s; {self.last_words()}')
            if now > silent:
                error = GuestError if self.heard else NeverUp
                raise error(f'the guest is silent for {LIMIT:.0f} s; '
                            f'{self.last_words()}')
            if now > self.next_look:
                self.next_look = now + SLICE
                self.fail_if_known()
            try:
                line = self.lines.get(timeout=SLICE)
            except queue.Empty:
                continue
            if line is None:
                self.await_end()
                self.fail_if_known()
                raise GuestError('the emulator went away; '
                                 f'{self.last_words()}')
            self.heard = True
            return line

    def await_end(self):
        """It has closed its sockets; let it say its last word."""
        try:
            self.process.wait(SLICE)
        except subprocess.TimeoutExpired:
            pass

    def fail_if_known(self):
        said = self.stderr()
        for words, meaning in MEANING.items():
            if words.search(said):
                raise KnownDefect(f'{meaning}; {self.last_words()}')

    def send(self, line, end='\n'):
        self.socket.sendall((line + end).encode())

    def wait(self):
        """Waits for the emulator to end; its exit status."""
        try:
            status = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.fail_if_known()
            raise GuestError('the guest did not power off; '
                             f'{self.last_words()}') from None
        if status:
            self.fail_if_known()
        return status

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
        _running.discard(self)
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


def kill_all():
    """Of every thread; what waits for them fails, and none is started."""
    _ended.set()
    for machine in list(_running):
        machine.process.kill()


def run_machine(binary, args, directory, run, again=False, prepare=None):
    """
    run() with the machine, which it starts; prepare() before there is one.

    again: once more if the guest never came up, with a line that says so. For
    kernels that do not always: of some ninety boots of Linux 7.3 with two
    processors, on a busy host, one stood still before its drivers began. One
    processor was in multi_cpu_stop(), the other spun with interrupts off in
    the core of the kernel; the vIOMMU was idle, its translation still off. On
    such a host 2 of 22 boots on the base found that the timer did not work.

    Without again, too, if the kernel says itself that a processor's timer does
    not tick: that of the local APIC, which no IOMMU has to do with. Of some
    twenty boots of 6.12 beside other tests that took all of the host, one did.
    """
    try:
        if prepare:
            prepare()
        with Machine(binary, args, directory) as machine:
            run(machine)
    except NeverUp as error:
        if not again and not NO_TICK.search(str(error)):
            raise
        print('\n# '.join(['# Linux did not come up; once more.'] +
                          str(error).splitlines()), flush=True)
        run_machine(binary, args, directory, run, False, prepare)
