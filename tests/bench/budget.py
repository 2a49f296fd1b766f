# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions per function, counted by callgrind: needs no quiet machine."""

import re

from rows import Machine

LOOP = 'x_dma_bench_loop'
SHOWN = 40
ARENA_TOUCHED = 1 << 20
NAME = re.compile(r'fn=\((\d+)\)(?: (.*))?')


def self_costs(path):
    """{function: instructions of its own} of a callgrind dump."""
    names, costs, current, called = {}, {}, None, False
    for text in path.read_text(errors='replace').splitlines():
        found = NAME.match(text)
        if found:
            if found[2]:
                names[found[1]] = found[2]
            current = found[1]
        elif re.match(r'cfni?=\((\d+)\) ', text):
            found = re.match(r'cfni?=\((\d+)\) (.*)', text)
            names[found[1]] = found[2]
        elif text.startswith('calls='):
            called = True
        elif text[:1] in '0123456789+-*' and text and current:
            # After calls= comes what the callee cost in all.
            if not called:
                costs[current] = costs.get(current, 0) + int(text.split()[1])
            called = False
    total = {}
    for i, n in costs.items():
        # A recursive function has a number for each depth.
        name = re.sub(r"'\d+$", '', names[i])
        total[name] = total.get(name, 0) + n
    return total


def clean(prefix):
    for dump in [prefix, *prefix.parent.glob(f'{prefix.name}.*')]:
        dump.unlink(missing_ok=True)


def one(model, column, rows, binary, unit, out):
    prefix = out / f'callgrind.{column.replace(", ", "-")}'
    clean(prefix)
    wrapper = ('valgrind', '--tool=callgrind', '-q', f'--dump-after={LOOP}',
               f'--toggle-collect={LOOP}', f'--callgrind-out-file={prefix}')
    target = Machine(model, binary, unit, wrapper, ARENA_TOUCHED)
    entries = []
    try:
        for row in rows:
            if row.ours and column == 'base' or \
                    row.needs_unit and not target.unit:
                continue
            count = row.count(target)
            # One dump for each run of the loop; the last one counts.
            dumps = sorted(out.glob(f'{prefix.name}.*'),
                           key=lambda p: int(p.suffix[1:]))
            costs = {f: n / count for f, n in self_costs(dumps[-1]).items()}
            top = sorted(costs.items(), key=lambda c: -c[1])[:SHOWN]
            entries.append({'name': row.name, 'column': column,
                            'total': sum(costs.values()),
                            'functions': dict(top)})
    finally:
        target.close()
        clean(prefix)
    return entries


def measure(model, columns, rows, out):
    entries = []
    for column, (binary, unit) in columns.items():
        entries += one(model, column, rows, binary, unit, out)
    # By operation, so that the columns can be compared
    order = [r.name for r in rows]
    return sorted(entries, key=lambda e: order.index(e['name']))
