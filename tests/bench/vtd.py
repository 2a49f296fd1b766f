# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's side of VT-d, legacy mode: tables in memory, the queue."""

import struct
import time

from machine import CYCLE, FIRST_SLOT, SCATTER, STORE, Q35

Emulator = Q35
NAME = 'vtd'
UNIT = 'intel-iommu'
SANITIZED = UNIT + ',sanitizer=on'
CACHING = UNIT + ',caching-mode=on'
BIG_UNIT = 'intel-iommu,iotlb-size=131072'

# VT-d 11.4
BASE = 0xfed90000
GCMD, GSTS, RTADDR = 0x18, 0x1c, 0x20
IQT, IQA = 0x88, 0x90
G_TE, G_SRTP, G_QIE = 1 << 31, 1 << 30, 1 << 26
# VT-d 9.1, 9.3, 9.8
PRESENT = 1
RW = 3
LARGE = 1 << 7
AW_39 = 1
PASS_THROUGH = 2
# VT-d 6.5.2
CONTEXT, IOTLB, WAIT = 1, 2, 5
GLOBAL, DOMAIN, PAGE = 1, 2, 3
DRAIN = 3 << 6
WAIT_STATUS = 1 << 5
# No table was changed but the last ones: as Linux says when it unmaps
HINT = 1 << 6

PAGE_SIZE = 4096
QUEUE_ORDER = 4
SLOTS = 256 << QUEUE_ORDER


def iotlb(scope, did=0, iova=0):
    return (IOTLB | scope << 4 | DRAIN | did << 16, iova)


class Unit:
    """A unit whose tables and queue lie at @at in @emulator's memory."""

    def __init__(self, emulator, at):
        self.emulator = emulator
        self.next = at
        self.root = self._alloc(1)
        self.context = self._alloc(1)
        self.queue = self._alloc(1 << QUEUE_ORDER)
        self.status = self._alloc(1)
        self.ticket = 0
        emulator.write64(self.root, self.context | PRESENT)

    def _alloc(self, pages):
        at = self.next
        self.next += pages * PAGE_SIZE
        self.emulator.fill(at, pages * PAGE_SIZE)
        return at

    def identity(self, size, level, where=lambda number: number):
        """
        Tables that map 0..@size to itself, or page @number of the leaves to
        page where(number); {level: address of the first table}.
        """
        made = {}
        below = None
        for at in range(level, 4):
            entries = -(-size >> (12 + 9 * (at - 1)))
            count = -(-entries // 512)
            table = self._alloc(count)
            if below is None:
                step, flags = PAGE_SIZE << 9 * (at - 1), RW
                flags |= LARGE if at > 1 else 0
                values = [where(i) * step | flags for i in range(entries)]
            else:
                values = [below + i * PAGE_SIZE | RW for i in range(entries)]
            data = struct.pack(f'<{len(values)}Q', *values)
            self.emulator.store(table, data)
            made[at] = below = table
        return made

    def attach(self, device, did, table):
        self._attach(device, did, table | PRESENT)

    def pass_through(self, device, did):
        self._attach(device, did, PASS_THROUGH << 2 | PRESENT)

    def _attach(self, device, did, value):
        entry = self.context + ((FIRST_SLOT + device) << 3) * 16
        self.emulator.write64(entry + 8, did << 8 | AW_39)
        self.emulator.write64(entry, value)

    def _command(self, bit, keep):
        self.emulator.write32(BASE + GCMD, keep | bit)
        self._until(bit, bit)

    def _until(self, bit, value):
        while self.emulator.read32(BASE + GSTS) & bit != value:
            time.sleep(0.001)

    def enable(self):
        self.emulator.write64(BASE + RTADDR, self.root)
        self._command(G_SRTP, 0)
        self._queue_on(0)
        self.invalidate((CONTEXT | GLOBAL << 4, 0), iotlb(GLOBAL))
        self._command(G_TE, G_QIE)

    def _queue_on(self, keep):
        self.emulator.write64(BASE + IQT, 0)
        self.emulator.write64(BASE + IQA, self.queue | QUEUE_ORDER)
        self._command(G_QIE, keep)

    def restart_queue(self):
        """Head and tail to slot 0."""
        self.emulator.write32(BASE + GCMD, G_TE)
        self._until(G_QIE, 0)
        self._queue_on(G_TE)

    def wait_descriptor(self):
        """What is the same of all of them; the ticket is above bit 32."""
        return WAIT | WAIT_STATUS

    def put(self, descriptors):
        """@descriptors and a wait, from slot 0 on; where the tail is then."""
        self.ticket += 1
        data = b''.join(struct.pack('<QQ', *d) for d in descriptors)
        data += struct.pack('<QQ', self.wait_descriptor() | self.ticket << 32,
                            self.status)
        self.emulator.store(self.queue, data)
        return len(data)

    def done(self):
        return self.emulator.read32(self.status) == self.ticket

    def wait(self):
        while not self.done():
            time.sleep(0.001)

    def invalidate(self, *descriptors):
        tail = self.put(descriptors)
        self.emulator.write64(BASE + IQT, tail)
        self.wait()
        # The tail may only move forward: begin at slot 0 the next time.
        self.emulator.write32(BASE + GCMD,
                              self.emulator.read32(BASE + GSTS) & G_TE)
        self._until(G_QIE, 0)
        self._queue_on(self.emulator.read32(BASE + GSTS) & G_TE)

    def timed(self, descriptors):
        """Nanoseconds of the tail write that does all of @descriptors."""
        tail = self.put(descriptors)
        result = self.emulator.run(0, STORE, aux=(BASE + IQT, tail))
        if not self.done():
            raise RuntimeError('the invalidation was not complete at once')
        self.restart_queue()
        return result.cpu_ns

    def cycle(self, device, leaf, did, pages=1, caching=False, command=CYCLE,
              **where):
        """Map, use, unmap, invalidate, wait: see XDB_CYCLE."""
        lo, _ = iotlb(PAGE, did)
        self.emulator.write32(self.status, 0)
        return self.emulator.run(
            device, command, **where,
            aux=(leaf, RW, self.queue, lo, self.wait_descriptor(),
                 self.status, BASE + IQT, SLOTS,
                 HINT | (pages - 1).bit_length(), int(caching),
                 SCATTER if pages > 1 else 0))
