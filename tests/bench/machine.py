# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulator that only a qtest socket drives, with x-dma-bench devices."""

import base64
import json
import socket
import subprocess
import time

# What the harness knows of the device: hw/misc/x-dma-bench.h
MAGIC_VALUE = 0x31424d44
MAGIC, CMD, STATUS, THREADS = 0x00, 0x04, 0x08, 0x0c
ADDR, LENGTH, STRIDE, WINDOW, COUNT = 0x10, 0x18, 0x20, 0x28, 0x30
PEER, PASID, NS, CPU_NS, OPS, ERRORS = 0x38, 0x3c, 0x40, 0x48, 0x50, 0x58
AUX = 0x80
PEER_VALID = 1 << 31
READ, WRITE, LOAD, MAP_READ, MAP_WRITE, VRING, STORE, CYCLE = range(1, 9)
STORE32, CYCLE_CONS = 9, 10
KEEP, LET_GO, CYCLE_WAIT, STORE_WAIT = range(15, 19)
STOP = 0xff
BACKGROUND = 1 << 31
NO_SUCH_COMMAND = 1 << 0
RUNNING = 1 << 8
# How often to look whether a run in the background has ended, in seconds
LOOK = 0.005

PCI_COMMAND, PCI_BAR0 = 0x04, 0x10
PCI_COMMAND_MEMORY_MASTER = 0x6
BAR_SIZE = 0x1000
# No two neighbours are neighbours in memory: a step that has no factor in
# common with the number of pages.
SCATTER = 40507
FIRST_SLOT = 3
CHUNK = 1 << 20
TIMEOUT = 600


class Result:
    def __init__(self, ns, cpu_ns, ops):
        self.ns, self.cpu_ns, self.ops = ns, cpu_ns, ops


class BenchError(Exception):
    pass


class Emulator:
    """
    @devices x-dma-bench; @wrapper: a command to run the emulator under;
    @monitor: it has one; @listener: which of the devices, if any, is told of
    what is mapped for it.
    """

    BINARY = BAR_BASE = None
    RAM = 0                 # what run(), fill() and store() begin to count at

    def __init__(self, binary, iommu=None, devices=1, wrapper=(),
                 monitor=False, listener=None):
        ours, theirs = socket.socketpair()
        fds = [theirs]
        self.monitor = None
        args = [*wrapper, str(binary), *self._board(iommu), '-accel', 'qtest',
                '-m', '1G', '-nodefaults', '-display', 'none',
                '-chardev', f'socket,id=qtest,fd={theirs.fileno()}',
                '-qtest', 'chardev:qtest', '-qtest-log', '/dev/null']
        for i in range(devices):
            args += ['-device', f'x-dma-bench,addr={FIRST_SLOT + i:x}' +
                     (',listen=on' if i == listener else '')]
        if monitor:
            mine, its = socket.socketpair()
            fds.append(its)
            args += ['-chardev', f'socket,id=qmp,fd={its.fileno()}',
                     '-mon', 'chardev=qmp,mode=control']
        self.process = subprocess.Popen(
            args, pass_fds=[f.fileno() for f in fds], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for fd in fds:
            fd.close()
        if monitor:
            mine.settimeout(TIMEOUT)
            self.monitor = mine.makefile('rwb')
            self.monitor.readline()
            self._command('qmp_capabilities')
        ours.settimeout(TIMEOUT)
        self.socket = ours
        self.stream = ours.makefile('rb')
        for i in range(devices):
            self._place(i)

    def _place(self, i):
        devfn = (FIRST_SLOT + i) << 3
        bar = self.BAR_BASE + i * BAR_SIZE
        self._config(devfn, PCI_BAR0, bar)
        self._config(devfn, PCI_COMMAND, PCI_COMMAND_MEMORY_MASTER)
        if self.read32(bar + MAGIC) != MAGIC_VALUE:
            raise BenchError('x-dma-bench does not answer')

    def _board(self, iommu):
        raise NotImplementedError

    def _config(self, devfn, offset, value):
        raise NotImplementedError

    def _ask(self, line):
        try:
            self.socket.sendall(line.encode() + b'\n')
            answer = self.stream.readline().decode().split()
        except OSError as error:
            answer = [str(error)]
        if not answer or answer[0] != 'OK':
            self.process.kill()
            said = self.process.stderr.read().strip().splitlines()
            raise BenchError(f'{line.split()[0]}: {" ".join(answer)} '
                             f'{said[-1] if said else "the emulator died"}')
        return answer[1:]

    def _command(self, name, **arguments):
        request = {'execute': name, 'arguments': arguments}
        self.monitor.write(json.dumps(request).encode() + b'\n')
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if 'error' in answer:
                raise BenchError(f'{name}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']

    def log_writes(self):
        """Have writes recorded for the next minute, unless they are."""
        if self._command('query-dirty-rate')['status'] != 'measuring':
            self._command('calc-dirty-rate', **{'calc-time': 60,
                                                'mode': 'dirty-bitmap'})

    def write(self, addr, size, value):
        """@size: of 1, 2, 4 and 8 bytes"""
        verb = {1: 'writeb', 2: 'writew', 4: 'writel', 8: 'writeq'}[size]
        self._ask(f'{verb} {addr:#x} {value:#x}')

    def read32(self, addr):
        return int(self._ask(f'readl {addr:#x}')[0], 16)

    def read64(self, addr):
        return int(self._ask(f'readq {addr:#x}')[0], 16)

    def write32(self, addr, value):
        self._ask(f'writel {addr:#x} {value:#x}')

    def write64(self, addr, value):
        self._ask(f'writeq {addr:#x} {value:#x}')

    def fill(self, addr, size, byte=0):
        self._ask(f'memset {self.RAM + addr:#x} {size:#x} {byte:#x}')

    def store(self, addr, data):
        for at in range(0, len(data), CHUNK):
            part = data[at:at + CHUNK]
            text = base64.b64encode(part).decode()
            where = self.RAM + addr + at
            self._ask(f'b64write {where:#x} {len(part):#x} {text}')

    def load(self, addr, size):
        text = self._ask(f'b64read {self.RAM + addr:#x} {size:#x}')[0]
        return base64.b64decode(text)

    def run(self, device, command, *, addr=0, length=4, stride=4096,
            window=4096, count=1, threads=0, peer=None, pasid=0, aux=(),
            background=False):
        """
        One run of a device's loop; @background: the main loop goes on
        meanwhile.
        """
        bar = self.BAR_BASE + device * BAR_SIZE
        for reg, value in ((ADDR, self.RAM + addr), (LENGTH, length),
                           (STRIDE, stride), (WINDOW, window),
                           (COUNT, count)):
            self.write64(bar + reg, value)
        for i, value in enumerate(aux):
            self.write64(bar + AUX + 8 * i, value)
        devfn = (FIRST_SLOT + (peer or 0)) << 3
        self.write32(bar + PEER, PEER_VALID | devfn if peer is not None else 0)
        self.write32(bar + PASID, pasid)
        self.write32(bar + THREADS, threads)
        self.write32(bar + CMD, command | (BACKGROUND if background else 0))
        if self.read32(bar + STATUS) & RUNNING:
            while self.read64(bar + OPS) < count * max(threads, 1):
                time.sleep(LOOK)
            self.write32(bar + CMD, STOP)
        status = self.read32(bar + STATUS)
        errors = self.read64(bar + ERRORS)
        if status & NO_SUCH_COMMAND:
            raise BenchError(f'x-dma-bench has no command {command}: it is '
                             'older than these rows; run make, make upstream')
        if status or errors:
            raise BenchError(f'command {command}: status {status:#x}, '
                             f'{errors} of {count} operations failed')
        return Result(self.read64(bar + NS), self.read64(bar + CPU_NS),
                      self.read64(bar + OPS))

    def private_kib(self):
        """Memory of its own, that no file has."""
        with open(f'/proc/{self.process.pid}/smaps_rollup',
                  encoding='ascii') as f:
            return sum(int(line.split()[1]) for line in f
                       if line.startswith('Anonymous:'))

    def close(self):
        self.stream.close()
        self.socket.close()
        self.process.terminate()
        self.process.communicate()


class Q35(Emulator):
    BINARY = 'qemu-system-x86_64'
    BAR_BASE = 0xe0000000
    PCI_ADDRESS, PCI_DATA = 0xcf8, 0xcfc

    def _board(self, iommu):
        return ['-machine', 'q35'] + (['-device', iommu] if iommu else [])

    def _config(self, devfn, offset, value):
        where = 1 << 31 | devfn << 8 | offset
        self._ask(f'outl {self.PCI_ADDRESS:#x} {where:#x}')
        self._ask(f'outl {self.PCI_DATA:#x} {value:#x}')

    def config_read(self, devfn, offset):
        """The aligned 32 bits at @offset."""
        where = 1 << 31 | devfn << 8 | offset
        self._ask(f'outl {self.PCI_ADDRESS:#x} {where:#x}')
        return int(self._ask(f'inl {self.PCI_DATA:#x}')[0], 16)

    def place(self, devfn, bar, addr):
        """Its 64-bit BAR is at @addr, and memory and DMA are enabled."""
        self._config(devfn, PCI_BAR0 + 4 * bar, addr)
        self._config(devfn, PCI_BAR0 + 4 * bar + 4, 0)
        self._config(devfn, PCI_COMMAND, PCI_COMMAND_MEMORY_MASTER)


class Virt(Emulator):
    """The machine makes its vIOMMU: @iommu is an option of it, and more."""

    BINARY = 'qemu-system-aarch64'
    BAR_BASE = 0x10000000
    ECAM = 0x4010000000
    RAM = 1 << 30

    def _board(self, iommu):
        option, *more = (iommu or 'iommu=none').split()
        return ['-machine', f'virt,{option}', '-cpu', 'cortex-a57', *more]

    def _config(self, devfn, offset, value):
        self.write32(self.ECAM + (devfn << 12) + offset, value)
