# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with a vIOMMU that runs, and the programs as they are installed"""

import os
import shutil
import sys
import tempfile
import time
import unittest

import queries

ROOT = queries.ROOT
PROGRAMS = os.environ.get('VIOMMU_TOOLS') or os.path.join(
    ROOT, 'build', 'obj', 'tools', 'viommu')
# The base's qemu.qmp, which a distribution packages
PACKAGE = os.path.join(ROOT, 'build', 'qemu', 'python')
# However slow the host is, something has happened after so many looks.
LOOKS, PAUSE = 3000, 0.05


def program(name):
    """The command that runs it"""
    path = os.path.join(PROGRAMS, name)
    if not os.path.isfile(path):
        raise AssertionError(f'{path} is missing: run make')
    return [sys.executable, path]


def until(look, what):
    """What @look() says, once that is true"""
    for _ in range(LOOKS):
        got = look()
        if got:
            return got
        time.sleep(PAUSE)
    said = what() if callable(what) else what
    raise AssertionError(f'it does not come: {said}')


class Guest:
    """The machine of docs/system/viommu-queries.rst, with a monitor to watch"""

    def __init__(self, directory=None):
        self.dir = directory or tempfile.mkdtemp()
        self.owned = directory is None
        self.monitor = os.path.join(self.dir, 'monitor')
        self.machine = queries.Machine([
            '-name', 'guest', '-qmp',
            f'unix:{self.monitor},server=on,wait=off'])
        queries.set_up(self.machine)
        queries.use(self.machine)

    def again(self):
        """More of the same: edu is refused a write twice."""
        queries.use(self.machine)

    def stop(self):
        self.machine.stop()
        if self.owned:
            shutil.rmtree(self.dir)


class Case(unittest.TestCase):
    """Tests that share a machine"""

    @classmethod
    def setUpClass(cls):
        cls.guest = Guest()

    @classmethod
    def tearDownClass(cls):
        cls.guest.stop()
