#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A guest that runs a hypervisor of its own: Xen drives the VT-d, or the AMD-Vi,
and Linux is its first domain, dom0, with the devices. Xen must have the unit, or
stops.

  xen.py [pv|pvh] [--intremap on|off] [--virtio translate|bypass|require]
         [--amd] [--base]

Without any, what tests/guest/run runs. VIOMMU_GUEST_XEN names another Xen
(scripts/guest-xen).
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass

import assets
import q35
from boot import Config, boot, machine_log
from devices import CARDS, DISKS
from machine import GuestError, Machine
from tap import Tap

__all__ = ['CARDS', 'DISKS']

ARCH = q35.ARCH
# Xen's console is the first serial port, and dom0's is Xen's.
DOM0_WORDS = ['console=hvc0', 'viommu.channel=ttyS1', 'loglevel=5', 'panic=-1',
              'mitigations=off']
WORDS = {'pv': [], 'pvh': []}
DOM0 = {
    # Only what belongs to dom0 is mapped: much is unmapped and mapped at boot.
    'pv': ['dom0-iommu=strict'],
    # The processor has AMD's nested pages, whose tables VT-d cannot read.
    'pvh': ['dom0=pvh', 'iommu=no-sharept'],
}
# An older Xen's dom0 of type PVH does not boot on an emulated processor.
PVH_SINCE = (4, 18)
REFUSAL = "Couldn't enable IOMMU and iommu=required/force"
# What would be a word of Xen's against the unit or its firmware table; not
# "taking too long", which is about the host's time.
TOPIC = re.compile(r'\(XEN\).*(VT-?d|DMAR|IOMMU|RMRR|QI|AMD-Vi|IVRS|IVHD)',
                   re.I)
COMPLAINT = re.compile(r'fault|error|fail|bug|invalid\b|warn|timeout|'
                       r'malfunction|conflict|cannot|could ?n.t|unable', re.I)


# Xen's words for a unit at work and for its interrupt remapping, by Config.amd
ENABLED = {
    False: ('Intel VT-d Queued Invalidation enabled',
            'Intel VT-d Interrupt Remapping enabled'),
    True: ('AMD-Vi: IOMMU 0 Enabled', 'Interrupt remapping enabled'),
}


@dataclass
class XenConfig(Config):
    mode: str = 'pv'        # of dom0
    rounds: int = 2

    @property
    def platform(self):
        return sys.modules[__name__]


# With and without interrupt remapping, and both ways to say that virtio devices
# are translated.
SUBSET = [
    XenConfig('pv', intremap=True),
    XenConfig('pv', intremap=False, virtio='require'),
]
# Run with the rest of AMD-Vi's
AMD = [XenConfig('pv', amd=True)]


def version():
    """(major, minor), or None if the image's name does not say."""
    found = re.fullmatch(r'xen-(\d+)\.(\d+)-amd64',
                         os.path.basename(assets.xen()))
    return found and (int(found[1]), int(found[2]))


def name(config):
    return ['xen'] + q35.name(config)


def machine_args(config, viommu=True):
    return assets.firmware_args() + [
        # Time passes as the processor works: two layers of timer ticks leave
        # an emulated processor on a busy machine no time for anything else.
        '-machine', 'q35', '-accel', 'tcg,thread=single', '-icount', 'shift=3',
        # Emulated x2APIC registers do not go with -icount. dom0 of type PVH
        # lives in nested pages.
        '-cpu', 'qemu64,-x2apic,+arat,+npt', '-smp', '1', '-m', '1G',
        '-no-reboot',
    ] + ['-device', q35.viommu_arg(config)] * viommu


def kernel_args(words, config):
    """dom0's kernel and initramfs are Xen's modules."""
    facts = assets.kernel(ARCH)
    dom0 = ' '.join([facts['vmlinuz']] + DOM0_WORDS + words)
    # A comma that separates no modules is doubled.
    modules = ','.join(module.replace(',', ',,') for module in
                       (dom0, assets.initramfs(facts, ARCH)))
    remap = 'intremap' if config.intremap else 'no-intremap'
    # A Xen that panics reboots, which ends the emulator.
    xen = ['com1=115200,8n1', 'console=com1', 'loglvl=all',
           'dom0_mem=512M,max:512M', f'iommu=force,verbose,{remap}'] + \
        ['bootscrub=0', 'spec-ctrl=no', 'xpti=0'] + DOM0[config.mode]
    return ['-kernel', assets.xen(), '-append', ' '.join(xen),
            '-initrd', modules]


def complaints(console):
    return [line for line in console.splitlines()
            if TOPIC.search(line) and COMPLAINT.search(line)]


def judge(outcome):
    config, console = outcome.config, outcome.console
    log = console[-4000:]
    unit, remapping = ENABLED[config.amd]
    outcome.check('Xen drives the vIOMMU',
                  'I/O virtualisation enabled' in console and
                  unit in console, log)
    outcome.check(f'interrupt remapping is {q35.on_off(config.intremap)}',
                  (remapping in console) == config.intremap, log)
    outcome.check(f'Linux is dom0, of type {config.mode}',
                  f'Building a {config.mode.upper()} Dom0' in console and
                  outcome.report.dmesg_has('Hypervisor detected: Xen'),
                  '\n'.join(outcome.report.dmesg))
    found = complaints(console)
    outcome.check('Xen has no complaint', console and not found,
                  '\n'.join(found))


def refusal(tap):
    """Xen stops where there is no vIOMMU, or the boots would prove little."""
    config = XenConfig()
    directory = tempfile.mkdtemp(prefix='viommu-xen-')
    error = ''
    try:
        with Machine(assets.emulator(ARCH), machine_args(config, False) +
                     kernel_args([], config), directory) as machine:
            machine.start()
            machine.wait()
        console = machine_log(directory, 'console')
    except (GuestError, OSError) as caught:
        error = str(caught)
    finally:
        shutil.rmtree(directory)
    tap.check('xen: without a vIOMMU it does not boot',
              not error and REFUSAL in console and
              'Linux version' not in console, error or console[-4000:])


def run(tap, base=False, configs=()):
    """The checks of the subset, or of the given configurations."""
    try:
        assets.xen()
    except assets.AssetError as error:
        tap.skip('xen', str(error))
        return
    if not configs:
        refusal(tap)
    for config in configs or SUBSET:
        config.base = base
        if base and not configs:
            # The switch is ours.
            config.virtio = ''
        if config.mode == 'pvh' and (version() or PVH_SINCE) < PVH_SINCE:
            tap.skip(config.name(), f'with {os.path.basename(assets.xen())}, '
                                    'which is too old for it')
            continue
        for check in boot(config).checks:
            tap.check(*check)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('mode', nargs='?', choices=DOM0)
    parser.add_argument('--intremap', choices=['on', 'off'], default='on')
    parser.add_argument('--virtio', default='',
                        choices=['translate', 'bypass', 'require'])
    parser.add_argument('--amd', action='store_true')
    parser.add_argument('--base', action='store_true')
    args = parser.parse_args()
    configs = [XenConfig(args.mode or 'pv', args.intremap == 'on',
                         virtio=args.virtio, amd=args.amd)] \
        if args.mode or args.amd else []
    tap = Tap()
    try:
        run(tap, args.base, configs)
    except assets.AssetError as error:
        print(f'Bail out! {error}', flush=True)
        return 1
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
