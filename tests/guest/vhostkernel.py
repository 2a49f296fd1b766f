#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The kernel's own backends behind the vIOMMU: vhost-net, vhost-vsock, vhost-scsi,
and vDPA by way of VDUSE. Prints TAP.

  vhostkernel.py [PATTERN]

A machine need not have /dev/vhost-net, nor lend it to a test. So a Linux guest
is booted without a vIOMMU, and our emulator and qtests run in it: they use that
guest's kernel. Under qtest an emulator executes no instruction, so nothing is
emulated twice. Each test is run with each vIOMMU that is built. PATTERN: only
the cases whose path contains it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import assets
from machine import GuestError, Machine
from overlay import Overlay
from qmp import QmpError
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ['tun', 'vhost_net', 'vhost_vsock', 'vhost_scsi', 'vduse',
           'vhost_vdpa']
VHOST = ['viommu-vhost-net-test', 'viommu-vhost-kernel-test']
VDPA = 'viommu-vdpa-test'
# The emulator looks for its firmware there.
SHARE = '/usr/share/qemu'
# Seconds for a case, which takes less than one: only what hangs is ended.
LIMIT = 200
RESULT = re.compile(r'(not )?ok\b ?\d* ?-? ?(\S+)(.*)')


def built(*path):
    path = os.path.join(assets.BUILD, *path)
    if not os.path.exists(path):
        raise assets.AssetError(f'{path} is missing: run make')
    return path


def firmware(name):
    for directory in assets.FIRMWARE:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            return path
    raise assets.AssetError(f'no {name}')


def vdpa_tool():
    path = os.environ['PATH'] + ':/usr/sbin:/sbin'
    return shutil.which('vdpa', path=path)


def fail_write(directory):
    path = os.path.join(directory, 'failwrite.so')
    subprocess.run(['cc', '-shared', '-fPIC', '-O2', '-o', path,
                    os.path.join(HERE, 'failwrite.c')], check=True)
    return path


def initrd(facts, directory):
    top = Overlay()
    top.add_file('init', os.path.join(HERE, 'vhostkernel-init'))
    top.add_modules(facts, MODULES)
    for target in assets.arches():
        top.add_program(f'/tests/qemu-system-{target}',
                        assets.emulator(target)[0], directory)
    for name in VHOST + [VDPA]:
        top.add_program(f'/tests/{name}', built('tests', 'qtest', name),
                        directory)
    top.add_program('/tests/qemu-storage-daemon',
                    built('storage-daemon', 'qemu-storage-daemon'), directory)
    if vdpa_tool():
        top.add_program('/tests/vdpa', vdpa_tool(), directory)
    for name in ('vdpa-disk', 'orphans'):
        top.add_file(f'/tests/{name}', os.path.join(HERE, name))
    top.add_file('/tests/failwrite.so', fail_write(directory))
    for name in ('bios-256k.bin', 'kvmvapic.bin'):
        top.add_file(f'{SHARE}/{name}', firmware(name))
    path = os.path.join(directory, 'initrd')
    top.write(facts, path)
    return path


def machine_args(facts, path):
    words = ['console=ttyS0', 'loglevel=5', 'panic=-1', 'mitigations=off',
             'no_timer_check']
    return assets.firmware_args() + [
        '-machine', 'q35', '-accel', 'tcg,thread=multi', '-smp', '2',
        '-cpu', 'max', '-m', '2G', '-no-reboot',
        '-kernel', facts['vmlinuz'], '-initrd', path,
        '-append', ' '.join(words)]


class Outer:
    """The guest that lends its kernel."""

    def __init__(self, machine):
        self.machine = machine
        machine.start()
        self.await_line('L1-READY')

    def await_line(self, prefix):
        """Returns what comes after it, and all that came before."""
        lines = []
        while True:
            line = self.machine.next_line()
            if line.startswith(prefix):
                return line[len(prefix):].strip(), lines
            lines.append(line)

    def run(self, command):
        """Returns its exit status and its lines."""
        self.machine.begin_step(command)
        self.machine.send(f'run {command}')
        return self.await_end()

    def await_end(self):
        status, lines = self.await_line('L1-END')
        return int(status), [line[3:] for line in lines
                             if line.startswith('L1 ')]

    def off(self):
        self.machine.send('off')
        self.machine.wait()


def check_orders(outer, tap):
    """
    What it is told arrives whole, whatever ends in the guest meanwhile: a
    command that is not begun looks like a guest that stands still.
    """
    outer.run('/tests/orphans')
    order = 'run touch /tmp/enough'
    outer.machine.begin_step(order)
    for letter in order:
        outer.await_line('L1-ORPHAN')
        outer.machine.send(letter, end='')
    outer.machine.send('')
    status, lines = outer.await_end()
    tap.check('the guest does what it is told', status == 0,
              '\n'.join([f'status {status}'] + lines))


def run_test(outer, tap, name, target, pattern, settings=''):
    """Each case by itself, so that none is lost when another dies."""
    env = f'env QTEST_QEMU_BINARY=/tests/qemu-system-{target} {settings}'
    _, lines = outer.run(f'{env} /tests/{name} -l')
    cases = [line for line in lines if line.startswith('/')]
    if not cases:
        tap.check(f'{target}: {name}: starts', False, '\n'.join(lines))
    for case in cases:
        if pattern not in case:
            continue
        status, lines = outer.run(f'timeout {LIMIT} {env} /tests/{name} '
                                  f'--tap -k -p {case}')
        results = [r for r in map(RESULT.match, lines) if r and r[2] == case]
        if results and 'SKIP' in results[0][3]:
            tap.skip(f'{target}: {case}',
                     results[0][3].partition('SKIP')[2].strip())
            continue
        tap.check(f'{target}: {case}', status == 0 and results and
                  not results[0][1],
                  '\n'.join([f'status {status}'] + lines[-20:]))
        for line in lines:
            if line.startswith('# note: '):
                tap.note(f'{target}: {case}: {line[8:]}')


def has_vduse():
    with open(built('config-host.h'), encoding='utf-8') as f:
        return '#define CONFIG_VDUSE_BLK_EXPORT' in f.read()


def run_vdpa(outer, tap, pattern):
    if not vdpa_tool():
        tap.skip('vDPA', 'no vdpa: install iproute2')
        return
    if not has_vduse():
        tap.skip('vDPA', 'configured without vduse-blk-export')
        return
    for target in assets.arches():
        # Each its own: the last case ends the process behind it.
        status, lines = outer.run(f'/tests/vdpa-disk {target}')
        if tap.check(f'{target}: vDPA: there is a device', status == 0,
                     '\n'.join(lines)):
            run_test(outer, tap, VDPA, target, pattern, lines[-1])


def run(tap, pattern=''):
    """All of it. Never raises for a guest that fails: that is a result."""
    directory = tempfile.mkdtemp(prefix='viommu-l1-')
    try:
        facts = assets.kernel()
        path = initrd(facts, directory)
        with Machine(assets.emulator(), machine_args(facts, path),
                     directory) as machine:
            outer = Outer(machine)
            check_orders(outer, tap)
            for target in assets.arches():
                for name in VHOST:
                    run_test(outer, tap, name, target, pattern)
            run_vdpa(outer, tap, pattern)
            outer.off()
    except (GuestError, QmpError, OSError,
            subprocess.CalledProcessError) as error:
        tap.check('the kernel\'s backends: the guest goes on', False, error)
    except SystemExit as reason:
        # guest-initramfs says that the kernel has no such module.
        if isinstance(reason.code, int):
            raise
        tap.skip('the kernel\'s backends', str(reason))
    finally:
        if os.environ.get('VIOMMU_KEEP'):
            print(f'# kept: {directory}', file=sys.stderr)
        else:
            shutil.rmtree(directory)


def main():
    tap = Tap()
    try:
        run(tap, *sys.argv[1:2])
    except assets.AssetError as error:
        print(f'Bail out! {error}', flush=True)
        return 1
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
