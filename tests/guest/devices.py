# SPDX-License-Identifier: GPL-2.0-or-later
"""The devices under test: how to put them in the machine, and what they are."""

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace

IMAGE_SIZE = 64 << 20
# The guest writes below here and reads the host's pattern from here on
# (tests/guest/init has the same layout).
PATTERN_AT = 32 << 20
PATTERN_SIZE = 4 << 20
# More than all that one test writes: images are as sparse as they begin.
ROOM = 1 << 30

# As libvirt asks for it. A virtio device on the root complex is transitional
# unless told otherwise, and a transitional one cannot be translated.
VIRTIO = 'disable-legacy=on{platform},packed={packed}'


@dataclass
class Disk:
    name: str           # also its serial number
    what: str           # for people
    pci: str            # the function whose DMA it is, as Linux names it
    args: list          # of -device and whatever else it needs
    objects: tuple = ()

    def is_virtio(self):
        return self.what.startswith('virtio')


@dataclass
class Card:
    name: str
    what: str
    pci: str
    device: str
    mac: str
    net: str            # first three bytes of its user network

    def is_virtio(self):
        return self.what.startswith('virtio')


DISKS = [
    Disk('vblk-main', 'virtio-blk, main loop', '0000:00:04.0',
         [f'virtio-blk-pci,addr=04.0,drive=vblk-main,serial=vblk-main,{VIRTIO}']),
    Disk('vblk-io', 'virtio-blk, iothread', '0000:00:05.0',
         [f'virtio-blk-pci,addr=05.0,drive=vblk-io,serial=vblk-io,'
          f'iothread=io0,{VIRTIO}'],
         ('iothread,id=io0',)),
    Disk('vscsi', 'virtio-scsi', '0000:00:07.0',
         [f'virtio-scsi-pci,id=scsi0,addr=07.0,{VIRTIO}',
          'scsi-hd,bus=scsi0.0,drive=vscsi,serial=vscsi']),
    # Behind a root port, so that a bus other than 0 is translated too.
    Disk('nvme', 'nvme, behind a root port', '0000:01:00.0',
         ['pcie-root-port,id=rp0,addr=08.0,chassis=1',
          'nvme,bus=rp0,drive=nvme,serial=nvme']),
    # q35's own controller: its command list is mapped by the firmware before
    # Linux turns translation on.
    Disk('ahci', 'ich9-ahci', '0000:00:1f.2',
         ['ide-hd,bus=ide.0,drive=ahci,serial=ahci']),
]


def left_by_firmware(disks):
    """
    With virtio-scsi in the lowest slot: Linux resets it first, and what that
    drains it drains everywhere, while the other disks still have the rings that
    the firmware used and left, which translation makes point nowhere. All of
    them are served by the main loop, as the firmware's requests were.
    """
    slot = '03.0'
    moved = []
    for disk in disks:
        args = [arg.replace('iothread=io0,', '') for arg in disk.args]
        pci = disk.pci
        if disk.name == 'vscsi':
            args = [arg.replace('addr=07.0', f'addr={slot}') for arg in args]
            pci = f'0000:00:{slot}'
        what = disk.what.replace('iothread', 'main loop as well')
        moved.append(replace(disk, args=args, pci=pci, what=what, objects=()))
    return moved


CARDS = [
    Card('vnet', 'virtio-net', '0000:00:06.0',
         f'virtio-net-pci,addr=06.0,{VIRTIO}', '52:54:00:00:00:01', '10.0.2'),
    Card('e1000e', 'e1000e', '0000:00:0a.0',
         'e1000e,addr=0a.0', '52:54:00:00:00:02', '10.0.3'),
]


def workdir(prefix):
    """
    A directory for images and sockets, in memory if there is room: how long a
    busy machine's disk takes for a request must not be a test's matter (Linux
    waits for an SMMU one second).
    """
    memory = '/dev/shm'
    try:
        fs = os.statvfs(memory)
        fits = fs.f_bavail * fs.f_frsize >= ROOM and \
            os.access(memory, os.W_OK | os.X_OK)
    except OSError:
        fits = False
    return tempfile.mkdtemp(prefix=prefix, dir=memory if fits else None)


def make_images(disks, directory):
    """Makes each disk's image; returns the SHA-256 of its pattern by name."""
    digests = {}
    for disk in disks:
        pattern = os.urandom(PATTERN_SIZE)
        with open(image(disk, directory), 'wb') as f:
            f.truncate(IMAGE_SIZE)
            f.seek(PATTERN_AT)
            f.write(pattern)
        digests[disk.name] = hashlib.sha256(pattern).hexdigest()
    return digests


def image(disk, directory):
    return os.path.join(directory, f'{disk.name}.img')


def megabyte(disk, directory, index):
    """The SHA-256 of one megabyte of a disk's image."""
    with open(image(disk, directory), 'rb') as f:
        f.seek(index << 20)
        return hashlib.sha256(f.read(1 << 20)).hexdigest()


def _fill(text, packed, platform):
    return text.format(packed='on' if packed else 'off',
                       platform=',iommu_platform=on' if platform else '')


def disk_args(disks, directory, packed=False, platform=True):
    args = []
    for disk in disks:
        for text in disk.objects:
            args += ['-object', text]
        args += ['-drive', f'if=none,id={disk.name},format=raw,'
                           f'file={image(disk, directory)}']
        for text in disk.args:
            args += ['-device', _fill(text, packed, platform)]
    return args


def card_args(cards, packed=False, platform=True):
    args = []
    for card in cards:
        # No boot ROM: nothing boots from the network here, and its size is
        # part of what two emulators must agree on to migrate.
        args += ['-netdev', f'user,id={card.name},net={card.net}.0/24',
                 '-device', f'{_fill(card.device, packed, platform)},'
                            f'netdev={card.name},mac={card.mac},romfile=']
    return args


def kernel_words(disks, cards, job, port=0, rounds=0, switch=False,
                 seconds=0):
    """The job, as tests/guest/init reads it."""
    cards = ','.join(f'{c.name}@{c.mac}@{c.net}' for c in cards)
    disks = ','.join(d.name for d in disks)
    return [f'viommu.job={job}', f'viommu.blk={disks}', f'viommu.net={cards}',
            f'viommu.port={port}', f'viommu.rounds={rounds}'] + \
        ['viommu.switch=1'] * switch + [f'viommu.seconds={seconds}'] * bool(seconds)
