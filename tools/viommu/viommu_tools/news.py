# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults and events as they come: what an answer has that the one before it
had not. Pure."""

from . import words


def fault_key(fault):
    return (fault['address'], fault['iova'], fault.get('pasid'),
            fault.get('index'), fault.get('interrupt'), fault['write'], fault['fault']['code'], fault['fault']['reason'],
            fault['first-us'])


def faults(before, after):
    """
    Pairs of a unit's path and a member of its fault-log that is new or counts
    more than before, with 'more': by how many. The oldest one first.
    """
    known = {}
    for unit in before or ():
        for fault in unit['fault-log']:
            known[unit['qom-path'], fault_key(fault)] = fault['count']
    found = []
    for unit in after:
        for fault in unit['fault-log']:
            old = known.get((unit['qom-path'], fault_key(fault)), 0)
            if fault['count'] > old:
                found.append((unit['qom-path'],
                              dict(fault, more=fault['count'] - old)))
    return sorted(found, key=lambda pair: pair[1]['last-us'])


def lines(new_faults, events):
    """For people, with the time of day"""
    said = [(fault['last-us'] / 1e6, words.words_of_fault(fault) +
             (f', {fault["more"]} times' if fault['more'] > 1 else ''))
            for _, fault in new_faults]
    said += [(event['timestamp']['seconds'] +
              event['timestamp']['microseconds'] / 1e6,
              words.words_of_event(event)) for event in events]
    return [f'{words.clock(when)} {text}'
            for when, text in sorted(said, key=lambda pair: pair[0])]


def of_viommu(events):
    return [event for event in events if event['event'].startswith('VIOMMU_')]
