# SPDX-License-Identifier: GPL-2.0-or-later
"""
The help text of every vIOMMU's properties, and a machine's that are about it:
"-device MODEL,help" says of each what it does, in which unit if it is a number,
and what holds if it is not given; and a page of docs/system has it.
"""

import functools
import glob
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
# (emulator, device, a device whose properties are not of the vIOMMU)
MODELS = [('x86_64', 'intel-iommu', None), ('x86_64', 'amd-iommu', None),
          ('x86_64', 'virtio-iommu-pci', 'virtio-rng-pci'),
          ('aarch64', 'virtio-iommu-pci', 'virtio-rng-pci'),
          ('aarch64', 'arm-smmuv3', None)]
# (emulator, machine, its properties that are ours)
MACHINES = [('aarch64', 'virt', ['iommu-virtio', 'ram-holes']),
            ('x86_64', 'q35', ['ram-holes']), ('x86_64', 'pc', ['ram-holes'])]
# Of the models', the base's: they are of every device on a bus of that kind.
BASE = {'bus_num', 'class'}
LINE = re.compile(r'  ([\w-]+)=<([^>]+>?)>(?: +- (.*))?$')
UNITS = re.compile(r'\b(bits?|ms|pages|translations|registers|domains|'
                   r'mappings|without effect|not used)\b')
DEFAULT = re.compile(r'\(default: .+\)$|if it is not given|if not given|'
                     r'the machine sets it|a root bus')


def emulator(arch):
    chosen = os.environ.get('QEMU')
    if chosen and chosen.endswith(arch):
        return chosen
    return os.path.join(ROOT, 'build', 'obj', f'qemu-system-{arch}')


@functools.cache
def properties(arch, device, option='-device'):
    """{name: (type, text)}"""
    said = subprocess.run([emulator(arch), option, f'{device},help'],
                          check=True, stdout=subprocess.PIPE,
                          encoding='utf-8').stdout
    found = (LINE.match(line) for line in said.splitlines())
    return {one[1]: (one[2], one[3] or '') for one in found if one}


@functools.cache
def pages():
    text = ''
    for path in sorted(glob.glob(f'{ROOT}/docs/system/*.rst')):
        with open(path, encoding='utf-8') as page:
            text += page.read()
    return text


def wrong_with(name, kind, text):
    """What, or ''."""
    words = re.sub(r' *\(default: .*\)$', '', text)
    if len(words) < 8:
        return f'{name}: nothing says what it does'
    if kind.startswith(('uint', 'int', 'size')) and not UNITS.search(words):
        return f'{name}: no unit: {text}'
    if not DEFAULT.search(text):
        return f'{name}: nothing says what holds without it: {text}'
    if not re.search(rf'``(?:[\w-]+,)*{re.escape(name)}(?:``|=)', pages()):
        return f'{name}: no page of docs/system has it'
    return ''


def check(arch, device, like):
    own = properties(arch, device)
    others = properties(arch, like) if like else {}
    wrong = [wrong_with(name, *own[name]) for name in own
             if name not in others and name not in BASE and
             not own[name][0].startswith('child')]
    found = '; '.join(one for one in wrong if one)
    return found if own else 'it has no properties'


def check_machine(arch, machine, names):
    has = properties(arch, machine, '-machine')
    return '; '.join(filter(None, (wrong_with(name, *has.get(name, ('', '')))
                                   for name in names)))


def checks():
    """Pairs of a name and a function that says what is wrong."""
    for arch, device, like in MODELS:
        if os.path.exists(emulator(arch)):
            yield (f'{arch}: -device {device},help',
                   functools.partial(check, arch, device, like))
    for arch, machine, names in MACHINES:
        if os.path.exists(emulator(arch)):
            yield (f'{arch}: -machine {machine},help',
                   functools.partial(check_machine, arch, machine, names))
