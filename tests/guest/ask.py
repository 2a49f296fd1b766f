# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that does what it is told, a command at a time (ask-init)."""

import os

import assets

INIT = os.path.join(assets.ROOT, 'tests', 'guest', 'ask-init')


class Guest:
    def __init__(self, machine):
        self.machine = machine

    def await_up(self):
        while not self.machine.next_line().startswith('VIOMMU-BOOT'):
            pass

    def ask(self, command):
        """What it says, line by line."""
        said = []
        self.machine.send(command)
        while True:
            word, _, rest = self.machine.next_line().partition(' ')
            if word == 'VIOMMU-SAID':
                said.append(rest)
            elif word == 'VIOMMU-DONE':
                return said

    def mapped(self, device):
        """What leads to memory for this device: (first, last, address)"""
        ranges, start = [], 0
        while start is not None:
            answer = self.machine.qmp.command('viommu-map', device=device,
                                              start=start)
            ranges += [(one['first'], one['last'], one['address'])
                       for one in answer['ranges']]
            start = answer.get('next')
        return ranges
