# SPDX-License-Identifier: GPL-2.0-or-later
"""The results as a table and as JSON."""

import json
import statistics

NAME_WIDTH = 42
TITLE = {'direct': 'base, no vIOMMU', 'base': 'base, vIOMMU',
         'ours, off': 'ours, no vIOMMU', 'ours': 'ours, vIOMMU'}


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


def noise(table):
    """How much equal rounds of a cell differ: median and worst tenth."""
    spreads = sorted(c['spread'] for r in table for c in r['cells'].values())
    if not spreads:
        return {}
    return {'median': statistics.median(spreads),
            'p90': spreads[int(len(spreads) * 0.9)]}


def budget_lines(instructions):
    lines = []
    for entry in instructions:
        lines.append(f'\n{entry["name"]}, {TITLE[entry["column"]]}: '
                     f'{entry["total"]:.0f} instructions per operation')
        for function, count in entry['functions'].items():
            lines.append(f'{count:10.1f}  {function}')
    return lines


def footer(result):
    got = result['noise']
    lines = ['']
    if got:
        lines.append(
            f'Noise: half the distance between the quartiles is '
            f'{got["median"]:.1%} of the median in the median cell, '
            f'{got["p90"]:.1%} in the worst tenth.')
    lines.append(
        f'Medians of {result["rounds"]} interleaved rounds; ratios are to '
        f'"{TITLE[result["reference"]]}".')
    return '\n'.join(lines + budget_lines(result['instructions']))


def write(result, out):
    table, lines = [], []
    for row in result['rows']:
        table.append(row)
        lines.append(line(table, result['columns']))
    (out / 'table.txt').write_text('\n'.join([*lines, footer(result)]) + '\n')
    (out / 'bench.json').write_text(json.dumps(result, indent=1) + '\n')
