# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs that move a machine between our emulator and one that is not ours."""

import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import assets
from boot import PLATFORMS
from devices import workdir
from guests import ARCH, Quiet
from hop import RING, Traveller, ring_size
from machine import GuestError
from qmp import QmpError

ROOT = Path(__file__).resolve().parent.parent.parent
OBJ = ROOT / 'build/obj'
TEST = OBJ / 'tests/qtest/viommu-drain-life-test'
# A peer has no MSIs of an SMMUv3, and no endpoint behind a port as we do.
NOT_PEERS = re.compile('msi|behind')


def load_suite():
    """tests/migration/run, which knows the peers"""
    path = str(ROOT / 'tests/migration/run')
    loader = importlib.machinery.SourceFileLoader('migration_suite', path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader('migration_suite', loader))
    loader.exec_module(module)
    return module


SUITE = load_suite()


def move_on(traveller, rng, stops, until):
    """From one to the other and back; some stays are very short."""
    moves = 0
    while moves < 2 or time.monotonic() < until:
        moves += 1
        traveller.move(stops[moves % 2][1])
        if rng.random() < 0.3:
            traveller.work()
        else:
            time.sleep(rng.uniform(0, 1))
            traveller.drain_lines(traveller.machine)
            traveller.fail_early()
    traveller.work()
    return moves


def route(rng, model):
    """
    (name, command) of both stops, firmware, whether rings are packed; None:
    there is no peer.
    """
    arch = ARCH[model]
    ours = ('ours', assets.emulator(arch))
    if model == 'remote-vtd':
        # Nobody else has it.
        return [ours, ours], None, rng.random() < 0.5
    chosen = SUITE.choose_peer(arch)
    if not chosen:
        return None
    name, command, firmware = chosen
    stops = [ours, (name, command)]
    longer = ring_size(command, PLATFORMS[arch], firmware) > RING
    if rng.random() < 0.5:
        stops.reverse()
    # A peer that makes long rings corrupts split ones (tests/migration/run).
    return stops, firmware, longer if stops[1][0] == 'ours' else not longer


def migrations(rng, model, seconds):
    """A guest at verified I/O, to and fro for so long."""
    chosen = route(rng, model)
    if not chosen:
        return {}, []
    stops, firmware, packed = chosen
    directory = workdir('viommu-guest-')
    traveller = None
    tap = Quiet()
    moves = 0
    try:
        traveller = Traveller(directory, PLATFORMS[ARCH[model]], firmware,
                              packed, model == 'virtio', model == 'remote-vtd')
        traveller.begin(stops[0][1])
        moves = move_on(traveller, rng, stops, time.monotonic() + seconds)
        SUITE.judge(tap, f'{model}, {moves} moves', traveller,
                    traveller.finish())
    except (GuestError, QmpError, OSError) as error:
        if not SUITE.died_of_bare_irq(
                traveller, [stops[i % 2] for i in range(1 << 16)]):
            tap.check(f'{model}, from {stops[0][0]}, move {moves}', False,
                      error)
    finally:
        if traveller:
            traveller.close()
        shutil.rmtree(directory)
    return {'migrations': moves}, tap.failures


def pending(rng, model, seconds):
    """A drain is pending when the machine goes to the peer, and back."""
    arch = ARCH[model]
    peer = os.environ.get('PEER') or \
        os.path.join(assets.UPSTREAM, f'qemu-system-{arch}')
    if not os.path.exists(peer) or model in ('amd', 'vtd-sm'):
        return {}, []
    env = dict(os.environ, VIOMMU_DRAIN_PEER=peer, VIOMMU_UNIT=model,
               QTEST_QEMU_BINARY=str(OBJ / f'qemu-system-{arch}'),
               QTEST_QEMU_IMG=str(OBJ / 'qemu-img'))
    cases = [case for case in subprocess.run(
        [TEST, '-l'], env=env, stdout=subprocess.PIPE, text=True,
        check=True).stdout.split()
        if 'migrate' in case and not NOT_PEERS.search(case)]
    case = rng.choice(cases)
    done = subprocess.run([TEST, '--tap', '-p', case], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    failed = [f'{case}:\n{done.stdout}'] if done.returncode else []
    return {'migrations': 2, 'with a drain pending': 1}, failed
