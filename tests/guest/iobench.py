#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a Linux guest's I/O costs the emulator; for tests/bench/run --full.

  iobench.py [--arch x86_64|aarch64] [--mode strict|lazy] [--rounds N]
             [--card sink|vhost-user|vhost-user,ats]
             --column NAME EMULATOR VIOMMU ...

VIOMMU: a device with its properties (aarch64: an option of the machine), or ''.
One guest for each column, all at the same time; each round asks all in turn.
Counted is the CPU time of the emulator's threads but for its vCPUs': where TCG
executes the guest's own instructions, they would hide everything else. What
the vIOMMU does on a guest's register write is done in a vCPU: if there is perf,
one more round samples what that does outside translated code. With a vhost-user
card only its frames are measured. JSON on standard output.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import assets
import benchcard
import q35
import virt
from machine import GuestError, Machine
from overlay import Overlay
from testpmd import TestpmdError

HERE = os.path.dirname(os.path.abspath(__file__))
# (name, what the guest does for COUNT operations, COUNT)
READS = [
    ('random read, 4 KiB', 'read /dev/vda 4096', 1500),
    ('random read, 64 KiB', 'read /dev/vda 65536', 1000),
    ('random read, 1 MiB', 'read /dev/vda 1048576', 200),
    ('nvme, read, 4 KiB', 'read /dev/nvme0n1 4096', 1500),
    ('nvme, read, 64 KiB', 'read /dev/nvme0n1 65536', 1000),
]
# What dd does not do
PIECES = [('random read, 1 MiB, a huge page', 'huge /dev/vda 1048576', 200)]
SENDS = [('network stream, frame of 1,400 B', 'send eth0 1400', 6000)]
VHOST = {'sink': None,
         'vhost-user': 'vhost-user, frame of 1,400 B',
         'vhost-user,ats': 'vhost-user with ATS, frame of 1,400 B'}
PERF_HZ = 1999


class X86:
    ARCH, WORK = 'x86_64', READS + PIECES + SENDS
    WORDS = q35.WORDS

    @staticmethod
    def machine(unit, options):
        args = assets.firmware_args() + [
            '-machine', f'q35{options}', '-cpu', 'qemu64,+arat']
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
    def machine(unit, options):
        option = f',{unit}' if unit else ''
        return ['-machine', f'virt,gic-version=3{option}{options}', '-cpu',
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


def arguments(platform, mode, unit, card, initrd, facts):
    args = platform.machine(card.unit(unit), card.MACHINE) + card.MEMORY + [
        '-accel', 'tcg,thread=multi', '-smp', card.SMP, '-m', '512M',
        '-no-reboot',
        '-kernel', facts['vmlinuz'], '-initrd', initrd, '-append',
        ' '.join([platform.words, 'loglevel=5 panic=-1 mitigations=off',
                  *platform.WORDS[mode]])]
    return args + [
        # It would have the thread spin, at times.
        '-object', 'iothread,id=io0,poll-max-ns=0',
        '-blockdev',
        f'driver=null-co,node-name=disk0,size={1 << 30},read-zeroes=off',
        '-device',
        f'virtio-blk-pci,drive=disk0,iothread=io0,{benchcard.VIRTIO}',
        '-blockdev',
        f'driver=null-co,node-name=disk1,size={1 << 30},read-zeroes=off',
        '-device', 'nvme,drive=disk1,serial=disk1'] + card.args


class Guest:
    def __init__(self, column, binary, args, card, directory):
        self.card, self.is_ready = card, False
        self.machine = Machine([binary], args, directory,
                               column.replace(', ', '-'))
        self.samples = os.path.join(directory, 'perf.data')
        self.vcpus = {cpu['thread-id'] for cpu
                      in self.machine.qmp.command('query-cpus-fast')}
        self.machine.start()
        if card.ALONE:
            self.ready()

    def ready(self):
        """May be asked again."""
        if not self.is_ready:
            self.await_line('IOBENCH-READY')
            self.is_ready = True
            self.card.rest()

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
        with self.card.at_work():
            return self._run(work, count)

    def _run(self, work, count):
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


def give_up(guests, column, error):
    """Some guest of the base's loses its card: the others go on."""
    print(f'iobench: "{column}" is left out from here on: {error}',
          file=sys.stderr)
    guest = guests.pop(column)
    guest.machine.kill()
    guest.card.kill()


def measure(guests, work, count, rounds):
    got = {column: [] for column in guests}
    for n in range(rounds + 1):
        for column, guest in list(guests.items()):
            try:
                values = guest.run(work, count)
            except GuestError as error:
                give_up(guests, column, error)
                del got[column]
                continue
            # The first time, things are looked up and allocated.
            if n:
                got[column].append(values)
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


def work_of(platform, card):
    """What a guest with that card does."""
    return [(VHOST[card], *SENDS[0][1:])] if VHOST[card] else platform.WORK


def measure_all(args, work, guests):
    """Yields a row of each kind of work."""
    for name, command, count in work:
        got = measure(guests, command, count, args.rounds)
        first = got.get(args.column[0][0])
        if not first:
            raise GuestError('there is nothing to compare with')
        in_vcpus = vcpus(guests, command, count)
        yield {'name': f'{args.mode}: {name}', 'cells': {column: {
            'ns': statistics.median(v[0] for v in values),
            'wall_ns': statistics.median(v[1] for v in values),
            'ratio': ratio(values, first, 0),
            'wall_ratio': ratio(values, first, 1),
            'vcpu_ns': in_vcpus.get(column),
            'rounds': values} for column, values in got.items()}}


def check_frames(args, work, guests):
    """What the guests sent has arrived where somebody counts."""
    sent = sum(count for _, _, count in work) * (args.rounds + 1)
    for column, guest in guests.items():
        got = guest.card.close()
        if got is not None and got < sent:
            raise GuestError(f'{column}: {got} of {sent} frames arrived')


def bench(args, directory):
    platform = PLATFORMS[args.arch]
    work = work_of(platform, args.card)
    facts = assets.kernel(args.arch)
    initrd = initramfs(platform, facts, directory)
    guests, cards = {}, {}
    try:
        for name, binary, unit in args.column:
            card = cards[name] = benchcard.make(args.card, directory, name)
            guests[name] = Guest(name, binary,
                                 arguments(platform, args.mode, unit, card,
                                           initrd, facts), card, directory)
        for guest in guests.values():
            guest.ready()
        table = list(measure_all(args, work, guests))
        check_frames(args, work, guests)
    finally:
        for guest in guests.values():
            guest.machine.kill()
        for card in cards.values():
            card.kill()
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--arch', choices=PLATFORMS, default='x86_64')
    parser.add_argument('--mode', choices=['strict', 'lazy'],
                        default='strict')
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--card', choices=benchcard.CARDS, default='sink')
    parser.add_argument('--column', nargs=3, action='append', required=True,
                        metavar=('NAME', 'EMULATOR', 'VIOMMU'))
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix='viommu-iobench-')
    try:
        table = bench(args, directory)
    except (GuestError, TestpmdError, assets.AssetError, OSError,
            subprocess.CalledProcessError) as error:
        sys.exit(f'iobench: {error}')
    finally:
        shutil.rmtree(directory)
    json.dump(table, sys.stdout)


main()
