# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a measured guest's frames go: the arguments of its card, and an end."""

import contextlib
import os
import signal
import socket

from testpmd import Testpmd

VIRTIO = 'disable-legacy=on,iommu_platform=on'


class Sink:
    """A UDP port whose datagrams nobody reads: the host drops them."""

    MEMORY = []
    MACHINE = ''
    SMP = '1'
    # Whether guests come up one after the other
    ALONE = False

    def __init__(self, directory):
        del directory
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        # A port for the other end, free now and very likely still soon
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(('127.0.0.1', 0))
            local = other.getsockname()[1]
        remote = self.socket.getsockname()[1]
        netdev = ','.join(
            ['dgram'] + [f'{end}.{key}={value}' for end, port
                         in (('local', local), ('remote', remote))
                         for key, value in (('type', 'inet'),
                                            ('host', '127.0.0.1'),
                                            ('port', port))])
        self.args = ['-netdev', f'{netdev},id=net0', '-device',
                     f'virtio-net-pci,netdev=net0,romfile=,{VIRTIO}']

    @staticmethod
    def unit(unit):
        """The vIOMMU, as this card needs it."""
        return unit

    @staticmethod
    def at_work():
        return contextlib.nullcontext()

    def rest(self):
        """Until at_work()"""

    def close(self):
        """Returns: how many frames came; None: nobody knows."""

    def kill(self):
        self.socket.close()


class Backend:
    """
    DPDK's testpmd takes the frames from the guest's memory and drops them. It
    never sleeps, so it only runs while its guest is measured.
    """

    MEMORY = ['-object', 'memory-backend-memfd,id=ram,size=512M,share=on']
    MACHINE = ',memory-backend=ram'
    # Why not just one: tests/guest/run-vhost
    SMP = '1,maxcpus=2'
    ALONE = True
    ATS = False

    def __init__(self, directory):
        self.testpmd = Testpmd(directory, ports=1, forward='rxonly')
        on_off = 'on' if self.ATS else 'off'
        self.args = [
            '-chardev', f'socket,id=vhost0,path={self.testpmd.sockets[0]}',
            '-netdev', 'vhost-user,id=net0,chardev=vhost0',
            '-device', 'pcie-root-port,id=port0,chassis=1',
            '-device', 'virtio-net-pci,bus=port0,netdev=net0,romfile=,'
                       f'{VIRTIO},ats={on_off},rx_queue_size=256,'
                       'tx_queue_size=256']

    @classmethod
    def unit(cls, unit):
        return unit and f'{unit},device-iotlb=on' if cls.ATS else unit

    def rest(self):
        self.testpmd.process.send_signal(signal.SIGSTOP)

    @contextlib.contextmanager
    def at_work(self):
        self.testpmd.process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.rest()

    def close(self):
        self.testpmd.process.send_signal(signal.SIGCONT)
        return self.testpmd.stop()

    def kill(self):
        self.testpmd.kill()


class AtsBackend(Backend):
    ATS = True


CARDS = {'sink': Sink, 'vhost-user': Backend, 'vhost-user,ats': AtsBackend}


def make(kind, directory, name):
    """A card of that kind; what it needs goes to a directory of its own."""
    path = os.path.join(directory, name.replace(', ', '-') + '-card')
    os.mkdir(path)
    return CARDS[kind](path)
