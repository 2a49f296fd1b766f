# SPDX-License-Identifier: GPL-2.0-or-later
"""
Compares the tables of docs/system that say what a register says with what it
says.

Such a table has the caption "NAME, at ADDRESS of ``MACHINE``" and the columns
Field, Bits (7, or 11:10), Value and With: the property that it takes, or
nothing: of the last device of MACHINE, or if the machine makes the unit by
itself, of that. What no row has is 0; a second row of the same bits says what
they are with its property instead. "NAME, 32 bits at" is a register of so many.
Each property is tried alone, and all together.
"""

import functools
import glob
import os
import re
import shlex
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CAPTION = re.compile(r'^\.\. list-table:: (.+?),( 32 bits)? at (0x[0-9a-f]+) of'
                     r'\s+``([^`]+)``$', re.M)
# A unit that the machine makes
BUILT_IN = {'iommu=smmuv3': 'arm-smmuv3'}


def rows_of(text):
    """[[cell, ...], ...] of the list-table that @text begins with."""
    rows = []
    for line in text.split('\n\n', 2)[1].splitlines():
        cell = re.match(r'   (\* -|  -|   ) ?(.*)', line)
        if not cell:
            break
        if cell[1] == '* -':
            rows.append([cell[2]])
        elif cell[1] == '  -':
            rows[-1].append(cell[2])
        else:
            rows[-1][-1] += ' ' + cell[2].strip()
    return rows[1:]


def field(bits, value):
    """Where @value is in the register, and the mask of its bits."""
    high, _, low = bits.partition(':')
    low = int(low or high)
    mask = (2 << int(high)) - (1 << low)
    return int(value, 0) << low, mask


def expected(rows, given):
    """What the register says with @given; None: a row is wrong."""
    fields = {}
    for _, bits, value, with_ in rows:
        value, mask = field(bits, value)
        others = [m for m in fields if m & mask]
        if value & ~mask or others not in ([], [mask] if with_ else []):
            return None
        if not with_ or with_ in given:
            fields[mask] = value
        else:
            fields.setdefault(mask, 0)
    return sum(fields.values())


def with_properties(machine, given):
    """The command line @machine with the properties @given of its unit"""
    for word, unit in BUILT_IN.items():
        if word in machine:
            return ' '.join([machine] + [f'-global {unit}.{one}'
                                         for one in given])
    return ','.join([machine, *given])


def read(machine, how, address):
    """What the register at @address says, or the emulator instead."""
    program, *args = shlex.split(machine)
    command = [os.path.join(ROOT, 'build', 'obj', program), *args,
               '-nodefaults', '-display', 'none', '-accel', 'qtest',
               '-qtest', 'stdio', '-qtest-log', '/dev/null']
    said = ''
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as emulator:
        emulator.stdin.write(f'{how} {address}\n')
        emulator.stdin.flush()
        for line in emulator.stdout:
            if line.startswith('OK '):
                said = int(line.split()[1], 16)
                break
            said += line
        emulator.kill()
    return said


def check(rows, machine, how, address, given):
    """An explanation of what is wrong, or ''."""
    says = read(with_properties(machine, given), how, address)
    ought = expected(rows, given)
    if ought is None:
        return 'two rows have the same bits, or a value has more'
    if not isinstance(says, int):
        return says
    return '' if says == ought else f'it is {says:#x}, not {ought:#x}'


def checks():
    """Pairs of a name and a function that says what is wrong."""
    for page in sorted(glob.glob(f'{ROOT}/docs/system/*.rst')):
        with open(page, encoding='utf-8') as file:
            text = file.read()
        for caption in CAPTION.finditer(text):
            name, half, address, machine = caption.groups()
            how = 'readl' if half else 'readq'
            rows = rows_of(text[caption.end():])
            properties = sorted({row[3] for row in rows if row[3]})
            tries = dict.fromkeys([(), *[(p,) for p in properties],
                                   tuple(properties)])
            for given in tries:
                yield (f'{os.path.basename(page)}: {name} '
                       f'{" ".join(given)}',
                       functools.partial(check, rows, machine, how, address,
                                         given))
