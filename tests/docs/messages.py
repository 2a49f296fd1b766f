# SPDX-License-Identifier: GPL-2.0-or-later
"""
What an operator is told of options that are wrong, that contradict each other
or that have no effect: an error or a warning that names them. Nothing is said
of options that are right.
"""

import functools
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
QMP = b'{"execute":"qmp_capabilities"}{"execute":"quit"}'
LIMIT = 600
Q35 = 'x86_64 -machine q35 -device '
VIRT = 'aarch64 -machine virt -cpu cortex-a57 '
SMMU = 'aarch64 -machine virt,iommu=smmuv3 -cpu cortex-a57 '
SMMU_9_1 = 'aarch64 -machine virt-9.1,iommu=smmuv3 -cpu cortex-a57 '

# An error: what it has to have in it
REFUSED = [
    (f'{Q35}intel-iommu,virtio=require,dma-translation=off',
     ['virtio=require and dma-translation=off']),
    (f'{Q35}intel-iommu,virtio=all',
     ["'virtio'", "'all'", 'device, translate, bypass or require']),
    (f'{Q35}virtio-iommu-pci -global virtio-iommu-pci.virtio=all',
     ["virtio-iommu-pci.virtio=all", "'all'"]),
    (f'{Q35}intel-iommu,x-scalable-mode=on,x-pasid-mode=off,pasid-bits=4',
     ['x-pasid-mode=off and pasid-bits=4']),
    (f'{Q35}intel-iommu,x-scalable-mode=on,svm=on,device-iotlb=on',
     ['svm=on needs pasid-bits=1 to 20']),
    ('x86_64 -machine pc-q35-9.1 -device intel-iommu,profile=modern',
     ['aw-bits are: 48, 57', 'It is 39', 'up to pc-q35-9.1']),
    (f'{VIRT}-device virtio-iommu-device',
     ['primary-bus is not given', 'primary-bus=pcie.0']),
    (f'{VIRT}-device pcie-root-port,id=rp0 '
     '-device virtio-iommu-device,primary-bus=rp0',
     ["primary-bus is 'rp0', but must be a root bus"]),
    (f'{Q35}pxb-pcie,bus_nr=32,id=pxb0 '
     '-device virtio-iommu-pci,bus=pcie.0,primary-bus=pxb0',
     ["primary-bus is 'pxb0'", "'pcie.0'"]),
    (f'{Q35}intel-iommu -device virtio-iommu-pci', ['multiple vIOMMUs']),
    ('x86_64 -machine pc -device intel-iommu',
     ['-device intel-iommu', 'give -machine q35']),
    ('x86_64 -machine microvm -device amd-iommu', ['give -machine q35']),
    (f'{VIRT}-device arm-smmuv3', ['give -machine virt,iommu=smmuv3']),
    (f'{SMMU}-global arm-smmuv3.stage=3',
     ["stage is '3'", "'1', '2' or 'nested'"]),
    (f'{SMMU_9_1}-global arm-smmuv3.stage=both',
     ["stage is 'both'", "'1', '2' or 'nested'"]),
]

# A warning, and the machine starts
WARNED = [
    (f'{Q35}intel-iommu,stale-tm=on',
     ['stale-tm=on has no effect without device-iotlb=on']),
    (f'{Q35}intel-iommu,fs1gp=off',
     ['fs1gp=off has no effect without x-flts=on']),
    (f'{Q35}intel-iommu,intremap=off,x-ioapic-sid-check=on',
     ['x-ioapic-sid-check=on has no effect without intremap=on']),
    (f'{Q35}amd-iommu,pt=off', ['pt=off has no effect']),
    (f'{Q35}AMDVI-PCI,id=function', ["AMDVI-PCI 'function'",
                                     'amd-iommu,pci-id=function']),
    (f'{Q35}AMDVI-PCI -device amd-iommu', ['amd-iommu,pci-id=ID']),
    (f'{Q35}virtio-iommu-pci,iommu_platform=on',
     ['iommu_platform=on has no effect']),
    (f'{VIRT}-device virtio-iommu-device,primary-bus=pcie.0',
     ['virtio-mmio.force-legacy=off']),
    (f'{Q35}virtio-iommu-pci,granule=64k',
     ['granule is 64 KiB', 'untranslated', 'granule=4k']),
    ('x86_64 -machine pc -device virtio-iommu-pci,granule=8k',
     ['granule is 8 KiB', 'granule=4k']),
    (f'{SMMU}-global arm-smmuv3.stage=1',
     ['stage=1 has no effect', 'stage=nested']),
    (f'{VIRT}-global arm-smmuv3.sanitizer=on',
     ['global arm-smmuv3.sanitizer=on not used']),
]

# Nothing is said.
SILENT = [
    f'{Q35}intel-iommu,device-iotlb=on,stale-tm=on,x-ioapic-sid-check=on',
    f'{Q35}intel-iommu,profile=modern,fs1gp=off,x-pasid-mode=off',
    f'{Q35}intel-iommu,x-scalable-mode=on,x-pasid-mode=on,pasid-bits=4',
    f'{Q35}intel-iommu,dma-translation=off,virtio=translate',
    'x86_64 -machine pc-q35-9.1 -device intel-iommu,profile=modern,aw-bits=57',
    f'{Q35}AMDVI-PCI,id=function -device amd-iommu,pci-id=function',
    f'{Q35}virtio-iommu-pci,primary-bus=pcie.0',
    f'{Q35}virtio-iommu-pci,granule=4k',
    f'{VIRT}-device virtio-iommu-pci,granule=64k',
    f'{SMMU}-global arm-smmuv3.stage=nested',
    f'{SMMU}-global arm-smmuv3.sanitizer=on',
    f'{SMMU_9_1}-global arm-smmuv3.stage=2',
    f'{VIRT}-device virtio-iommu-device,primary-bus=pcie.0 '
    '-global virtio-mmio.force-legacy=off',
]


def check(command, status, texts):
    """An explanation of what is wrong, or ''."""
    arch, *args = command.split()
    done = subprocess.run(
        [os.path.join(ROOT, 'build', 'obj', f'qemu-system-{arch}'), *args,
         '-nodefaults', '-display', 'none', '-accel', 'qtest', '-S', '-qmp',
         'stdio'],
        input=QMP, timeout=LIMIT, check=False, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE)
    said = ' '.join(done.stderr.decode(errors='replace').split())
    if done.returncode == status and all(t in said for t in texts) and \
       (texts or not said):
        return ''
    return f'exit status {done.returncode}, says: {said}'


def checks():
    """Pairs of a name and a function that says what is wrong."""
    for command, texts in REFUSED:
        yield (f'refused: {command}',
               functools.partial(check, command, 1, texts))
    for command, texts in WARNED:
        yield f'warned: {command}', functools.partial(check, command, 0, texts)
    for command in SILENT:
        yield f'silent: {command}', functools.partial(check, command, 0, [])
