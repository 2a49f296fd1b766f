# SPDX-License-Identifier: GPL-2.0-or-later
"""The x86-64 guest: a q35 machine, its VT-d or AMD-Vi, and what Linux says."""

import assets
import remapping
import remote
from devices import CARDS, DISKS

__all__ = ['CARDS', 'DISKS']

ARCH = 'x86_64'
MEMORY = '1G'
WORDS = {
    'strict': ['intel_iommu=on', 'iommu.strict=1'],
    'lazy': ['intel_iommu=on', 'iommu.strict=0'],
    'pt': ['intel_iommu=on', 'iommu=pt'],
}
# no_timer_check: at boot Linux counts the timer's interrupts for a few
# milliseconds and panics if interrupt remapping is on and they are few, which
# an emulated processor on a busy machine cannot rule out.
BASE_WORDS = ['console=ttyS0', 'viommu.channel=ttyS1', 'no_timer_check']


def guest_tables(config):
    """Page tables of version 2, which AMD's unit can have."""
    return config.amd and 'gtsup=on' in config.props


def posted(config):
    """Interrupts are posted; Linux has to have been built for that."""
    return config.kernel == 'posted'


def kernel_words(config):
    """What Linux is told beside the mode."""
    return ['amd_iommu=pgtbl_v2'] * guest_tables(config) + \
        ['intremap=posted_msi'] * posted(config)


def on_off(value):
    return 'on' if value else 'off'


def name(config):
    words = ['ir' if config.intremap else 'no-ir']
    if config.paravirt:
        words = ['virtio-iommu']
    if config.amd:
        words.insert(0, 'amd')
    if config.remote:
        words.insert(0, 'remote')
    if config.virtio:
        words.append(f'virtio={config.virtio}')
    if config.eim:
        words.append('eim')
    return words


def remote_props(config):
    """Of both halves together"""
    return ['intremap=on', f'eim={on_off(config.eim)}'] * config.intremap + \
        [*config.props] + [f'virtio={config.virtio}'] * bool(config.virtio) + \
        ['dma-mode=bounce'] * config.bounce


def viommu_arg(config):
    switch = [f'virtio={config.virtio}'] * bool(config.virtio)
    if config.paravirt:
        return ','.join(['virtio-iommu-pci,addr=1e.0', *switch])
    if config.remote:
        return remote.viommu_arg(remote_props(config))
    model = ['amd-iommu', f'xtsup={on_off(config.eim)}'] if config.amd else \
        ['intel-iommu', f'eim={on_off(config.eim)}']
    return ','.join([*model, f'intremap={on_off(config.intremap)}',
                     *config.props, *switch] +
                    ['dma-mode=bounce'] * config.bounce)


def machine_args(config):
    return assets.firmware_args() + [
        '-machine', 'q35', '-accel', 'tcg,thread=multi',
        # x2APIC is what extended interrupt mode is for; ARAT spares an idle
        # processor the detour of its timer over another one's.
        '-cpu', 'qemu64,+x2apic,+arat', '-smp', '2', '-m', MEMORY,
        '-no-reboot', '-device', viommu_arg(config),
    ] + (remote.memory_args(MEMORY) if config.remote else [])


def server(config, directory):
    """The process that a machine with this has its unit in, or None"""
    return remote.Server(directory, remote.unit_arg(remote_props(config))) \
        if config.remote else None


def judge(outcome):
    report, config = outcome.report, outcome.config
    if config.paravirt:
        return
    if config.scalable:
        outcome.check(f'Linux translates through: {config.scalable}',
                      outcome.translation == config.scalable,
                      f'{outcome.translation}\n' + '\n'.join(report.dmesg))
    if guest_tables(config) and config.mode != 'pt':
        outcome.check('Linux uses page tables of version 2',
                      report.dmesg_has('V2 page table enabled'),
                      '\n'.join(report.dmesg))
    enabled = report.dmesg_has('AMD-Vi: Interrupt remapping enabled' if
                               config.amd else
                               'DMAR-IR: Enabled IRQ remapping')
    outcome.check(f'interrupt remapping is {on_off(config.intremap)}',
                  enabled == config.intremap, '\n'.join(report.dmesg))
    if posted(config):
        outcome.check("every device's interrupts are posted",
                      remapping.all_posted(outcome.entries, config.devices),
                      str(outcome.entries))
        outcome.check('Linux is notified of them', report.posted > 0,
                      '\n'.join(report.dmesg))
    if config.eim:
        outcome.check('interrupts are remapped in x2APIC mode',
                      report.dmesg_has('X2APIC enabled' if config.amd else
                                       'IRQ remapping in x2apic mode'),
                      '\n'.join(report.dmesg))
