# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the emulator, the kernel and the initramfs are."""

import os
import shlex
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SCRIPTS = os.path.join(ROOT, 'scripts')
BUILD = os.path.join(ROOT, 'build', 'obj')
UPSTREAM = os.path.join(ROOT, 'build', 'upstream', 'obj', 'qemu-system-x86_64')

# The qtest that holds a throttled read in flight while its page is unmapped,
# and the case of it `make run` shows.
DRAIN_TEST = os.environ.get('VIOMMU_DRAIN_TEST') or \
    os.path.join(BUILD, 'tests', 'qtest', 'viommu-drain-test')
# (The disk's read is the device's write into the page.)
DRAIN_CASE = os.environ.get('VIOMMU_DRAIN_CASE') or \
    '/x86_64/viommu/drain/queued/page/disk-read/iothread'


# A build without the blobs takes its firmware from the distribution, and an
# emulator that runs from its build directory must be told where that is.
FIRMWARE = ['/usr/share/seabios', '/usr/share/qemu', '/usr/lib/ipxe/qemu']


class AssetError(Exception):
    """Something the tests need is missing."""


def emulator():
    """QEMU may hold arguments as well as the binary."""
    chosen = os.environ.get('QEMU')
    command = shlex.split(chosen) if chosen else \
        [os.path.join(BUILD, 'qemu-system-x86_64')]
    if not os.path.exists(command[0]):
        raise AssetError(f'no emulator at {command[0]}: run make, or set QEMU')
    return command


def firmware_args(directories=None):
    if directories is None:
        # The 10.0 series' own firmware if the migration tests have fetched
        # it: with this base, the release before it takes half a minute
        # longer to reach the kernel.
        directories = _script('guest-distro-qemu', '--data-cached').split() + \
            FIRMWARE
    args = []
    for directory in directories:
        if os.path.isdir(directory):
            args += ['-L', directory]
    return args


def _script(name, *args):
    done = subprocess.run([os.path.join(SCRIPTS, name), *args],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise AssetError(f'scripts/{name} failed (its message is above)')
    return done.stdout


def kernel():
    """The kernel's facts: release, vmlinuz, modules."""
    answer = _script('guest-kernel')
    return dict(line.split('=', 1) for line in answer.splitlines())


def initramfs(facts):
    return _script('guest-initramfs', '--release', facts['release'],
                   '--modules', facts['modules']).strip()


def distribution_emulator():
    """The distribution's emulator, or None with the reason printed."""
    script = os.path.join(SCRIPTS, 'guest-distro-qemu')
    done = subprocess.run([script, '--fetch'], check=False)
    return None if done.returncode else [script]


def distribution_data():
    return _script('guest-distro-qemu', '--data').split()
