# SPDX-License-Identifier: GPL-2.0-or-later
"""DPDK's testpmd: a vhost-user backend that is not ours."""

import itertools
import os
import re
import signal
import subprocess
import time

from assets import SCRIPTS

# Reached only by a machine on which it does not work at all.
START_LIMIT = 600

_count = itertools.count()


class TestpmdError(Exception):
    """It cannot be had, or does not run here: a reason to skip."""


class Testpmd:
    """
    Forwards everything that arrives on either port to the other one, or does
    something else that testpmd can (forward).
    """

    def __init__(self, directory, ports=2, forward='io retry'):
        self.sockets = [os.path.join(directory, f'vhost{n}')
                        for n in range(ports)]
        self.log = os.path.join(directory, 'testpmd.log')
        script = os.path.join(SCRIPTS, 'guest-dpdk')
        if subprocess.run([script, '--fetch'], check=False).returncode:
            raise TestpmdError('the distribution\'s dpdk cannot be fetched')
        command = [script, '--no-huge', '-m', '256', '--no-pci',
                   '--no-telemetry', f'--file-prefix=viommu{self._number()}',
                   # Two threads, on whichever processor is free
                   '--lcores', '0@(0-1),1@(0-1)']
        for n, path in enumerate(self.sockets):
            command += ['--vdev', f'net_vhost{n},iface={path},iommu-support=1']
        # With an IOMMU a buffer that the guest offers is unknown when the
        # first packet comes for it: try again when its translation is there.
        commands = os.path.join(directory, 'testpmd.cmd')
        with open(commands, 'w', encoding='utf-8') as f:
            f.write('set burst tx delay 100 retry 2000\n'
                    f'set fwd {forward}\n')
        command += ['--', '--total-num-mbufs=4096', '--stats-period=1000000',
                    f'--cmdline-file={commands}']
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._await_sockets()

    @staticmethod
    def _number():
        """Of all testpmds of this machine"""
        return f'{os.getpid()}-{next(_count)}'

    def _await_sockets(self):
        end = time.monotonic() + START_LIMIT
        while not all(os.path.exists(path) for path in self.sockets):
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise TestpmdError('testpmd does not run here: ' +
                                   self.words().replace('\n', '; '))
            time.sleep(0.1)

    def words(self):
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return '\n'.join(f.read().strip().splitlines()[-8:])

    def running(self):
        return self.process.poll() is None

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it in the regular way; the number of packets it forwarded."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(START_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
        with open(self.log, encoding='utf-8', errors='replace') as f:
            # The last line of this kind is the one of all ports.
            counts = re.findall(r'RX-packets:\s*(\d+)', f.read())
        return int(counts[-1]) if counts else 0
