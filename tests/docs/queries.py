#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Asks a running vIOMMU what docs/system/viommu-queries.rst and debugging.rst ask,
in that order, and compares the answers.

    queries.py --write     puts the answers into the pages instead

The pages' blocks have lines that begin with "(qemu) " and what the monitor
says, up to the end of the block; or with "-> " and "<- ", for QMP; or with
"$ viommu-top" and what that says. What is different each time (the time of day,
whether a drain had to wait) counts as equal.

The guest is this file: it drives the machine by qtest. Domain 7 of device
"edu" has a page that may be written at 0x8000000 and one that may only be read
behind it, and the same for "sata"; edu writes to both. In debugging.rst it
then makes mistakes.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
EMULATOR = os.environ.get('QEMU') or os.path.join(
    ROOT, 'build', 'obj', 'qemu-system-x86_64')
FIRMWARE = ['/usr/share/seabios', '/usr/share/qemu', '/usr/lib/ipxe/qemu']
MACHINE = ['-machine', 'q35', '-m', '64', '-nodefaults', '-display', 'none',
           '-accel', 'qtest', '-qtest-log', '/dev/null',
           '-device', 'edu,id=edu,addr=04.0',
           '-device', 'ich9-ahci,id=sata,addr=05.0']
LIMIT = 600
TRIES = 6000

TOP = os.path.join(ROOT, 'build', 'obj', 'tools', 'viommu', 'viommu-top')

# Guest memory
ROOT_TABLE, CONTEXTS, TABLES, QUEUE = 0x1000000, 0x1001000, 0x1002000, 0x1010000
MEMORY = 0x1100000
DOMAIN = 7
IOVA = 0x8000000
# VT-d registers and bits
VTD, GCMD, GSTS, RTADDR = 0xfed90000, 0x18, 0x1c, 0x20
IQH, IQT, IQA = 0x80, 0x88, 0x90
TE, SRTP, QIE = 1 << 31, 1 << 30, 1 << 26
# What the devices are given
EDU, EDU_BAR = 4, 0xe0000000
SATA, SATA_BAR = 5, 0xe1000000


class Machine:
    """A QEMU whose guest we are; @unit: properties, @more: arguments."""

    def __init__(self, more=(), unit=''):
        self.dir = tempfile.TemporaryDirectory()
        listeners = [self.listen(name) for name in ('qtest', 'qmp')]
        self.watch = f'{self.dir.name}/watch'
        args = [EMULATOR, '-device', f'intel-iommu,id=iommu{unit}', *MACHINE,
                '-qmp', f'unix:{self.watch},server=on,wait=off', *more]
        for directory in FIRMWARE:
            if os.path.isdir(directory):
                args += ['-L', directory]
        for name in ('qtest', 'qmp'):
            args += [f'-{name}', f'unix:{self.dir.name}/{name}']
        self.process = subprocess.Popen(args)
        self.qtest, self.qmp = (self.accept(one) for one in listeners)
        self.qmp.readline()
        self.ask('qmp_capabilities')

    def listen(self, name):
        listener = socket.socket(socket.AF_UNIX)
        listener.settimeout(LIMIT)
        listener.bind(f'{self.dir.name}/{name}')
        listener.listen(1)
        return listener

    @staticmethod
    def accept(listener):
        connection, _ = listener.accept()
        connection.settimeout(LIMIT)
        return connection.makefile('rw', encoding='utf-8')

    def tell(self, command):
        self.qtest.write(command + '\n')
        self.qtest.flush()
        while True:
            words = self.qtest.readline().split()
            if not words or words[0] == 'FAIL':
                raise RuntimeError(f'qtest: {command}: {words}')
            if words[0] == 'OK':
                return words[1:]

    def write(self, addr, value, size='q'):
        self.tell(f'write{size} {addr:#x} {value:#x}')

    def read(self, addr, size='l'):
        return int(self.tell(f'read{size} {addr:#x}')[0], 0)

    def config(self, slot, reg, value):
        self.tell(f'outl 0xcf8 {0x80000000 | slot << 11 | reg:#x}')
        self.tell(f'outl 0xcfc {value:#x}')

    def ask_json(self, command):
        self.qmp.write(json.dumps(command) + '\n')
        self.qmp.flush()
        while True:
            answer = json.loads(self.qmp.readline())
            if 'event' not in answer:
                return answer

    def ask(self, command, **arguments):
        return self.ask_json({'execute': command, 'arguments': arguments})

    def monitor(self, line):
        answer = self.ask('human-monitor-command', **{'command-line': line})
        return answer['return'].replace('\r', '')

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.dir.cleanup()


def set_up(machine):
    """What an operating system does until its DMA is translated."""
    machine.write(ROOT_TABLE, CONTEXTS | 1)
    for slot in (EDU, SATA):
        machine.write(CONTEXTS + 16 * (slot << 3), TABLES | 1)
        machine.write(CONTEXTS + 16 * (slot << 3) + 8, DOMAIN << 8 | 2)
    table = TABLES
    for level in (4, 3, 2):
        index = IOVA >> (12 + 9 * (level - 1)) & 511
        machine.write(table + 8 * index, table + 0x1000 | 3)
        table += 0x1000
    machine.write(table, MEMORY | 3)
    machine.write(table + 8, MEMORY + 0x1000 | 1)
    machine.write(VTD + RTADDR, ROOT_TABLE)
    machine.write(VTD + GCMD, SRTP, 'l')
    machine.write(VTD + IQA, QUEUE)
    machine.write(VTD + GCMD, QIE, 'l')
    machine.write(VTD + GCMD, QIE | TE, 'l')
    for _ in range(TRIES):
        # It waits for what was in flight: so the main loop has its turn.
        if machine.read(VTD + GSTS) & TE:
            return
        time.sleep(0.01)
    raise RuntimeError('translation is not on')


def store(machine, iova):
    """edu writes 64 bytes there."""
    for reg, value in ((0x80, 0x40000), (0x88, iova), (0x90, 64), (0x98, 3)):
        machine.write(EDU_BAR + reg, value)
    machine.tell('clock_step 200000000')


def use(machine):
    """What the drivers do."""
    machine.config(EDU, 0x10, EDU_BAR)
    machine.config(SATA, 0x24, SATA_BAR)
    for slot in (EDU, SATA):
        machine.config(slot, 0x04, 6)
    # edu writes 64 bytes to each page; the third time, to the second again.
    for offset in (0, 0x1000, 0x1000):
        store(machine, IOVA + offset)
    # The first port's command list and received FIS
    machine.write(SATA_BAR + 0x04, 1 << 31, 'l')
    for reg, value in ((0x00, IOVA), (0x08, IOVA + 0x400), (0x18, 0x11)):
        machine.write(SATA_BAR + 0x100 + reg, value, 'l')


def make_mistakes(machine):
    """What a driver in debugging.rst does"""
    # The page goes, as in Linux's strict mode, and is used again.
    machine.write(TABLES + 0x3000, 0)
    tail = machine.read(VTD + IQT)
    machine.write(QUEUE + tail, DOMAIN << 16 | 3 << 4 | 2)
    machine.write(QUEUE + tail + 8, IOVA)
    machine.write(VTD + IQT, tail + 16)
    for _ in range(TRIES):
        if machine.read(VTD + IQH) == tail + 16:
            break
        time.sleep(0.01)
    store(machine, IOVA + 0x10)
    # And a buffer is a bit shorter than the device believes.
    store(machine, IOVA + 0x2000)
    # Another one goes without an invalidation, and is used all the same.
    machine.write(TABLES + 0x3000 + 8 * 5, MEMORY + 0x5000 | 3)
    store(machine, IOVA + 0x5000)
    machine.write(TABLES + 0x3000 + 8 * 5, 0)
    store(machine, IOVA + 0x5000)
    machine.tell('clock_step 2000000000')


# Each page, the unit's properties in it, and what happens before it asks
PAGES = {
    'viommu-queries.rst': ('', ()),
    'debugging.rst': (',sanitizer=on', (make_mistakes,)),
}


def alike(text):
    """Without what is different each time."""
    text = re.sub(r'waited \d+, stalled', 'waited N, stalled', text)
    text = re.sub(r'longest [\d.]+ \w+', 'longest N', text)
    text = re.sub(r'waited \S+/s \(\d+', 'waited N/s (N', text)
    text = re.sub(r'\d+ ms (ago|at least|the tables)', r'N ms \1', text)
    text = re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC', 'TIME', text)
    text = re.sub(r'longest \d+ us', 'longest N us', text)
    return re.sub(r'-us": \d+', '-us": 0', text)


def command(machine, words):
    """What viommu-top, whose last argument is the monitor, prints"""
    done = subprocess.run([sys.executable, TOP, *words[1:-1], machine.watch],
                          check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding='utf-8', timeout=LIMIT)
    return done.stdout.rstrip('\n').split('\n')


def answer(machine, line):
    """The lines that the page has after @line."""
    if line.startswith('(qemu) '):
        return machine.monitor(line[7:]).rstrip('\n').split('\n')
    if line.startswith('$ '):
        return command(machine, shlex.split(line[2:]))
    got = machine.ask_json(json.loads(line[3:]))
    text = json.dumps(got, indent=4, sort_keys=True).split('\n')
    return ['<- ' + text[0], *('   ' + more for more in text[1:])]


ASKS = ('(qemu) ', '-> ', '$ viommu-top')


def blocks(lines):
    """(number of the line that asks, of the line behind the answer)"""
    start = None
    for number, line in enumerate([*lines, 'end']):
        text = line.strip()
        inside = line.startswith('  ') or not text
        if start is not None and (not inside or
                                  text.startswith(ASKS)):
            end = number
            while not lines[end - 1].strip():
                end -= 1
            yield start, end
            start = None
        if inside and text.startswith(ASKS):
            start = number


def read_page(name):
    with open(os.path.join(ROOT, 'docs', 'system', name),
              encoding='utf-8') as file:
        return file.read().splitlines()


def asked(name, page):
    """(question, what the page says, what the machine says), in order"""
    unit, more = PAGES[name]
    machine = Machine(unit=unit)
    try:
        set_up(machine)
        use(machine)
        for step in more:
            step(machine)
        for start, end in blocks(page):
            said = [line[2:] for line in page[start + 1:end]]
            yield start, end, said, answer(machine, page[start].strip())
    finally:
        machine.stop()


def checks():
    """Pairs of a name and a function that says what is wrong."""
    for name in PAGES:
        page = read_page(name)
        for start, _, said, now in asked(name, page):
            same = alike('\n'.join(said)) == alike('\n'.join(now))
            wrong = '' if same else 'it says: ' + ' / '.join(now)
            yield f'{name}: {page[start].strip()}', lambda w=wrong: w


def write():
    for name in PAGES:
        page = read_page(name)
        for start, end, said, now in reversed(list(asked(name, page))):
            if alike('\n'.join(said)) != alike('\n'.join(now)):
                page[start + 1:end] = [('  ' + line).rstrip() for line in now]
        with open(os.path.join(ROOT, 'docs', 'system', name), 'w',
                  encoding='utf-8') as file:
            file.write('\n'.join(page) + '\n')


if __name__ == '__main__':
    if sys.argv[1:] == ['--write']:
        write()
    else:
        bad = [f'{name}: {wrong()}' for name, wrong in checks() if wrong()]
        print('\n'.join(bad) or 'all as the page says')
        sys.exit(bool(bad))
