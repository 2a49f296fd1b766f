# SPDX-License-Identifier: GPL-2.0-or-later
"""
VT-d in a process of its own (viommu-remote, qemu-viommud), beside the same unit
in the emulator.

Whoever waits for the other process is timed by the wall clock, in a thread of
its own, with the main loop free: it has a part in it.
"""

import os
import socket
import subprocess
import tempfile
from pathlib import Path

import vtd
from machine import CYCLE_WAIT, MAP_READ, READ, STORE_WAIT, VRING, WRITE, Q35
from rows import (ARENA, BATCH, DID_4K, DID_STRICT, ELSEWHERE, KIB, PAGE,
                  STRICT, VRING_AT, Loop, Row)

NAME = 'remote'
UNIT = 'viommu-remote'
ROOT = Path(__file__).resolve().parent.parent.parent
SERVER = ROOT / 'build/obj/hw/iommu/remote/server/qemu-viommud'
REFERENCE = 'local'
COLD, APART = 4096, 16
ROW_MISSES = f'read 64 B, each of {COLD:,} pages once'
ROW_APART = f'read 64 B, of {COLD:,}, 64 KiB apart'


def columns(ours):
    binary = ours / Q35.BINARY
    return {'local': (binary, vtd.UNIT, vtd.BIG_UNIT),
            'ours': (binary, UNIT, UNIT)}


class Emulator(Q35):
    """
    With a server, if its unit is a remote one. Either has memory of the same
    kind, that another process can map.
    """

    def __init__(self, binary, iommu=None, *args, **more):
        self.server = self.directory = None
        if iommu == UNIT:
            self._serve()
        try:
            super().__init__(binary, iommu, *args, **more)
        except BaseException:
            self._end()
            raise

    def _serve(self):
        self.directory = tempfile.mkdtemp(prefix='viommu-bench-')
        self.path = os.path.join(self.directory, 'unit.sock')
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            fd = listener.fileno()
            self.server = subprocess.Popen(
                [str(SERVER), '--unit', vtd.UNIT, '--fd', str(fd)],
                pass_fds=[fd], stdin=subprocess.DEVNULL)

    def _board(self, iommu):
        board = ['-machine', 'q35,memory-backend=ram', '-object',
                 'memory-backend-memfd,id=ram,size=1G,share=on', '-device',
                 iommu]
        if not self.server:
            return board
        board[-1] += f',chardev=remote,mmio={vtd.BASE:#x},timeout=60000'
        return ['-chardev', f'socket,id=remote,path={self.path}', *board]

    def _end(self):
        if self.server:
            self.server.kill()
            self.server.wait()
            os.unlink(self.path)
            os.rmdir(self.directory)

    def close(self):
        super().close()
        self._end()


Unit = vtd.Unit
GLOBAL, DOMAIN = vtd.GLOBAL, vtd.DOMAIN
iotlb = vtd.iotlb


class Misses(Loop):
    """
    Pages once, @apart from one to the next, by somebody without the big lock
    """

    def __init__(self, name, pages, apart):
        super().__init__('misses', name, READ, 64, pages * apart, cold=True)
        self.stride = apart * PAGE
        self.steps = pages

    def _run(self, target, count):
        result = target.emulator.run(
            self.device, self.command, addr=self.addr, length=self.length,
            stride=self.stride, window=self.window, count=count,
            background=True)
        return result.ns / result.ops


class Cycle(Row):
    """Map, use, unmap, invalidate, and wait until that is complete."""

    needs_unit = True
    PAGES, COUNT = 64, 1024

    def __init__(self):
        super().__init__('strict', 'map, 4 KiB write, unmap, invalidate, wait')

    def measure(self, target, milliseconds):
        target.unit.invalidate(vtd.iotlb(vtd.GLOBAL))
        result = target.unit.cycle(
            STRICT, target.strict_leaf, DID_STRICT, command=CYCLE_WAIT,
            addr=ARENA, length=PAGE, stride=PAGE, window=self.PAGES * PAGE,
            count=self.COUNT, background=True)
        target.unit.restart_queue()
        return result.ns / result.ops


class Batch(Row):
    """@pages invalidations of pages that nobody has cached, and a wait"""

    needs_unit = True

    def __init__(self, pages):
        name = f'{pages} page{"s"[:pages > 1]}, none cached, all of it'
        super().__init__('invalidate', name)
        self.descriptors = [vtd.iotlb(vtd.PAGE, DID_4K, ELSEWHERE + i * PAGE)
                            for i in range(pages)]

    def measure(self, target, milliseconds):
        unit = target.unit
        # The domain is one that has been asked about.
        target.emulator.run(0, READ, addr=ARENA, length=64)
        tail = unit.put(self.descriptors)
        result = target.emulator.run(
            0, STORE_WAIT, background=True,
            aux=(vtd.BASE + vtd.IQT, tail, unit.status, unit.ticket))
        unit.restart_queue()
        return result.ns


def rows():
    for pages in (1, 64, 900, 4096):
        yield Loop('hits, read 64 B', f'{pages:,} page{"s"[:pages > 1]}', READ,
                   64, pages)
    yield Loop('hits', 'write 64 B, 64 pages', WRITE, 64, 64)
    yield Loop('hits', 'map + unmap 4 KiB, 64 pages', MAP_READ, 4 * KIB, 64)
    yield Loop('hits', 'vring, one descriptor in and out', VRING, 16, 1,
               addr=VRING_AT)
    yield Misses(ROW_MISSES, COLD, 1)
    yield Misses(ROW_APART, COLD, APART)
    yield Cycle()
    for pages in (1, BATCH):
        yield Batch(pages)


def local(row):
    return ('the unit here', row, 'local', 1)


HITS = [*[f'hits, read 64 B: {what}'
          for what in ('1 page', '64 pages', '900 pages', '4,096 pages')],
        *[f'hits: {what}'
          for what in ('write 64 B, 64 pages', 'map + unmap 4 KiB, 64 pages',
                       'vring, one descriptor in and out')]]
GOALS = [
    *[(row, 'ours', local(row), 1.05) for row in HITS],
    *[(f'misses: {row}', 'ours', ('25 us', 25000), 1.0)
      for row in (ROW_MISSES, ROW_APART)],
    ('strict: map, 4 KiB write, unmap, invalidate, wait', 'ours',
     ('60 us', 60000), 1.0),
    # Not a round trip for each
    (f'invalidate: {BATCH} pages, none cached, all of it', 'ours',
     ('one page', 'invalidate: 1 page, none cached, all of it', 'ours', 1),
     10.0),
]
