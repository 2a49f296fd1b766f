# SPDX-License-Identifier: GPL-2.0-or-later
"""A second archive on top of the tests' own initramfs: the kernel takes both."""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys

import assets


def _maker():
    loader = importlib.machinery.SourceFileLoader(
        'guest_initramfs', os.path.join(assets.SCRIPTS, 'guest-initramfs'))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    maker = importlib.util.module_from_spec(spec)
    # No bytecode beside the script
    sys.dont_write_bytecode = True
    loader.exec_module(maker)
    return maker


class Overlay:
    def __init__(self):
        self.maker = _maker()
        self.cpio = self.maker.Cpio()
        self.names = set()

    def _enter(self, directory):
        """The kernel makes no directory that no archive names."""
        if directory and directory not in self.names:
            self._enter(os.path.dirname(directory))
            self.names.add(directory)
            self.cpio.add(directory, 0o040755)

    def add(self, name, data, mode=0o755):
        name = name.lstrip('/')
        if name not in self.names:
            self._enter(os.path.dirname(name))
            self.names.add(name)
            self.cpio.add(name, 0o100000 | mode, data)

    def add_file(self, name, path):
        self.add(name, self.maker.read(path))

    def add_program(self, name, path, directory):
        """A program of this machine without its symbols, and what it loads."""
        bare = os.path.join(directory, 'bare')
        subprocess.run(['strip', '-o', bare, path], check=True)
        self.add_file(name, bare)
        out = subprocess.run(['ldd', path], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
        for line in out.splitlines():
            for word in line.split():
                if word.startswith('/'):
                    self.add_file(word, word)

    def add_modules(self, facts, wanted, ours=()):
        """
        Kernel modules, in the order that /modules/order then says; last those
        that are not the kernel package's: (name, path).
        """
        modules = self.maker.Modules(facts['modules'])
        for name in wanted:
            modules.add(name)
        for name, path in ours:
            modules.order.append((name, self.maker.read(path)))
        for name, image in modules.order:
            self.add(f'modules/{name}.ko', image, 0o644)
        order = ''.join(f'{name}\n' for name, _ in modules.order)
        self.add('modules/order', order.encode(), 0o644)

    def write(self, facts, path, arch='x86_64'):
        with open(path, 'wb') as out:
            with open(assets.initramfs(facts, arch), 'rb') as below:
                data = below.read()
            # An archive begins at a multiple of four.
            out.write(data + b'\0' * (-len(data) % 4) + self.cpio.finish())
