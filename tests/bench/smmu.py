# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's side of SMMUv3: stream table, stage 1 tables, command queue."""

import struct
import time

from machine import CYCLE_CONS, FIRST_SLOT, SCATTER, STORE32, Virt

Emulator = Virt
NAME = 'smmuv3'
UNIT = 'iommu=smmuv3'
SANITIZED = UNIT + ' -global arm-smmuv3.sanitizer=on'
BIG_UNIT = 'iommu=smmuv3 -global arm-smmuv3.iotlb-size=131072'
RAM = Virt.RAM

# IHI 0070 6.3
BASE = 0x09050000
CR0, CR0ACK = 0x20, 0x24
STRTAB_BASE, STRTAB_BASE_CFG = 0x80, 0x88
CMDQ_BASE, CMDQ_PROD, CMDQ_CONS = 0x90, 0x98, 0x9c
EVENTQ_BASE, EVENTQ_PROD, EVENTQ_CONS = 0xa0, 0x100a8, 0x100ac
SMMUEN, EVENTQEN, CMDQEN = 1 << 0, 1 << 2, 1 << 3
CONS_INDEX = (1 << 20) - 1
# 5.2, 5.4
STE_SIZE = CD_SIZE = 64
STE_V, STE_BYPASS, STE_S1_TRANS = 1, 4 << 1, 5 << 1
CD_T0SZ_39, CD_EPD1, CD_V, CD_AA64 = 25, 1 << 30, 1 << 31, 1 << 41
CD_IPS_40, CD_R_A_ASET = 2 << 32, 7 << 45
# Arm ARM, VMSAv8-64: valid, AF, inner shareable, unprivileged too, and of one
# address space alone (nG), as an operating system's DMA mappings are
TABLE = 3
BLOCK = 1 | 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6
RW = BLOCK | 2
# 4.3, 4.4, 4.7
CFGI_ALL, NH_ASID, NH_VA, NSNH_ALL, SYNC = 0x04, 0x11, 0x12, 0x30, 0x46
GLOBAL, DOMAIN, PAGE = NSNH_ALL, NH_ASID, NH_VA
# Of NH_VA: entries of the last level's tables alone (Leaf), which are pages (TTL)
# of 4 KiB (TG), and so many of them, less 1 (NUM): as Linux says when it unmaps
LEAVES = 1 << 0 | 3 << 8 | 1 << 10
NUM_SHIFT = 12

PAGE_SIZE = 4096
STREAMS_LOG2 = 8
QUEUE_LOG2 = 12
SLOTS = 1 << QUEUE_LOG2
EVENTS_LOG2 = 7
PATIENCE = 10000


def iotlb(scope, did=0, iova=0):
    """What removes the translations of an ASID, or of a page of it."""
    return (scope | (0 if scope == GLOBAL else did << 48),
            RAM + iova | LEAVES if scope == PAGE else 0)


class Unit:
    """A unit whose tables and queues lie at @at in @emulator's memory."""

    def __init__(self, emulator, at):
        self.emulator = emulator
        self.next = at
        self.prod = 0
        self.streams = self._alloc(1 << STREAMS_LOG2, STE_SIZE)
        self.contexts = self._alloc(1 << STREAMS_LOG2, CD_SIZE)
        self.queue = self._alloc(SLOTS, 16)
        self.events = self._alloc(1 << EVENTS_LOG2, 32)

    def _alloc(self, count, size=PAGE_SIZE):
        """Zeroed, aligned to its size; its guest-physical address."""
        size *= count
        align = max(1 << (size - 1).bit_length(), PAGE_SIZE)
        at = -(-self.next // align) * align
        self.next = at + max(size, PAGE_SIZE)
        self.emulator.fill(at, size)
        return RAM + at

    def identity(self, size, level, where=lambda number: number):
        """
        Tables that map @size of memory to itself, or page @number of the
        leaves to page where(number); {level: address of the first table},
        where level 1 is that of the pages.
        """
        made = {}
        below = None
        for at in range(level, 4):
            step = PAGE_SIZE << 9 * (at - 1)
            entries = -(-size // step)
            table = self._alloc(-(-entries // 512))
            if below is None:
                flags = BLOCK if at > 1 else RW
                values = [RAM + where(i) * step | flags
                          for i in range(entries)]
            else:
                values = [below + i * PAGE_SIZE | TABLE
                          for i in range(entries)]
            data = struct.pack(f'<{len(values)}Q', *values)
            # Memory begins at a multiple of what a level 3 entry maps.
            first = table + (RAM // step * 8 if at == 3 else 0)
            self.emulator.store(first - RAM, data)
            made[at] = below = table
        return made

    def attach(self, device, did, table):
        stream = (FIRST_SLOT + device) << 3
        context = self.contexts + stream * CD_SIZE
        flags = (CD_T0SZ_39 | CD_EPD1 | CD_V | CD_IPS_40 | CD_AA64 |
                 CD_R_A_ASET | did << 48)
        self.emulator.store(context - RAM, struct.pack('<QQ', flags, table))
        self.emulator.write64(self.streams + stream * STE_SIZE,
                              STE_V | STE_S1_TRANS | context)

    def pass_through(self, device, _):
        stream = (FIRST_SLOT + device) << 3
        self.emulator.write64(self.streams + stream * STE_SIZE,
                              STE_V | STE_BYPASS)

    def _control(self, value):
        self.emulator.write32(BASE + CR0, value)
        for _ in range(PATIENCE):
            if self.emulator.read32(BASE + CR0ACK) == value:
                return
            time.sleep(0.001)
        raise RuntimeError('the SMMU does not acknowledge CR0')

    def enable(self):
        emulator = self.emulator
        emulator.write32(BASE + STRTAB_BASE_CFG, STREAMS_LOG2)
        emulator.write64(BASE + STRTAB_BASE, self.streams)
        emulator.write64(BASE + CMDQ_BASE, self.queue | QUEUE_LOG2)
        emulator.write64(BASE + EVENTQ_BASE, self.events | EVENTS_LOG2)
        emulator.write32(BASE + EVENTQ_PROD, 0)
        emulator.write32(BASE + EVENTQ_CONS, 0)
        self._queue_on(0)
        # Range 31: all of them (4.3.2).
        self.invalidate((CFGI_ALL, 31), iotlb(GLOBAL))
        self._control(CMDQEN | EVENTQEN | SMMUEN)

    def _queue_on(self, keep):
        self._control(keep)
        self.emulator.write32(BASE + CMDQ_PROD, 0)
        self.emulator.write32(BASE + CMDQ_CONS, 0)
        self.prod = 0
        self._control(keep | CMDQEN | EVENTQEN)

    def restart_queue(self):
        """Both indices to 0."""
        self._queue_on(SMMUEN | EVENTQEN)

    def put(self, commands):
        """@commands and a sync, from slot 0 on; the producer's index then."""
        data = b''.join(struct.pack('<QQ', *c)
                        for c in [*commands, (SYNC, 0)])
        self.emulator.store(self.queue - RAM, data)
        self.prod = len(data) // 16
        return self.prod

    def done(self):
        return self.emulator.read32(BASE + CMDQ_CONS) & CONS_INDEX == self.prod

    def invalidate(self, *commands):
        on = self.emulator.read32(BASE + CR0)
        self.emulator.write32(BASE + CMDQ_PROD, self.put(commands))
        while not self.done():
            time.sleep(0.001)
        self._queue_on(on & ~CMDQEN)

    def timed(self, commands):
        """Nanoseconds of the index write that does all of @commands."""
        prod = self.put(commands)
        result = self.emulator.run(0, STORE32, aux=(BASE + CMDQ_PROD, prod))
        if not self.done():
            raise RuntimeError('the invalidation was not complete at once')
        self.restart_queue()
        return result.cpu_ns

    def cycle(self, device, leaf, did, pages=1, caching=False, **where):
        """Map, use, unmap, invalidate, wait: see XDB_CYCLE_CONS."""
        lo, _ = iotlb(PAGE, did)
        return self.emulator.run(
            device, CYCLE_CONS, **where,
            aux=(leaf, RW, self.queue, lo | pages - 1 << NUM_SHIFT, SYNC, 0,
                 BASE + CMDQ_PROD, SLOTS, LEAVES, int(caching),
                 SCATTER if pages > 1 else 0))
