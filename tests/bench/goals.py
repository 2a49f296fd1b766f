# SPDX-License-Identifier: GPL-2.0-or-later
"""The goals, each with what was measured; nothing fails for one not met."""

import statistics

# What is compared with: the same row's "direct", or the base's vIOMMU; or so
# many times another cell, (text, row, column, times), or nanoseconds,
# (text, ns)
DIRECT, BASE = 'direct', 'base, vIOMMU'
NOTHING_CACHED = 'invalidate: page, 0 cached'
STRICT = 'strict: map, 4 KiB write, unmap, invalidate'
STRICT_64K = ('strict: map, 64 KiB write to 16 scattered pages, unmap, '
              'invalidate')
STRICT_CACHING = 'strict: caching mode, listener: map, 4 KiB write, unmap'
IN_FLIGHT = 'invalidate: page, {} maps in flight'
NONE_IN_FLIGHT = ('none in flight', IN_FLIGHT.format(0), 'ours', 1)
ITS_OWN = ('its own, 0 cached', NOTHING_CACHED, 'ours', 1)
THE_BASES = ("the base's, 0 cached", NOTHING_CACHED, 'base', 1)


def pages(number):
    """So many maps of a page, direct: a map ends where its memory does."""
    return (f'{number} direct of 4 KiB', 'map + unmap: 4 KiB, over 64 pages',
            'direct', number)


UNUSED = (
    'read 64 B: 1 page', 'read 64 B: 64 pages', 'read 64 B: 4,096 pages',
    'read 64 B: 65,536 pages', 'write 64 B: 64 pages',
    'map + unmap: 4 KiB, over 64 pages',
    'map + unmap: 64 KiB, over 4096 pages',
    'map + unmap: 1 MiB, over 4096 pages', 'threads: read 64 B, 1 thread',
    'vring: one descriptor in and out')
# (row, column, against, limit)
GOALS = [
    ('read 64 B: 1 page', 'ours', DIRECT, 0.7),
    ('read 64 B: 64 pages', 'ours', DIRECT, 0.7),
    ('read 64 B: 4,096 pages', 'ours', DIRECT, 0.9),
    ('write 64 B: 4,096 pages', 'ours', DIRECT, 0.9),
    ('read 64 B: 65,536 pages', 'ours', DIRECT, 1.6),
    ('read 64 B: 65,536 pages', 'ours', BASE, 1 / 3),
    ('scattered pages: read 64 B, 65,536 pages', 'ours', DIRECT, 2.5),
    ('map + unmap: 4 KiB, over 64 pages', 'ours', DIRECT, 1.0),
    ('pass-through: map + unmap 4 KiB', 'ours', DIRECT, 1.0),
    ('scattered pages: map + unmap 64 KiB', 'ours', pages(1), 18.0),
    ('map + unmap: 64 KiB, over 4096 pages', 'ours', DIRECT, 1.5),
    ('map + unmap: 1 MiB, over 4096 pages', 'ours', DIRECT, 2.0),
    ('threads: read 64 B, 2 threads, 1 endpoint', 'ours', DIRECT, 0.9),
    ('threads: read 64 B, 2 threads, 2 endpoints', 'ours', DIRECT, 0.9),
    ('vring: one descriptor in and out', 'ours', DIRECT, 1.2),
    (STRICT, 'ours', BASE, 0.5),
    (STRICT, 'ours', DIRECT, 3.2),
    (STRICT_CACHING, 'ours', BASE, 0.5),
    (STRICT_64K, 'ours', BASE, 0.35),
    *[(IN_FLIGHT.format(maps), 'ours', NONE_IN_FLIGHT, 1.5)
      for maps in ('1', '64', '1,000')],
    (IN_FLIGHT.format(64) + ' of 1 MiB', 'ours', NONE_IN_FLIGHT, 1.5),
    *[(f'invalidate: {what}, 0 cached', 'ours', BASE, 0.9)
      for what in ('page', 'other domain')],
    *[(f'invalidate: page, {n} cached', 'ours', *against)
      for n in ('1,000', '100,000')
      for against in ((ITS_OWN, 1.2), (THE_BASES, 1.0))],
    *[(row, 'ours, off', DIRECT, 1.02) for row in UNUSED],
]
# Scalable mode (vtdsm.py): a hit with a PASID against one without, a nested one
# against one of a single stage, and a nested miss against the base's of a first
# stage, which is all that the base has.
HITS = ('read 64 B, 64 pages', 'read 64 B, 4,096 pages', 'write 64 B, 64 pages',
        'map + unmap 4 KiB')
MISS = 'read 64 B, each of 4,096 once'
GOALS += [
    *[(f'{stages}: {hit}, PASID', 'ours',
       ('one without', f'{stages}: {hit}', 'ours', 1), 1.05)
      for stages in ('first stage', 'nested', 'pass-through') for hit in HITS],
    *[(f'nested: {hit}', 'ours',
       ('one stage', f'first stage: {hit}', 'ours', 1), 1.05)
      for hit in HITS],
    *[(f'nested: {MISS}{who}', 'ours',
       ("the base's, one stage", f'first stage: {MISS}', 'base', 1), 0.5)
      for who in ('', ', PASID')],
]
# virtio-iommu (paravirt.py)
GOALS += [
    *[(f'{kind}: read 64 B, 64 pages', 'ours', BASE, 0.3)
      for kind in ('mappings of a page', 'scattered mappings')],
    *[(f'requests: {what}', 'ours', BASE, 0.7)
      for what in ('MAP, UNMAP', 'MAP, read 64 B, UNMAP')],
]
# The same limits where pages are scattered: not goals, but to be looked at
ALSO = [
    ('scattered pages: read 64 B, 64 pages', 'ours', DIRECT, 0.7),
    ('scattered pages: read 64 B, 4,096 pages', 'ours', DIRECT, 1.0),
    ('scattered pages: read 64 B, 65,536 pages', 'ours', BASE, 1 / 3),
    ('scattered pages: map + unmap 4 KiB', 'ours', DIRECT, 1.0),
    ('scattered pages: map + unmap 64 KiB', 'ours', pages(16), 1.5),
    ('scattered pages: map + unmap 1 MiB', 'ours', pages(256), 2.0),
]
WHAT = {'ours': '', 'ours, off': ' (ours, no vIOMMU)'}
# A Linux guest's I/O against one without a vIOMMU: (name, (CPU time of the
# emulator's I/O threads, wall clock))
GUESTS = [('strict: random read, 4 KiB', (1.05, 1.10)),
          ('strict: random read, 64 KiB', (1.10, 1.15)),
          ('strict: random read, 1 MiB', (1.30, 1.35)),
          ('strict: network stream, frame of 1,400 B', (1.10, 1.15))]
# What an idle emulator with a vIOMMU takes above the base's: (row, MiB)
MEMORY = ('memory (KiB): 28 endpoints idle', 1.0)


def quarter(values):
    """Half of the distance between the quartiles."""
    if len(values) < 3:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2


def measured(rows, name, against):
    """[nanoseconds of each round] to compare with; empty: not measured."""
    times = 1
    if against == DIRECT:
        column = 'direct'
    elif against == BASE:
        column = 'base'
    elif len(against) == 2:
        return [against[1]] * max((len(cell['rounds']) for cell
                                   in rows.get(name, {}).values()), default=0)
    else:
        _, name, column, times = against
    cell = rows.get(name, {}).get(column)
    return [times * v for v in cell['rounds']] if cell else []


def judge_one(rows, goal):
    name, column, against, limit = goal
    cell = rows.get(name, {}).get(column)
    reference = cell and measured(rows, name, against)
    if not reference:
        return None
    ratios = [a / b for a, b in zip(cell['rounds'], reference)]
    value, noise = statistics.median(ratios), quarter(ratios)
    text = against if isinstance(against, str) else against[0]
    return {'row': name + WHAT[column], 'against': text, 'limit': limit,
            'ratio': value, 'noise': noise, 'met': value <= limit}


def judge_memory(rows):
    name, limit = MEMORY
    cells = rows.get(name, {})
    if 'base' not in cells or 'ours' not in cells:
        return []
    above = [(a - b) / 1024 for a, b in zip(cells['ours']['rounds'],
                                            cells['base']['rounds'])]
    value = statistics.median(above)
    return [{'row': name.replace('KiB', 'MiB'), 'against': 'above the base',
             'limit': limit, 'ratio': value, 'noise': quarter(above),
             'met': value <= limit}]


def judge_instructions(instructions):
    """Who has no vIOMMU executes what he does with the base."""
    total = {(e['name'], e['column']): e['total'] for e in instructions}
    for (name, column), count in total.items():
        direct = total.get((name, 'direct'))
        if column == 'ours, off' and direct:
            # Less than one is the clock's, which is looked at now and then.
            yield {'row': f'instructions: {name}{WHAT[column]}',
                   'against': DIRECT, 'limit': 1.0, 'noise': 0.0,
                   'ratio': count / direct, 'met': count - direct < 1}


def judge_guests(guests):
    entries = {e['name']: e['cells'] for e in guests}
    for name, limits in GUESTS:
        cell = entries.get(name, {}).get('ours')
        if not cell:
            continue
        for which, what, limit in zip(('ratio', 'wall_ratio'),
                                      ('', ', wall clock'), limits):
            yield {'row': f'guest, {name}{what}', 'against': 'no vIOMMU',
                   'limit': limit, 'ratio': cell[which], 'noise': 0.0,
                   'met': cell[which] <= limit}


def judge(table, more=(), instructions=(), guests=()):
    """
    [verdict of each goal that was measured, a model's own @more too], and of
    what is not one.
    """
    rows = {f'{r["group"]}: {r["name"]}': r['cells'] for r in table}
    return ([v for v in (judge_one(rows, g) for g in [*GOALS, *more]) if v] +
            judge_memory(rows) + list(judge_instructions(instructions)) +
            list(judge_guests(guests)),
            [v for v in (judge_one(rows, g) for g in ALSO) if v])


def verdict(entry):
    word = 'met' if entry['met'] else 'NOT met'
    close = abs(entry['ratio'] - entry['limit']) < entry['noise']
    return word + (', within the noise' if close else '')


def lines(title, entries):
    if not entries:
        return []
    return ['', title] + [
        f'  {e["row"]:72}{e["ratio"]:6.2f} +- {e["noise"]:4.2f} of '
        f'{e["against"]:20} <= {e["limit"]:4.2f}  {verdict(e)}'
        for e in entries]


def report(goals, also):
    """The lines of what judge() returned."""
    met = sum(e['met'] for e in goals)
    return lines(f'Goals: {met} of {len(goals)} met', goals) + \
        lines('The same limits where pages are scattered:', also)
