# SPDX-License-Identifier: GPL-2.0-or-later
"""Test Anything Protocol: one line a check, flushed at once."""

import concurrent.futures
import os
import sys

# So many jobs at a time: no check depends on how long anything takes.
JOBS = min(os.cpu_count() or 1, 2)


class Tap:
    def __init__(self, out=sys.stdout):
        self.out = out
        self.count = 0
        self.failed = 0

    def check(self, name, held, detail=''):
        self.count += 1
        if not held:
            self.failed += 1
        status = 'ok' if held else 'not ok'
        print(f'{status} {self.count} - {name}', file=self.out, flush=True)
        if detail and not held:
            self.note(detail)
        return held

    def skip(self, name, reason):
        self.count += 1
        print(f'ok {self.count} - {name} # SKIP {reason}',
              file=self.out, flush=True)

    def note(self, text):
        for line in str(text).splitlines():
            print(f'# {line}', file=self.out, flush=True)

    def finish(self):
        """Prints the plan; returns the exit status."""
        print(f'1..{self.count}', file=self.out, flush=True)
        return 1 if self.failed or not self.count else 0


class Later:
    """What a Tap is to be told in its turn."""

    def __init__(self):
        self.told = []

    def check(self, name, held, detail=''):
        self.told.append(('check', (name, held, detail)))
        return held

    def skip(self, name, reason):
        self.told.append(('skip', (name, reason)))

    def note(self, text):
        self.told.append(('note', (text,)))

    def tell(self, tap):
        for what, args in self.told:
            getattr(tap, what)(*args)


def run_jobs(jobs, tap, ended=lambda: None):
    """
    Functions of a Tap, JOBS at a time, told in order. The first that raises
    ends it: no other is begun, and ended() is called so that those at work
    need not be waited for.
    """
    def run(job):
        later = Later()
        job(later)
        return later

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        waiting = [pool.submit(run, job) for job in jobs]
        try:
            for done in waiting:
                done.result().tell(tap)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            ended()
            raise
