# SPDX-License-Identifier: GPL-2.0-or-later
"""Which interrupts a guest has posted: read from its VT-d's remapping table."""

import os
import struct
import tempfile

from scalable import REGISTERS, word

IRTA = REGISTERS + 0xb8
ENTRY_SIZE = 16
# VT-d 9.9, 9.10
PRESENT, POSTED = 1 << 0, 1 << 15


def table(machine):
    """The whole interrupt remapping table (VT-d 11.4.7.1)."""
    irta = word(machine, IRTA)
    size = ENTRY_SIZE << (irta & 0xf) + 1
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'irt')
        machine.qmp.command('pmemsave', val=irta & ~0xfff, size=size,
                            filename=path)
        with open(path, 'rb') as f:
            return f.read()


def entries(machine):
    """{source-id: [is it posted?]} of the entries that are present."""
    found = {}
    for low, high in struct.iter_unpack('<QQ', table(machine)):
        if low & PRESENT:
            found.setdefault(high & 0xffff, []).append(bool(low & POSTED))
    return found


def source_id(pci):
    """Of "0000:00:04.0"."""
    bus, slot, function = (int(part, 16)
                           for part in pci.replace('.', ':').split(':')[1:])
    return bus << 8 | slot << 3 | function


def all_posted(found, devices):
    """Has each device interrupts, and are all of them posted?"""
    return bool(found) and all(
        found.get(source_id(device.pci)) and all(found[source_id(device.pci)])
        for device in devices)
