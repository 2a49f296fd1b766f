# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: rows, each a loop on one of the machines."""

import struct
import time

from machine import (KEEP, LET_GO, LOAD, MAP_READ, MAP_WRITE, READ, VRING,
                     SCATTER, WRITE, BenchError)

KIB, MIB = 1 << 10, 1 << 20
PAGE = 4 * KIB
TABLES = 16 * MIB
# Nothing is cached from there: for invalidations that find nothing
ELSEWHERE = 64 * MIB
VRING_AT = 128 * MIB
ARENA = 256 * MIB
ARENA_SIZE = 400 * MIB
MAPPED = ARENA + ARENA_SIZE

# The devices, by what they are attached to
PAGES_4K, PAGES_4K_TOO, PAGES_2M, PAGES_1G, STRICT, SCATTERED, PASS = range(7)
DEVICES = 7
DID_4K, DID_2M, DID_1G, DID_STRICT, DID_SCATTERED, DID_PASS = range(1, 7)
DID_NOBODY = 7
VRING_SLOTS = 256
# No more than one write of the tail does at once (VIOMMU_QUEUE_BUDGET): the
# rest would be a bottom half's, and not measured.
BATCH = 100
MAX_COUNT = 1 << 24
# Operations whose instructions are counted, after some that warm the caches up
COUNTED_WARM, COUNTED = 256, 1024
COLD_PAGES = 128
# Endpoints that do nothing, in the row of the memory that they take
IDLE = 28
SETTLE_SECONDS = 3
# Threads that wait for one another are timed by the wall clock, to which a
# busy machine can only add: each round takes the best of these.
TRIES = 3
# New threads may begin on one processor; it takes the host a while to spread
# them.
THREADS_MILLISECONDS = 80


def scattered(number):
    """Where a page of the arena is when they are scattered."""
    first, count = ARENA // PAGE, ARENA_SIZE // PAGE
    if number < first:
        return number
    return first + (number - first) * SCATTER % count


class Machine:
    """
    An emulator whose memory is touched, and its unit if there is one.
    @logged: writes are recorded as they are while the machine migrates;
    @listened: the strict driver's device is told what is mapped.
    """

    def __init__(self, model, binary, iommu=None, wrapper=(),
                 arena=ARENA_SIZE, logged=False, listened=False):
        self.model = model
        self.emulator = model.Emulator(binary, iommu, DEVICES, wrapper,
                                       monitor=logged,
                                       listener=STRICT if listened else None)
        self.unit = None
        self.emulator.fill(ARENA, arena, 0x5a)
        ring = struct.pack(f'<HH{VRING_SLOTS}H', 0, 0, *range(VRING_SLOTS))
        self.emulator.store(VRING_AT + 0x1000, ring)
        if iommu is not None:
            self._translate()

    def _translate(self):
        unit = self.unit = self.model.Unit(self.emulator, TABLES)
        getattr(self.model, 'lay_out', lay_out)(self, unit)
        unit.enable()

    def close(self):
        self.emulator.close()


def lay_out(machine, unit):
    """Legacy mode, or stage 1: a domain and its tables for each device."""
    small = unit.identity(MAPPED, 1)
    unit.attach(PAGES_4K, DID_4K, small[3])
    unit.attach(PAGES_4K_TOO, DID_4K, small[3])
    unit.attach(PAGES_2M, DID_2M, unit.identity(1 << 30, 2)[3])
    unit.attach(PAGES_1G, DID_1G, unit.identity(1 << 30, 3)[3])
    strict = unit.identity(MAPPED, 1)
    unit.attach(STRICT, DID_STRICT, strict[3])
    machine.strict_leaf = strict[1] + (ARENA >> 12) * 8
    unit.attach(SCATTERED, DID_SCATTERED,
                unit.identity(MAPPED, 1, scattered)[3])
    unit.pass_through(PASS, DID_PASS)


class Row:
    """A row of the table. measure() gives nanoseconds per operation."""

    unit = 'ns'
    needs_unit = False       # there is no such thing without a vIOMMU
    big = False              # needs an IOTLB that holds everything
    logged = False           # needs writes to be recorded
    alone = False            # no other endpoint may have done any DMA
    ours = False             # the base's unit cannot do it
    caching = False          # its unit has caching mode, and a listener
    idle = False             # of a machine of its own
    sanitized = False        # sanitizer=on; ours alone

    def __init__(self, group, name):
        self.group, self.name = group, name

    def key(self):
        return f'{self.group}: {self.name}'

    def count(self, target):
        """
        The loop whose instructions are counted is the last that this runs; how
        many operations it has.
        """
        raise NotImplementedError


class Loop(Row):
    """A device's loop over @pages pages, one operation after the other."""

    def __init__(self, group, name, command, length, pages, *, device=PAGES_4K,
                 threads=0, peer=None, addr=ARENA, cold=False, logged=False,
                 pasid=0, ours=False, sanitized=False):
        super().__init__(group, name)
        self.sanitized = sanitized
        self.logged, self.pasid, self.ours = logged, pasid, ours
        self.command, self.length, self.device = command, length, device
        self.addr = addr
        self.stride = max(length, PAGE)
        self.window = max(pages * PAGE, self.stride)
        self.threads, self.peer, self.cold = threads, peer, cold
        self.steps = self.window // self.stride
        self.counts = {}

    def _run(self, target, count):
        result = target.emulator.run(
            self.device, self.command, addr=self.addr, length=self.length,
            stride=self.stride, window=self.window, count=count,
            threads=self.threads, peer=self.peer,
            pasid=self.pasid if target.unit else 0)
        # One thread never waits, so its CPU time is the cost, whatever else
        # the machine does. What threads cost each other is waiting, too.
        if self.threads > 1:
            return result.ns * self.threads / result.ops
        return result.cpu_ns / result.ops

    def count(self, target):
        if self.cold:
            self._drop(target)
            self._run(target, self.steps)
            return self.steps
        for count in (COUNTED_WARM, COUNTED):
            self._run(target, count)
        return COUNTED

    def _drop(self, target):
        if target.unit:
            model = target.model
            target.unit.invalidate(model.iotlb(model.GLOBAL))

    def _calibrate(self, target, milliseconds):
        """Warm up, and find how many operations take that long."""
        wanted, count = milliseconds * 1e6, max(64, self.steps)
        while True:
            cost = self._run(target, count)
            if count * cost >= wanted / 4 or count * 4 > MAX_COUNT:
                break
            count *= 4
        count = max(self.steps, int(wanted / max(cost, 0.1)))
        return min(count, MAX_COUNT)

    def measure(self, target, milliseconds):
        if self.cold:
            self._drop(target)
            return self._run(target, self.steps)
        if self.logged:
            target.emulator.log_writes()
        tries = TRIES if self.threads > 1 else 1
        if self.threads > 1:
            milliseconds = max(milliseconds, THREADS_MILLISECONDS)
        if target not in self.counts:
            self.counts[target] = self._calibrate(target, milliseconds)
        return min(self._run(target, self.counts[target])
                   for _ in range(tries))


class Invalidation(Row):
    """Queued descriptors against @cached entries."""

    needs_unit = True

    def __init__(self, scope, name, cached, descriptors, alone=True):
        super().__init__('invalidate', f'{name}, {cached:,} cached' +
                         ('' if alone else ', 6 endpoints'))
        self.cached, self.scope = cached, scope
        self.descriptors, self.alone = descriptors, alone
        self.big = cached > 1000

    def count(self, target):
        self.measure(target, 0)
        return len(self.descriptors)

    def measure(self, target, milliseconds):
        model = target.model
        # The endpoint has done DMA, even if nothing is left of it.
        target.emulator.run(PAGES_4K, LOAD, addr=ARENA)
        target.unit.invalidate(model.iotlb(model.GLOBAL))
        if self.cached:
            target.emulator.run(PAGES_4K, LOAD, addr=ARENA, count=self.cached,
                                window=self.cached * PAGE)
        if not self.alone:
            for device in (PAGES_4K_TOO, PAGES_2M, PAGES_1G, SCATTERED, PASS):
                target.emulator.run(device, LOAD, addr=ARENA)
        # The loop left the host's caches cold; that is not what is measured.
        target.unit.timed([model.iotlb(model.PAGE, DID_NOBODY, ELSEWHERE)])
        return target.unit.timed(self.descriptors) / len(self.descriptors)


class InFlight(Invalidation):
    """
    Page invalidations that find nothing, with maps in flight that none of them
    concerns.
    """

    def __init__(self, model, maps, length=PAGE):
        super().__init__(model.PAGE, 'page', 0,
                         [model.iotlb(model.PAGE, DID_4K,
                                      ELSEWHERE + i * PAGE)
                          for i in range(BATCH)])
        self.maps, self.length = maps, length
        self.name = f'page, {maps:,} maps in flight' + \
            (f' of {size(length)}' if length > PAGE else '')

    def count(self, target):
        self.measure(target, 0)
        return len(self.descriptors)

    def measure(self, target, milliseconds):
        emulator = target.emulator
        kept = emulator.run(PAGES_4K, KEEP, addr=ARENA, length=self.length,
                            stride=self.length, count=self.maps)
        if kept.ops != self.maps:
            raise BenchError(f'{kept.ops} of {self.maps} maps')
        try:
            # They have been there for a while.
            target.unit.timed(self.descriptors)
            return super().measure(target, milliseconds)
        finally:
            emulator.run(PAGES_4K, LET_GO)


class Strict(Row):
    """
    Map, use, unmap, invalidate, wait; without a unit only the use.  @pages:
    so many of them, scattered, are unmapped with one invalidation; @caching:
    there is one when they have been mapped, too.
    """

    PAGES = 64

    def __init__(self, name, pages=1, caching=False):
        super().__init__('strict', name)
        self.pages, self.caching = pages, caching

    def _run(self, target, count):
        length = self.pages * PAGE
        where = dict(addr=ARENA, length=length, stride=length,
                     window=self.PAGES * PAGE, count=count)
        if not target.unit:
            return target.emulator.run(STRICT, WRITE, **where)
        target.unit.invalidate(target.model.iotlb(target.model.GLOBAL))
        # The loop leaves head and tail at slot 0.
        return target.unit.cycle(STRICT, target.strict_leaf, DID_STRICT,
                                 pages=self.pages, caching=self.caching,
                                 **where)

    def _queue(self, target):
        """A queue's length of cycles, of two descriptors or four"""
        return target.model.SLOTS // (4 if self.caching else 2)

    def measure(self, target, milliseconds):
        if target.unit:
            count = self._queue(target) * (4 if self.pages == 1 else 1)
        else:
            count = 8 * target.model.SLOTS // self.pages
        result = self._run(target, count)
        return result.cpu_ns / result.ops

    def count(self, target):
        count = self._queue(target) if target.unit else COUNTED_WARM
        # The first one makes the endpoint's cache.
        for _ in range(2):
            self._run(target, count)
        return count


def size(length):
    for unit, name in ((MIB, 'MiB'), (KIB, 'KiB')):
        if length >= unit:
            return f'{length // unit} {name}'
    return f'{length} B'


def accesses():
    kinds = [('load 32 bit', LOAD, 4)]
    for length in (64, 4 * KIB, 64 * KIB):
        kinds += [(f'read {size(length)}', READ, length),
                  (f'write {size(length)}', WRITE, length)]
    for group, command, length in kinds:
        for pages in (1, 64, 900, 4096, 65536):
            if pages * PAGE >= length:
                yield Loop(group, f'{pages:,} page{"s"[:pages > 1]}', command,
                           length, pages)


def maps():
    for length, pages in ((4 * KIB, 64), (64 * KIB, 4096), (MIB, 4096)):
        yield Loop('map + unmap', f'{size(length)}, over {pages} pages',
                   MAP_READ, length, pages)
    yield Loop('map + unmap', '64 KiB, over 4096 pages, for writing',
               MAP_WRITE, 64 * KIB, 4096)


def threads():
    for name, command, length in (('read 64 B', READ, 64),
                                  ('map + unmap 4 KiB', MAP_READ, 4 * KIB)):
        for n, peer, who in ((1, None, '1 thread'),
                             (2, None, '2 threads, 1 endpoint'),
                             (2, PAGES_4K_TOO, '2 threads, 2 endpoints')):
            yield Loop('threads', f'{name}, {who}', command, length, 64,
                       threads=n, peer=peer)


def large_pages():
    for device, name in ((PAGES_2M, '2 MiB'), (PAGES_1G, '1 GiB')):
        for pages in (64, 65536):
            yield Loop('large pages', f'read 64 B, {name}, over {pages:,}',
                       READ, 64, pages, device=device)
        yield Loop('large pages', f'map + unmap 64 KiB, {name}', MAP_READ,
                   64 * KIB, 4096, device=device)


def scattered_rows():
    for pages in (64, 900, 4096, 65536):
        yield Loop('scattered pages', f'read 64 B, {pages:,} pages', READ, 64,
                   pages, device=SCATTERED)
    yield Loop('scattered pages', 'write 4 KiB, 4,096 pages', WRITE, 4 * KIB,
               4096, device=SCATTERED)
    yield Loop('scattered pages', 'read 64 KiB, 4,096 pages', READ, 64 * KIB,
               4096, device=SCATTERED)
    for length in (4 * KIB, 64 * KIB, MIB):
        yield Loop('scattered pages', f'map + unmap {size(length)}', MAP_READ,
                   length, 64 if length == 4 * KIB else 4096,
                   device=SCATTERED)
    yield Loop('scattered pages', 'read 64 B, each of 65,536 once', READ, 64,
               65536, device=SCATTERED, cold=True)


def pass_through():
    for pages in (64, 65536):
        yield Loop('pass-through', f'read 64 B, {pages:,} pages', READ, 64,
                   pages, device=PASS)
    for length in (4 * KIB, 64 * KIB):
        yield Loop('pass-through', f'map + unmap {size(length)}', MAP_READ,
                   length, 64 if length == 4 * KIB else 4096, device=PASS)


def logged():
    for pages in (64, 4096):
        yield Loop('dirty logging', f'write 64 B, {pages:,} pages', WRITE, 64,
                   pages, logged=True)


def sanitized():
    """What sanitizer=on costs: beside the same rows without it"""
    for name, command, length in (('read 64 B', READ, 64),
                                  ('write 4 KiB', WRITE, 4 * KIB),
                                  ('map + unmap 4 KiB', MAP_READ, 4 * KIB)):
        yield Loop('sanitizer=on', f'{name}, 64 pages', command, length, 64,
                   sanitized=True)


def invalidations(model):
    elsewhere = [model.iotlb(model.PAGE, DID_4K, ELSEWHERE + i * PAGE)
                 for i in range(BATCH)]
    for name, scope, descriptors in (
            ('page', model.PAGE, elsewhere),
            ('other domain', model.DOMAIN,
             [model.iotlb(model.DOMAIN, DID_NOBODY)] * BATCH),
            ('its domain, one', model.DOMAIN,
             [model.iotlb(model.DOMAIN, DID_4K)]),
            ('global, one', model.GLOBAL, [model.iotlb(model.GLOBAL)])):
        for cached in (0, 100, 1000, 100000):
            yield Invalidation(scope, name, cached, descriptors)
    yield Invalidation(model.PAGE, 'page', 1000, elsewhere, alone=False)


class Idle(Row):
    """The memory, in KiB, of an emulator whose endpoints do nothing."""

    def __init__(self):
        super().__init__('memory (KiB)', f'{IDLE} endpoints idle')
        self.idle = True
        self.least = {}

    def measure(self, target, milliseconds):
        # What is freed later (RCU) is not what it takes.
        if target not in self.least:
            time.sleep(SETTLE_SECONDS)
        self.least[target] = min(target.private_kib(),
                                 self.least.get(target, 1 << 40))
        return self.least[target]


def in_flight(model):
    for maps, length in ((0, PAGE), (1, PAGE), (64, PAGE), (1000, PAGE),
                         (64, MIB)):
        yield InFlight(model, maps, length)


def strict(model):
    if not hasattr(model.Unit, 'cycle'):
        return
    yield Strict('map, 4 KiB write, unmap, invalidate')
    yield Strict('map, 64 KiB write to 16 scattered pages, unmap, invalidate',
                 pages=16)
    if hasattr(model, 'CACHING'):
        yield Strict('caching mode, listener: map, 4 KiB write, unmap',
                     caching=True)


def memory(model):
    yield Idle()


def all_rows(model):
    if hasattr(model, 'rows'):
        return list(model.rows())
    return [*accesses(), *maps(), *threads(), *large_pages(),
            *scattered_rows(), *pass_through(), *logged(),
            Loop('misses only', 'read 64 B, each of 65,536 pages once', READ,
                 64, 65536, cold=True),
            Loop('vring', 'one descriptor in and out', VRING, 16, 1,
                 addr=VRING_AT),
            *invalidations(model), *in_flight(model), *sanitized(),
            *strict(model), *memory(model)]


# Of the loops, those whose instructions are counted
def budget_rows(model):
    if hasattr(model, 'budget_rows'):
        return list(model.budget_rows())
    nobody, own = (
        [model.iotlb(model.PAGE, did, ELSEWHERE + i * PAGE)
         for i in range(BATCH)] for did in (DID_NOBODY, DID_4K))
    return [Loop('instructions', 'read 64 B', READ, 64, 64),
            Loop('instructions', 'write 64 B', WRITE, 64, 64),
            Loop('instructions', 'map + unmap 4 KiB', MAP_READ, 4 * KIB, 64),
            Loop('instructions', 'map + unmap 4 KiB, pass-through', MAP_READ,
                 4 * KIB, 64, device=PASS),
            Loop('instructions', 'map + unmap 64 KiB, scattered', MAP_READ,
                 64 * KIB, 4096, device=SCATTERED),
            Loop('instructions', 'read 64 B, a miss', READ, 64, COLD_PAGES,
                 cold=True),
            Loop('instructions', 'vring', VRING, 16, 1, addr=VRING_AT),
            Invalidation(model.PAGE, 'page', 0, own),
            Invalidation(model.PAGE, "page of another domain", 0, nobody),
            *in_flight(model), *strict(model)]
