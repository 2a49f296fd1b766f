# SPDX-License-Identifier: GPL-2.0-or-later
"""
Compares the features that docs/system/virtio-iommu.rst has in its table of what
is modelled with those that the device offers.
"""

import json
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, 'docs', 'system', 'virtio-iommu.rst')
EMULATOR = os.path.join(ROOT, 'build', 'obj', 'qemu-system-x86_64')
MACHINE = ['-machine', 'q35', '-nodefaults', '-display', 'none', '-accel',
           'qtest', '-device', 'virtio-iommu-pci,id=unit', '-qmp', 'stdio',
           '-S']
ASK = [{'execute': 'qmp_capabilities'},
       {'execute': 'x-query-virtio-status',
        'arguments': {'path': '/machine/peripheral/unit/virtio-backend'}},
       {'execute': 'quit'}]
LIMIT = 600


def documented():
    with open(PAGE, encoding='utf-8') as page:
        row = re.search(r'^   \* - Features\n     - (.*?)(?=^   \*)',
                        page.read(), re.M | re.S)
    return {word.strip() for word in row[1].split(',')}


def offered():
    done = subprocess.run([EMULATOR, *MACHINE], check=False, timeout=LIMIT,
                          input=''.join(map(json.dumps, ASK)),
                          stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        answer = json.loads(line).get('return')
        if answer and 'host-features' in answer:
            names = answer['host-features']['dev-features']
            return {name.split(':')[0].removeprefix('VIRTIO_IOMMU_F_')
                    for name in names}
    return set()


def check():
    """An explanation of what is wrong, or ''."""
    page, device = documented(), offered()
    return '' if page == device else \
        f'only on the page: {sorted(page - device)}, ' \
        f'only offered: {sorted(device - page)}'


def checks():
    """Pairs of a name and a function that says what is wrong."""
    yield 'virtio-iommu.rst: the features are those that are offered', check
