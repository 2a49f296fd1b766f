# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-top at every model: as a script, in a terminal, as it is installed"""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import queries
import rig
from test_terminal import Terminal

Q35 = ('x86_64', ['-machine', 'q35'])
VIRT = ('aarch64', ['-machine', 'virt,iommu=smmuv3', '-cpu', 'max'])
# What query-viommu calls each, the machine, and the vIOMMU's arguments
MODELS = {
    'VT-d': ('vtd', Q35, ['-device', 'intel-iommu']),
    'VT-d, scalable': ('vtd', Q35, ['-device',
                                    'intel-iommu,x-scalable-mode=on']),
    'AMD-Vi': ('amd', Q35, ['-device', 'amd-iommu']),
    'SMMUv3': ('smmuv3', VIRT, []),
    'virtio-iommu': ('virtio-iommu', Q35, ['-device', 'virtio-iommu-pci']),
}


class Emulator:
    """A machine of one model, with an edu device, and a monitor to watch"""

    def __init__(self, name):
        self.model, (arch, machine), unit = MODELS[name]
        self.dir = tempfile.mkdtemp()
        self.monitor = os.path.join(self.dir, 'monitor')
        self.program = os.path.join(rig.ROOT, 'build', 'obj',
                                    f'qemu-system-{arch}')
        words = [self.program, *machine, *unit, '-nodefaults', '-display',
                 'none', '-accel', 'qtest', '-device', 'edu,id=edu,addr=04.0',
                 '-qmp', f'unix:{self.monitor},server=on,wait=off']
        for directory in filter(os.path.isdir, queries.FIRMWARE):
            words += ['-L', directory]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        rig.until(lambda: os.path.exists(self.monitor), words)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir)


def top(program, *words):
    return subprocess.run([sys.executable, program, *words, '-i', '0.2'],
                          check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, encoding='utf-8',
                          timeout=queries.LIMIT).stdout


class Models(unittest.TestCase):
    def each(self, look):
        """@look(emulator) for each model that was built"""
        for name, (_, (arch, _), _) in MODELS.items():
            if not os.path.exists(f'{rig.ROOT}/build/obj/qemu-system-{arch}'):
                continue
            emulator = Emulator(name)
            try:
                look(emulator)
            except AssertionError as error:
                raise AssertionError(f'{name}: {error}') from error
            finally:
                emulator.stop()

    def test_scripts(self):
        self.each(self.script)

    def script(self, emulator):
        program = rig.program('viommu-top')[1]
        text = top(program, '--once', emulator.monitor)
        self.assertIn('00:04.0 edu', text)
        got = json.loads(top(program, '--once', '--json', emulator.monitor))
        unit = got['units'][0]
        self.assertEqual(unit['model'], emulator.model)
        edu = next(one for one in unit['endpoint-info']
                   if one.get('device') == 'edu')
        self.assertEqual(edu['rates']['faults'], 0)

    @unittest.skipUnless(shutil.which('tmux'), 'there is no tmux')
    def test_terminals(self):
        self.each(self.terminal)

    def terminal(self, emulator):
        terminal = Terminal([*rig.program('viommu-top'), emulator.monitor,
                             '-i', '0.2', '--sort', 'address'])
        try:
            self.look(terminal)
        finally:
            terminal.close()

    def choose(self, terminal, address):
        """One step at a time: the screen is behind the keys."""
        def marked():
            return next((line for line in terminal.lines()
                         if line.startswith('> ')), '')
        was = rig.until(marked, terminal.text)
        while not was.startswith(f'> {address}'):
            terminal.keys('Down')
            was = rig.until(lambda old=was: marked() not in ('', old) and
                            marked(), terminal.text)

    def look(self, terminal):
        """Opens edu, walks an address of it, looks at its map, and leaves."""
        terminal.until('q leave', '00:04.0 edu')
        self.choose(terminal, '00:04.0')
        terminal.keys('Enter')
        terminal.until('Endpoint 00:04.0 edu')
        terminal.keys('Escape')
        terminal.until('q leave', '> 00:04.0')
        terminal.keys('w')
        terminal.until('00:04.0 reads (Tab) at 0x')
        terminal.type('1000')
        terminal.keys('Enter')
        terminal.until('00:04.0 edu reads at 0x1000')
        terminal.keys('Escape')
        terminal.until('q leave')
        terminal.keys('m')
        terminal.until('may reach')
        terminal.keys('q')
        terminal.until('q leave')
        terminal.keys('f')
        terminal.until('FROZEN')
        terminal.keys('q')
        self.assertEqual(terminal.ended(), 0)


class Installed(unittest.TestCase):
    def test_make_install(self):
        obj = os.path.join(rig.ROOT, 'build', 'obj')
        meson = os.path.join(obj, 'pyvenv', 'bin', 'meson')
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        subprocess.run([meson, 'install', '-C', obj, '--no-rebuild', '--quiet',
                        '--tags', 'viommu-tools', '--destdir', directory],
                       check=True, stdin=subprocess.DEVNULL,
                       timeout=queries.LIMIT)
        found = {os.path.basename(path): path for path in
                 glob.glob(f'{directory}/**/bin/viommu-*', recursive=True)}
        self.assertEqual(set(found), {'viommu-top', 'viommu-report'})
        for path in found.values():
            self.assertTrue(os.access(path, os.X_OK))
            done = subprocess.run([path, '--help'], check=True,
                                  stdout=subprocess.PIPE, encoding='utf-8')
            self.assertIn(os.path.basename(path), done.stdout)
        emulator = Emulator('VT-d')
        self.addCleanup(emulator.stop)
        self.assertIn('00:04.0 edu', top(found['viommu-top'], '--once',
                                         emulator.monitor))
