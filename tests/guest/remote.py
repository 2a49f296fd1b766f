# SPDX-License-Identifier: GPL-2.0-or-later
"""VT-d in a process of its own: qemu-viommud, and the unit in front of it."""

import os
import socket
import subprocess

import assets

SERVER = os.path.join(assets.BUILD, 'hw', 'iommu', 'remote', 'server',
                      'qemu-viommud')
# Where a machine's own VT-d has them
REGISTERS = 0xfed90000
MEMORY = '1G'


def viommu_arg(props=()):
    """A guest under an emulated processor may keep its server waiting."""
    return ','.join(['viommu-remote', 'chardev=remote',
                     f'mmio={REGISTERS:#x}', 'timeout=60000', *props])


def unit_arg(config):
    """The server's unit; what it says of interrupts the client has, too."""
    return ','.join(['intel-iommu', *interrupts(config)] +
                    ['eim=on'] * (config.intremap and config.eim))


def interrupts(config):
    return ['intremap=on'] * config.intremap


class Server:
    """The process; it ends with its client, or with this."""

    def __init__(self, directory, unit='intel-iommu'):
        if not os.access(SERVER, os.X_OK):
            raise assets.AssetError(f'no server at {SERVER}: run make')
        self.path = os.path.join(directory, 'unit.sock')
        self.log = os.path.join(directory, 'unit.stderr')
        with socket.socket(socket.AF_UNIX) as listener, \
                open(self.log, 'wb') as log:
            listener.bind(self.path)
            listener.listen()
            fd = listener.fileno()
            self.process = subprocess.Popen(
                [SERVER, '--unit', unit, '--fd', str(fd)], pass_fds=[fd],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def machine_args(self):
        """With memory that the server can map"""
        return ['-object', f'memory-backend-memfd,id=ram,size={MEMORY},'
                           'share=on', '-machine', 'memory-backend=ram',
                '-chardev', f'socket,id=remote,path={self.path}']

    def end(self):
        """Its exit status, of its own accord; None: it had to be ended."""
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def said(self):
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return f.read().strip()
