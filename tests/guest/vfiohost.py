#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A real host's windows: Linux behind our vIOMMU is the host, and assigns a device
to our emulator, which runs in it, by VFIO. Prints TAP.

  vfiohost.py [PATTERN]

What the host's IOMMU does not let the device use is in the inner machine's list
of windows, and the inner guest's memory is not put there. PATTERN: only the
hosts whose name contains it. Under qtest the inner emulator executes no
instruction, so nothing is emulated twice.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import assets
from machine import GuestError, Machine
from overlay import Overlay
from qmp import QmpError
from tap import Tap
from vhostkernel import HERE, SHARE, Outer, firmware

DEVICE = '0000:00:0a.0'
# Firmware wants both mapped one to one; Linux gives one away all the same.
RMRR, LOCKED, RELAXED = 0x12000000, '0000:00:0b.0', '0000:00:0c.0'
RMRRS = ['-device', f'edu,addr=0b.0,reserved-ranges={RMRR:#x}:'
         f'{RMRR + 0xfffff:#x}:direct',
         '-device', f'qemu-xhci,addr=0c.0,reserved-ranges={RMRR:#x}:'
         f'{RMRR + 0xfffff:#x}:direct']
MODULES = ['vfio_iommu_type1', 'vfio_pci']
# Of the outer machine's memory; the device's host keeps it.
KEPT = (0x10000000, 0x100fffff)
TOP = 1 << 39
VTD = ['-device', 'intel-iommu,caching-mode=on,aw-bits=39']
PARAVIRT = ['-device', 'virtio-iommu-pci,addr=1e.0,aw-bits=39']
# Each: its name, its devices, what Linux is told, its module, its own windows,
# and the unit of the inner machine
HOSTS = [
    ('vtd', ['-device', 'intel-iommu,intremap=on,aw-bits=39', *RMRRS],
     ['intel_iommu=on'], [], [(TOP, 2 ** 64 - 1)], VTD),
    ('virtio', ['-device', 'virtio-iommu-pci,addr=1e.0,aw-bits=39,'
                'ram-in-windows=on,'
                f'reserved-ranges={KEPT[0]:#x}:{KEPT[1]:#x}:reserved'], [],
     ['virtio_iommu'], [KEPT, (TOP, 2 ** 64 - 1)], PARAVIRT),
]
COMMANDS = ['qmp_capabilities', 'query-viommu-windows', 'quit']


def initrd(facts, modules, directory):
    top = Overlay()
    top.add_file('init', os.path.join(HERE, 'vhostkernel-init'))
    top.add_modules(facts, modules + MODULES)
    top.add_program('/tests/qemu-system-x86_64', assets.emulator()[0],
                    directory)
    top.add_file('/tests/vfio-l2', os.path.join(HERE, 'vfio-l2'))
    said = ''.join(json.dumps({'execute': c}) + '\n' for c in COMMANDS)
    top.add('/tests/qmp', said.encode(), 0o644)
    for name in ('bios-256k.bin', 'kvmvapic.bin'):
        top.add_file(f'{SHARE}/{name}', firmware(name))
    path = os.path.join(directory, 'initrd')
    top.write(facts, path)
    return path


def card(device):
    return ['-device', f'vfio-pci,host={device},id=card,addr=05.0']


def machine_args(facts, devices, words, path):
    words = ['console=ttyS0', 'loglevel=5', 'panic=-1', 'mitigations=off',
             'no_timer_check', *words]
    return assets.firmware_args() + [
        '-machine', 'q35', '-accel', 'tcg,thread=multi', '-smp', '2',
        '-cpu', 'max', '-m', '1G', '-no-reboot', *devices,
        '-device', 'edu,addr=0a.0',
        '-kernel', facts['vmlinuz'], '-initrd', path,
        '-append', ' '.join(words)]


def inner(outer, machine, unit, more, device=DEVICE):
    """Its exit status, and what it and the host's kernel said of the device."""
    args = ['-machine', 'q35', *machine, *unit, *more]
    status, lines = outer.run(f'/tests/vfio-l2 {device} {" ".join(args)}')
    return status, '\n'.join(lines)


def windows_of(said):
    """[(first, last, origin)] of the assigned device, or None"""
    for line in said.splitlines():
        if not line.startswith('{"return": [{"viommu"'):
            continue
        for unit in json.loads(line)['return']:
            for endpoint in unit['endpoints']:
                if endpoint.get('device') == 'card':
                    return [(w['first'], w['last'], w['origin'])
                            for w in endpoint['windows']]
    return None


def refused(tap, name, said, status, where):
    """With device, range, kind and origin, and ahead of the kernel's word"""
    tap.check(name, status == 1 and DEVICE in said and
              'the guest has memory' in said and
              f'reserved {where:#x}' in said and '(host)' in said,
              f'status {status}\n{said}')


def run_rmrrs(tap, name, outer):
    """One that must stay keeps the device; one that need not is usable."""
    status, said = inner(outer, ['-m', '320M'], VTD, card(LOCKED), LOCKED)
    tap.check(f'{name}: the kernel does not assign who must stay one to one',
              status == 1 and f'{RMRR:#018x} 0x00000000120fffff direct\n'
              in said, f'status {status}\n{said}')
    status, said = inner(outer, ['-m', '320M'], VTD, card(RELAXED),
                         RELAXED)
    windows = windows_of(said) or []
    tap.check(f'{name}: what may be given up is no window of the host\'s',
              status == 0 and 'direct-relaxable' in said and
              [w[0] for w in windows if w[2] == 'host'] == [TOP],
              f'status {status}\n{said}')


def run_host(tap, host, outer):
    name, _, _, _, ought, unit = host
    status, said = inner(outer, ['-m', '256M'], unit, card(DEVICE))
    windows = windows_of(said)
    found = [w[:2] for w in windows or [] if w[2] == 'host']
    tap.check(f'{name}: the host\'s windows are in the list',
              status == 0 and found == ought, f'status {status}\n{said}')
    tap.check(f'{name}: the doorbell is the inner unit\'s own',
              (0xfee00000, 0xfeefffff, 'model' if unit is VTD else 'machine')
              in (windows or []), said)
    # One that has the address at all, and no hole of AMD's below it
    cpu = ['-cpu', 'qemu64,vendor=GenuineIntel,phys-bits=46']
    dimm = [*cpu, '-m', '256M,slots=1,maxmem=1T',
            '-object', 'memory-backend-ram,id=m,size=128M,reserve=off',
            '-device', f'pc-dimm,memdev=m,addr={TOP:#x}']
    status, said = inner(outer, dimm, unit, card(DEVICE))
    refused(tap, f'{name}: a DIMM where the host maps nothing is refused',
            said, status, TOP)
    if name == 'vtd':
        run_rmrrs(tap, name, outer)
    if KEPT in ought:
        status, said = inner(outer, ['-m', '320M'], unit, card(DEVICE))
        refused(tap, f'{name}: RAM in a window of the host is refused', said,
                status, KEPT[0])
        ranges = f'{KEPT[0]:#x}:{KEPT[1]:#x}:reserved'
        aside = card(f'{DEVICE},reserved-ranges={ranges}')
        status, said = inner(outer, ['-machine', 'ram-holes=auto', '-m',
                                     '320M'], unit, aside)
        tap.check(f'{name}: with ram-holes=auto it starts', status == 0,
                  f'status {status}\n{said}')


def run(tap, host):
    """All of it. Never raises for a guest that fails: that is a result."""
    name, devices, words, modules, _, _ = host
    directory = tempfile.mkdtemp(prefix='viommu-vfio-')
    try:
        facts = assets.kernel()
        path = initrd(facts, modules, directory)
        with Machine(assets.emulator(),
                     machine_args(facts, devices, words, path),
                     directory) as machine:
            outer = Outer(machine)
            run_host(tap, host, outer)
            outer.off()
    except (GuestError, QmpError, OSError,
            subprocess.CalledProcessError) as error:
        tap.check(f'{name}: the host goes on', False, error)
    finally:
        if os.environ.get('VIOMMU_KEEP'):
            print(f'# kept: {directory}', file=sys.stderr)
        else:
            shutil.rmtree(directory)


def main():
    tap = Tap()
    pattern = ''.join(sys.argv[1:2])
    try:
        for host in HOSTS:
            if pattern in host[0]:
                run(tap, host)
    except assets.AssetError as error:
        print(f'Bail out! {error}', flush=True)
        return 1
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
