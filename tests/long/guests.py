# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs with a Linux guest: resets at any moment, kexec, crashes, long I/O."""

import queue
import time

import boot
import kexec
from boot import Config
from guestjob import Report
from tap import Tap

MODES = ('strict', 'lazy', 'pt')
# By the model's name: what a guest of it has
MODELS = {
    'vtd': {'props': ()},
    'vtd-sm': {'props': ('profile=modern',)},
    'amd': {'amd': True},
    # In a process of its own, which remaps interrupts
    'remote-vtd': {'remote': True, 'eim': True},
    'virtio': {'paravirt': True, 'virtio': 'translate'},
    'smmuv3': {'arch': 'aarch64'},
    # A kernel of our own (scripts/guest-kernel-own)
    'posted': {'props': ('posted-interrupts=on',), 'kernel': 'posted'},
}
ARCH = {name: values.get('arch', 'x86_64') for name, values in MODELS.items()}
# What Linux says if a COMPLETION_WAIT takes more than 0.1 s; it goes on. A busy
# host may keep the main loop from its turn, or who has the BQL, for as long.
LATE = 'AMD-Vi: Completion-Wait loop timed out'
# Some are before Linux, some in the middle of its start, some at its work.
RESETS, RESET_WITHIN = 4, 25


class Quiet(Tap):
    """Keeps what did not hold."""

    def __init__(self):
        super().__init__()
        self.failures = []

    def check(self, name, held, detail=''):
        self.count += 1
        if not held:
            self.failed += 1
            self.failures.append(f'{name}: {detail}')
        return held

    def skip(self, name, reason):
        pass

    def note(self, text):
        pass


def take_until(machine, report, end):
    """What the guest says until then."""
    while (left := end - time.monotonic()) > 0:
        try:
            line = machine.lines.get(timeout=left)
        except queue.Empty:
            return
        if line is None:
            # It has gone: run_guest() says what of.
            machine.lines.put(None)
            return
        report.take(line)


def run_with_resets(moments):
    """As boot.run_guest(), for a machine that is reset after each time."""
    def run(machine, outcome, progress):
        machine.qmp.command('set-action', reboot='reset')
        machine.start()
        for moment in moments:
            take_until(machine, Report(), time.monotonic() + moment)
            machine.qmp.command('system_reset')
        # The last one's, from its first word on
        machine.begin_step('the first word after the last reset')
        line = ''
        while not line.startswith('VIOMMU-BOOT'):
            line = machine.next_line()
        outcome.report.take(line)
        machine.begin_step('the job after the last reset')
        boot.follow_guest(machine, outcome, progress)
    return run


def judged(outcome, did):
    """(what was done, what did not hold)"""
    late = sum(LATE in line for line in outcome.report.dmesg)
    if late:
        did['late completions'] = late
    return did, [f'{name}: {detail}' for name, held, detail in outcome.checks
                 if not held and not (name.endswith(': no fault') and
                                      outcome.report.faults == late)]


def configuration(rng, model, **more):
    return Config(mode=rng.choice(MODES), **{**MODELS[model], **more})


def resets(rng, model, seconds):
    """A boot that is reset up to four times, and in the end does its work."""
    config = configuration(rng, model)
    moments = [rng.uniform(0, RESET_WITHIN)
               for _ in range(rng.randint(1, RESETS))]
    outcome = boot.boot(config, run=run_with_resets(moments))
    return judged(outcome, {'boots': len(moments) + 1, 'resets': len(moments)})


def guest(rng, model, seconds):
    """Verified I/O on every device for so long."""
    config = configuration(rng, model, seconds=int(seconds),
                           bounce=rng.random() < 0.25 and model != 'virtio',
                           packed=rng.random() < 0.5)
    outcome = boot.boot(config)
    rounds = outcome.report.rounds
    cards = {card.name for card in config.platform.CARDS}
    done = {'boots': 1, 'seconds of I/O': config.seconds,
            'rounds of disks': sum(n for name, n in rounds.items()
                                   if name not in cards),
            'transfers': sum(rounds.get(name, 0) for name in cards)}
    return judged(outcome, done)


def kernels(rng, model, seconds):
    """Kernels that start each other; the last one goes on after a crash."""
    steps = ('kexec',) * rng.randint(0, 3) + ('crash',)
    setup = kexec.Setup(mode=rng.choice(MODES), steps=steps, **MODELS[model])
    tap = Quiet()
    kexec.run(tap, setup)
    return {'kexecs': len(steps) - 1, 'crashes': 1}, tap.failures
