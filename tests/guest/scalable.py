# SPDX-License-Identifier: GPL-2.0-or-later
"""Which translation a guest set up for a device: read from its VT-d tables."""

import time

REGISTERS = 0xfed90000
RTADDR = REGISTERS + 0x20
ADDRESS = 0x000ffffffffff000
# PGTT of a PASID table entry (VT-d 9.6)
TYPES = {1: 'first', 2: 'second', 3: 'nested', 4: 'pass-through'}
# What a register is that nobody answers for: a unit in another process may be
# slow, and a monitor does not wait for it.
NO_ANSWER = (1 << 64) - 1


def word(machine, address):
    """64 bits of the guest's physical memory."""
    text = machine.qmp.command('human-monitor-command',
                               **{'command-line': f'xp /1gx {address:#x}'})
    return int(text.split(':')[1], 16)


def root_table(machine):
    value = NO_ANSWER
    while value == NO_ANSWER and time.monotonic() < machine.step_end:
        value = word(machine, RTADDR)
    return value


def entry(machine, address):
    """Where a present entry leads, or None."""
    value = word(machine, address)
    return value & ADDRESS if value & 1 else None


def translation(machine, pci):
    """For requests without PASID of "0000:00:04.0"; legacy; or None."""
    bus, slot, function = (int(part, 16)
                           for part in pci.replace('.', ':').split(':')[1:])
    devfn = slot << 3 | function
    root = root_table(machine)
    if not root >> 10 & 3:
        return 'legacy'
    table = entry(machine, (root & ADDRESS) + 16 * bus + 8 * (devfn >> 7))
    if table is None:
        return None
    context = table + 32 * (devfn & 0x7f)
    directory = entry(machine, context)
    pasid = word(machine, context + 8) & 0xfffff
    if directory is None:
        return None
    pasids = entry(machine, directory + 8 * (pasid >> 6))
    if pasids is None:
        return None
    value = word(machine, pasids + 64 * (pasid & 0x3f))
    return TYPES.get(value >> 6 & 7) if value & 1 else None
