# SPDX-License-Identifier: GPL-2.0-or-later
"""
What docs/system/sva.rst tells its reader to do: commands of the host, the
emulator's arguments, and commands of the guest with what they say. The first
two are read of other pages, too.
"""

import os
import shlex

import assets

PATH = os.path.join(assets.ROOT, 'docs', 'system', 'sva.rst')
EMULATOR = 'build/obj/qemu-system-x86_64'
HOST, GUEST = 'host$ ', 'guest# '


def _blocks(path=PATH):
    """The indented lines, each with those that it is continued on."""
    with open(path, encoding='utf-8') as f:
        lines = iter(f.read().splitlines())
    for line in lines:
        if line.startswith('  '):
            while line.endswith('\\'):
                line = line[:-1] + next(lines)
        yield line


def host_commands(path=PATH):
    return [line.strip()[len(HOST):] for line in _blocks(path)
            if line.strip().startswith(HOST)]


def machine(path=PATH):
    """The arguments that the emulator is started with."""
    for line in _blocks(path):
        if line.strip().startswith(EMULATOR):
            return shlex.split(line)[1:]
    raise ValueError(f'{path}: no command line of the emulator')


def guest_commands():
    """Pairs of a command and the lines that it says."""
    found, current = [], None
    for line in _blocks():
        text = line.strip()
        if text.startswith(GUEST):
            current = []
            found.append((text[len(GUEST):], current))
        elif not text or not line.startswith('  '):
            current = None
        elif current is not None:
            current.append(text)
    return found
