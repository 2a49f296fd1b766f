# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers, times and strings for people. Pure."""

import datetime
import unicodedata

UNKNOWN = '-'


def plain(text):
    """Without what would move a terminal's cursor, or hide; what a guest or an
    operator has chosen is shown through this."""
    return ''.join(char if char.isprintable() and
                   unicodedata.category(char) not in ('Cf', 'Co', 'Cs')
                   else '?' for char in str(text))


def columns(char):
    """How wide a terminal shows it"""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in 'WF' else 1


def fit(text, width, right=False):
    """Exactly so many columns: cut, or filled up."""
    text, used, kept = plain(text), 0, ''
    for char in text:
        if used + columns(char) > width:
            if width > 1:
                # The last one says that there was more.
                while kept and used > width - 1:
                    used -= columns(kept[-1])
                    kept = kept[:-1]
                kept, used = kept + '~', used + 1
            break
        kept, used = kept + char, used + columns(char)
    space = ' ' * (width - used)
    return space + kept if right else kept + space


def count(number):
    """At most five characters: 0, 12, 3.4, 1234, 56.7k, 890k, 1.23M"""
    if number is None:
        return UNKNOWN
    if 0 < number < 0.05:
        return '<0.1'
    if number < 9.95 and number != int(number):
        return f'{number:.1f}'
    if number < 9999.5:
        return f'{number:.0f}'
    for unit in 'kMGTPE':
        number /= 1000
        if number < 9.995 and unit != 'k':
            return f'{number:.2f}{unit}'
        if number < 99.95:
            return f'{number:.1f}{unit}'
        if number < 999.5:
            return f'{number:.0f}{unit}'
    return 'lots'


def percent(part):
    if part is None:
        return UNKNOWN
    # 100 is said only of all.
    return '100' if part >= 1 else f'{min(part * 100, 99.9):.1f}'


def duration(nanoseconds):
    if nanoseconds is None:
        return UNKNOWN
    for unit, size in (('s', 10**9), ('ms', 10**6), ('us', 10**3)):
        if nanoseconds >= size:
            return f'{nanoseconds / size:.3g} {unit}' \
                if nanoseconds < 1000 * size else \
                f'{nanoseconds / size:.0f} {unit}'
    return f'{nanoseconds:.0f} ns'


def size(number):
    """Of memory: 0x1000 is 4 KiB."""
    for unit, bits in (('PiB', 50), ('TiB', 40), ('GiB', 30), ('MiB', 20),
                       ('KiB', 10)):
        if number >> bits:
            whole = number % (1 << bits) == 0
            return f'{number >> bits} {unit}' if whole else \
                f'{number / (1 << bits):.1f} {unit}'
    return f'{number} bytes'


def clock(seconds, zone=None):
    """The time of day of seconds since the Epoch"""
    return datetime.datetime.fromtimestamp(seconds, zone).strftime('%H:%M:%S')


def number(text):
    """What the user typed as an address: 0x1000, 1000h is none. ValueError"""
    text = text.strip().replace('_', '')
    value = int(text, 16)
    if not 0 <= value < 1 << 64:
        raise ValueError('an address has 64 bits')
    return value


def name(one):
    """What an endpoint is called"""
    return plain(one.get('device') or one.get('type') or
                 one.get('qom-path') or '(no device)')


def words_of_event(event):
    """A line for an event VIOMMU_..., whatever there is in it"""
    data = event.get('data', {})
    who = data.get('device') or data.get('qom-path') or data.get('viommu', '')
    if event['event'] in ('VIOMMU_DRAIN_STALLED', 'VIOMMU_DRAIN_ABANDONED'):
        did = 'keeps an invalidation waiting' \
            if event['event'] == 'VIOMMU_DRAIN_STALLED' else \
            'was given up by an invalidation'
        return plain(f'{who}: {"write" if data.get("write") else "read"} of '
                     f'0x{data.get("length", 0):x} bytes at '
                     f'0x{data.get("iova", 0):x} {did}, '
                     f'{data.get("age-ms", 0)} ms')
    if event['event'] == 'VIOMMU_SANITIZER':
        about = data.get('device') or ' '.join(filter(None, (
            data.get('address'), data.get('type')))) or 'the unit'
        return plain(f'{about}: '
                     f'{data.get("kind")}: {data.get("message")}')
    rest = ', '.join(f'{key} {data[key]}' for key in sorted(data)
                     if key not in ('device', 'qom-path', 'viommu'))
    return plain(f'{who}: {event["event"]}: {rest}')


def kind_of_fault(fault):
    """What a member of fault-log was to do"""
    return ('interrupt' if fault.get('interrupt') else
            'write' if fault['write'] else 'read')


def words_of_fault(fault):
    """A line for a member of fault-log"""
    pasid = f', PASID 0x{fault["pasid"]:x}' if 'pasid' in fault else ''
    index = f', index {fault["index"]}' if 'index' in fault else ''
    return plain(f'{fault["address"]} {name(fault)} '
                 f'{kind_of_fault(fault)} at '
                 f'0x{fault["iova"]:x}{index}{pasid}: '
                 f'{fault["fault"]["reason"]}')
