#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Linux, and the windows of the devices it finds behind the vIOMMU.

  windows.py [--all | CASE...]

It says of each device in sysfs what is reserved, and of which type; what is
direct leads to itself, from the moment that Linux has a domain for the device;
and no address in a window is ever given out: on x86 a module
(windows/iovafill.c) takes all that the kernel gives, and what is mapped then is
everything else. Without arguments two boots, as a sample; CASE: those whose
names begin so; --all: each, with every kernel. VIOMMU_KEEP=1 keeps the
directory with the console. TAP.
"""

import argparse
import functools
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field

import ask
import assets
import virt
from machine import GuestError, run_machine
from overlay import Overlay
from qmp import QmpError
from tap import Tap

SOURCES = os.path.join(assets.ROOT, 'tests', 'guest', 'windows')
OWN_SERIES, NEW_SERIES = '6.12', '7.3'
BITS = 39                   # of what the module takes
PAGE = 4096
TOP = 1 << BITS
LAPIC = (0xfee00000, 0xfeefffff)
HYPERTRANSPORT = (0xfd00000000, 0xffffffffff)
ARM_MSI = (0x8000000, 0x80fffff)
# Of all devices; of edu; of edu and of the disk behind the root port. On Arm
# the RAM begins at 1 GiB, and windows are at pages of 64 KiB.
ALL = (0x30000000, 0x300fffff)
OWN = (0x38000000, 0x3800ffff)
FAR = (0x7000000000, 0x70000fffff)
HOLE = (0x6000000000, 0x600000ffff)
NO_RAM = (0x50000000, 0x5000ffff)
IN_RAM = (0x20000000, 0x2000ffff)
ARM_RAM = 1 << 30
# With VT-d Linux takes what a USB controller is told of as relaxable.
USB, EDU, DISK = '0000:00:06.0', '0000:00:04.0', '0000:01:00.0'
# ... and maps something of its own for an ISA bridge, and so for all in its
# group, as q35's own AHCI controller is (docs/system/debugging.rst).
AHCI = '0000:00:1f.2'
ISA = (0, 0xffffff)


def up(window):
    return tuple(end + ARM_RAM for end in window)


def item(window, kind):
    return f'{window[0]:#x}:{window[1]:#x}:{kind}'


@dataclass
class Case:
    name: str
    unit: list              # arguments that make the vIOMMU
    edu: list               # (window, type) of its own, besides the unit's
    disk: list
    expect: dict            # PCI address: {(first, last): type in sysfs}
    arch: str = 'x86_64'
    series: str = OWN_SERIES
    acpi: bool = False      # on arm64
    words: tuple = ()

    def full_name(self):
        return f'windows+{self.name}+Linux {self.series}'

    def kernel(self):
        """One that the caller already has counts as the tests' own."""
        return assets.kernel(self.arch, '' if self.series == OWN_SERIES else
                             self.series)


@dataclass
class Outcome:
    case: Case
    error: str = ''
    status: int = -1
    module: str = ''        # a path
    unasked: str = ''       # why there is none
    checks: list = field(default_factory=list)  # (name, held, detail)

    def check(self, name, held, detail=''):
        self.checks.append((f'{self.case.full_name()}: {name}', bool(held),
                            str(detail)))


def vtd(series):
    every = {LAPIC: 'msi', ALL: 'direct'}
    return Case('vtd', ['-device', f'intel-iommu,aw-bits={BITS},'
                        f'reserved-ranges={item(ALL, "direct")}'],
                [item(OWN, 'direct'), item(FAR, 'direct')],
                [item(FAR, 'direct')],
                {EDU: {**every, OWN: 'direct', FAR: 'direct'},
                 DISK: {**every, FAR: 'direct'},
                 # Its class decides; DMAR does not say.
                 USB: {**every, ALL: 'direct-relaxable'},
                 AHCI: {**every, ISA: 'direct-relaxable'}},
                series=series, words=('intel_iommu=on', 'iommu.strict=1'))


def amd(series):
    every = {LAPIC: 'msi', HYPERTRANSPORT: 'reserved', ALL: 'direct'}
    return Case('amd', ['-device', 'amd-iommu,'
                        f'reserved-ranges={item(ALL, "direct")}'],
                [item(OWN, 'direct'), item(FAR, 'direct')],
                [item(FAR, 'direct')],
                {EDU: {**every, OWN: 'direct', FAR: 'direct'},
                 DISK: {**every, FAR: 'direct'}, USB: every},
                series=series, words=('iommu.strict=1',))


def virtio(series):
    every = {LAPIC: 'msi', HOLE: 'reserved'}
    return Case('virtio', ['-device', 'virtio-iommu-pci,addr=1e.0,'
                           f'reserved-ranges={item(HOLE, "reserved")}'],
                [item(NO_RAM, 'reserved'), item(FAR, 'reserved')],
                [item(FAR, 'reserved')],
                {EDU: {**every, NO_RAM: 'reserved', FAR: 'reserved'},
                 DISK: {**every, FAR: 'reserved'}},
                series=series, words=('iommu.strict=1',))


def smmu(acpi, series=OWN_SERIES):
    every = {ARM_MSI: 'msi', up(ALL): 'direct'}
    edu = [item(up(OWN), 'direct-relaxable')]
    windows = {**every, up(OWN): 'direct-relaxable' if acpi else 'direct'}
    expect = {EDU: windows, DISK: {**every, FAR: 'direct'}}
    # RAM goes on behind it.
    in_ram = up(IN_RAM)
    edu.append(item(in_ram, 'reserved'))
    # IORT cannot say "reserved".
    if not acpi:
        edu.append(item(HOLE, 'reserved'))
        windows[HOLE] = windows[in_ram] = 'reserved'
    return Case('smmuv3-acpi' if acpi else 'smmuv3-dt',
                ['-global', 'arm-smmuv3.reserved-ranges=' +
                 item(up(ALL), 'direct')], edu,
                [item(FAR, 'direct')], expect,
                arch='aarch64', acpi=acpi, series=series,
                words=('iommu.strict=1', 'iommu.passthrough=0'))


SAMPLE = [vtd(NEW_SERIES), smmu(acpi=True)]
EVERY = [make(series) for series in (OWN_SERIES, NEW_SERIES)
         for make in (vtd, amd, virtio, functools.partial(smmu, False),
                      functools.partial(smmu, True))]


class Guest(ask.Guest):
    def reserved(self, address):
        """{(first, last): type} as sysfs has it for this device"""
        found = {}
        for line in self.ask(f'cat /sys/bus/pci/devices/{address}/'
                             'iommu_group/reserved_regions'):
            words = line.split()
            if len(words) != 3:
                raise GuestError(f'reserved_regions of {address}: {line}')
            found[int(words[0], 16), int(words[1], 16)] = words[2]
        return found


def is_direct(kind):
    return kind.startswith('direct')


def judge_types(guest, outcome):
    for address, windows in outcome.case.expect.items():
        found = guest.reserved(address)
        outcome.check(f'{address}: Linux has the windows, with their types',
                      found == windows,
                      '\n'.join(f'{first:#x} {last:#x} {kind}'
                                for (first, last), kind in found.items()))


def judge_direct(guest, outcome):
    """Both ends of each direct window lead to themselves."""
    names = {EDU: 'edu', DISK: 'disk', USB: 'usb', AHCI: AHCI[5:]}
    for address, windows in outcome.case.expect.items():
        answers = [(end, guest.machine.qmp.command('viommu-translate',
                                                   device=names[address],
                                                   iova=end))
                   for window, kind in windows.items() if is_direct(kind)
                   for end in window]
        if answers:
            outcome.check(f'{address}: direct windows are mapped one to one',
                          all(one['ok'] and one['address'] == end
                              for end, one in answers), answers)


def judge_idle(guest, outcome):
    """
    A device without a driver: with RMR nodes Linux lets it through to what it
    has mapped one to one, before the SMMU is on and until it has a domain.
    """
    answers = [(end, guest.machine.qmp.command('viommu-translate',
                                               device='idle', iova=end))
               for end in up(ALL)]
    outcome.check('a direct window is there before a driver is',
                  all(one['ok'] and one['address'] == end
                      for end, one in answers), answers)


def judge_fill(guest, outcome):
    """All is mapped but windows; those that are direct, one to one."""
    said = guest.ask(f'insmod /iovafill.ko bits={BITS} && '
                     'cat /sys/module/iovafill/parameters/taken')
    outcome.check('the module takes all addresses',
                  said and said[-1].isdigit() and int(said[-1]) > 500, said)
    windows = outcome.case.expect[EDU]
    ranges = guest.mapped('edu')
    wrong = [(first, last, address) for first, last, address in ranges
             for window, kind in windows.items()
             if first <= window[1] and last >= window[0] and
             (not is_direct(kind) or address != first)]
    outcome.check('no address in a window was given out', not wrong,
                  [f'{a:#x} {b:#x} {c:#x}' for a, b, c in wrong])
    # What is not mapped: the first page, the windows, and those through which
    # the processor sees PCI devices.
    apertures = guest.ask("sed -n 's/^ *\\([0-9a-f]*\\)-\\([0-9a-f]*\\) : PCI "
                          "Bus 0000:00$/\\1 \\2/p' /proc/iomem")
    holes = [(0, PAGE - 1)] + [tuple(int(end, 16) for end in line.split())
                               for line in apertures] + list(windows)
    at, left = 0, []
    for first, last in sorted([(a, b) for a, b, _ in ranges] + holes):
        if at < min(first, TOP):
            left.append((at, min(first, TOP) - 1))
        at = max(at, last + 1)
    outcome.check(f'and every other one of {BITS} bits was',
                  at >= TOP and not left,
                  [f'{first:#x} {last:#x}' for first, last in left] +
                  [f'{at:#x}'] + said + apertures)


def judge(machine, outcome):
    guest = Guest(machine)
    machine.start()
    guest.await_up()
    log = guest.ask('dmesg')
    outcome.check('Linux finds nothing wrong with the tables',
                  not [line for line in log if 'Firmware Bug' in line or
                       'OVERLAP DETECTED' in line or 'non-direct' in line],
                  [line for line in log if 'irmware' in line])
    # A module of ours is a taint, too.
    outcome.check('nothing is tainted',
                  guest.ask('cat /proc/sys/kernel/tainted') == ['0'])
    if outcome.case.acpi:
        judge_idle(guest, outcome)
    # First: with virtio-iommu, Linux 6.12 looks for the unit of a device when
    # the device gets a driver.
    if outcome.module:
        judge_fill(guest, outcome)
    judge_types(guest, outcome)
    judge_direct(guest, outcome)
    unit = machine.qmp.command('query-viommu')[0]
    outcome.check('no access was refused', unit['faults'] == 0, unit['faults'])
    machine.send('poweroff -f')
    outcome.status = machine.wait()


def device_args(case):
    def ranges(windows):
        return ',reserved-ranges=' + ',,'.join(windows) if windows else ''

    # On Arm, Linux looks for the SMMU of a device when there is a driver.
    edu = 'nvme,serial=edu' if case.arch == 'aarch64' else \
        'edu,dma_mask=0xffffffffffffffff'
    return ['-device', f'{edu},id=edu,addr=04.0' + ranges(case.edu),
            '-device', 'pcie-root-port,id=rp,chassis=1,addr=05.0',
            '-device', 'nvme,id=disk,serial=disk,bus=rp' + ranges(case.disk),
            '-device', 'qemu-xhci,id=usb,addr=06.0',
            '-device', 'edu,id=idle,addr=07.0']


def fill_module(case, outcome):
    """The module, where there is one: for x86, and with the kernel's headers"""
    if case.arch != 'x86_64':
        return ''
    try:
        return assets.module(case.series, 'iovafill',
                             *[os.path.join(SOURCES, name)
                               for name in ('Kbuild', 'iovafill.c')])
    except assets.AssetError as error:
        outcome.unasked = str(error)
        return ''


def machine_args(case, directory, module):
    facts = case.kernel()
    top = Overlay()
    top.add_file('init', ask.INIT)
    if module:
        top.add_file('iovafill.ko', module)
    top.add_modules(facts, ['virtio_pci', 'virtio_iommu', 'nvme'])
    initrd = os.path.join(directory, 'initrd')
    top.write(facts, initrd, case.arch)
    words = ['loglevel=5', 'panic=-1', 'mitigations=off', *case.words]
    if case.arch == 'aarch64':
        args = ['-machine', 'virt,gic-version=3,iommu=smmuv3,ram-holes=auto',
                '-accel', 'tcg,thread=multi', '-cpu', 'cortex-a57', '-m', '1G']
        args += ['-bios', assets.uefi()] if case.acpi else []
        words += virt.BASE_WORDS[:1]
    else:
        args = assets.firmware_args() + [
            '-machine', 'q35', '-accel', 'tcg', '-cpu', 'qemu64,+x2apic,+arat',
            '-m', '1G']
        words += ['console=ttyS0', 'no_timer_check']
    return args + ['-no-reboot', *case.unit, *device_args(case),
                   '-kernel', facts['vmlinuz'], '-initrd', initrd,
                   '-append', ' '.join(words)]


def boot(case):
    """Never raises for a guest that fails: that is an outcome."""
    outcome = Outcome(case)
    outcome.module = fill_module(case, outcome)
    directory = tempfile.mkdtemp(prefix='viommu-windows-')
    try:
        args = machine_args(case, directory, outcome.module)
        try:
            run_machine(assets.emulator(case.arch), args, directory,
                        lambda machine: judge(machine, outcome), again=True)
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


def run(tap, case):
    try:
        outcome = boot(case)
    except assets.AssetError as error:
        tap.skip(case.full_name(), str(error))
        return
    for check in outcome.checks:
        tap.check(*check)
    if outcome.unasked:
        tap.skip(f'{case.full_name()}: all addresses are taken',
                 outcome.unasked)


def jobs(cases):
    return [functools.partial(run, case=case) for case in cases]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--all', action='store_true')
    parser.add_argument('case', nargs='*')
    args = parser.parse_args()
    tap = Tap()
    cases = EVERY if args.all or args.case else SAMPLE
    for case in cases:
        if not args.case or case.name.startswith(tuple(args.case)):
            run(tap, case)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
