# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the emulator, the kernel and the initramfs are."""

import functools
import os
import shlex
import subprocess
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SCRIPTS = os.path.join(ROOT, 'scripts')
BUILD = os.path.join(ROOT, 'build', 'obj')
UPSTREAM = os.path.join(ROOT, 'build', 'upstream', 'obj')

# What the distribution calls the architectures.
DISTRIBUTION = {'x86_64': 'amd64', 'aarch64': 'arm64'}

# The qtest that holds a throttled read in flight while its page is unmapped,
# and by model the form of invalidation whose case `make run` shows.
# (The disk's read is the device's write into the page.)
DRAIN_TEST = os.path.join(BUILD, 'tests', 'qtest', 'viommu-drain-test')
DRAIN_CASE = '/{arch}/viommu/drain/{form}/page/disk-read/iothread'
DRAIN_FORMS = {'vtd': 'queued', 'smmuv3': 'sync', 'virtio': 'request',
               'amd': 'command', 'remote-vtd': 'queued'}


# A build without the blobs takes its firmware from the distribution, and an
# emulator that runs from its build directory must be told where that is.
FIRMWARE = ['/usr/share/seabios', '/usr/share/qemu', '/usr/lib/ipxe/qemu']
UEFI = ['/usr/share/qemu-efi-aarch64/QEMU_EFI.fd',
        '/usr/share/edk2/aarch64/QEMU_EFI.fd']


# Several guests may be started at once; what one makes the others use.
_making = threading.RLock()


class AssetError(Exception):
    """Something the tests need is missing."""


def _chosen():
    """QEMU, which may hold arguments as well as the binary."""
    return shlex.split(os.environ.get('QEMU', ''))


def arches():
    """
    The architectures to test: the one that QEMU is of, or all that this tree
    is configured for. Never none, so that what is missing is said.
    """
    chosen = _chosen()
    if chosen:
        has = [a for a in DISTRIBUTION if a in os.path.basename(chosen[0])]
    else:
        has = [a for a in DISTRIBUTION
               if os.path.exists(os.path.join(BUILD, f'qemu-system-{a}'))]
    return has or ['x86_64']


def emulator(arch='x86_64'):
    command = _chosen() or [os.path.join(BUILD, f'qemu-system-{arch}')]
    if not os.path.exists(command[0]):
        raise AssetError(f'no emulator at {command[0]}: run make, or set QEMU')
    return command


def arm64_emulator():
    """One for x86 machines that an arm64 guest can run; built if need be."""
    return _script('guest-emulator').strip()


def firmware_args(directories=None):
    if directories is None:
        directories = _own_firmware() + FIRMWARE
    args = []
    for directory in directories:
        if os.path.isdir(directory):
            args += ['-L', directory]
    return args


@functools.cache
def _own_firmware():
    """
    The 10.0 series' own firmware, which the migration tests fetch too, or
    nothing: with this base, the release before it takes half a minute longer
    to reach the kernel.
    """
    if not os.environ.get('VIOMMU_OFFLINE'):
        distribution_emulator()
    return _script('guest-distro-qemu', '--data-cached').split()


def _script(name, *args):
    with _making:
        done = subprocess.run([os.path.join(SCRIPTS, name), *args],
                              stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise AssetError(f'scripts/{name} failed (its message is above)')
    return done.stdout


def uefi():
    """The firmware of an arm64 machine that boots with ACPI."""
    for path in UEFI:
        if os.path.exists(path):
            return path
    raise AssetError('no QEMU_EFI.fd: install qemu-efi-aarch64')


def kernel(arch='x86_64', series=''):
    """The kernel's facts: release, vmlinuz, modules."""
    chosen = ['--series', series] if series else []
    answer = _script('guest-kernel', '--arch', DISTRIBUTION[arch], *chosen)
    return dict(line.split('=', 1) for line in answer.splitlines())


def initramfs(facts, arch='x86_64'):
    busybox = _script('guest-busybox', '--arch', DISTRIBUTION[arch]).strip()
    return _script('guest-initramfs', '--release', facts['release'],
                   '--modules', facts['modules'],
                   '--busybox', busybox).strip()


def module(series, name, *files):
    """The path of NAME.ko, built from these files for that kernel."""
    return _script('guest-module', '--series', series, name, *files).strip()


@functools.cache
def xen():
    """Xen's image, for -kernel."""
    return _script('guest-xen').strip()


def distribution_emulator(series='10.0', arch='x86_64'):
    """The distribution's emulator, or None with the reason printed."""
    command = [os.path.join(SCRIPTS, 'guest-distro-qemu'), '--series', series,
               '--target', arch]
    with _making:
        done = subprocess.run(command + ['--fetch'], check=False)
    return None if done.returncode else command


def distribution_data(series='10.0', arch='x86_64'):
    return _script('guest-distro-qemu', '--series', series, '--target', arch,
                   '--data').split()
