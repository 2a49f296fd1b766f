# SPDX-License-Identifier: GPL-2.0-or-later
"""
The arm64 guest: a virt machine, its SMMUv3 or virtio-iommu, and Linux.

A virtio-iommu is a PCI function, or registers in memory (virtio-mmio). Of those
the machine's device tree says nothing, so the guest is given one with two
properties more.
"""

import os
import re
import subprocess

import assets
import fdt
from devices import CARDS, Disk
from devices import DISKS as PC_DISKS

__all__ = ['CARDS']

ARCH = 'aarch64'
WORDS = {
    'strict': ['iommu.strict=1', 'iommu.passthrough=0'],
    'lazy': ['iommu.strict=0', 'iommu.passthrough=0'],
    'pt': ['iommu.passthrough=1'],
}
BASE_WORDS = ['console=ttyAMA0', 'viommu.channel=ttyAMA1']

# This machine has no AHCI controller of its own.
DISKS = [disk for disk in PC_DISKS if disk.name != 'ahci'] + [
    Disk('ahci', 'ich9-ahci', '0000:00:0b.0',
         ['ich9-ahci,id=ahci,addr=0b.0', 'ide-hd,bus=ahci.0,drive=ahci,'
          'serial=ahci']),
]

# Of the features that Linux prints in hexadecimal: ARM_SMMU_FEAT_MSI, TRANS_S1,
# TRANS_S2, HA and HD
MSI, STAGE_1, STAGE_2, HA, HD = 1 << 7, 1 << 9, 1 << 10, 1 << 21, 1 << 22
STAGES = {'1': STAGE_1, '2': STAGE_2, 'nested': STAGE_1 | STAGE_2}
# The machine's choice, which no -global can change. Machines before 9.2 leave
# it to the unit.
DEFAULT_STAGE = 'nested'
OLD_MACHINE = 'virt-9.1'


# A virtio-iommu behind registers in memory: which ones, and what it translates
MMIO_UNIT = 'virtio-iommu-device,bus=virtio-mmio-bus.0,primary-bus=pcie.0'
MMIO_NODE, PCI_NODE = '/virtio_mmio@a000000', '/pcie@10000000'
REQUESTERS = 0x10000


def name(config):
    words = ['virtio-iommu'] if config.paravirt else \
        ['smmuv3', f'stage-{config.stage or DEFAULT_STAGE}']
    if config.mmio:
        words.append('mmio')
    words.append('acpi' if config.acpi else 'dt')
    if config.virtio:
        words.append(f'virtio={config.virtio}')
    return words


def machine_args(config):
    old = config.stage not in ('', DEFAULT_STAGE)
    switch = f'virtio={config.virtio}' if config.virtio else ''
    if config.paravirt:
        unit = ''
    else:
        unit = ',iommu=smmuv3' + (f',iommu-{switch}' if switch else '')
    args = [
        '-machine', f'{OLD_MACHINE if old else "virt"},gic-version=3{unit}',
        '-accel', 'tcg,thread=multi', '-cpu', 'cortex-a57', '-smp', '2',
        '-m', '1G', '-no-reboot',
    ]
    # Direct kernel boot is with a device tree; UEFI gives the kernel ACPI.
    if config.acpi:
        args += ['-bios', assets.uefi()]
    props = config.props + (('dma-mode=bounce',) if config.bounce else ())
    if config.mmio:
        return args + ['-global', 'virtio-mmio.force-legacy=off', '-device',
                       ','.join((MMIO_UNIT, *props))]
    if config.paravirt:
        return args + ['-device', ','.join(
            filter(None, ('virtio-iommu-pci,addr=1e.0', switch, *props)))]
    # The machine makes the unit itself, so its properties are set from afar.
    if old:
        args += ['-global', f'arm-smmuv3.stage={config.stage}']
    for prop in props:
        args += ['-global', f'arm-smmuv3.{prop}']
    return args


def tree_args(args, directory):
    """The device tree that tells of an MMIO unit"""
    path = os.path.join(directory, 'tree.dtb')
    machine = args.index('-machine') + 1
    dump = [*args[:machine], f'{args[machine]},dumpdtb={path}',
            *args[machine + 1:]]
    # The guest's serial ports are in it, too.
    subprocess.run([*assets.emulator(ARCH), '-nodefaults', '-display', 'none',
                    *['-serial', 'null'] * 2, *dump], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    with open(path, 'rb') as file:
        tree = fdt.Tree(file.read())
    unit = tree.new_phandle()
    tree.add(MMIO_NODE, '#iommu-cells', fdt.cells(1))
    tree.add(MMIO_NODE, 'phandle', fdt.cells(unit))
    tree.add(PCI_NODE, 'iommu-map', fdt.cells(0, unit, 0, REQUESTERS))
    with open(path, 'wb') as file:
        file.write(tree.pack())
    return ['-dtb', path]


def features(report):
    """What Linux found the SMMU to have; None if it found none."""
    for line in report.dmesg:
        found = re.search(r'arm-smmu-v3 .*\(features 0x([0-9a-f]+)\)', line)
        if found:
            return int(found[1], 16)
    return None


def judge(outcome):
    report, config = outcome.report, outcome.config
    log = '\n'.join(report.dmesg)
    if config.paravirt:
        outcome.check('the firmware describes it by ' +
                      ('VIOT' if config.acpi else 'device tree'),
                      report.dmesg_has('ACPI: VIOT') == config.acpi, log)
        return
    stage = config.stage or DEFAULT_STAGE
    wanted = (STAGES[stage] | (MSI if 'msi=on' in config.props else 0) |
              (HA | HD if 'httu=dirty' in config.props else 0))
    found = features(report)
    outcome.check(f'Linux drives an SMMUv3 of stage {stage}',
                  found is not None and
                  found & (MSI | STAGE_1 | STAGE_2 | HA | HD) == wanted, log)
    outcome.check('the firmware describes it by ' +
                  ('IORT' if config.acpi else 'device tree'),
                  report.dmesg_has('ACPI: IORT') == config.acpi, log)
    outcome.check('no CMD_SYNC timeout',
                  not report.dmesg_has('CMD_SYNC timeout'), log)
