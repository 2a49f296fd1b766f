#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Shared virtual addressing: Linux binds the address spaces of processes to the
emulated device x-sva-test, which uses their pointers and has pages come in.

  sva.py [--rounds N] [--seed N] [--cpu MODEL] [--kernel SERIES]
         [--prop NAME=VALUE]... [--remote] [CASE...]

It does what docs/system/sva.rst tells its reader to do (svapage.py), then has
the guest run all cases of sva/sva.c, or CASE. --prop: instead of the unit's
properties that the page has. --remote: the same unit, in a process of its own.
VIOMMU_KEEP=1 keeps the directory with the console. Prints TAP.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

import assets
import remote
import svapage
from guestjob import Report
from machine import GuestError, run_machine
from overlay import Overlay
from qmp import QmpError
from tap import Tap

SOURCES = os.path.join(assets.ROOT, 'tests', 'guest', 'sva')
# Linux before 7.2 refuses SVA on every VT-d.
SERIES = '7.3'
CASES = ['heap', 'chase', 'untouched', 'grouped', 'huge', 'swapped',
         'migrated', 'freed', 'fork', 'two', 'exit', 'rebind', 'untranslated', 'maps', 'dma',
         'rounds']
SWAP_SIZE = 256 << 20
# Two nodes of memory, so that pages can be moved from one to the other
NODE_SIZE = 384
# A request with a PASID whose entry is not present (VT-d, SPT.2)
PASID_GONE = 0x59
# qemu-viommud's reasons are a VT-d's, and above that which refusal it was.
REASON = 0xffff
UNIT = 'intel-iommu,'


class SvaReport(Report):
    def __init__(self):
        super().__init__()
        self.page = {}

    def _take_page(self, rest):
        number, _, line = rest.partition(' ')
        self.page.setdefault(int(number), []).append(line)


@dataclass
class Setup:
    rounds: int = 200
    seed: int = 1
    # Four levels and no pages of 1 GiB: the unit must be able to do what the
    # processor's tables do.
    cpu: str = 'qemu64,+x2apic,+arat'
    kernel: str = SERIES
    props: tuple = ()
    cases: tuple = tuple(CASES)
    remote: bool = False    # the unit is in a process of its own

    def name(self):
        words = ['SVA'] + ['remote'] * self.remote + \
            [self.cpu.split(',')[0], *self.props]
        if self.kernel != SERIES:
            words.append(f'Linux {self.kernel}')
        return '+'.join(words)


@dataclass
class Outcome:
    setup: Setup
    report: Report = field(default_factory=SvaReport)
    error: str = ''
    status: int = -1
    statistics: list = field(default_factory=list)
    checks: list = field(default_factory=list)  # (name, held, detail)

    def check(self, name, held, detail=''):
        self.checks.append((f'{self.setup.name()}: {name}', bool(held), detail))

    def held(self):
        return bool(self.checks) and all(held for _, held, _ in self.checks)

    def total(self, key):
        """Over all cases: pages, bound, commands."""
        return sum(int(result.value(key) or 0)
                   for name, result in self.report.results.items()
                   if name in CASES)

    def summary(self):
        return f'bound {self.total("bound")} times, ' \
               f'{self.total("commands")} commands, ' \
               f'{self.total("pages")} page requests served'


def build(setup):
    """As the page says; what comes of it is in build/."""
    os.makedirs(os.path.join(assets.ROOT, 'build'), exist_ok=True)
    for command in svapage.host_commands():
        command = command.replace(f'--series {SERIES}',
                                  f'--series {setup.kernel}')
        done = subprocess.run(['sh', '-c', f'set -e; {command}'], check=False,
                              cwd=assets.ROOT)
        if done.returncode:
            raise assets.AssetError(f'failed: {command}')


def kernel_args(setup, directory):
    facts = assets.kernel(series=setup.kernel)
    build(setup)
    top = Overlay()
    top.add_file('init', os.path.join(SOURCES, 'init'))
    for name in ('bin/sva', 'svt.ko'):
        top.add_file(name, os.path.join(assets.ROOT, 'build',
                                        os.path.basename(name)))
    commands = [f'{command}\n' for command, _ in svapage.guest_commands()]
    top.add('page', ''.join(commands).encode(), 0o644)
    top.add_modules(facts, ['virtio_pci', 'virtio_blk'])
    initrd = os.path.join(directory, 'initrd')
    top.write(facts, initrd)
    words = ['console=ttyS0', 'loglevel=5', 'panic=-1', 'mitigations=off',
             'no_timer_check', 'iommu.strict=1', f'sva.rounds={setup.rounds}',
             f'sva.seed={setup.seed}']
    if setup.cases != tuple(CASES):
        words.append('sva.cases=' + ','.join(setup.cases))
    return ['-kernel', facts['vmlinuz'], '-initrd', initrd,
            '-append', ' '.join(words)]


def unit_props(setup):
    """What is given, or what the page has"""
    unit = next(word for word in svapage.machine()
                if word.startswith(UNIT))
    return setup.props or unit[len(UNIT):].split(',')


def server(setup, directory):
    return remote.Server(directory, remote.unit_arg(unit_props(setup))) \
        if setup.remote else None


def machine_args(setup, directory):
    swap = os.path.join(directory, 'swap')
    with open(swap, 'wb') as f:
        f.truncate(SWAP_SIZE)
    args = assets.firmware_args() + ['-cpu', setup.cpu, '-no-reboot']
    props = unit_props(setup)
    for word in svapage.machine():
        if word.startswith(UNIT):
            word = remote.viommu_arg(props) if setup.remote else \
                UNIT + ','.join(props)
        args.append(word)
    # A server can map what is shared.
    memory = 'memory-backend-memfd,share=on' if setup.remote else \
        'memory-backend-ram'
    for node, cpus in enumerate([',cpus=0-1', '']):
        args += ['-object', f'{memory},id=m{node},size={NODE_SIZE}M',
                 '-numa', f'node,nodeid={node},memdev=m{node}{cpus}']
    return args + [
        '-drive', f'if=none,id=swap,format=raw,file={swap}',
        '-device', 'virtio-blk-pci,drive=swap,disable-legacy=on,'
                   'iommu_platform=on']


def run_guest(machine, outcome, progress):
    report = outcome.report
    machine.start()
    while not report.ready:
        kind = report.take(machine.next_line())
        if kind == 'BOOT':
            progress(f'Linux {report.release} is up')
        elif kind == 'RESULT':
            name, result = list(report.results.items())[-1]
            progress(f'{name}: {"ok" if result.ok else "FAILED"}, '
                     f'{result.detail}')
    outcome.statistics = machine.qmp.command('query-viommu')
    machine.send('off')
    outcome.status = machine.wait()


def boot(setup, progress=lambda text: None):
    """Never raises for a guest that fails: that is an outcome."""
    outcome = Outcome(setup)
    directory = tempfile.mkdtemp(prefix='viommu-sva-')
    unit = None
    try:
        unit = server(setup, directory)
        args = machine_args(setup, directory) + kernel_args(setup, directory)
        progress(f'booting Linux, {setup.name()}')
        try:
            run_machine(assets.emulator(),
                        args + (unit.machine_args() if unit else []), directory,
                        lambda machine: run_guest(machine, outcome, progress),
                        again=True, prepare=unit.start if unit else None)
        except (GuestError, QmpError, OSError) as error:
            outcome.error = str(error)
        judge(outcome)
        if unit:
            unit.judge(outcome)
    finally:
        if unit:
            unit.end()
        if os.environ.get('VIOMMU_KEEP'):
            print(f'# kept: {directory}', file=sys.stderr)
        else:
            shutil.rmtree(directory)
    return outcome


def judge_page(outcome):
    for number, (command, said) in enumerate(svapage.guest_commands(), 1):
        now = outcome.report.page.get(number, [])
        outcome.check(f'sva.rst: {command}', now == said,
                      'it says:\n' + '\n'.join(now))


def judge(outcome):
    report, setup = outcome.report, outcome.setup
    outcome.check('the guest finishes its job and powers off',
                  not outcome.error and outcome.status == 0,
                  outcome.error or f'exit status {outcome.status}')
    judge_page(outcome)
    for name in setup.cases:
        result = report.results.get(name)
        outcome.check(name, result and result.ok,
                      result.detail if result else 'no result')
    others = {name: result.detail for name, result in report.results.items()
              if name not in CASES}
    outcome.check('nothing else went wrong', not others, str(others))
    outcome.check('no fault, and no complaint', report.faults == 0,
                  f'{report.faults} lines:\n' + '\n'.join(report.dmesg))
    strange = [fault for unit in outcome.statistics
               for fault in unit['fault-log']
               if fault['fault']['code'] & REASON != PASID_GONE]
    outcome.check('the vIOMMU met no fault but after the end of a process',
                  outcome.statistics and not strange, str(strange))


def run(tap, setup=None, progress=lambda text: None):
    setup = setup or Setup()
    try:
        outcome = boot(setup, progress)
    except assets.AssetError as error:
        tap.skip(setup.name(), str(error))
        return
    for check in outcome.checks:
        tap.check(*check)
    tap.note(outcome.summary())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--rounds', type=int, default=Setup.rounds)
    parser.add_argument('--seed', type=int, default=Setup.seed)
    parser.add_argument('--cpu', default=Setup.cpu)
    parser.add_argument('--kernel', default=SERIES)
    parser.add_argument('--prop', action='append', default=[])
    parser.add_argument('--remote', action='store_true')
    parser.add_argument('cases', nargs='*', metavar='CASE')
    args = parser.parse_args()
    setup = Setup(args.rounds, args.seed, args.cpu, args.kernel,
                  tuple(args.prop), tuple(args.cases) or tuple(CASES),
                  args.remote)
    tap = Tap()
    run(tap, setup, tap.note)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
