# SPDX-License-Identifier: GPL-2.0-or-later
"""
The libvirt domains that our documents show.

A document has whole domains and parts of one. A part is laid over the whole
domain of its architecture, as a reader would. Only what is the machine's is
changed: the emulator's path, and the accelerator, which not every machine has.
"""

import copy
import os
import textwrap
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0'
ET.register_namespace('qemu', QEMU)
WHOLE = ('README.md', 'docs/system/smmuv3.rst')
# What the words of a part say about the rest of it
UNITS = {'iommu-virtio': ('aarch64', None),
         'virtio-iommu-pci.': ('x86_64', 'virtio')}


@dataclass
class Domain:
    where: str          # document: line
    arch: str
    tree: ET.Element
    whole: bool = False
    images: list = field(default_factory=list)

    @property
    def name(self):
        return self.tree.findtext('name')

    def xml(self):
        return ET.tostring(self.tree, encoding='unicode')


def blocks(text):
    """(line, XML) of each block of XML in Markdown or reStructuredText."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line == '```xml':
            end = lines.index('```', number)
        elif line == '.. code-block:: xml':
            end = next((n for n, after in enumerate(lines[number:], number)
                        if after and not after.startswith(' ')), len(lines))
        else:
            continue
        yield number, textwrap.dedent('\n'.join(lines[number:end]))


def parse(block):
    """The block as a domain; "..." stands for what is not shown."""
    if not block.lstrip().startswith('<domain'):
        block = f"<domain xmlns:qemu='{QEMU}'>{block}</domain>"
    return ET.fromstring(block)


def lay_over(whole, part):
    """Elements of the part replace those of their kind."""
    tree = copy.deepcopy(whole)
    for parent, children in ((tree, part),
                             (tree.find('devices'), part.find('devices'))):
        for child in children if children is not None else ():
            if child.tag == 'devices':
                continue
            old = parent.find(child.tag)
            if old is not None:
                parent.remove(old)
            parent.append(copy.deepcopy(child))
    return tree


def arch_of(block, tree):
    kind = tree.find('os/type')
    if kind is not None:
        return kind.get('arch'), None
    for words, unit in UNITS.items():
        if words in block:
            return unit
    return 'x86_64', None


def adapt(tree, arch, emulators):
    """What is the machine's: the accelerator and where the emulator is."""
    tree.set('type', 'qemu')
    tree.find('devices/emulator').text = os.path.join(
        emulators, f'qemu-system-{arch}')
    return [source.get('file')
            for source in tree.findall('devices/disk/source')]


def domains(emulators):
    """All of them; whole ones first."""
    wholes, parts = {}, []
    pages = WHOLE + tuple(
        str(page.relative_to(ROOT))
        for page in sorted((ROOT / 'docs').rglob('*.rst'))
        if str(page.relative_to(ROOT)) not in WHOLE)
    for page in pages:
        for line, block in blocks((ROOT / page).read_text(encoding='utf-8')):
            tree = parse(block)
            arch, unit = arch_of(block, tree)
            where = f'{page}:{line}'
            if page in WHOLE and tree.find('os/type') is not None:
                wholes[arch] = Domain(where, arch, tree, whole=True)
            else:
                parts.append((where, arch, unit, tree))
    found = list(wholes.values())
    for where, arch, unit, part in parts:
        tree = lay_over(wholes[arch].tree, part)
        if unit:
            tree.find('devices/iommu').set('model', unit)
            for child in list(tree.find('devices/iommu')):
                tree.find('devices/iommu').remove(child)
        found.append(Domain(where, arch, tree))
    for domain in found:
        domain.images = adapt(domain.tree, domain.arch, emulators)
    return found
