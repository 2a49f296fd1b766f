# SPDX-License-Identifier: GPL-2.0-or-later
"""
One Linux guest, doing verified I/O without a pause, that moves from one
emulator to another.
"""

import os
import queue
import shutil
import time

import assets
import boot
import devices
import q35
import remote
import virt
from guestjob import Report
from machine import LIMIT, GuestError, Machine

# Devices that can be migrated at all, on the main loop and on an iothread.
MOVED = ('vblk-main', 'vblk-io', 'vscsi', 'ahci')

# Rounds of I/O each disk must finish on an emulator before the guest moves on.
ROUNDS = 3


# What both emulators are given besides devices: the newest machine that both
# know, without what only a full build has.
MACHINES = {
    q35: ['-machine', 'pc-q35-10.0,hpet=off,vmport=off',
          '-cpu', 'qemu64,+x2apic,+arat',
          '-device', 'intel-iommu,intremap=on,eim=on'],
    virt: ['-machine', 'virt-10.0,gic-version=3,iommu=smmuv3',
           '-cpu', 'cortex-a57'],
}


# Of a VT-d in a process of its own: both halves'
PROPS = ['intremap=on', 'eim=on']
MEMORY = '512M'


def machine_of(platform, paravirt=False, apart=False):
    """
    On q35, paravirt: with a virtio-iommu; apart: with a VT-d that is in a
    process of its own.
    """
    if not paravirt and not apart:
        return MACHINES[platform]
    *machine, _ = MACHINES[q35]
    if apart:
        return machine + [remote.viommu_arg(PROPS),
                          *remote.memory_args(MEMORY)]
    return machine + ['virtio-iommu-pci,addr=1e.0']


# Of each virtio queue; MOVED's
RING = 256


def ring_size(emulator, platform, firmware):
    """How many entries it really gives a queue that is to have RING."""
    directory = devices.workdir('viommu-ring-')
    args = assets.firmware_args(firmware) + MACHINES[platform] + [
        '-blockdev', 'null-co,node-name=null',
        '-device', 'virtio-blk-pci,id=disk,drive=null,disable-legacy=on,'
                   f'iommu_platform=on,queue-size={RING}']
    try:
        with Machine(emulator, args, directory) as machine:
            queue_status = machine.qmp.command(
                'x-query-virtio-queue-status', queue=0,
                path='/machine/peripheral/disk/virtio-backend')
            return queue_status['vring-num-default']
    finally:
        shutil.rmtree(directory)


def hand_over(source, target, directory):
    """All of @source's state to @target, which was started with -incoming."""
    address = 'unix:' + os.path.join(directory, f'{target.name}.mig')
    target.qmp.command('migrate-incoming', uri=address)
    # As fast as it goes: the guest dirties memory all the time.
    source.qmp.command('migrate-set-parameters', max_bandwidth=0,
                       downtime_limit=2000)
    source.qmp.command('migrate', uri=address)
    await_completion(source, target)


def await_completion(source, target):
    end = time.monotonic() + LIMIT
    while True:
        status = source.qmp.command('query-migrate')
        if status.get('status') == 'completed':
            break
        if status.get('status') in ('failed', 'cancelled'):
            raise GuestError(f'migration {status["status"]}: '
                             f'{status.get("error-desc", "")}; '
                             f'source: {source.stderr()}; '
                             f'target: {target.stderr()}')
        if time.monotonic() > end:
            raise GuestError(f'migration does not end: {status}')
        time.sleep(0.1)
    # The source has sent everything; the target may still be loading it, or
    # have refused it and ended: the source does not hear of that.
    try:
        while target.qmp.command('query-status')['status'] == 'inmigrate':
            if time.monotonic() > end:
                raise GuestError('the target does not finish loading')
            time.sleep(0.1)
    except OSError as error:
        target.await_end()
        raise GuestError(f'the target went away ({error}); '
                         f'it said: {target.stderr()}') from error


# Where a VT-d's VER is; CAP and ECAP follow (VT-d 11.4.1 to 11.4.3)
VTD_BASE = 0xfed90000


def capabilities(machine):
    """What its guest sees of CAP and ECAP, in this order."""
    said = machine.qmp.command('human-monitor-command',
                               command_line=f'xp /2gx {VTD_BASE + 8:#x}')
    return [int(word, 16) for word in said.split(':')[1].split()]


def stand_over(stops, firmware, units):
    """
    A machine that no guest has ever run in, from one emulator to the next;
    yields what each shows of capabilities(). units: each one's properties of
    intel-iommu.
    """
    directory = devices.workdir('viommu-stop-')
    *machine, unit = assets.firmware_args(firmware) + MACHINES[q35]
    source = None
    try:
        for i, ((_, command), more) in enumerate(zip(stops, units)):
            args = machine + [','.join(filter(None, (unit, more))),
                              '-accel', 'tcg', '-m', '64M']
            target = Machine(command, args +
                             (['-incoming', 'defer'] if source else []),
                             directory, f'vm{i}')
            if source:
                try:
                    hand_over(source, target, directory)
                except BaseException:
                    target.kill()
                    raise
                source.kill()
            source = target
            yield capabilities(source)
    finally:
        if source:
            source.kill()
        shutil.rmtree(directory)


class Traveller:
    """
    The guest, wherever it is running now. apart: the unit is in a process of
    its own, and moves from one to the next, too.
    """

    def __init__(self, directory, platform, firmware, packed,
                 paravirt=False, apart=False):
        self.directory = directory
        self.apart = apart
        self.servers = []
        self.disks = [d for d in platform.DISKS if d.name in MOVED]
        self.report = Report()
        self.machines = []
        devices.make_images(self.disks, directory)
        words = platform.WORDS['strict'] + \
            devices.kernel_words(self.disks, [], 'migrate')
        # Both emulators get the same firmware: its size is part of what they
        # must agree on.
        self.args = assets.firmware_args(firmware) + \
            machine_of(platform, paravirt, apart) + [
            '-accel', 'tcg,thread=multi', '-smp', '2', '-m', MEMORY,
            '-no-reboot',
        ] + boot.kernel_args(words, platform) + \
            devices.disk_args(self.disks, directory, packed)

    @property
    def machine(self):
        return self.machines[-1]

    def board(self, emulator, incoming=False):
        extra = ['-incoming', 'defer'] if incoming else []
        name = f'vm{len(self.machines)}'
        self.machines.append(
            Machine(emulator, self.args + self.serve(name) + extra,
                    self.directory, name))

    def serve(self, name):
        """The arguments of a machine with a server of its own, if it has one"""
        if not self.apart:
            return []
        server = remote.Server(self.directory, remote.unit_arg(PROPS),
                               f'{name}-unit')
        server.start()
        self.servers.append(server)
        return server.machine_args()

    def begin(self, emulator):
        self.board(emulator)
        self.machine.start()
        self.work()

    def work(self):
        """Waits until every disk has done some more verified rounds here."""
        self.machine.begin_step('I/O on every disk')
        start = dict(self.report.rounds)
        while any(self.report.rounds.get(disk.name, 0) -
                  start.get(disk.name, 0) < ROUNDS for disk in self.disks):
            self.report.take(self.machine.next_line())
            self.fail_early()

    def interrupts(self):
        """Functions that have had some remapped here; how many are lost"""
        remapped = lost = 0
        for unit in self.machine.qmp.command('query-viommu'):
            remapped += sum(endpoint.get('interrupts-remapped', 0) > 0
                            for endpoint in unit['endpoint-info'])
            lost += sum(register['value'] for register in unit['registers']
                        if register['name'] == 'interrupts-lost')
        return remapped, lost

    def fail_early(self):
        for name, result in self.report.results.items():
            if not result.ok:
                raise GuestError(f'{name}: {result.detail}')

    def move(self, emulator):
        source = self.machine
        self.board(emulator, incoming=True)
        target = self.machine
        hand_over(source, target, self.directory)
        # The target was started stopped, and stays so until told.
        target.qmp.command('cont')
        self.drain_lines(source)
        source.kill()

    def drain_lines(self, machine):
        """What the guest had said before it moved."""
        while True:
            try:
                line = machine.lines.get_nowait()
            except queue.Empty:
                return
            if line is not None:
                self.report.take(line)

    def finish(self):
        """Stops the I/O and collects the verdict."""
        self.machine.begin_step('the end of the I/O')
        self.machine.send('stop')
        while not self.report.ready:
            self.report.take(self.machine.next_line())
        self.machine.send('off')
        return self.machine.wait()

    def close(self):
        for machine in self.machines:
            machine.kill()
        for server in self.servers:
            server.end()
