# SPDX-License-Identifier: GPL-2.0-or-later
"""The results as an SVG chart: a bar for each ratio, logarithmic."""

import math
from html import escape

COLOUR = {'base': '#b0413e', 'ours, off': '#8a9ba8', 'local': '#8a9ba8',
          'ours': '#2f6f4f'}
LEFT, RIGHT, BAR, GAP, HEAD = 390, 560, 7, 7, 70


def bar_ratio(cell):
    """To direct; where there is no such thing, to the base."""
    return cell.get('ratio') or cell.get('to_base') or 0


def label(row):
    words = f'{row["group"]}: {row["name"]}'
    if any('ratio' in c for c in row['cells'].values()):
        return words
    return words + ' (to the base)'


def position(ratio, low, high):
    share = (math.log10(ratio) - low) / (high - low)
    return LEFT + RIGHT * min(max(share, 0), 1)


def text(x, y, words, anchor='start', weight='normal'):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def bounds(rows):
    ratios = [bar_ratio(c) for r in rows for c in r['cells'].values()
              if bar_ratio(c) > 0]
    low = math.floor(math.log10(min(ratios + [0.5])))
    return low, max(math.ceil(math.log10(max(ratios + [2]))), low + 1)


def grid(low, high, bottom):
    parts = []
    for power in range(low, high + 1):
        x = position(10 ** power, low, high)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD - 8}" '
                     f'y2="{bottom}" stroke="#ddd"/>')
        parts.append(text(x, HEAD - 12, f'{10 ** power:g}', 'middle'))
    return parts


def draw(result):
    rows = [r for r in result['rows']
            if any(map(bar_ratio, r['cells'].values()))]
    columns = [c for c in COLOUR if any(c in r['cells'] for r in rows)]
    low, high = bounds(rows)
    step = BAR * len(columns) + GAP
    bottom = HEAD + step * len(rows)
    one = position(1, low, high)
    parts = [text(10, 22, f'DMA cost, relative to "{result["reference"]}" '
                          f'({result["mode"]} mode)', weight='bold')]
    x = LEFT
    for column in columns:
        parts.append(f'<rect x="{x}" y="32" width="10" height="10" '
                     f'fill="{COLOUR[column]}"/>')
        parts.append(text(x + 14, 41, column))
        x += 110
    parts += grid(low, high, bottom)
    for i, row in enumerate(rows):
        y = HEAD + i * step
        parts.append(text(LEFT - 8, y + step / 2 + 1,
                          label(row), 'end'))
        for j, column in enumerate(columns):
            ratio = bar_ratio(row['cells'].get(column, {}))
            if not ratio:
                continue
            at = position(ratio, low, high)
            parts.append(
                f'<rect x="{min(at, one):.1f}" y="{y + j * BAR}" '
                f'width="{max(abs(at - one), 1):.1f}" height="{BAR - 1}" '
                f'fill="{COLOUR[column]}"><title>{ratio:.2f}</title></rect>')
    parts.append(f'<line x1="{one:.1f}" x2="{one:.1f}" y1="{HEAD - 8}" '
                 f'y2="{bottom}" stroke="#333"/>')
    size = f'width="{LEFT + RIGHT + 30}" height="{bottom + 16}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
            'font-family="sans-serif" font-size="11">\n'
            '<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n'
            '<rect width="100%" height="100%" fill="white"/>\n'
            + '\n'.join(parts) + '\n</svg>\n')
