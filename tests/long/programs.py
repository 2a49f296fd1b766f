# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs that are qtests in any order: what happens while a drain is pending."""

import os
import subprocess
from pathlib import Path

from guests import ARCH

ROOT = Path(__file__).resolve().parent.parent.parent
OBJ = ROOT / 'build/obj'
# Resets, stops, timeouts, moves; backends that die; unplugged devices; races
TESTS = ('drain-life', 'vhost-user', 'drain-unplug', 'drain-race')
# Cases of one program at a time
CASES = 12


def lives(rng, model, seconds):
    """Some cases of one program, in an order and with a seed of their own"""
    arch, name = ARCH[model], rng.choice(TESTS)
    program = OBJ / f'tests/qtest/viommu-{name}-test'
    env = dict(os.environ, VIOMMU_UNIT=model,
               QTEST_QEMU_BINARY=str(OBJ / f'qemu-system-{arch}'),
               QTEST_QEMU_IMG=str(OBJ / 'qemu-img'))
    cases = subprocess.run([program, '-l'], env=env, stdout=subprocess.PIPE,
                           text=True, check=True).stdout.split()
    cases = [case for case in cases if case.startswith('/')]
    failures = []
    chosen = rng.sample(cases, min(CASES, len(cases)))
    for case in chosen:
        seed = f'R02S{rng.getrandbits(32):08x}' + '0' * 24
        done = subprocess.run([program, '--tap', '--seed', seed, '-p', case],
                              env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            failures.append(f'{case}, --seed {seed}:\n{done.stdout}')
    return {'cases with a drain pending': len(chosen)}, failures
