# SPDX-License-Identifier: GPL-2.0-or-later
"""
A recording: a file of lines, each a JSON object.

The first one is {"viommu-recording": 1, "when": S, "about": {...}}; the others
have a time "t" in seconds since then and one of

    "units"     what query-viommu said
    "event"     an event VIOMMU_...
    "map"       {"unit": QOM path, "tag": N, "endpoint": address, "domain":
                [...], "ranges": [...], "complete": bool}: what a domain mapped

A name that ends in .gz is compressed. A recording that was cut off is read as
far as it goes.
"""

import gzip
import json
import time

from .link import Refused

VERSION = 1
# A domain's map is written as often as this, and in at most so many pieces.
MAP_SECONDS = 10
MAP_PIECES, MAP_RANGES = 16, 4096
# What is read of a recording at most, so that a report stays one page
MAX_RECORDS = 1_000_000


class Bad(Exception):
    """It is no recording; the text says why."""


def open_text(path, mode):
    if path.endswith('.gz'):
        return gzip.open(path, mode + 't', encoding='utf-8')
    return open(path, mode, encoding='utf-8')


class Recorder:
    """Writes one. OSError is the caller's to show."""

    def __init__(self, path, about, clock=time.monotonic, now=time.time):
        self.file, self.clock = open_text(path, 'w'), clock
        self.start, self.mapped = clock(), None
        self._line({'viommu-recording': VERSION, 'when': now(),
                    'about': about})

    def _line(self, record):
        self.file.write(json.dumps(record, separators=(',', ':')) + '\n')
        self.file.flush()

    def _put(self, **record):
        self._line(dict(t=round(self.clock() - self.start, 3), **record))

    def sample(self, link, units, events):
        """An answer of query-viommu, and what has come since the last one."""
        for event in events:
            self._put(event=event)
        self._put(units=units)
        now = self.clock()
        if self.mapped is None or now - self.mapped >= MAP_SECONDS:
            self.mapped = now
            self.maps(link, units)

    def maps(self, link, units):
        for unit, one in domains(units):
            self._put(map=read_map(link, unit, one))

    def close(self):
        self.file.close()


def domains(units):
    """A unit and one of its endpoints for each domain that has tables"""
    for unit in units:
        seen = set()
        for one in unit['endpoint-info']:
            if one['mode'] == 'translate' and 'tag' in one and \
                    one['tag'] not in seen:
                seen.add(one['tag'])
                yield unit, one


def read_map(link, unit, one):
    ranges, more, complete = [], {}, False
    try:
        for _ in range(MAP_PIECES):
            answer = link.ask('viommu-map',
                              device=one.get('qom-path', one['address']),
                              max=MAP_RANGES, **more)
            ranges += answer['ranges']
            if 'next' not in answer:
                complete = True
                break
            more = {'start': answer['next']}
    except Refused:
        pass  # The endpoint has gone meanwhile.
    return {'unit': unit['qom-path'], 'tag': one['tag'],
            'endpoint': one['address'], 'domain': one.get('domain', []),
            'ranges': ranges, 'complete': complete}


def read(path):
    """(the first line, the others) of the recording @path; Bad, OSError"""
    records = []
    try:
        with open_text(path, 'r') as file:
            try:
                head = json.loads(file.readline())
                version = head['viommu-recording']
            except (ValueError, KeyError, TypeError) as error:
                raise Bad(f'{path} is no recording of viommu-top') from error
            if version != VERSION:
                raise Bad(f'{path} is of another version ({version}) of '
                          'viommu-top')
            for line in file:
                try:
                    record = json.loads(line)
                except ValueError:
                    break  # It was being written when it ended.
                if isinstance(record, dict) and 't' in record:
                    records.append(record)
                if len(records) == MAX_RECORDS:
                    break
    except (EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
        if not records:
            raise Bad(f'{path} is no recording of viommu-top') from error
    return head, records
