# SPDX-License-Identifier: GPL-2.0-or-later
"""
Compares the tables of docs/system that say what a register says with what it
says.

Such a table has the caption "NAME, at ADDRESS of ``MACHINE``" and the columns
Field, Bits (7, or 11:10), Value and With: the property of the last device of
MACHINE that it takes, or nothing. What no row has is 0. Each property is tried
alone, and all together.
"""

import functools
import glob
import os
import re
import shlex
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CAPTION = re.compile(r'^\.\. list-table:: (.+), at (0x[0-9a-f]+) of\s+'
                     r'``([^`]+)``$', re.M)


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
    total = seen = 0
    for _, bits, value, with_ in rows:
        value, mask = field(bits, value)
        if value & ~mask or seen & mask:
            return None
        seen |= mask
        if not with_ or with_ in given:
            total |= value
    return total


def read(machine, address):
    """What the register at @address says, or the emulator instead."""
    program, *args = shlex.split(machine)
    command = [os.path.join(ROOT, 'build', 'obj', program), *args,
               '-nodefaults', '-display', 'none', '-accel', 'qtest',
               '-qtest', 'stdio', '-qtest-log', '/dev/null']
    said = ''
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as emulator:
        emulator.stdin.write(f'readq {address}\n')
        emulator.stdin.flush()
        for line in emulator.stdout:
            if line.startswith('OK '):
                said = int(line.split()[1], 16)
                break
            said += line
        emulator.kill()
    return said


def check(rows, machine, address, given):
    """An explanation of what is wrong, or ''."""
    says = read(','.join([machine, *given]), address)
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
            name, address, machine = caption.groups()
            rows = rows_of(text[caption.end():])
            properties = sorted({row[3] for row in rows if row[3]})
            for given in ([], *[[p] for p in properties], properties):
                yield (f'{os.path.basename(page)}: {name} '
                       f'{" ".join(given)}',
                       functools.partial(check, rows, machine, address, given))
