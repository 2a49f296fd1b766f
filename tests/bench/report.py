# SPDX-License-Identifier: GPL-2.0-or-later
"""The results as a table and as JSON."""

import json
import statistics

import goals

NAME_WIDTH = 42
TITLE = {'direct': 'base, no vIOMMU', 'base': 'base, vIOMMU',
         'ours, off': 'ours, no vIOMMU', 'ours': 'ours, vIOMMU',
         'local': 'ours, intel-iommu'}


def heading(columns):
    cells = ''.join(f'{TITLE[c]:>23}' for c in columns)
    unit = ''.join(f'{"ns":>13}{"ratio":>10}' for _ in columns)
    return (f'{"":{NAME_WIDTH}}{cells}{"ours / base":>13}\n'
            f'{"":{NAME_WIDTH}}{unit}')


def number(value):
    return f'{value:,.0f}' if value >= 100 else f'{value:.1f}'


def cell(data):
    if data is None:
        return f'{"n/a":>13}{"":>10}'
    ratio = f'{data["ratio"]:.2f}' if 'ratio' in data else '-'
    return f'{number(data["ns"]):>13}{ratio:>10}'


def line(table, columns):
    """The last row; its group's name and the heading before the first."""
    row = table[-1]
    before = ''
    if len(table) == 1:
        before = heading(columns) + '\n'
    if len(table) == 1 or table[-2]['group'] != row['group']:
        before += row['group'] + '\n'
    cells = ''.join(cell(row['cells'].get(c)) for c in columns)
    to_base = row['cells'].get('ours', {}).get('to_base')
    last = f'{to_base:.3f}' if to_base is not None else 'n/a'
    return f'{before}  {row["name"]:{NAME_WIDTH - 2}}{cells}{last:>13}'


def halves(values):
    """How far apart two halves of the same rounds are: A against A."""
    odd = statistics.median(values[1::2])
    return abs(statistics.median(values[::2]) / odd - 1) if odd else 0.0


def noise(table):
    """How much what should be equal differs."""
    cells = [c for r in table for c in r['cells'].values()
             if len(c['rounds']) > 2]
    spreads = sorted(c['spread'] for c in cells)
    again = sorted(halves(c['rounds']) for c in cells)
    if not cells:
        return {}
    return {'median': statistics.median(spreads),
            'p90': spreads[int(len(spreads) * 0.9)],
            'a_a_median': statistics.median(again),
            'a_a_p90': again[int(len(again) * 0.9)]}


def budget_table(instructions, columns):
    """Instructions of an operation, and where ours spends them."""
    if not instructions:
        return []
    names = list(dict.fromkeys(e['name'] for e in instructions))
    total = {(e['name'], e['column']): e['total'] for e in instructions}
    lines = ['', 'Instructions of one operation that hits, by callgrind:',
             f'{"":{NAME_WIDTH}}' + ''.join(f'{TITLE[c]:>23}'
                                            for c in columns)]
    for name in names:
        cells = [total.get((name, c)) for c in columns]
        lines.append(f'  {name:{NAME_WIDTH - 2}}' + ''.join(
            f'{"n/a" if n is None else format(n, ",.0f"):>23}'
            for n in cells))
    for entry in instructions:
        if entry['column'] != 'ours':
            continue
        lines.append(f'\n{entry["name"]}, {TITLE["ours"]}:')
        for function, count in entry['functions'].items():
            lines.append(f'{count:10.1f}  {function}')
    return lines


def guest_line(entry, columns, name, value, ratio):
    """A line of two of a cell's values; of who gave up there are none."""
    text = f'  {name:{NAME_WIDTH - 2}}'
    for column in columns:
        cell = entry['cells'].get(column)
        text += f'{value(cell) / 1000:>13.2f}{ratio(cell):>10.2f}' if cell \
            else f'{"n/a":>13}{"n/a":>10}'
    return text


def vcpus(entry, columns):
    """What is done in its vCPUs' threads outside translated code"""
    cells = list(entry['cells'].values())
    if any(c['vcpu_ns'] is None for c in cells):
        return []
    first = max(cells[0]['vcpu_ns'], 1)
    return [guest_line(entry, columns, '  in vCPUs, outside translated code',
                       lambda c: c['vcpu_ns'],
                       lambda c: c['vcpu_ns'] / first)]


def guests(entries):
    """A Linux guest's I/O: CPU time of the emulator's threads for each."""
    if not entries:
        return []
    columns = sorted({c for e in entries for c in e['cells']},
                     key=list(TITLE).index)
    lines = ['', "A Linux guest: the emulator's I/O threads, CPU time of one "
             'operation',
             f'{"":{NAME_WIDTH}}' + ''.join(f'{TITLE[c]:>23}'
                                            for c in columns),
             f'{"":{NAME_WIDTH}}' + ''.join(f'{"us":>13}{"ratio":>10}'
                                            for _ in columns)]
    for entry in entries:
        lines.append(guest_line(entry, columns, entry['name'],
                                lambda c: c['ns'], lambda c: c['ratio']))
        lines.append(guest_line(entry, columns, '  the same, wall clock',
                                lambda c: c['wall_ns'],
                                lambda c: c['wall_ratio']))
        lines += vcpus(entry, columns)
    return lines


def footer(result):
    got = result['noise']
    lines = ['']
    if got:
        lines.append(
            f'Noise: the quartiles of a cell are {got["median"]:.1%} of its '
            f'median away from it (worst tenth: {got["p90"]:.1%}); two halves '
            f'of the same rounds differ by {got["a_a_median"]:.1%} '
            f'({got["a_a_p90"]:.1%}).')
    lines.append(
        f'Medians of {result["rounds"]} interleaved rounds; ratios are to '
        f'"{TITLE[result["reference"]]}".')
    lines += goals.report(result['goals'], result['scattered'])
    lines += guests(result['guests'])
    return '\n'.join(lines + budget_table(result['instructions'],
                                          result['columns']))


def write(result, out):
    lines = [line(result['rows'][:n + 1], result['columns'])
             for n in range(len(result['rows']))]
    (out / 'table.txt').write_text('\n'.join([*lines, footer(result)]) + '\n')
    (out / 'bench.json').write_text(json.dumps(result, indent=1) + '\n')
