# SPDX-License-Identifier: GPL-2.0-or-later
"""
One answer after the other, with what happened between them; goes on after the
connection was lost. No terminal.
"""

import time

from . import link, news, rates


class Watch:
    def __init__(self, address, recorder=None):
        self.address, self.recorder = address, recorder
        self.link = None
        self.before, self.when = None, 0.0
        self.seconds = None      # between the last two answers
        self.problem = ''
        self.events = []         # that no sample has had yet
        self.title = address

    def open(self):
        """Lost, ValueError"""
        self.link = link.connect(self.address)

    def close(self):
        if self.link:
            self.link.close()
        self.link = None

    def lost(self, error):
        self.close()
        self.problem = f'{error}; trying again'

    def ask(self, command, **arguments):
        """An answer; Lost, Refused"""
        if not self.link:
            self.open()
        try:
            return self.link.ask(command, **arguments)
        except link.Lost as error:
            self.lost(error)
            raise

    def name(self):
        try:
            return self.ask('query-name').get('name', '')
        except link.Refused:
            return ''

    def take_events(self):
        if self.link:
            try:
                self.events += news.of_viommu(self.link.take_events())
            except link.Lost as error:
                self.lost(error)

    def sample(self):
        """
        (units with rates, lines of news), or None if there is no connection.
        """
        try:
            after = self.ask('query-viommu')
            now = time.monotonic()
            self.take_events()
            events, self.events = self.events, []
            if self.recorder:
                self.recorder.sample(self.link, after, events)
        except link.Lost as error:
            self.problem = f'{error}; trying again'
            return None
        except link.Refused as error:
            self.problem = f'this is another emulator: {error}'
            return None
        self.problem = ''
        self.seconds = None if self.before is None else now - self.when
        units = rates.compare(self.before, after, self.seconds or 0)
        said = news.lines(news.faults(self.before, after)
                          if self.before is not None else [], events)
        self.before, self.when = after, now
        return units, said
