# SPDX-License-Identifier: GPL-2.0-or-later
"""The goals, each with what was measured; nothing fails for one not met."""

import statistics

# What is compared: a column's ratio to "direct", or to the base's vIOMMU; or
# its nanoseconds to those of another cell, (row, column)
DIRECT, BASE = 'direct', 'base, vIOMMU'
NOTHING_CACHED = 'invalidate: page, 0 cached'
UNUSED = (
    'read 64 B: 1 page', 'read 64 B: 64 pages', 'read 64 B: 4,096 pages',
    'read 64 B: 65,536 pages', 'write 64 B: 64 pages',
    'map + unmap: 4 KiB, over 64 pages', 'map + unmap: 64 KiB, over 4096 pages',
    'map + unmap: 1 MiB, over 4096 pages', 'threads: read 64 B, 1 thread',
    'vring: one descriptor in and out')
# (row, column, against, limit)
GOALS = [
    ('read 64 B: 1 page', 'ours', DIRECT, 0.7),
    ('read 64 B: 64 pages', 'ours', DIRECT, 0.7),
    ('read 64 B: 4,096 pages', 'ours', DIRECT, 1.0),
    ('read 64 B: 65,536 pages', 'ours', DIRECT, 3.0),
    ('read 64 B: 65,536 pages', 'ours', BASE, 1 / 3),
    ('map + unmap: 4 KiB, over 64 pages', 'ours', DIRECT, 1.0),
    ('map + unmap: 64 KiB, over 4096 pages', 'ours', DIRECT, 1.5),
    ('map + unmap: 1 MiB, over 4096 pages', 'ours', DIRECT, 2.0),
    ('threads: read 64 B, 2 threads, 1 endpoint', 'ours', DIRECT, 1.0),
    ('threads: read 64 B, 2 threads, 2 endpoints', 'ours', DIRECT, 1.0),
    ('vring: one descriptor in and out', 'ours', DIRECT, 1.2),
    *[(f'invalidate: page, {n} cached', 'ours', (NOTHING_CACHED, column), limit)
      for n in ('1,000', '100,000')
      for column, limit in (('ours', 1.2), ('base', 1.0))],
    *[(row, 'ours, off', DIRECT, 1.02) for row in UNUSED],
]
# The same limits where pages are scattered: not goals, but to be looked at
ALSO = [
    ('scattered pages: read 64 B, 64 pages', 'ours', DIRECT, 0.7),
    ('scattered pages: read 64 B, 4,096 pages', 'ours', DIRECT, 1.0),
    ('scattered pages: read 64 B, 65,536 pages', 'ours', DIRECT, 3.0),
    ('scattered pages: read 64 B, 65,536 pages', 'ours', BASE, 1 / 3),
    ('scattered pages: map + unmap 4 KiB', 'ours', DIRECT, 1.0),
    ('scattered pages: map + unmap 64 KiB', 'ours', DIRECT, 1.5),
    ('scattered pages: map + unmap 1 MiB', 'ours', DIRECT, 2.0),
]
WHAT = {'ours': '', 'ours, off': ' (ours, no vIOMMU)'}


def quarter(values):
    """Half of the distance between the quartiles."""
    if len(values) < 3:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2


def measured(cells, other, against):
    """[ratio of each round], or none if something was not measured."""
    if against == DIRECT:
        reference = cells.get('direct')
    elif against == BASE:
        reference = cells.get('base')
    else:
        reference = other.get(against[0], {}).get(against[1])
    return reference and reference['rounds']


def judge_one(rows, goal):
    name, column, against, limit = goal
    cell = rows.get(name, {}).get(column)
    reference = cell and measured(rows[name], rows, against)
    if not reference:
        return None
    ratios = [a / b for a, b in zip(cell['rounds'], reference)]
    value, noise = statistics.median(ratios), quarter(ratios)
    text = against
    if isinstance(against, tuple):
        text = 'its own, 0 cached' if against[1] == 'ours' else \
            'the base, 0 cached'
    return {'row': name + WHAT[column], 'against': text, 'limit': limit,
            'ratio': value, 'noise': noise, 'met': value <= limit}


def judge(table):
    """[verdict of each goal that was measured], and of what is not one."""
    rows = {f'{r["group"]}: {r["name"]}': r['cells'] for r in table}
    return ([v for v in (judge_one(rows, g) for g in GOALS) if v],
            [v for v in (judge_one(rows, g) for g in ALSO) if v])


def verdict(entry):
    word = 'met' if entry['met'] else 'NOT met'
    close = abs(entry['ratio'] - entry['limit']) < entry['noise']
    return word + (', within the noise' if close else '')


def lines(title, entries):
    if not entries:
        return []
    return ['', title] + [
        f'  {e["row"]:52}{e["ratio"]:8.2f} +- {e["noise"]:4.2f} of '
        f'{e["against"]:20} <= {e["limit"]:4.2f}  {verdict(e)}'
        for e in entries]


def report(table):
    goals, also = judge(table)
    met = sum(e['met'] for e in goals)
    return lines(f'Goals: {met} of {len(goals)} met', goals) + \
        lines('The same limits where pages are scattered:', also)
