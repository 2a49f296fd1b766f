# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest says (tests/guest/init), collected."""

from dataclasses import dataclass, field


@dataclass
class Result:
    ok: bool
    detail: str

    def value(self, key):
        """The value of a key=value word of the detail."""
        for word in self.detail.split():
            if word.startswith(f'{key}='):
                return word[len(key) + 1:]
        return None


@dataclass
class Group:
    number: int
    kind: str           # DMA, DMA-FQ, identity
    devices: list


@dataclass
class Report:
    release: str = ''
    results: dict = field(default_factory=dict)
    groups: list = field(default_factory=list)
    dmesg: list = field(default_factory=list)
    rounds: dict = field(default_factory=dict)
    faults: int = -1    # not said
    posted: int = 0     # notifications
    ready: bool = False

    def take(self, line):
        """Takes one line; returns the kind of message, or '' for no message."""
        if not line.startswith('VIOMMU-'):
            return ''
        kind, _, rest = line[len('VIOMMU-'):].partition(' ')
        handler = getattr(self, f'_take_{kind.lower()}', None)
        if handler is None:
            return ''
        handler(rest)
        return kind

    def _take_boot(self, rest):
        self.release = rest

    def _take_round(self, rest):
        name, number = rest.split()
        self.rounds[name] = int(number)

    def _take_result(self, rest):
        name, status, detail = (rest + ' ').split(' ', 2)
        self.results[name] = Result(status == 'ok', detail.strip())

    def _take_group(self, rest):
        number, kind, *devices = rest.split()
        self.groups.append(Group(int(number), kind, devices))

    def _take_dmesg(self, rest):
        self.dmesg.append(rest)

    def _take_faults(self, rest):
        self.faults = int(rest)

    def _take_posted(self, rest):
        self.posted = int(rest)

    def _take_ready(self, _):
        self.ready = True

    def group_of(self, pci):
        for group in self.groups:
            if pci in group.devices:
                return group
        return None

    def dmesg_has(self, text):
        return any(text in line for line in self.dmesg)
