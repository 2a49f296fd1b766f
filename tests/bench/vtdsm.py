# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's side of VT-d in scalable mode, and what is measured there."""

import struct

import vtd
from machine import MAP_READ, READ, WRITE, Q35
from rows import (ARENA_SIZE, COLD_PAGES, KIB, MAPPED, PAGE as PAGE_SIZE,
                  Loop)

Emulator = Q35
NAME = 'vtd-scalable'
BASE_UNIT = 'intel-iommu,x-scalable-mode=on,x-flts=on'
UNIT = BASE_UNIT + ',ssts=on,nesting=on,pasid-bits=20'
BIG_UNIT = UNIT + ',iotlb-size=131072'

# VT-d 11.4.5 (TTM), 11.4.9.3 (DW)
SCALABLE = 1 << 10
WIDE = 1 << 11
# VT-d 9.4 to 9.6
CONTEXT_SIZE, ENTRY_SIZE = 32, 64
PASIDE = 1 << 3
FIRST, SECOND, NESTED, PASS_THROUGH = range(1, 5)
AW_48, AW_39 = 2 << 2, 1 << 2
# VT-d 9.8, A and D as drivers set them for DMA
FIRST_RW = 1 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6
# VT-d 6.5.2.3, 6.5.2.6
PIOTLB, PASID_CACHE, EVERYTHING = 6, 7, 3

GLOBAL, DOMAIN, PAGE = vtd.GLOBAL, vtd.DOMAIN, vtd.PAGE
SLOTS = vtd.SLOTS // 2
iotlb = vtd.iotlb

# The devices, by what they are attached to, each without a PASID and with
AT_FIRST, AT_SECOND, AT_NESTED, AT_PASS = range(4)
PASID = 5


class Unit(vtd.Unit):
    """Descriptors have 32 bytes; a device has a directory and a table."""

    def _alloc_entry(self, device):
        at = self.context + ((vtd.FIRST_SLOT + device) << 3) * CONTEXT_SIZE
        if not self.emulator.read64(at):
            directory, table = self._alloc(1), self._alloc(1)
            self.emulator.write64(directory, table | vtd.PRESENT)
            self.emulator.write64(at, directory | PASIDE | vtd.PRESENT)
        directory = self.emulator.read64(at) & -PAGE_SIZE
        return self.emulator.read64(directory) & -PAGE_SIZE

    def bind(self, device, pasid, pgtt, did, first=0, second=0):
        """RID_PASID is 0."""
        entry = self._alloc_entry(device) + pasid * ENTRY_SIZE
        self.emulator.write64(entry + 16, first)
        self.emulator.write64(entry + 8, did)
        self.emulator.write64(entry, second | pgtt << 6 | AW_48 |
                              vtd.PRESENT)

    def tables(self, size, flags):
        """4 levels that map 0..@size to itself."""
        below, entries = 0, size // PAGE_SIZE
        step, leaf = PAGE_SIZE, flags
        for _ in range(4):
            table = self._alloc(-(-entries // 512))
            self.emulator.store(table, struct.pack(
                f'<{entries}Q', *(below + i * step | leaf
                                  for i in range(entries))))
            below, entries = table, -(-entries // 512)
            leaf = flags & ~(1 << 6)
        return below

    def enable(self):
        self.emulator.write64(vtd.BASE + vtd.RTADDR, self.root | SCALABLE)
        self._command(vtd.G_SRTP, 0)
        self._queue_on(0)
        self.invalidate((vtd.CONTEXT | GLOBAL << 4, 0),
                        (PASID_CACHE | EVERYTHING << 4, 0), iotlb(GLOBAL))
        self._command(vtd.G_TE, vtd.G_QIE)

    def _queue_on(self, keep):
        self.emulator.write64(vtd.BASE + vtd.IQT, 0)
        self.emulator.write64(vtd.BASE + vtd.IQA,
                              self.queue | WIDE | vtd.QUEUE_ORDER)
        self._command(vtd.G_QIE, keep)

    def put(self, descriptors):
        self.ticket += 1
        wait = (self.wait_descriptor() | self.ticket << 32, self.status)
        data = b''.join(struct.pack('<QQQQ', *d, 0, 0)
                        for d in (*descriptors, wait))
        self.emulator.store(self.queue, data)
        return len(data)


def lay_out(machine, unit):
    """Every device's entries; the base has the first stage alone."""
    first = unit.tables(MAPPED, FIRST_RW)
    second = unit.tables(MAPPED, vtd.RW)
    for did, pasid in ((1, 0), (11, PASID)):
        unit.bind(AT_FIRST, pasid, FIRST, did, first=first)
        unit.bind(AT_SECOND, pasid, SECOND, did + 1, second=second)
        unit.bind(AT_NESTED, pasid, NESTED, did + 2, first=first,
                  second=second)
        unit.bind(AT_PASS, pasid, PASS_THROUGH, did + 3)


def rows():
    kinds = (('first stage', AT_FIRST), ('second stage', AT_SECOND),
             ('nested', AT_NESTED), ('pass-through', AT_PASS))
    for group, device in kinds:
        # The base has the first one, and no PASIDs.
        for with_pasid, pasid in (('', 0), (', PASID', PASID)):
            only = dict(device=device, pasid=pasid,
                        ours=bool(pasid) or device != AT_FIRST)
            for pages in (64, 4096):
                yield Loop(group, f'read 64 B, {pages:,} pages{with_pasid}',
                           READ, 64, pages, **only)
            yield Loop(group, f'write 64 B, 64 pages{with_pasid}', WRITE, 64,
                       64, **only)
            yield Loop(group, f'map + unmap 4 KiB{with_pasid}', MAP_READ,
                       4 * KIB, 64, **only)
            yield Loop(group, f'read 64 B, each of 4,096 once{with_pasid}',
                       READ, 64, 4096, cold=True, **only)


def budget_rows():
    for name, device in (('first stage', AT_FIRST), ('nested', AT_NESTED)):
        for with_pasid, pasid in (('', 0), (', PASID', PASID)):
            only = dict(device=device, pasid=pasid,
                        ours=bool(pasid) or device != AT_FIRST)
            for command, what in ((READ, 'read'), (WRITE, 'write')):
                yield Loop('instructions', f'{what} 64 B, {name}{with_pasid}',
                           command, 64, 64, **only)
            yield Loop('instructions',
                       f'map + unmap 4 KiB, {name}{with_pasid}', MAP_READ,
                       4 * KIB, 64, **only)
        yield Loop('instructions', f'read 64 B, a miss, {name}', READ, 64,
                   COLD_PAGES, cold=True, device=device,
                   ours=device != AT_FIRST)
