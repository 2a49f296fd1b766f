# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's side of AMD-Vi: device table, host tables, command buffer."""

import struct
import time

from goals import BASE as THE_BASES
from machine import FIRST_SLOT, STORE, Q35

Emulator = Q35
NAME = 'amd'
UNIT = 'amd-iommu'
SANITIZED = UNIT + ',sanitizer=on'
BASE_UNIT = 'amd-iommu'
BIG_UNIT = 'amd-iommu,iotlb-size=131072'

# Of the base's time for a hit
GOALS = [(f'read 64 B: {pages}', 'ours', THE_BASES, 0.25)
         for pages in ('1 page', '64 pages', '4,096 pages')]

# 48882 3.4
BASE = 0xfed80000
DEVTAB, CMD_BASE, EVENT_BASE, CONTROL = 0x00, 0x08, 0x10, 0x18
CMD_HEAD, CMD_TAIL = 0x2000, 0x2008
IOMMU_EN, EVENT_LOG_EN, CMD_BUF_EN = 1 << 0, 1 << 2, 1 << 12
# 2.2.2, 2.2.3
DTE_SIZE = 32
V, TV, PR = 1, 2, 1
RW = 3 << 61
# 2.4
COMPLETION_WAIT, DEVTAB_ENTRY, IOMMU_PAGES = 1 << 60, 2 << 60, 3 << 60
ALL = 8 << 60
STORE_IT = 1
EVERYTHING = 0x7ffffffffffff000 | 1
GLOBAL, DOMAIN, PAGE = 'global', 'domain', 'page'

PAGE_SIZE = 4096
DEVICES = 256                # of bus 0
SLOTS_LOG2 = 12
SLOTS = 1 << SLOTS_LOG2
EVENTS_LOG2 = 8


def mode(level):
    """Mode of a device table entry, Next Level of another"""
    return level << 9


def iotlb(scope, did=0, iova=0):
    """What removes the translations of a domain, or of a page of it."""
    if scope == GLOBAL:
        return (ALL, 0)
    return (IOMMU_PAGES | did << 32, iova if scope == PAGE else EVERYTHING)


class Unit:
    """A unit whose tables and queue lie at @at in @emulator's memory."""

    def __init__(self, emulator, at):
        self.emulator = emulator
        self.next = at
        self.ticket = self.tail = 0
        self.table = self._alloc(DEVICES * DTE_SIZE // PAGE_SIZE)
        self.queue = self._alloc(SLOTS * 16 // PAGE_SIZE)
        self.events = self._alloc(1)
        self.status = self._alloc(1)

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
            table = self._alloc(-(-entries // 512))
            if below is None:
                step = PAGE_SIZE << 9 * (at - 1)
                values = [where(i) * step | RW | PR for i in range(entries)]
            else:
                values = [below + i * PAGE_SIZE | mode(at - 1) | RW | PR
                          for i in range(entries)]
            self.emulator.store(table, struct.pack(f'<{len(values)}Q',
                                                   *values))
            made[at] = below = table
        return made

    def attach(self, device, did, table):
        self._attach(device, did, table | mode(3))

    def pass_through(self, device, did):
        self._attach(device, did, 0)

    def _attach(self, device, did, value):
        entry = self.table + ((FIRST_SLOT + device) << 3) * DTE_SIZE
        self.emulator.write64(entry + 8, did)
        self.emulator.write64(entry, value | RW | TV | V)

    def enable(self):
        emulator = self.emulator
        emulator.write64(BASE + DEVTAB, self.table |
                         (DEVICES * DTE_SIZE // PAGE_SIZE - 1))
        emulator.write64(BASE + EVENT_BASE, self.events | EVENTS_LOG2 << 56)
        self.restart_queue()
        self.invalidate(iotlb(GLOBAL))

    def restart_queue(self):
        """Head and tail to slot 0."""
        on = IOMMU_EN | EVENT_LOG_EN
        self.emulator.write64(BASE + CONTROL, on)
        self.emulator.write64(BASE + CMD_BASE, self.queue | SLOTS_LOG2 << 56)
        self.emulator.write64(BASE + CMD_HEAD, 0)
        self.emulator.write64(BASE + CMD_TAIL, 0)
        self.emulator.write64(BASE + CONTROL, on | CMD_BUF_EN)

    def put(self, commands):
        """@commands and a wait, from slot 0 on; where the tail is then."""
        self.ticket += 1
        data = b''.join(struct.pack('<QQ', *c) for c in commands)
        data += struct.pack('<QQ', COMPLETION_WAIT | self.status | STORE_IT,
                            self.ticket)
        self.emulator.store(self.queue, data)
        return len(data)

    def done(self):
        return self.emulator.read64(self.status) == self.ticket

    def invalidate(self, *commands):
        self.emulator.write64(BASE + CMD_TAIL, self.put(commands))
        while not self.done():
            time.sleep(0.001)
        self.restart_queue()

    def timed(self, commands):
        """Nanoseconds of the tail write that does all of @commands."""
        tail = self.put(commands)
        result = self.emulator.run(0, STORE, aux=(BASE + CMD_TAIL, tail))
        if not self.done():
            raise RuntimeError('the invalidation was not complete at once')
        self.restart_queue()
        return result.cpu_ns
