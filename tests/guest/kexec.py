#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
One kernel after another in the same machine: Linux does verified I/O on every
device, hands over to the same kernel by kexec, which does it again, and panics
with its disks at work. The crash kernel finds translation on, takes over what
the one before left (Linux copies the tables), and does verified I/O as well.

  kexec.py [--mode strict|lazy|pt] [--kernel SERIES] [--prop NAME=VALUE]...
           [--remote] [kexec|crash]...

What is named happens in this order; by default, kexec and crash. VIOMMU_KEEP=1
keeps the directory with the console. Prints TAP.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields

import assets
import boot
import devices
import q35
import scalable
from hostserver import HostServer
from machine import GuestError, NeverUp, run_machine
from overlay import Overlay
from qmp import QmpError
from tap import Tap

SOURCE = os.path.join(assets.HERE, 'kexec.c')
MEGABYTE = 1 << 20
# For the crash kernel. The boot loader's default address for an initramfs is
# below it, whatever the memory's size.
CRASHKERNEL = 'crashkernel=256M'
# A disk with the next kernel
NEXT = devices.Disk('next', 'virtio-blk', '0000:00:03.0',
                    ['virtio-blk-pci,addr=03.0,drive=next,serial=next,'
                     f'{devices.VIRTIO}'])
# What Linux says when it takes over the tables of the one before
COPIED = {'vtd': 'Copied translation tables from previous kernel',
          'amd': 'Copied DEV table from previous kernel'}


@dataclass
class Setup(boot.Config):
    rounds: int = 2
    steps: tuple = ('kexec', 'crash')
    now: str = ''           # the step that led to the kernel that is judged

    def name(self):
        return '+'.join(filter(None, [super().name(), self.now]))

    def after(self, step):
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Setup(**{**values, 'now': step})


def round_up(size):
    return -(-size // MEGABYTE) * MEGABYTE


def make_next(facts, initrd, directory):
    """The disk's image, and what the guest is told of it."""
    sizes = []
    with open(devices.image(NEXT, directory), 'wb') as out:
        for path in (facts['vmlinuz'], initrd):
            with open(path, 'rb') as f:
                data = f.read()
            sizes.append(len(data))
            out.write(data + b'\0' * (round_up(len(data)) - len(data)))
    return f'viommu.next={NEXT.name},{sizes[0]},{sizes[1]}'


def make_initrd(facts, directory):
    """The tests' own with a program more."""
    program = os.path.join(directory, 'kexec')
    subprocess.run(['cc', '-static', '-O2', '-o', program, SOURCE], check=True)
    top = Overlay()
    top.add_file('bin/kexec', program)
    path = os.path.join(directory, 'initrd')
    top.write(facts, path)
    return path


def machine_args(setup, directory, port):
    facts = assets.kernel(series=setup.kernel)
    initrd = make_initrd(facts, directory)
    words = q35.WORDS[setup.mode] + q35.BASE_WORDS + devices.kernel_words(
        setup.disks, q35.CARDS, 'io', port, setup.rounds)
    words += [make_next(facts, initrd, directory), CRASHKERNEL, 'loglevel=5',
              'panic=-1', 'mitigations=off']
    return q35.machine_args(setup) + [
        '-kernel', facts['vmlinuz'], '-initrd', initrd,
        '-append', ' '.join(words)] + \
        devices.disk_args(setup.disks + [NEXT], directory) + \
        devices.card_args(q35.CARDS)


def run_kernel(machine, outcome, progress):
    """From a kernel's first word to its last."""
    report = outcome.report
    machine.begin_step(outcome.config.name())
    try:
        while not report.ready:
            if report.take(machine.next_line()) == 'BOOT':
                progress(f'{outcome.config.name()}: '
                         f'Linux {report.release} is up')
    except GuestError as error:
        # On a busy host any kernel may not come up (run_machine()).
        raise error if report.release else NeverUp(str(error))
    outcome.statistics = boot.query_statistics(machine)
    if outcome.config.scalable:
        outcome.translation = scalable.translation(
            machine, outcome.config.devices[0].pci)


def judge_kernel(outcome, directory, patterns, server):
    """As long as the images are what this kernel has written."""
    outcome.status = 0
    boot.judge(outcome, directory, patterns, server)
    copied = COPIED['amd' if outcome.config.amd else 'vtd']
    if outcome.config.now == 'crash':
        outcome.check('Linux goes on from the tables of the one that crashed',
                      outcome.report.dmesg_has(copied),
                      '\n'.join(outcome.report.dmesg))


def run_kernels(machine, setup, outcomes, judge, progress):
    outcomes.clear()
    machine.start()
    for step in ('',) + setup.steps:
        if step:
            machine.send(step)
        outcomes.append(boot.Outcome(setup.after(step)))
        run_kernel(machine, outcomes[-1], progress)
        judge(outcomes[-1])
    machine.send('off')
    status = machine.wait()
    if status:
        raise GuestError(f'exit status {status}')


def boot_all(setup, directory, server, progress):
    """Returns the outcome of each kernel that came up, and an error or None."""
    outcomes = []
    patterns = devices.make_images(setup.disks, directory)
    args = machine_args(setup, directory, server.port)
    unit = q35.server(setup, directory)

    def judge(outcome):
        judge_kernel(outcome, directory, patterns, server)

    try:
        run_machine(assets.emulator(),
                    args + (unit.machine_args() if unit else []), directory,
                    lambda machine: run_kernels(machine, setup, outcomes,
                                                judge, progress), again=True,
                    prepare=unit.start if unit else None)
        if unit:
            unit.judge(outcomes[-1])
    except (GuestError, QmpError, OSError) as error:
        return outcomes, error
    finally:
        if unit:
            unit.end()
    return outcomes, None


def run(tap, setup=None, progress=lambda text: None):
    """Never raises for a guest that fails: that is a result."""
    setup = setup or Setup(props=('profile=modern',))
    directory = devices.workdir('viommu-kexec-')
    server = HostServer()
    try:
        outcomes, error = boot_all(setup, directory, server, progress)
        for outcome in outcomes:
            for check in outcome.checks:
                tap.check(*check)
        tap.check(f'{setup.name()}: each kernel comes up, and the last one '
                  'powers off', error is None, error)
    except assets.AssetError as error:
        tap.skip(setup.name(), str(error))
    finally:
        server.close()
        if os.environ.get('VIOMMU_KEEP'):
            print(f'# kept: {directory}', file=sys.stderr)
        else:
            shutil.rmtree(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--mode', choices=boot.KINDS, default='strict')
    parser.add_argument('--kernel', default='')
    parser.add_argument('--prop', action='append', default=[])
    parser.add_argument('--remote', action='store_true')
    parser.add_argument('steps', nargs='*', metavar='kexec|crash')
    args = parser.parse_args()
    setup = Setup(args.mode, kernel=args.kernel, remote=args.remote,
                  props=tuple(args.prop or ['profile=modern']))
    if args.steps:
        setup.steps = tuple(args.steps)
    tap = Tap()
    run(tap, setup, tap.note)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
