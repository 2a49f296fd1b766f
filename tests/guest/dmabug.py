#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A driver with mistakes, and what the vIOMMU's sanitizer says about them.

  dmabug.py [--write] [--unit MODEL] [--prop NAME=VALUE]...

It does what docs/system/find-your-dma-bug.rst tells its reader to do
(bugpage.py), compares the answers with the page, and looks what was found after
each step. --write: puts the answers into the page instead. --unit: amd-iommu or
virtio-iommu-pci in place of the page's; the page is not compared then.
VIOMMU_KEEP=1 keeps the directory with the console. Prints TAP.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import ask
import assets
import bugpage
from machine import LIMIT, GuestError, run_machine
from overlay import Overlay
from qmp import QmpError
from tap import Tap

SOURCES = os.path.join(assets.ROOT, 'tests', 'guest', 'dmabug')
SERIES = '7.3'
DEVICE, UNIT = 'edu', 'intel-iommu'
# Of each run of the driver, what the sanitizer finds that it had not found
# before: (kind, whether it is a write)
FOUND = {
    'right': [],
    'wrong-direction': [('wrong-direction', True)],
    'too-short': [('out-of-bounds', True)],
    'unmap-too-early': [('use-after-unmap', True)],
    'use-after-free': [('use-after-unmap', False)],
    'unmap-twice': [('use-after-unmap', True)],
    'forget-to-unmap': [],
}
# Does a fault come of it?
REFUSED = ('wrong-direction', 'too-short', 'unmap-too-early', 'use-after-free',
           'unmap-twice')
LEAKS = 8
LAZY_TRIES = 100


@dataclass
class Setup:
    unit: str = UNIT
    props: tuple = ()
    write: bool = False

    def name(self):
        return '+'.join(['driver bugs', *([self.unit] if self.unit != UNIT
                                          else []), *self.props])


@dataclass
class Outcome:
    setup: Setup
    error: str = ''
    status: int = -1
    checks: list = field(default_factory=list)  # (name, held, detail)

    def check(self, name, held, detail=''):
        self.checks.append((f'{self.setup.name()}: {name}', bool(held),
                            str(detail)))


class Session(ask.Guest):
    """A guest that is up, and what the page asks."""

    def __init__(self, machine, outcome):
        super().__init__(machine)
        self.outcome = outcome
        self.heard = 0          # of the emulator's log, characters
        self.known = set()      # findings
        self.lazy = False

    def monitor(self, line):
        text = self.machine.qmp.command('human-monitor-command',
                                        command_line=line)
        return text.replace('\r', '').splitlines()

    def log(self, lines):
        """What has been added to the emulator's log; @lines are expected."""
        end = time.monotonic() + LIMIT
        while True:
            new = self.machine.stderr()[self.heard:].splitlines()
            new = [line for line in new if line]
            if len(new) >= lines or time.monotonic() > end:
                self.heard = len(self.machine.stderr())
                return new
            time.sleep(0.05)

    def unit(self):
        return self.machine.qmp.command('query-viommu')[0]

    def new_findings(self):
        """Those that have not been returned yet."""
        new = []
        for finding in self.unit()['findings']:
            key = (finding['kind'], finding.get('iova', 0) >> 12,
                   finding.get('write'))
            if finding.get('device') == DEVICE and key not in self.known:
                self.known.add(key)
                new.append(finding)
        return new

    def mapped_pages(self):
        return sum(last - first + 1
                   for first, last, _ in self.mapped(DEVICE)) // 4096


def judge_run(session, name, before):
    """After a run of the driver."""
    outcome = session.outcome
    found = session.new_findings()
    kinds = [(one['kind'], one.get('write')) for one in found]
    outcome.check(f'{name}: the sanitizer finds {FOUND[name] or "nothing"}',
                  kinds == FOUND[name], found)
    faults = session.unit()['faults']
    outcome.check(f'{name}: an access is refused' if name in REFUSED else
                  f'{name}: no access is refused',
                  (faults > before) == (name in REFUSED),
                  f'faults: {before}, then {faults}')


def run_strict(session, asked, name):
    before, mapped = session.unit()['faults'], session.mapped_pages()
    said = session.ask(asked)
    session.outcome.check(f'{name}: the driver notices nothing',
                          any(': done' in line for line in said), said)
    judge_run(session, name, before)
    leaked = LEAKS if name == 'forget-to-unmap' else 0
    session.outcome.check(f'{name}: {leaked} pages stay mapped',
                          session.mapped_pages() == mapped + leaked,
                          f'{mapped}, then {session.mapped_pages()}')
    return said


def run_lazy(session, asked):
    """
    Until something is found: whether the flush is there before the device is
    for the guest's timer to decide.
    """
    for _ in range(LAZY_TRIES):
        said = session.ask(asked)
        if session.new_findings():
            break
    return said


def run_of(command):
    """Which run of the driver a command of the page is, or ''"""
    words = command.split()
    return words[words.index('>run;') - 1] if '>run;' in words else ''


def answer_to(session, kind, asked, expected):
    """The answer; a run of the driver is judged besides."""
    if kind == bugpage.MONITOR:
        return session.monitor(asked)
    if kind == bugpage.LOG:
        return session.log(len(expected))
    session.lazy |= 'DMA-FQ' in asked
    name = run_of(asked)
    if not name:
        return session.ask(asked)
    return run_lazy(session, asked) if session.lazy else \
        run_strict(session, asked, name)


def run_page(machine, outcome):
    page = bugpage.read()
    answers = []
    session = Session(machine, outcome)
    machine.start()
    session.await_up()
    for kind, asked, first, end in bugpage.questions(page):
        machine.begin_step(asked)
        said = bugpage.answer(page, first, end)
        now = answer_to(session, kind, asked, said)
        answers.append((first, end, said, now))
        if outcome.setup.unit == UNIT and not outcome.setup.write:
            outcome.check(f'find-your-dma-bug.rst: {kind}{asked}',
                          bugpage.same(said, now),
                          'it says:\n' + '\n'.join(now))
    if outcome.setup.write:
        for first, end, said, now in reversed(answers):
            if not bugpage.same(said, now):
                bugpage.put(page, first, end, now)
        bugpage.write(page)
    machine.send('poweroff -f')
    outcome.status = machine.wait()


def build():
    """As the page says; what comes of it is in build/."""
    os.makedirs(os.path.join(assets.ROOT, 'build'), exist_ok=True)
    for command in bugpage.host_commands():
        done = subprocess.run(['sh', '-c', f'set -e; {command}'], check=False,
                              cwd=assets.ROOT)
        if done.returncode:
            raise assets.AssetError(f'failed: {command}')


def machine_args(setup, directory):
    facts = assets.kernel(series=SERIES)
    build()
    top = Overlay()
    top.add_file('init', ask.INIT)
    top.add_file('dmabug.ko', os.path.join(assets.ROOT, 'build', 'dmabug.ko'))
    top.add_modules(facts, ['virtio_pci', 'virtio_iommu'])
    initrd = os.path.join(directory, 'initrd')
    top.write(facts, initrd)
    args = assets.firmware_args() + ['-no-reboot']
    for word in bugpage.machine():
        if word.startswith(f'{UNIT},'):
            word = ','.join([word.replace(UNIT, setup.unit), *setup.props])
        args.append(word)
    words = ['console=ttyS0', 'loglevel=5', 'panic=-1', 'mitigations=off',
             'no_timer_check', 'iommu.strict=1']
    return args + ['-kernel', facts['vmlinuz'], '-initrd', initrd,
                   '-append', ' '.join(words)]


def boot(setup):
    """Never raises for a guest that fails: that is an outcome."""
    outcome = Outcome(setup)
    directory = tempfile.mkdtemp(prefix='viommu-dmabug-')
    try:
        args = machine_args(setup, directory)
        try:
            run_machine(assets.emulator(), args, directory,
                        lambda machine: run_page(machine, outcome), again=True)
        except (GuestError, QmpError, OSError) as error:
            outcome.error = str(error)
        outcome.check('the guest does it all and powers off',
                      not outcome.error and outcome.status == 0,
                      outcome.error or f'exit status {outcome.status}')
    finally:
        if os.environ.get('VIOMMU_KEEP'):
            print(f'# kept: {directory}', file=sys.stderr)
        else:
            shutil.rmtree(directory)
    return outcome


def run(tap, setup=None):
    setup = setup or Setup()
    try:
        outcome = boot(setup)
    except assets.AssetError as error:
        tap.skip(setup.name(), str(error))
        return
    for check in outcome.checks:
        tap.check(*check)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--unit', default=UNIT)
    parser.add_argument('--prop', action='append', default=[])
    args = parser.parse_args()
    tap = Tap()
    run(tap, Setup(args.unit, tuple(args.prop), args.write))
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
