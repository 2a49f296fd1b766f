# SPDX-License-Identifier: GPL-2.0-or-later
"""
How long emulators held the BQL for us: the trace event dma_held, of as many as
there are, added up (include/system/dma-held.h).
"""

import collections
import ctypes
import re
import shutil
import tempfile
from pathlib import Path

LINE = re.compile(r'dma_held (.+) cpu (\d+) ns clock (\d+) ns')
# What is more is a defect, or explained in docs/devel/reliability.rst.
GOAL_MS = 5

PR_SET_THP_DISABLE = 41

# Of the thread's processor time, and of time, both in ms
Longest = collections.namedtuple('Longest', 'cpu clock')


def without_huge_pages():
    """
    For this process, and those that it starts. Whoever is the first to touch a
    huge page of guest memory has all of it cleared, and where the host is a guest
    itself its own host may have to find it first: 5 ms have been seen, of the
    thread's processor time, whoever it was.
    """
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)


def longer(a, b):
    return Longest(max(a.cpu, b.cpu), max(a.clock, b.clock))


class Held:
    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix='viommu-held-'))
        self.longest = {}

    def trace(self):
        """What -trace is given; the emulator puts its process's number in."""
        return f'dma_held,file={self.directory}/%d.log'

    def collect(self):
        """Take in what emulators that have ended have said."""
        for log in self.directory.iterdir():
            text = log.read_text(encoding='utf-8', errors='replace')
            for what, cpu, clock in LINE.findall(text):
                new = Longest(int(cpu) / 1e6, int(clock) / 1e6)
                self.longest[what] = longer(new, self.longest.get(what, new))
            log.unlink()

    def close(self):
        shutil.rmtree(self.directory)

    def late(self):
        """Where it was more than the goal, of processor time"""
        return [what for what, longest in self.longest.items()
                if longest.cpu > GOAL_MS]

    def say(self, out=print):
        for what, longest in sorted(self.longest.items(),
                                    key=lambda item: -item[1].cpu):
            out(f'    {what:18} {longest.cpu:8.3f} ms, '
                f'{longest.clock:8.3f} ms of time'
                f'{"  more than the goal" * (longest.cpu > GOAL_MS)}')

    def say_one(self):
        """In a line: the longest of all"""
        if not self.longest:
            return 'nothing held the BQL'
        what, longest = max(self.longest.items(), key=lambda item: item[1].cpu)
        return f'the BQL was held for {longest.cpu:.3f} ms at most: {what}'
