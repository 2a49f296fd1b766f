# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulators with a guest in them, which make check-latency and make fuzz
link of objects that others have built: it can be done, and the guest works"""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import rig

FUZZ = Path(rig.ROOT) / 'tests/fuzz'
sys.path.append(str(FUZZ))

# pylint: disable=wrong-import-position
import emulator                                     # noqa: E402

MODELS = {'x86_64': ('vtd', 'vtd-sm', 'amd', 'virtio'), 'aarch64': ('smmuv3',)}


def replay(binary, model):
    """What is kept of the model's inputs; returns how many there were."""
    corpus = FUZZ / f'corpus/viommu-{model}'
    # For no second, and with a seed that is not needed
    done = subprocess.run([binary, f'--fuzz-target=viommu-{model}', '0', '1',
                           corpus], text=True, errors='replace', check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, VIOMMU_FUZZ_TRACE='dma_held'))
    said = re.search(r'^inputs (\d+)$', done.stdout, re.M)
    if done.returncode or not said:
        raise AssertionError(f'{model}: {done.stdout[-2000:]}')
    return int(said[1]), done.stdout


class Guest(unittest.TestCase):
    def check_arch(self, arch):
        if not (emulator.OBJ / f'qemu-system-{arch}').exists():
            self.skipTest(f'not configured: {arch}')
        binary = emulator.build(arch, plain=True)
        for model in MODELS[arch]:
            with self.subTest(model):
                kept = list((FUZZ / f'corpus/viommu-{model}').iterdir())
                inputs, said = replay(binary, model)
                self.assertEqual(inputs, len(kept))
                self.assertIn('dma_held', said)

    def test_x86_64(self):
        self.check_arch('x86_64')

    def test_aarch64(self):
        self.check_arch('aarch64')
