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
# What viommu-remote has of a unit's properties; the server's unit has the rest.
CLIENTS = {'dma-cache-size', 'dma-mode', 'drain-stall-time', 'drain-timeout',
           'iotlb-size', 'ram-in-windows', 'reserved-ranges', 'sanitizer',
           'virtio'}
# ... and what both have to say
SHARED = {'intremap'}


def viommu_arg(props=()):
    """
    props: of a unit that has both halves. A guest under an emulated processor
    may keep its server waiting.
    """
    return ','.join(['viommu-remote', 'chardev=remote',
                     f'mmio={REGISTERS:#x}', 'timeout=60000'] +
                    [prop for prop in props
                     if prop.split('=')[0] in CLIENTS | SHARED])


def unit_arg(props=()):
    """The server's unit, of the same"""
    return ','.join(['intel-iommu'] + [prop for prop in props
                                       if prop.split('=')[0] not in CLIENTS])


def memory_args(size):
    """That the server can map"""
    return ['-object', f'memory-backend-memfd,id=ram,size={size},share=on',
            '-machine', 'memory-backend=ram']


class Server:
    """
    The process behind one machine; it ends with its client, or with this.
    start(): before the machine is started; another one, if there was one.
    """

    def __init__(self, directory, unit='intel-iommu', name='unit'):
        if not os.access(SERVER, os.X_OK):
            raise assets.AssetError(f'no server at {SERVER}: run make')
        self.unit = unit
        self.path = os.path.join(directory, f'{name}.sock')
        self.log = os.path.join(directory, f'{name}.stderr')
        self.process = None

    def start(self):
        if self.process:
            self.end()
            os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as listener, \
                open(self.log, 'wb') as log:
            listener.bind(self.path)
            listener.listen()
            fd = listener.fileno()
            self.process = subprocess.Popen(
                [SERVER, '--unit', self.unit, '--fd', str(fd)], pass_fds=[fd],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def machine_args(self):
        return ['-chardev', f'socket,id=remote,path={self.path}']

    def end(self):
        """Its exit status, of its own accord; None: it had to be ended."""
        if not self.process:
            return None
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def said(self):
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return f.read().strip()

    def judge(self, outcome):
        """When the machine has ended"""
        status = self.end()
        outcome.check('the unit ends with its client, and has nothing to say',
                      status == 0 and not self.said(),
                      f'exit status {status}: {self.said()}')
