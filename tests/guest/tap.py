# SPDX-License-Identifier: GPL-2.0-or-later
"""Test Anything Protocol: one line a check, flushed at once."""

import sys


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
