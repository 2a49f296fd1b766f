# SPDX-License-Identifier: GPL-2.0-or-later
"""
What docs/system/find-your-dma-bug.rst tells its reader to do, and what it says
comes of it: blocks of indented lines, in order.

A question is a line that begins with "guest# ", a command of the guest, or
"(qemu) ", one of the monitor. Its answer is what follows up to an empty line or
the next question; a line "..." stands for any lines, even none. A block that begins with "qemu-system-x86_64:" is an answer that was not
asked for: what the emulator has said in its log since the last such block.
"host$ " and the emulator's own command line are read by svapage.
"""

import os
import re

import assets
import svapage

PATH = os.path.join(assets.ROOT, 'docs', 'system', 'find-your-dma-bug.rst')
GUEST, MONITOR, LOG = 'guest# ', '(qemu) ', 'qemu-system-x86_64:'
ANY = '...'


def read():
    with open(PATH, encoding='utf-8') as f:
        return f.read().splitlines()


def host_commands():
    return svapage.host_commands(PATH)


def machine():
    return svapage.machine(PATH)


def _begins(line):
    text = line.strip()
    if not line.startswith('  '):
        return ''
    for kind in (GUEST, MONITOR, LOG):
        if text.startswith(kind):
            return kind
    return ''


def questions(page):
    """
    (kind, what is asked, number of the answer's first line, of the line behind
    it), in order.
    """
    number = 0
    while number < len(page):
        kind = _begins(page[number])
        start = number
        number += 1
        if not kind:
            continue
        if kind == LOG:
            start -= 1
        while number < len(page) and page[number].startswith('  ') and \
                (kind == LOG or not _begins(page[number])):
            number += 1
        asked = '' if kind == LOG else page[start].strip()[len(kind):]
        yield kind, asked, start + 1, number


def answer(page, first, end):
    return [line[2:] for line in page[first:end]]


def alike(line):
    """Without what is different each time."""
    line = re.sub(r'\d+ ms ago', 'N ms ago', line)
    line = re.sub(r'\b\d+ times', 'N times', line)
    if 'that were stale' in line:
        line = re.sub(r'\d+', 'N', line)
    line = re.sub(r'^\[ *\d+\.\d+\]', '[TIME]', line)
    line = re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC', 'TIME', line)
    # Where the guest has its memory, and tables
    return re.sub(r'0x[0-9a-f]{5,}', 'ADDRESS', line).strip()


def same(said, now):
    """Is it what the page says, where the page says it all?"""
    said = [alike(line) for line in said if line.strip()]
    now = [alike(line) for line in now if line.strip()]
    words = [re.escape(line) + '\n' if line != ANY else '(?:.*\n)*?'
             for line in said]
    return bool(re.fullmatch(''.join(words), ''.join(f'{line}\n'
                                                     for line in now)))


def put(page, first, end, now):
    """
    What is said now, in place of what the page has; without what "..." of the
    page stands for, as far as the lines around that are still there.
    """
    marks = [i for i in range(first, end) if page[i].strip() == ANY]
    if marks:
        now = _shortened(answer(page, first, end), now)
    page[first:end] = [f'  {line}'.rstrip() for line in now if line.strip()]


def _shortened(said, now):
    """@now with "..." where @said has it"""
    rest = list(now)
    out = []
    for line in said:
        words = [alike(one) for one in rest]
        if line.strip() == ANY:
            out.append(ANY)
        elif alike(line) in words:
            if out[-1:] != [ANY]:
                out += rest[:words.index(alike(line))]
            rest = rest[words.index(alike(line)):]
            out.append(rest.pop(0))
    return out if out[-1:] == [ANY] else out + rest


def write(page):
    with open(PATH, 'w', encoding='utf-8') as f:
        f.write('\n'.join(page) + '\n')
