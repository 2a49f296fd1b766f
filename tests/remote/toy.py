#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A translation unit in another process: the smallest server for viommu-remote.

    toy.py --path SOCKET [--stay] [--plain]     listen there
    toy.py --fd FD [--stay] [--plain]           on a listening socket that is
                                                open

Serves one connection, or with --stay one after another; with --plain without
the features that a server need not have. It is written from
docs/interop/viommu-remote.rst, and shares nothing with the emulator.

Its tables are in guest memory. DIR says where an array of 64-bit entries is,
one for each requester ID: bit 63: present; 62: its device may keep translations
(ATS); 47:12: a table's address; 11:0: its domain. Tables have three levels of 512 entries for 39 bits of IOVA; an entry:
bit 0 read, bit 1 write, bit 7 a large page, 47:12 the address; the rest is
reserved. Registers, of 64 bits each:

    0x00 CTRL     bit 0: translate; otherwise everybody bypasses
    0x08 STATUS   RO: invalidations that have not drained
    0x10 DIR      RW
    0x18 FIRST    RW: the range of INV
    0x20 LAST     RW
    0x28 INV      WO: bits 2:0 what (INV_KINDS), 39:16 domain or requester ID;
                  of what a device keeps: FIRST to LAST, without a PASID
    0x30 FAULT    the first fault: bit 63 valid, 61 write, 39:32 verdict, 31:16
                  reason, 15:0 requester; a write takes it away
    0x38 FAULT_IOVA   RO
    0x40 QUIRKS   RW: see below
    0x48 ASKED    RO: translations asked for
    0x50 RESOLVED RO: configurations asked for
    0x58 MSI_ADDR RW
    0x60 MSI_DATA WO: sends the interrupt, as requester 0
    0x68 MAPPED   RO: bytes of guest memory that came with a descriptor
    0x70 PRESENT  how many requesters there are; of a requester ID that was
                  written there, whether it is one; 0xffffffff: how many again
    0x78 PAGE     the first page request: bit 63 valid, 47:32 requester, 24:16
                  group, 9:0 its flags; a write takes it away, and answers with
                  that code, if it is one that is answered
    0x80 PAGE_IOVA    RO
    0x88 MESSAGES RW: an array of 512 entries, one for each data that is
                  written as an interrupt: bit 63: present; 47:32: of this
                  requester; 31:0: what is written instead, for processor 0;
                  0: interrupts are not remapped
    0x90 REMAPPED RO: interrupts asked for
"""

import argparse
import collections
import json
import mmap
import os
import socket
import struct
import sys
import time

CTRL, STATUS, DIR, FIRST, LAST, INV, FAULT, FAULT_IOVA, QUIRKS, ASKED, \
    RESOLVED, MSI_ADDR, MSI_DATA, MAPPED, PRESENT, PAGE, PAGE_IOVA, MESSAGES, \
    REMAPPED = range(0, 0x98, 8)
SIZE = 0x1000

# What it does otherwise than it should, or need not do
ONCE = 1 << 0           # its answers are for one access
FORGETFUL = 1 << 1      # its configurations may not be kept
PREFETCH = 1 << 2       # it tells the next page, too
MUTE = 1 << 3           # it answers no translation
LIE_ID = 1 << 4         # it answers with another id
LIE_PAGE = 1 << 5       # its pages are of no size, its interrupts none
LIE_SEQ = 1 << 6        # its sequence numbers do not rise
SULK = 1 << 7           # it answers translations with an error
NO_STATE = 1 << 8       # it can neither save nor load
ACCESSED = 1 << 9       # it marks leaves that are used: bit 5
LAST_WORDS = 1 << 16    # it writes and interrupts before it answers to a reset
LAST_LINES = 1 << 17    # ... and late, before it answers that the machine stopped

HEADER = struct.Struct('<HHIII')
REPLY, NO_REPLY, ERROR = 1, 1 << 4, 1 << 5
VERSION, DMA_MAP, DMA_UNMAP, REGION_INFO = 1, 2, 3, 5
REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, RESET = 9, 10, 11, 12, 13
RESOLVE, TRANSLATE, FAULTED, STATE_SAVE, STATE_LOAD, RUN, ENDPOINT, \
    ATS_FAULT, PAGE_REQUEST, REMAP = range(0x8001, 0x800b)
INVALIDATE, PREFETCHED, INTERRUPT, UPDATE, PAGE_RESPONSE = \
    range(0x8101, 0x8106)
BLOCKED, BYPASS, TRANSLATED = range(3)
KEEP, MAY_ATS = 1, 4
OK, ABSENT, DENIED, RESERVED, UNREADABLE, RANGE = range(6)
READ, WRITE = 1, 2
NO_RIGHTS, UNSUPPORTED, ABORT = range(3)
PAGE_LAST = 1 << 8
CONFIG_ALL, CONFIG_RID, CONFIG_PASID, ALL, DOMAIN, IN_RANGE, NOTHING, DEVICE, \
    DEVICE_ALL, MESSAGE, MESSAGE_ALL = range(11)
# INV's: what of the above
INV_KINDS = (NOTHING, CONFIG_ALL, DOMAIN, IN_RANGE, CONFIG_RID, ALL, DEVICE,
             MESSAGE)
# ... and of which feature
OF_FEATURE = {DEVICE: 'device-tlb', MESSAGE: 'interrupts',
              MESSAGE_ALL: 'interrupts'}
SEND, POSTED, REFUSED = range(3)
REQUEST = 2
NO_ENTRY = 0xffffffff
INTERRUPTS = 0xfee00000

# What it can do that a server need not
FEATURES = ('endpoints', 'device-tlb', 'page-requests', 'interrupts')

NO_PASID = 0xffffffff
EVERYBODY = 0xffffffff
ADDR = 0xfffffffff000
EINVAL = 22


class Gone(Exception):
    """The VMM has ended the connection."""


class Refused(Exception):
    """The VMM's answer is an error."""


class Unit:
    """Registers and tables; the connection is a Connection's business."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.regs = {r: 0 for r in (CTRL, DIR, FIRST, LAST, QUIRKS, MSI_ADDR,
                                    MESSAGES)}
        self.faults = collections.deque(maxlen=64)
        self.looked_for = EVERYBODY
        self.pages = collections.deque()    # (rid, group, flags, iova)
        self.asked = self.resolved = self.remapped = 0

    def quirk(self, which):
        return self.regs[QUIRKS] & which

    def resolve(self, vmm, rid):
        """(mode, flags, domain, reason, bits)"""
        self.resolved += 1
        keep = 0 if self.quirk(FORGETFUL) else KEEP
        if not self.regs[CTRL] & 1:
            return BYPASS, keep, 0, 0, 64
        entry = vmm.read64(self.regs[DIR] + 8 * rid)
        if entry is None or not entry >> 63:
            return BLOCKED, 0, 0, 1, 0
        if entry >> 62 & 1 and 'device-tlb' in vmm.features:
            keep |= MAY_ATS
        return TRANSLATED, keep, entry & 0xfff, 0, 0

    def translate(self, vmm, rid, iova, access):
        """(verdict, address, shift, permission)"""
        entry = vmm.read64(self.regs[DIR] + 8 * rid)
        if entry is None or not entry >> 63:
            return UNREADABLE, 0, 0, 0
        if iova >> 39:
            return RANGE, 0, 0, 0
        perm, table = READ | WRITE, entry & ADDR
        for level in (3, 2, 1):
            shift = 12 + 9 * (level - 1)
            at = table + 8 * (iova >> shift & 511)
            entry = vmm.read64(at)
            if entry is None:
                return UNREADABLE, 0, 0, 0
            if not entry & 3:
                return ABSENT, 0, 0, 0
            if entry & ~(ADDR | 0xa3):
                return RESERVED, 0, 0, 0
            perm &= entry
            table = entry & ADDR
            if level == 1 or (level == 2 and entry & 0x80):
                break
        if access & 3 & ~perm:
            return DENIED, 0, 0, 0
        if self.quirk(ACCESSED) and access & 3 and not entry & 0x20:
            vmm.update64(at, entry, entry | 0x20)
        return OK, table & ~((1 << shift) - 1), shift, perm

    def remap(self, vmm, rid, address, data):
        """(address, data, verdict, flags, entry)"""
        self.remapped += 1
        keep = 0 if self.quirk(ONCE) else KEEP
        table = self.regs[MESSAGES]
        if not table:
            return address, data, SEND, keep, NO_ENTRY
        entry = vmm.read64(table + 8 * data) if data < 512 else None
        if entry is None or not entry >> 63 or entry >> 32 & 0xffff != rid:
            return 0, 0, REFUSED, 0, NO_ENTRY
        return INTERRUPTS, entry & 0xffffffff, SEND, keep, data

    def fault(self, iova, rid, access, verdict, reason):
        self.faults.append((1 << 63 | (access & WRITE and 1 << 61) |
                            verdict << 32 | reason << 16 | rid, iova))


class Connection:
    def __init__(self, connection, unit, features=FEATURES):
        self.socket = connection
        self.unit = unit
        self.features = features    # once both have spoken: those in use
        self.fds = []
        self.deferred = collections.deque()
        self.maps = []              # (address, size, mmap)
        self.next_id = 0
        self.pending = {}           # id: (kind, operand, first, last)
        self.old = set()            # ids of before a reset
        self.seq = 0
        self.requesters = set()     # that are there

    # Bytes

    def take(self, size, fds):
        """So many bytes, and the descriptors that come with them"""
        data = b''
        while len(data) < size:
            part, more, _, _ = socket.recv_fds(self.socket, size - len(data), 8)
            if not part:
                raise Gone
            data += part
            fds += more
        return data

    def receive(self):
        """
        One message: (id, command, flags, error, body). A descriptor comes with
        the first byte of its message, so nothing is read beyond a message.
        """
        fds = []
        ident, command, size, flags, error = \
            HEADER.unpack(self.take(HEADER.size, fds))
        body = self.take(size - HEADER.size, fds)
        self.fds += fds
        return ident, command, flags, error, body

    def send(self, ident, command, body=b'', flags=0, error=0):
        try:
            self.socket.sendall(HEADER.pack(
                ident, command, HEADER.size + len(body), flags, error) + body)
        except OSError as broken:
            raise Gone from broken

    def order(self, command, body, flags=0):
        self.next_id = (self.next_id + 1) & 0xffff
        self.send(self.next_id, command, body, flags)
        return self.next_id

    def ask(self, command, body):
        """Sends it and waits; what else comes meanwhile is done later."""
        ident = self.order(command, body)
        while True:
            message = self.receive()
            if message[2] & 1 and message[0] == ident:
                if message[2] & ERROR:
                    raise Refused
                return message[4]
            self.deferred.append(message)

    # Guest memory

    def read64(self, address):
        """None if there is no memory."""
        for start, size, memory in self.maps:
            if start <= address and address + 8 <= start + size and memory:
                return struct.unpack_from('<Q', memory, address - start)[0]
        try:
            body = self.ask(DMA_READ, struct.pack('<QQ', address, 8))
        except Refused:
            return None
        return struct.unpack_from('<Q', body, 16)[0]

    def update64(self, address, expected, value):
        self.ask(UPDATE, struct.pack('<QQQ', address, expected, value))

    def do_dma_map(self, body):
        _, _, offset, address, size = struct.unpack('<IIQQQ', body)
        memory = None
        if self.fds:
            fd = self.fds.pop()
            memory = mmap.mmap(fd, size, prot=mmap.PROT_READ, offset=offset)
            os.close(fd)
        self.maps.append((address, size, memory))
        return b''

    def do_dma_unmap(self, body):
        _, _, address, size = struct.unpack('<IIQQ', body)
        self.maps = [m for m in self.maps
                     if not address <= m[0] < address + size]
        return b''

    # Handshake

    def do_version(self, body):
        major, _ = struct.unpack_from('<HH', body)
        said = json.loads(body[4:].rstrip(b'\0'))
        if major != 0 or said['capabilities']['viommu']['version'] != 1:
            raise ValueError
        mine = {'capabilities': {'max_msg_fds': 8, 'viommu': {
            'version': 1, 'features': self.features}}}
        theirs = said['capabilities']['viommu'].get('features', ())
        self.features = [f for f in self.features if f in theirs]
        return struct.pack('<HH', 0, 1) + json.dumps(mine).encode() + b'\0'

    def do_region_info(self, body):
        argsz, _, index, _, _, _ = struct.unpack('<IIIIQQ', body)
        return struct.pack('<IIIIQQ', argsz, 3, index, 0,
                           0 if index else SIZE, 0)

    # Registers

    def read_register(self, offset):
        unit = self.unit
        fault = unit.faults[0] if unit.faults else (0, 0)
        rid, group, flags, iova = unit.pages[0] if unit.pages else (0,) * 4
        special = {STATUS: len(self.pending), FAULT: fault[0],
                   FAULT_IOVA: fault[1], ASKED: unit.asked,
                   RESOLVED: unit.resolved, PRESENT: self.present(),
                   PAGE: bool(unit.pages) << 63 | rid << 32 | group << 16 |
                   flags, PAGE_IOVA: iova,
                   MAPPED: sum(m[1] for m in self.maps if m[2]),
                   REMAPPED: unit.remapped}
        return special.get(offset, unit.regs.get(offset, 0))

    def present(self):
        who = self.unit.looked_for
        return len(self.requesters) if who == EVERYBODY else \
            int(who in self.requesters)

    def write_register(self, offset, value):
        unit = self.unit
        if offset == INV:
            kind = value & 7
            kind = INV_KINDS[kind] if kind < len(INV_KINDS) else NOTHING
            self.invalidate(kind, value >> 16 & 0xffffff, unit.regs[FIRST],
                            unit.regs[LAST])
        elif offset == FAULT:
            if unit.faults:
                unit.faults.popleft()
        elif offset == PRESENT:
            unit.looked_for = value & EVERYBODY
        elif offset == PAGE:
            self.answer_page(value & 15)
        elif offset == MSI_DATA:
            self.order(INTERRUPT, struct.pack(
                '<QII', unit.regs[MSI_ADDR], value & 0xffffffff, 0), NO_REPLY)
        elif offset in unit.regs:
            changed = unit.regs[offset] ^ value
            unit.regs[offset] = value
            if offset == CTRL and changed & 1:
                self.invalidate(CONFIG_ALL, 0, 0, 0)
                self.invalidate(ALL, 0, 0, 0)
            elif offset == MESSAGES and changed:
                self.invalidate(MESSAGE_ALL, 0, 0, 0)

    def do_region_read(self, body):
        offset, _, count = struct.unpack_from('<QII', body)
        value = self.read_register(offset & ~7) >> 8 * (offset & 7)
        return body[:16] + struct.pack('<Q', value)[:count]

    def do_region_write(self, body):
        offset, _, count = struct.unpack_from('<QII', body)
        if count == 8 and not offset & 7:
            self.write_register(offset, struct.unpack_from('<Q', body, 16)[0])
        return body[:16]

    # What the guest invalidates

    def invalidate(self, kind, operand, first, last):
        if first > last:
            kind = {IN_RANGE: DOMAIN, DEVICE: NOTHING,
                    MESSAGE: MESSAGE_ALL}.get(kind, kind)
        if OF_FEATURE.get(kind, 'none') not in (*self.features, 'none'):
            kind = NOTHING
        if not self.unit.quirk(LIE_SEQ):
            self.seq += 1
        domain = operand if kind in (DOMAIN, IN_RANGE) else 0
        rid = operand & 0xffff if kind in (CONFIG_RID, DEVICE) else 0
        ident = self.order(INVALIDATE, struct.pack(
            '<QQQIIIIII', self.seq, first, last, kind, domain, rid, 0,
            NO_PASID if kind == DEVICE else 0, 0))
        self.pending[ident] = (kind, operand, first, last)

    def drained(self, ident, body):
        if ident in self.old:
            self.old.remove(ident)
            return
        self.pending.pop(ident)
        struct.unpack('<Q', body)

    # What the VMM asks

    def do_resolve(self, body):
        rid, _ = struct.unpack('<II', body)
        mode, flags, domain, reason, bits = self.unit.resolve(self, rid)
        return struct.pack('<IIIIII', mode, flags, domain, reason, bits, 0)

    def do_translate(self, body):
        unit = self.unit
        iova, rid, _, domain, access = struct.unpack('<QIIII', body)
        unit.asked += 1
        if unit.quirk(MUTE):
            return None
        if unit.quirk(SULK):
            raise ValueError
        verdict, address, shift, perm = unit.translate(self, rid, iova, access)
        if verdict == OK and unit.quirk(PREFETCH):
            self.prefetch(rid, domain, (iova >> shift) + 1 << shift)
        if unit.quirk(LIE_PAGE):
            shift = 63
        return struct.pack('<IIQIIII', verdict, 0x10 + verdict, address, shift,
                           perm, 1 if unit.quirk(ONCE) else 0, 0)

    def prefetch(self, rid, domain, iova):
        verdict, address, shift, perm = self.unit.translate(self, rid, iova, 0)
        if verdict == OK:
            self.order(PREFETCHED, struct.pack(
                '<QQIIII', iova & ~((1 << shift) - 1), address, domain, shift,
                perm, 0), NO_REPLY)

    def do_fault(self, body):
        iova, rid, _, access, verdict, reason, _ = \
            struct.unpack('<QIIIIII', body)
        self.unit.fault(iova, rid, access, verdict, reason)
        return b''

    def do_remap(self, body):
        address, data, rid, flags, _ = struct.unpack('<QIIII', body)
        answer = self.unit.remap(self, rid, address, data)
        if answer[2] == REFUSED and flags & REQUEST:
            self.unit.fault(address, rid, WRITE, DENIED, 2)
        elif self.unit.quirk(LIE_PAGE):
            answer = (0x1000, *answer[1:])
        return struct.pack('<QIIII', *answer)

    # Devices

    def do_endpoint(self, body):
        rid, present = struct.unpack('<II', body)
        if ((rid in self.requesters) == bool(present) or
                'endpoints' not in self.features):
            raise ValueError
        (self.requesters.add if present else self.requesters.discard)(rid)
        return b''

    def do_ats_fault(self, body):
        iova, rid, _, access, verdict, reason, _ = \
            struct.unpack('<QIIIIII', body)
        config = self.unit.resolve(self, rid)
        if config[0] == BLOCKED or not config[1] & MAY_ATS:
            status = UNSUPPORTED
        elif verdict in (ABSENT, DENIED, RANGE):
            return struct.pack('<II', NO_RIGHTS, 0)
        else:
            status = ABORT
        self.unit.fault(iova, rid, access, verdict, reason)
        return struct.pack('<II', status, 0)

    def do_page_request(self, body):
        iova, rid, _, flags, group = struct.unpack('<QIIII', body)
        self.unit.pages.append((rid, group, flags, iova))
        return b''

    def answer_page(self, code):
        """There are no PASIDs here, so the answer has none."""
        if self.unit.pages:
            rid, group, flags, _ = self.unit.pages.popleft()
            if flags & PAGE_LAST and flags & (READ | WRITE):
                self.order(PAGE_RESPONSE, struct.pack(
                    '<IIII', rid, NO_PASID, group, code), NO_REPLY)

    # Its life

    def write_and_interrupt(self):
        where = self.unit.regs[MSI_ADDR]
        self.order(DMA_WRITE, struct.pack('<QQQ', where, 8, 0xdead), NO_REPLY)
        self.order(INTERRUPT, struct.pack('<QII', where + 8, 0xbeef, 0),
                   NO_REPLY)

    def do_reset(self, _):
        if self.unit.quirk(LAST_WORDS):
            self.invalidate(ALL, 0, 0, 0)
            self.write_and_interrupt()
        self.old |= set(self.pending)
        self.pending = {}
        self.unit.clear()
        return b''

    def do_state_save(self, _):
        if self.unit.quirk(NO_STATE):
            raise ValueError
        return json.dumps({'regs': self.unit.regs,
                           'faults': list(self.unit.faults),
                           'pending': list(self.pending.values())}).encode()

    def do_state_load(self, body):
        state = json.loads(body)
        self.unit.regs.update({int(k): v for k, v in state['regs'].items()})
        self.unit.faults.extend(tuple(f) for f in state['faults'])
        # Who is told that it is over has not been told so here.
        for inv in state['pending']:
            self.invalidate(*inv)
        return b''

    def do_run(self, body):
        running, = struct.unpack_from('<I', body)
        if not running and self.unit.quirk(LAST_LINES):
            # Who does not wait for it is through by then.
            time.sleep(0.5)
            self.write_and_interrupt()
        return b''

    COMMANDS = {
        VERSION: do_version, DMA_MAP: do_dma_map, DMA_UNMAP: do_dma_unmap,
        REGION_INFO: do_region_info, REGION_READ: do_region_read,
        REGION_WRITE: do_region_write, RESET: do_reset, RESOLVE: do_resolve,
        TRANSLATE: do_translate, FAULTED: do_fault, ENDPOINT: do_endpoint,
        ATS_FAULT: do_ats_fault, PAGE_REQUEST: do_page_request,
        REMAP: do_remap, STATE_SAVE: do_state_save, STATE_LOAD: do_state_load,
        RUN: do_run,
    }

    def handle(self, ident, command, flags, body):
        if flags & 1:
            self.drained(ident, body)
            return
        try:
            answer = self.COMMANDS[command](self, body)
            error = 0
        except (KeyError, ValueError, struct.error):
            answer, error = b'', EINVAL
        if flags & NO_REPLY or answer is None:
            return
        if self.unit.quirk(LIE_ID) and command == TRANSLATE:
            ident ^= 0x8000
        self.send(ident, command, answer, REPLY | (ERROR if error else 0),
                  error)

    def serve(self):
        while True:
            ident, command, flags, _, body = \
                self.deferred.popleft() if self.deferred else self.receive()
            self.handle(ident, command, flags, body)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.
                                     RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument('--path', help='make a socket there')
    where.add_argument('--fd', type=int, help='a socket that listens')
    parser.add_argument('--stay', action='store_true',
                        help='serve another connection after the first')
    parser.add_argument('--plain', action='store_true',
                        help='without features that a server need not have')
    options = parser.parse_args()
    if options.path:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(options.path)
        listener.listen()
    else:
        listener = socket.socket(fileno=options.fd)
    while True:
        connection, _ = listener.accept()
        try:
            Connection(connection, Unit(),
                       () if options.plain else FEATURES).serve()
        except Gone:
            pass
        connection.close()
        if not options.stay:
            return 0


if __name__ == '__main__':
    sys.exit(main())
