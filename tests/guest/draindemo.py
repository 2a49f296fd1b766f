# SPDX-License-Identifier: GPL-2.0-or-later
"""
The drain, shown: a throttled read is in flight, its page is unmapped, the
invalidation waits for it, and the page is not corrupted afterwards.

The emulated disk's clock has to be held still for this, which no running
guest can do; so one case of the drain qtest is run and its words repeated.
"""

import os
import re
import subprocess

import assets

LIMIT = 600     # a guard against a hang only


def run(emulator, progress, arch='x86_64', model='vtd'):
    """Runs the case; returns (held, detail)."""
    program = assets.DRAIN_TEST
    case = assets.DRAIN_CASE.format(arch=arch, form=assets.DRAIN_FORMS[model])
    if not os.access(program, os.X_OK):
        return False, f'{os.path.basename(program)} is not built'
    # qtest has no room for the arguments QEMU may carry here.
    env = dict(os.environ, QTEST_QEMU_BINARY=emulator[0], VIOMMU_UNIT=model)
    try:
        done = subprocess.run([program, '--tap', '-p', case], env=env,
                              stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, timeout=LIMIT,
                              check=False)
    except subprocess.TimeoutExpired:
        return False, 'the invalidation never completed'
    passed = 0
    for line in done.stdout.splitlines():
        if line.startswith('ok '):
            passed += 1
        elif line.startswith('# ') and not re.match(
                r'# (random seed|Start of|End of|starting QEMU)', line):
            progress(line[2:])
    if done.returncode or passed == 0:
        return False, f'{case}: ' + (done.stdout.strip()[-600:] or 'no output')
    return True, case
