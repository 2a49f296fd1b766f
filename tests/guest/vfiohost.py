#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A real host's windows: Linux behind our vIOMMU is the host, and assigns a device
to our emulator, which runs in it, by VFIO. Prints TAP.

  vfiohost.py [PATTERN]

What the host's IOMMU does not let the device use is in the inner machine's list
of windows, and the inner guest's memory is not put there. PATTERN: only the
hosts whose name contains it. Under qtest the inner emulator executes no
instruction, so nothing is emulated twice. The arm64 host runs an emulator that
is built for it (scripts/guest-emulator), the first time for some minutes.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

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
# Where Linux on arm64 maps doorbells
SOFTWARE_MSI = (0x8000000, 0x80fffff)
# No memory of the outer machine's
FAR = (0x140000000, 0x1400fffff)
TOP = 1 << 39
ARM_TOP = 1 << 48
VTD = ['-device', 'intel-iommu,caching-mode=on,aw-bits=39']
PARAVIRT = ['-device', 'virtio-iommu-pci,addr=1e.0,aw-bits=39']
DIMM_SIZE = 128 << 20
# One that has the address at all, and no hole of AMD's below it
CPU = ['-cpu', 'qemu64,vendor=GenuineIntel,phys-bits=46']
ASK, PLUG = '/tests/ask', '/tests/plug'


def item(window):
    return f'{window[0]:#x}:{window[1]:#x}:reserved'


@dataclass
class Host:
    name: str
    devices: list           # of the outer machine, the vIOMMU among them
    words: list             # what Linux is told
    windows: list           # its own
    unit: list              # of the inner machine
    dimm: int               # where the host maps nothing
    modules: list = field(default_factory=list)
    arch: str = 'x86_64'
    memory: int = 256       # MiB of the inner machine that lie in no window
    in_ram: tuple = ()      # of its windows, one where more memory would be

    def emulator(self):
        """What the outer guest runs"""
        if self.arch == 'x86_64':
            return assets.emulator()[0]
        return assets.arm64_emulator()


HOSTS = [
    Host('vtd', ['-device', 'intel-iommu,intremap=on,aw-bits=39', *RMRRS,
                 '-device', 'edu,addr=0a.0'],
         ['intel_iommu=on'], [(TOP, 2 ** 64 - 1)], VTD, TOP),
    Host('virtio', ['-device', 'virtio-iommu-pci,addr=1e.0,aw-bits=39,'
                    f'ram-in-windows=on,reserved-ranges={item(KEPT)}',
                    '-device', 'edu,addr=0a.0'],
         [], [KEPT, (TOP, 2 ** 64 - 1)], PARAVIRT, TOP, ['virtio_iommu'],
         in_ram=KEPT),
    # The tree tells the host of the second one; the first is its own.
    Host('smmuv3', ['-device', f'edu,addr=0a.0,reserved-ranges={item(FAR)}'],
         ['iommu.passthrough=0'],
         [SOFTWARE_MSI, FAR, (ARM_TOP, 2 ** 64 - 1)], PARAVIRT, FAR[0],
         arch='aarch64', memory=128, in_ram=SOFTWARE_MSI),
]
ARM = HOSTS[-1]


def said(*commands):
    """For the monitor: (name, arguments), a line each"""
    lines = [json.dumps({'execute': name, 'arguments': arguments}) + '\n'
             for name, arguments in commands]
    return ''.join(lines).encode()


def initrd(host, facts, directory):
    top = Overlay()
    top.add_file('init', os.path.join(HERE, 'vhostkernel-init'))
    top.add_modules(facts, host.modules + MODULES)
    if host.arch == 'x86_64':
        top.add_program('/tests/qemu-system-x86_64', host.emulator(),
                        directory)
    else:
        top.add_file('/tests/qemu-system-x86_64', host.emulator())
    top.add_file('/tests/vfio-l2', os.path.join(HERE, 'vfio-l2'))
    begin, end = ('qmp_capabilities', {}), ('quit', {})
    top.add(ASK, said(begin, ('query-viommu-windows', {}), end), 0o644)
    top.add(PLUG, said(begin, ('object-add', {
        'qom-type': 'memory-backend-ram', 'id': 'm', 'size': DIMM_SIZE,
        'reserve': False}), ('device_add', {
            'driver': 'pc-dimm', 'memdev': 'm', 'addr': host.dimm}), end),
            0o644)
    for name in ('bios-256k.bin', 'kvmvapic.bin'):
        top.add_file(f'{SHARE}/{name}', firmware(name))
    path = os.path.join(directory, 'initrd')
    top.write(facts, path, host.arch)
    return path


def card(device=DEVICE, more=''):
    return ['-device', f'vfio-pci,host={device},id=card,addr=05.0{more}']


def machine_args(host, facts, path):
    words = ['loglevel=5', 'panic=-1', 'mitigations=off', *host.words]
    if host.arch == 'aarch64':
        args = ['-machine', 'virt,gic-version=3,iommu=smmuv3',
                '-cpu', 'cortex-a57']
        words.append('console=ttyAMA0')
    else:
        args = assets.firmware_args() + ['-machine', 'q35', '-cpu', 'max']
        words += ['console=ttyS0', 'no_timer_check']
    return args + ['-accel', 'tcg,thread=multi', '-smp', '2', '-m', '1G',
                   '-no-reboot', *host.devices, '-kernel', facts['vmlinuz'],
                   '-initrd', path, '-append', ' '.join(words)]


class Inner:
    """The emulator in the outer guest, started anew each time"""

    def __init__(self, outer, host, tap):
        self.outer, self.host, self.tap = outer, host, tap

    def run(self, args, unit=None, device=DEVICE, commands=ASK):
        """Its exit status, and what it and the host's kernel said of it"""
        args = ['-machine', 'q35',
                *(self.host.unit if unit is None else unit), *args]
        status, lines = self.outer.run(
            f'/tests/vfio-l2 {commands} {device} {" ".join(args)}')
        return status, '\n'.join(lines)

    def check(self, name, held, status, words):
        self.tap.check(f'{self.host.name}: {name}', held,
                       f'status {status}\n{words}')

    def refused(self, name, where, args, unit=None):
        """With device, range, kind and origin, ahead of the kernel's word"""
        status, words = self.run(args + card(), unit)
        self.check(name, status == 1 and DEVICE in words and
                   'the guest has memory' in words and
                   f'reserved {where:#x}' in words and '(host)' in words,
                   status, words)

    def refused_hot(self, name, where, args, unit=None):
        status, words = self.run(args + card(), unit, commands=PLUG)
        self.check(name, status == 0 and '"error"' in words and
                   f'memory at {where:#x}' in words and
                   f'reserved {where:#x}' in words and '(host)' in words,
                   status, words)

    def starts(self, name, args, unit=None):
        status, words = self.run(args, unit)
        self.check(name, status == 0, status, words)


def windows_of(words):
    """[(first, last, origin)] of the assigned device, or None"""
    for line in words.splitlines():
        if not line.startswith('{"return": [{"viommu"'):
            continue
        for unit in json.loads(line)['return']:
            for endpoint in unit['endpoints']:
                if endpoint.get('device') == 'card':
                    return [(w['first'], w['last'], w['origin'])
                            for w in endpoint['windows']]
    return None


def run_rmrrs(inner):
    """One that must stay keeps the device; one that need not is usable."""
    status, words = inner.run(['-m', '320M'] + card(LOCKED), device=LOCKED)
    inner.check('the kernel does not assign who must stay one to one',
                status == 1 and f'{RMRR:#018x} 0x00000000120fffff direct\n'
                in words, status, words)
    status, words = inner.run(['-m', '320M'] + card(RELAXED), device=RELAXED)
    windows = windows_of(words) or []
    inner.check('what may be given up is no window of the host\'s',
                status == 0 and 'direct-relaxable' in words and
                [w[0] for w in windows if w[2] == 'host'] == [TOP],
                status, words)


def run_doorbell(inner):
    """A guest whose vIOMMU cannot tell of the host's doorbell"""
    status, words = inner.run(['-m', '128M'] + card(), VTD)
    inner.check('a VT-d guest, which cannot be told, is refused',
                status == 1 and f'keeps {SOFTWARE_MSI[0]:#x} .. '
                f'{SOFTWARE_MSI[1]:#x} for itself' in words, status, words)
    inner.starts('and is not if somebody has announced it', ['-m', '128M'] +
                 card(more=f',reserved-ranges={item(SOFTWARE_MSI)}'), VTD)
    inner.refused('a machine without a vIOMMU is refused, too',
                  SOFTWARE_MSI[0], ['-m', '320M'], [])


def run_host(host, inner):
    memory = ['-m', f'{host.memory}M']
    status, words = inner.run(memory + card())
    windows = windows_of(words) or []
    inner.check('the host\'s windows are in the list', status == 0 and
                [w[:2] for w in windows if w[2] == 'host'] == host.windows,
                status, words)
    inner.check('the doorbell is the inner unit\'s own',
                (0xfee00000, 0xfeefffff, 'model' if host.unit is VTD else
                 'machine') in windows, status, words)
    slots = [*CPU, '-m', f'{host.memory}M,slots=1,maxmem=1T']
    inner.refused('a DIMM where the host maps nothing is refused', host.dimm,
                  slots + ['-object', 'memory-backend-ram,id=m,size='
                           f'{DIMM_SIZE},reserve=off', '-device',
                           f'pc-dimm,memdev=m,addr={host.dimm:#x}'])
    inner.refused_hot('and when it is plugged in', host.dimm, slots)
    inner.refused_hot('without a vIOMMU, too', host.dimm, slots, [])
    if host.name == 'vtd':
        run_rmrrs(inner)
    if host.in_ram:
        inner.refused('RAM in a window of the host is refused',
                      host.in_ram[0], ['-m', '320M'])
        inner.starts('with ram-holes=auto it starts',
                     ['-machine', 'ram-holes=auto', '-m', '320M'] +
                     card(more=f',reserved-ranges={item(host.in_ram)}'))
    if host is ARM:
        run_doorbell(inner)


def run(tap, host):
    """All of it. Never raises for a guest that fails: that is a result."""
    directory = tempfile.mkdtemp(prefix='viommu-vfio-')
    try:
        facts = assets.kernel(host.arch)
        path = initrd(host, facts, directory)
        with Machine(assets.emulator(host.arch),
                     machine_args(host, facts, path), directory) as machine:
            outer = Outer(machine)
            run_host(host, Inner(outer, host, tap))
            outer.off()
    except assets.AssetError as error:
        tap.skip(f'{host.name}: Linux as the host', str(error))
    except (GuestError, QmpError, OSError,
            subprocess.CalledProcessError) as error:
        tap.check(f'{host.name}: the host goes on', False, error)
    finally:
        if os.environ.get('VIOMMU_KEEP'):
            print(f'# kept: {directory}', file=sys.stderr)
        else:
            shutil.rmtree(directory)


def jobs():
    return [functools.partial(run, host=host) for host in HOSTS]


def main():
    tap = Tap()
    pattern = ''.join(sys.argv[1:2])
    for host in HOSTS:
        if pattern in host.name:
            run(tap, host)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
