#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Boots Linux once behind the vIOMMU, has it do verified I/O on every device,
and says what held.

  boot.py [--mode strict|lazy|pt] [--packed] [--bounce] [--rounds N] [--base]
          [--seconds N]
          [--intremap on|off] [--eim on|off]
          [--virtio translate|bypass|require] [--virtio-iommu]
          [--switch] [--left] [--reset] [--prop NAME=VALUE]... [--kernel SERIES]
  boot.py --amd ...
  boot.py --remote ...
  boot.py --arch aarch64 [--stage 1|2|nested] [--acpi] [--mmio] ...

QEMU names the emulator (default: the one of this tree's build). --base says
that it is not ours: it has no statistics to show, and gets packed rings only,
because the base writes past a page's end where an entry of a split ring lies
across two of them (which entries of a packed one never do). VIOMMU_KEEP=1 keeps
the directory with the console and the images.
"""

import argparse
import os
import shutil
import sys
from dataclasses import dataclass, field

import assets
import devices
import q35
import remapping
import scalable
import virt
from guestjob import Report
from hostserver import HostServer
from machine import GuestError, run_machine
from qmp import QmpError
from tap import Tap

PLATFORMS = {'x86_64': q35, 'aarch64': virt}
# What Linux then calls the domains of its groups.
KINDS = {'strict': 'DMA', 'lazy': 'DMA-FQ', 'pt': 'identity'}


@dataclass
class Config:
    mode: str = 'strict'
    intremap: bool = True
    eim: bool = False
    packed: bool = False    # the rings of the virtio devices
    bounce: bool = False    # dma-mode=bounce
    # The vIOMMU's switch; with it, the devices do not say iommu_platform.
    virtio: str = ''
    paravirt: bool = False  # virtio-iommu, not VT-d
    rounds: int = 6
    base: bool = False
    arch: str = 'x86_64'
    stage: str = ''         # of an SMMUv3; '': the machine's own choice
    acpi: bool = False      # on arm64: UEFI and ACPI, not a device tree
    switch: bool = False    # to untranslated and back while Linux runs
    left: bool = False      # disks that Linux meets as the firmware left them
    props: tuple = ()       # more properties of the vIOMMU, 'name=value'
    amd: bool = False       # AMD-Vi, not VT-d; eim is then xtsup
    remote: bool = False    # VT-d in a process of its own
    kernel: str = ''        # its series; '': the tests' own
    reset: bool = False     # the NVMe controller's function, at work
    mmio: bool = False      # a virtio-iommu behind virtio-mmio, on arm64
    seconds: int = 0        # I/O goes on for so long

    @property
    def platform(self):
        return PLATFORMS[self.arch]

    @property
    def scalable(self):
        """The translation type that Linux chooses; '': not scalable mode."""
        given = dict(prop.split('=') for prop in self.props)
        modern = given.get('profile') == 'modern'
        if not modern and given.get('x-scalable-mode') != 'on':
            return ''
        if self.mode == 'pt':
            return 'pass-through'
        first = given.get('x-flts', 'on' if modern else 'off') == 'on'
        return 'first' if first else 'second'

    @property
    def devices(self):
        return self.disks + self.platform.CARDS

    @property
    def disks(self):
        disks = self.platform.DISKS
        return devices.left_by_firmware(disks) if self.left else disks

    def name(self):
        words = [self.mode] + self.platform.name(self)
        if self.packed:
            words.append('packed')
        if self.bounce:
            words.append('bounce')
        if self.switch:
            words.append('switch')
        if self.left:
            words.append('left')
        if self.reset:
            words.append('reset')
        words += self.props
        if self.seconds:
            words.append(f'{self.seconds} s')
        if self.kernel:
            words.append(f'Linux {self.kernel}')
        return '+'.join(words)


@dataclass
class Outcome:
    """Everything one boot showed."""
    config: Config
    report: Report = field(default_factory=Report)
    error: str = ''
    status: int = -1
    statistics: list = None
    translation: str = ''   # of the first disk; see scalable.py
    entries: dict = None    # of interrupt remapping; see remapping.py
    console: str = ''
    errors: list = field(default_factory=list)  # what the emulator reported
    checks: list = field(default_factory=list)  # (name, held, detail)

    def check(self, name, held, detail=''):
        self.checks.append((f'{self.config.name()}: {name}', bool(held), detail))

    def held(self):
        return bool(self.checks) and all(held for _, held, _ in self.checks)


def kernel_args(words, platform=q35, series=''):
    facts = assets.kernel(platform.ARCH, series)
    base = ['loglevel=5', 'panic=-1', 'mitigations=off'] + platform.BASE_WORDS
    return ['-kernel', facts['vmlinuz'],
            '-initrd', assets.initramfs(facts, platform.ARCH),
            '-append', ' '.join(base + words)]


def query_statistics(machine):
    """The emulator's own account, or None where it has no such command."""
    try:
        return machine.qmp.command('query-viommu')
    except QmpError as error:
        if error.kind == 'CommandNotFound':
            return None
        raise


def run_guest(machine, outcome, progress):
    machine.start()
    machine.step_end += outcome.config.seconds
    follow_guest(machine, outcome, progress)


def follow_guest(machine, outcome, progress):
    """What a guest that has been started says, until it has powered off."""
    report = outcome.report
    while not report.ready:
        kind = report.take(machine.next_line())
        if kind == 'BOOT':
            progress(f'Linux {report.release} is up')
        elif kind == 'RESULT':
            name, result = list(report.results.items())[-1]
            # Without the checksums, which are for judge().
            words = [w for w in result.detail.split() if len(w) < 64]
            progress(f'{name}: {"ok" if result.ok else "FAILED"}, '
                     f'{" ".join(words)}')
    outcome.statistics = query_statistics(machine)
    if outcome.config.scalable:
        outcome.translation = scalable.translation(
            machine, outcome.config.devices[0].pci)
    if q35.posted(outcome.config):
        outcome.entries = remapping.entries(machine)
    machine.send('off')
    outcome.status = machine.wait()


def boot(config, progress=lambda text: None, run=run_guest):
    """Never raises for a guest that fails: that is an outcome."""
    outcome = Outcome(config)
    packed = config.packed or config.base
    platform = config.platform
    directory = devices.workdir('viommu-guest-')
    server = HostServer()
    unit = None
    try:
        patterns = devices.make_images(config.disks, directory)
        more = getattr(platform, 'kernel_words', lambda config: [])
        words = platform.WORDS[config.mode] + more(config) + devices.kernel_words(
            config.disks, platform.CARDS, 'io', server.port, config.rounds,
            config.switch, config.seconds)
        if config.reset:
            words.append('viommu.reset=' + '@'.join(reset_disk(config)))
        loader = getattr(platform, 'kernel_args', None)
        machine = platform.machine_args(config)
        if config.mmio:
            machine += platform.tree_args(machine, directory)
        unit = q35.server(config, directory)
        args = machine + (unit.machine_args() if unit else []) + \
            (loader(words, config) if loader else
             kernel_args(words, platform, config.kernel)) + \
            devices.disk_args(config.disks, directory, packed,
                              not config.virtio) + \
            devices.card_args(platform.CARDS, packed, not config.virtio)
        progress(f'booting Linux, {config.name()}')
        try:
            run_machine(assets.emulator(config.arch), args, directory,
                        lambda machine: run(machine, outcome, progress),
                        again=bool(config.kernel),
                        prepare=unit.start if unit else None)
        except (GuestError, QmpError, OSError) as error:
            outcome.error = str(error)
        outcome.console = machine_log(directory, 'console')
        outcome.errors = [
            line for line in machine_log(directory, 'stderr').splitlines()
            if ' warning: ' not in line]
        judge(outcome, directory, patterns, server)
        if unit:
            unit.judge(outcome)
    finally:
        server.close()
        if unit:
            unit.end()
        if os.environ.get('VIOMMU_KEEP'):
            print(f'# kept: {directory}', file=sys.stderr)
        else:
            shutil.rmtree(directory)
    return outcome


def reset_disk(config):
    """The name and function of the disk that is reset."""
    return next((disk.name, disk.pci) for disk in config.disks
                if disk.name == 'nvme')


def machine_log(directory, what):
    """What was written to a log of the directory's only machine."""
    path = os.path.join(directory, f'vm.{what}')
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return f.read()
    except OSError:
        return ''


def judge(outcome, directory, patterns, server):
    report, config = outcome.report, outcome.config
    outcome.check('the guest finishes its job and powers off',
                  not outcome.error and outcome.status == 0,
                  outcome.error or f'exit status {outcome.status}')
    for disk in config.disks:
        held, detail = judge_disk(disk, report, directory, patterns)
        outcome.check(f'{disk.what}: verified I/O', held, detail)
    if config.switch:
        held, detail = judge_switch(config, report)
        outcome.check('I/O untranslated, and translated again', held, detail)
    if config.reset:
        name, _ = reset_disk(config)
        for key in (f'{name}-reset', 'resets'):
            result = report.results.get(key)
            outcome.check(f'reset at work: {key}', result and result.ok,
                          result.detail if result else 'no result')
    for card in config.platform.CARDS:
        held, detail = judge_card(card, report, server)
        outcome.check(f'{card.what}: verified transfers', held, detail)
    judge_mode(outcome)
    outcome.check('no fault', report.faults == 0,
                  f'{report.faults} lines:\n' + '\n'.join(report.dmesg))
    if config.left:
        outcome.check('the emulator reports no error', not outcome.errors,
                      '\n'.join(outcome.errors))
    if not config.base:
        judge_statistics(outcome)


def judge_disk(disk, report, directory, patterns):
    result = report.results.get(disk.name)
    if result is None or not result.ok:
        return False, result.detail if result else 'no result'
    if result.value('read') != patterns[disk.name]:
        return False, 'the guest read something else than the image holds'
    stored = devices.megabyte(disk, directory, int(result.value('at')))
    if result.value('wrote') != stored:
        return False, 'the image holds something else than the guest wrote'
    return True, ''


def judge_switch(config, report):
    failed = []
    for disk in config.disks:
        for way in ('identity', 'again'):
            result = report.results.get(f'{disk.name}-{way}')
            if result is None or not result.ok:
                failed.append(f'{disk.name}-{way}: ' +
                              (result.detail if result else 'no result'))
    return not failed, '\n'.join(failed)


def judge_card(card, report, server):
    result = report.results.get(card.name)
    if result is None or not result.ok:
        return False, result.detail if result else 'no result'
    if result.value('read') != server.blob_digest:
        return False, 'the guest received something else than was sent'
    if result.value('sent') != server.received.get(card.name):
        return False, 'something else arrived than the guest sent'
    return True, ''


def judge_mode(outcome):
    report, config = outcome.report, outcome.config
    wanted = KINDS.get(config.mode)
    if config.amd and config.mode == 'lazy':
        # NpCache: Linux takes it for a sign of virtualization.
        wanted = 'DMA'
    if not wanted:
        # Somebody below Linux has the vIOMMU.
        outcome.check('no device is in a group', not report.groups,
                      str(report.groups))
        config.platform.judge(outcome)
        return
    wrong = []
    bypassing = []
    for device in config.devices:
        group = report.group_of(device.pci)
        if config.virtio == 'bypass' and device.is_virtio():
            if group:
                bypassing.append(f'{device.what} ({device.pci}): {group.kind}')
        elif group is None or group.kind != wanted:
            wrong.append(f'{device.what} ({device.pci}): '
                         f'{group.kind if group else "in no group"}')
    outcome.check(f'every device is in a group of type {wanted}', not wrong,
                  '\n'.join(wrong))
    if config.virtio == 'bypass':
        outcome.check('but virtio devices are in none', not bypassing,
                      '\n'.join(bypassing))
    config.platform.judge(outcome)


def total(statistics, *keys):
    return sum(unit.get(key, 0) for unit in statistics for key in keys)


INVALIDATIONS = ['invalidations-tlb-global', 'invalidations-tlb-domain',
                 'invalidations-tlb-page', 'invalidations-config']


def judge_statistics(outcome):
    stats = outcome.statistics
    outcome.check('the vIOMMU has statistics', stats, 'query-viommu: none')
    if not stats:
        return
    outcome.check('the vIOMMU is on', all(u['enabled'] for u in stats),
                  str(stats))
    outcome.check('the vIOMMU counted invalidations',
                  total(stats, *INVALIDATIONS) > 0, str(stats))
    # What passes through is not translated.
    if outcome.config.mode != 'pt':
        outcome.check('the vIOMMU counted translations',
                      total(stats, 'translations') > 0, str(stats))
        # Not the stalls: how long a request takes is the host's matter.
        outcome.check('the vIOMMU drained, and gave nothing up',
                      total(stats, 'drains') > 0 and
                      total(stats, 'maps-abandoned') == 0, str(stats))
    outcome.check('the vIOMMU counted no fault', total(stats, 'faults') == 0,
                  str(stats))
    if 'sanitizer=on' in outcome.config.props:
        judge_sanitizer(outcome, stats)


def judge_sanitizer(outcome, stats):
    """Linux makes no mistake; in lazy mode it invalidates later."""
    found = [one for unit in stats for one in unit.get('findings', [])]
    stale = [unit['stale'] for unit in stats if 'stale' in unit]
    outcome.check('the sanitizer looked on', stale, str(stats))
    outcome.check('the sanitizer found nothing', not found,
                  '\n'.join(f'{one["kind"]}: {one.get("device")}: '
                            f'{one["message"]} ({one["count"]} times)'
                            for one in found))
    if outcome.config.mode == 'strict':
        outcome.check('nothing stale was used',
                      not any(one['uses'] for one in stale), str(stale))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--mode', choices=KINDS, default='strict')
    parser.add_argument('--intremap', choices=['on', 'off'], default='on')
    parser.add_argument('--eim', choices=['on', 'off'], default='off')
    parser.add_argument('--packed', action='store_true')
    parser.add_argument('--bounce', action='store_true')
    parser.add_argument('--virtio', default='',
                        choices=['translate', 'bypass', 'require'])
    parser.add_argument('--virtio-iommu', action='store_true')
    parser.add_argument('--mmio', action='store_true')
    parser.add_argument('--rounds', type=int, default=Config.rounds)
    parser.add_argument('--seconds', type=int, default=0)
    parser.add_argument('--base', action='store_true')
    parser.add_argument('--arch', choices=PLATFORMS, default='x86_64')
    parser.add_argument('--stage', choices=['1', '2', 'nested'], default='')
    parser.add_argument('--acpi', action='store_true')
    parser.add_argument('--switch', action='store_true')
    parser.add_argument('--left', action='store_true')
    parser.add_argument('--prop', action='append', default=[])
    parser.add_argument('--amd', action='store_true')
    parser.add_argument('--remote', action='store_true')
    parser.add_argument('--kernel', default='')
    parser.add_argument('--reset', action='store_true')
    args = parser.parse_args()
    config = Config(args.mode, args.intremap == 'on', args.eim == 'on',
                    args.packed, args.bounce, args.virtio, args.virtio_iommu,
                    args.rounds, args.base, args.arch, args.stage, args.acpi,
                    args.switch, args.left, tuple(args.prop), args.amd,
                    args.remote, args.kernel, args.reset, args.mmio,
                    args.seconds)
    tap = Tap()
    try:
        outcome = boot(config, tap.note)
    except assets.AssetError as error:
        sys.exit(f'Bail out! {error}')
    for check in outcome.checks:
        tap.check(*check)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
