#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a Linux guest's I/O costs the emulator; for tests/bench/run --full.

  iobench.py [--arch x86_64|aarch64] [--mode strict|lazy] [--rounds N]
             --column NAME EMULATOR VIOMMU ...

VIOMMU: a device with its properties (aarch64: an option of the machine), or ''.
One guest for each column, all at the same time; each round asks all in turn.
Counted is the CPU time of the emulator's threads but for its vCPUs': where TCG
executes the guest's own instructions, they would hide everything else. What
the vIOMMU does on a guest's register write is done in a vCPU: if there is perf,
one more round samples what that does outside translated code. JSON on standard
output.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import assets
import q35
import virt
from machine import GuestError, Machine
from overlay import Overlay

HERE = os.path.dirname(os.path.abspath(__file__))
VIRTIO = 'disable-legacy=on,iommu_platform=on'
# (name, what the guest does for COUNT operations, COUNT)
READS = [
    ('random read, 4 KiB', 'read /dev/vda 4096', 1500),
    ('random read, 64 KiB', 'read /dev/vda 65536', 1000),
    ('random read, 1 MiB', 'read /dev/vda 1048576', 200),
    ('nvme, read, 4 KiB', 'read /dev/nvme0n1 4096', 1500),
    ('nvme, read, 64 KiB', 'read /dev/nvme0n1 65536', 1000),
]
SENDS = [('network stream, frame of 1,400 B', 'send eth0 1400', 6000)]
PERF_HZ = 1999


class X86:
    ARCH, WORK = 'x86_64', READS + SENDS
    WORDS = q35.WORDS

    @staticmethod
    def machine(unit):
        args = assets.firmware_args() + [
            '-machine', 'q35', '-cpu', 'qemu64,+arat']
        return args + (['-device', unit] if unit else [])

    words = 'console=ttyS0 viommu.channel=ttyS1 no_timer_check'

    @staticmethod
    def add_program(top, directory):
        program = os.path.join(directory, 'iobench')
        subprocess.run(['cc', '-static', '-O2', '-o', program,
                        os.path.join(HERE, 'iobench.c')], check=True)
        top.add_file('bin/iobench', program)


class Arm:
    """The guest has no program of ours, and reads in turn with dd."""

    ARCH, WORK = 'aarch64', READS
    WORDS = virt.WORDS

    @staticmethod
    def machine(unit):
        option = f',{unit}' if unit else ''
        return ['-machine', f'virt,gic-version=3{option}', '-cpu',
                'cortex-a57']

    words = 'console=ttyAMA0 viommu.channel=ttyAMA1'

    @staticmethod
    def add_program(top, directory):
        pass


PLATFORMS = {p.ARCH: p for p in (X86, Arm)}


def initramfs(platform, facts, directory):
    """With another init, and a program."""
    top = Overlay()
    top.add_file('init', os.path.join(HERE, 'iobench-init'))
    platform.add_program(top, directory)
    path = os.path.join(directory, 'initrd')
    top.write(facts, path, platform.ARCH)
    return path


class Sink:
    """A UDP port whose datagrams nobody reads: the host drops them."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        # A port for the other end, free now and very likely still soon
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(('127.0.0.1', 0))
            local = other.getsockname()[1]
        remote = self.socket.getsockname()[1]
        self.netdev = ','.join(
            ['dgram'] + [f'{end}.{key}={value}' for end, port
                         in (('local', local), ('remote', remote))
                         for key, value in (('type', 'inet'),
                                            ('host', '127.0.0.1'),
                                            ('port', port))])


def arguments(platform, mode, unit, netdev, initrd, facts):
    args = platform.machine(unit) + [
        '-accel', 'tcg,thread=multi', '-smp', '1', '-m', '512M', '-no-reboot',
        '-kernel', facts['vmlinuz'], '-initrd', initrd, '-append',
        ' '.join([platform.words, 'loglevel=5 panic=-1 mitigations=off',
                  *platform.WORDS[mode]])]
    return args + [
        # It would have the thread spin, at times.
        '-object', 'iothread,id=io0,poll-max-ns=0',
        '-blockdev',
        f'driver=null-co,node-name=disk0,size={1 << 30},read-zeroes=off',
        '-device', f'virtio-blk-pci,drive=disk0,iothread=io0,{VIRTIO}',
        '-blockdev',
        f'driver=null-co,node-name=disk1,size={1 << 30},read-zeroes=off',
        '-device', 'nvme,drive=disk1,serial=disk1',
        '-netdev', f'{netdev},id=net0',
        '-device', f'virtio-net-pci,netdev=net0,romfile=,{VIRTIO}']


class Guest:
    def __init__(self, column, binary, args, directory):
        self.machine = Machine([binary], args, directory,
                               column.replace(', ', '-'))
        self.samples = os.path.join(directory, 'perf.data')
        self.vcpus = {cpu['thread-id'] for cpu
                      in self.machine.qmp.command('query-cpus-fast')}
        self.machine.start()

    def await_line(self, prefix):
        while True:
            line = self.machine.next_line()
            if line.startswith('IOBENCH-ERROR'):
                raise GuestError(line)
            if line.startswith(prefix):
                return line

    def cpu_time(self, vcpus=False):
        """Nanoseconds of all threads that are not vCPUs, or that are."""
        tasks = f'/proc/{self.machine.process.pid}/task'
        total = 0
        for task in os.listdir(tasks):
            if (int(task) in self.vcpus) == vcpus:
                with open(f'{tasks}/{task}/schedstat', encoding='ascii') as f:
                    total += int(f.read().split()[0])
        return total

    def run(self, work, count):
        """Nanoseconds of an operation: CPU time, wall clock."""
        self.machine.begin_step(work)
        cpu, start = self.cpu_time(), time.monotonic_ns()
        self.machine.send(f'{work} {count}')
        done = int(self.await_line('IOBENCH ').split()[1])
        if done != count:
            raise GuestError(f'{done} of {count} operations')
        return ((self.cpu_time() - cpu) / count,
                (time.monotonic_ns() - start) / count)


    def vcpu_time(self, work, count):
        """Nanoseconds of an operation in vCPUs outside translated code."""
        perf = subprocess.Popen(
            ['perf', 'record', '-q', '-o', self.samples, '-e', 'cpu-clock',
             '-F', str(PERF_HZ), '-t', ','.join(map(str, self.vcpus))],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        time.sleep(1)
        before = self.cpu_time(vcpus=True)
        self.run(work, count)
        spent = self.cpu_time(vcpus=True) - before
        perf.send_signal(signal.SIGINT)
        perf.wait()
        lines = subprocess.run(
            ['perf', 'script', '-i', self.samples, '-F', 'ip,dso'],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            check=True).stdout.splitlines()
        lines = [line for line in lines if line.strip()]
        outside = sum('/qemu-system-' in line or '.so' in line
                      for line in lines)
        return spent / count * outside / max(len(lines), 1)


def measure(guests, work, count, rounds):
    got = {column: [] for column in guests}
    for guest in guests.values():
        guest.run(work, count)
    for _ in range(rounds):
        for column, guest in guests.items():
            got[column].append(guest.run(work, count))
    return got


def vcpus(guests, work, count):
    """Of each column, or nothing if this host has no perf for us."""
    if not shutil.which('perf'):
        return {}
    try:
        return {column: guest.vcpu_time(work, count)
                for column, guest in guests.items()}
    except (OSError, subprocess.CalledProcessError):
        return {}


def ratio(values, reference, which):
    return statistics.median(v[which] / r[which]
                             for v, r in zip(values, reference))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--arch', choices=PLATFORMS, default='x86_64')
    parser.add_argument('--mode', choices=['strict', 'lazy'],
                        default='strict')
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--column', nargs=3, action='append', required=True,
                        metavar=('NAME', 'EMULATOR', 'VIOMMU'))
    args = parser.parse_args()
    platform = PLATFORMS[args.arch]
    directory = tempfile.mkdtemp(prefix='viommu-iobench-')
    guests, sinks, table = {}, [], []
    try:
        facts = assets.kernel(args.arch)
        initrd = initramfs(platform, facts, directory)
        for name, binary, unit in args.column:
            sinks.append(Sink())
            guests[name] = Guest(
                name, binary, arguments(platform, args.mode, unit,
                                        sinks[-1].netdev, initrd, facts),
                directory)
        for guest in guests.values():
            guest.await_line('IOBENCH-READY')
        for name, work, count in platform.WORK:
            got = measure(guests, work, count, args.rounds)
            first = got[args.column[0][0]]
            in_vcpus = vcpus(guests, work, count)
            table.append({'name': f'{args.mode}: {name}', 'cells': {column: {
                'ns': statistics.median(v[0] for v in values),
                'wall_ns': statistics.median(v[1] for v in values),
                'ratio': ratio(values, first, 0),
                'wall_ratio': ratio(values, first, 1),
                'vcpu_ns': in_vcpus.get(column),
                'rounds': values} for column, values in got.items()}})
    except (GuestError, assets.AssetError, OSError,
            subprocess.CalledProcessError) as error:
        sys.exit(f'iobench: {error}')
    finally:
        for guest in guests.values():
            guest.machine.kill()
        shutil.rmtree(directory)
    json.dump(table, sys.stdout)


main()
