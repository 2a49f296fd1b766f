# SPDX-License-Identifier: GPL-2.0-or-later
"""Run GLib test binaries and merge what they say into one TAP stream."""

import concurrent.futures
import os
import re
import subprocess

# For all of a program's cases, which take a minute or two when nothing else
# runs: what hangs has to end, and no host is to be too slow.
TIMEOUT = 1800
# So many programs at a time: what a test waits for has no clock in it.
JOBS = min(os.cpu_count() or 1, 4)
RESULT = re.compile(r'(not )?ok\b ?\d* ?-? ?(.*)')


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def result(self, good, name):
        self.count += 1
        self.failed += not good
        print(f'{"ok" if good else "not ok"} {self.count} {name}', flush=True)

    def skip(self, name, why):
        self.result(True, f'{name} # SKIP {why}')

    def show(self, notes):
        for note in notes[-10:]:
            print(f'# {note}', flush=True)

    def end(self):
        print(f'1..{self.count}')
        return 1 if self.failed else 0


class Later:
    """What a Tap is to be told in its turn."""

    def __init__(self):
        self.told = []

    def result(self, *args):
        self.told.append(('result', args))

    def skip(self, *args):
        self.told.append(('skip', args))

    def show(self, notes):
        self.told.append(('show', (notes,)))

    def tell(self, tap):
        for what, args in self.told:
            getattr(tap, what)(*args)


def run_all(jobs, tap):
    """JOBS at a time, told in order. jobs: functions of what a Tap is told."""
    def run(job):
        later = Later()
        job(later)
        return later

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for later in pool.map(run, jobs):
            later.tell(tap)


def cases_of(test, env, cwd=None):
    """What a binary would run, so that no case is lost when it dies."""
    out = subprocess.run([test, '-l'], env=env, cwd=cwd, text=True,
                         check=False, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    return [line for line in out.stdout.splitlines() if line.startswith('/')]


def output_of(command, env, cwd):
    """Its lines, and what there is to say about how it ended."""
    try:
        out = subprocess.run(command, env=env, cwd=cwd, text=True,
                             check=False, errors='replace', timeout=TIMEOUT,
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return out.stdout.splitlines(), []
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b'').decode(errors='replace')
        return said.splitlines(), [f'no end after {TIMEOUT} s']


def run_some(test, env, label, tap, cases, cwd, excuse):
    """One process; it ends at the first failure. Returns what is left."""
    command = [test, '--tap', '-k']
    for case in cases:
        command += ['-p', case]
    lines, ending = output_of(command, env, cwd)
    left, notes = list(cases), []
    for line in lines:
        result = RESULT.match(line)
        if not result:
            if not line.startswith(('#', '1..')):
                notes.append(line)
            continue
        case = result[2].split(' ')[0]
        if case in left:
            left.remove(case)
            tap.result(not result[1], f'{label}: {result[2]}')
            if result[1]:
                tap.show(notes)
            notes = []
    if left:
        case = left.pop(0)
        why = excuse(notes) if excuse else None
        if why:
            tap.skip(f'{label}: {case}', why)
        else:
            tap.result(False, f'{label}: {case}')
            tap.show(notes + ending)
    return left


def run_binary(test, env, label, tap, cwd=None, wanted=None, excuse=None):
    """Every case of a binary that wanted() wants. excuse() may turn the
    output of a binary that died into the reason for a skip."""
    cases = cases_of(test, env, cwd)
    if not cases:
        tap.result(False, f'{label}: does not start')
    cases = [case for case in cases if not wanted or wanted(case)]
    while cases:
        cases = run_some(test, env, label, tap, cases, cwd, excuse)
