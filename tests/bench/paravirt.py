# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver of a virtio-iommu, and what is measured there."""

import struct

from machine import FIRST_SLOT, MAP_READ, READ, STORE32, WRITE, Q35
from rows import ARENA, KIB, PAGE, Loop, Row, scattered

Emulator = Q35
NAME = 'virtio-iommu'
# The write of its doorbell does what is asked, and can be timed.
UNIT = 'virtio-iommu-pci,addr=1e.0'
BIG_UNIT = UNIT
DEVFN = 0x1e << 3
BAR = 0xe1000000

# VIRTIO 1.3: 2.1 and 6 (status, VERSION_1), 4.1.4 (what capabilities say)
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8
VERSION_1 = 1 << 0              # of the upper half
COMMON_CFG, NOTIFY_CFG = 1, 2
FEATURE_SELECT, FEATURE, STATUS = 0x08, 0x0c, 0x14
QUEUE_SELECT, QUEUE_SIZE, QUEUE_ENABLE, QUEUE_DESC = 0x16, 0x18, 0x1c, 0x20
DESC_NEXT, DESC_WRITE = 1, 2
# 5.13.6
ATTACH, MAP, UNMAP = 1, 3, 4
RW, MAP_UNMAP = 3, 1 << 2

RING = 256
# Requests of one doorbell: no more than the device does at once
BATCH = 100
AVAIL, USED, REQUESTS, ANSWERS = 0x1000, 0x2000, 0x4000, 0x8000
SLOT = 64
PAGES = 4096

# The devices, by what they are attached to
PAGES_4K, SCATTERED, STRICT = range(3)


def attach(domain, device):
    return struct.pack('<BxxxIII4x', ATTACH, domain, (FIRST_SLOT + device) << 3,
                       0)


def mapping(domain, iova, where):
    return struct.pack('<BxxxIQQQI', MAP, domain, iova, iova + PAGE - 1, where,
                       RW)


def unmapping(domain, iova):
    return struct.pack('<BxxxIQQ4x', UNMAP, domain, iova, iova + PAGE - 1)


class Unit:
    """The request queue lies at @at in the emulator's memory."""

    def __init__(self, emulator, at):
        self.emulator, self.at = emulator, at
        self.index = 0
        self.doorbell = None

    def _write(self, addr, size, value):
        self.emulator.write(addr, size, value)

    def enable(self):
        """Nothing to do: lay_out() has used it."""

    def start(self):
        common, notify = self._find()
        status = ACKNOWLEDGE | DRIVER
        self._write(common + STATUS, 1, 0)
        self._write(common + STATUS, 1, status)
        for half, features in ((0, MAP_UNMAP), (1, VERSION_1)):
            self._write(common + FEATURE_SELECT, 4, half)
            self._write(common + FEATURE, 4, features)
        status |= FEATURES_OK
        self._write(common + STATUS, 1, status)
        self.emulator.fill(self.at, ANSWERS)
        self._write(common + QUEUE_SELECT, 2, 0)
        self._write(common + QUEUE_SIZE, 2, RING)
        for i, offset in enumerate((0, AVAIL, USED)):
            self._write(common + QUEUE_DESC + 8 * i, 4, self.at + offset)
        self._write(common + QUEUE_ENABLE, 2, 1)
        self._write(common + STATUS, 1, status | DRIVER_OK)
        self.doorbell = notify

    def _find(self):
        """Where the common configuration and queue 0's doorbell are."""
        config = self.emulator.config_read
        where = {}
        at = config(DEVFN, 0x34) & 0xff
        while at:
            head = config(DEVFN, at)
            kind, bar = head >> 24, config(DEVFN, at + 4) & 0xff
            if head & 0xff == 9 and kind in (COMMON_CFG, NOTIFY_CFG):
                where[kind] = BAR + config(DEVFN, at + 8)
                self.emulator.place(DEVFN, bar, BAR)
            at = head >> 8 & 0xff
        return where[COMMON_CFG], where[NOTIFY_CFG]

    def put(self, requests):
        """@requests where the next doorbell finds them."""
        descriptors = b''
        for i, request in enumerate(requests):
            at = self.at + REQUESTS + i * SLOT
            self.emulator.store(at, request)
            descriptors += struct.pack(
                '<QIHHQIHH', at, len(request), DESC_NEXT, 2 * i + 1,
                self.at + ANSWERS + i * 4, 4, DESC_WRITE, 0)
        self.emulator.store(self.at, descriptors)
        for i in range(len(requests)):
            slot = (self.index + i) % RING
            self._write(self.at + AVAIL + 4 + 2 * slot, 2, 2 * i)
        self.index = (self.index + len(requests)) & 0xffff
        self.emulator.fill(self.at + ANSWERS, 4 * len(requests), 0xff)
        self._write(self.at + AVAIL + 2, 2, self.index)

    def timed(self, requests):
        """Nanoseconds of the doorbell that has all of @requests done."""
        self.put(requests)
        result = self.emulator.run(0, STORE32, aux=(self.doorbell, 0))
        answers = self.emulator.load(self.at + ANSWERS, 4 * len(requests))
        if any(answers):
            raise RuntimeError('not all requests were done at once, or well')
        return result.cpu_ns

    def ask(self, requests):
        for i in range(0, len(requests), BATCH):
            self.timed(requests[i:i + BATCH])


def lay_out(machine, unit):
    """A domain for each device, its pages mapped one by one."""
    unit.start()
    unit.ask([attach(device + 1, device)
              for device in (PAGES_4K, SCATTERED, STRICT)])
    arena = range(ARENA // PAGE, ARENA // PAGE + PAGES)
    unit.ask([mapping(PAGES_4K + 1, n * PAGE, n * PAGE) for n in arena])
    unit.ask([mapping(SCATTERED + 1, n * PAGE, scattered(n) * PAGE)
              for n in arena])


class Requests(Row):
    """MAP and UNMAP through the queue; @used: a DMA to each page between."""

    needs_unit = True
    PAIRS = BATCH // 2

    def __init__(self, used):
        super().__init__('requests', 'MAP, UNMAP' if not used else
                         'MAP, read 64 B, UNMAP')
        self.used = used

    def measure(self, target, milliseconds):
        # Two pages apart: neighbours would be joined.
        iovas = [ARENA + 2 * i * PAGE for i in range(self.PAIRS)]
        maps = [mapping(STRICT + 1, iova, iova) for iova in iovas]
        unmaps = [unmapping(STRICT + 1, iova) for iova in iovas]
        if not self.used:
            return target.unit.timed(maps + unmaps) / self.PAIRS
        spent = target.unit.timed(maps)
        spent += target.emulator.run(
            STRICT, READ, addr=ARENA, length=64, stride=2 * PAGE,
            window=2 * self.PAIRS * PAGE, count=self.PAIRS).cpu_ns
        return (spent + target.unit.timed(unmaps)) / self.PAIRS


def rows():
    for group, device in (('mappings of a page', PAGES_4K),
                          ('scattered mappings', SCATTERED)):
        for pages in (1, 64, PAGES):
            yield Loop(group, f'read 64 B, {pages:,} pages', READ, 64, pages,
                       device=device)
        yield Loop(group, 'write 64 B, 64 pages', WRITE, 64, 64, device=device)
        yield Loop(group, 'map + unmap 4 KiB', MAP_READ, 4 * KIB, 64,
                   device=device)
    yield Requests(False)
    yield Requests(True)


def budget_rows():
    yield Loop('instructions', 'read 64 B', READ, 64, 64)
    yield Loop('instructions', 'write 64 B', WRITE, 64, 64)
    yield Loop('instructions', 'map + unmap 4 KiB', MAP_READ, 4 * KIB, 64)
