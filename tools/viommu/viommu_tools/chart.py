# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures for an HTML page, as SVG. Pure."""

import html
import math

from . import words

WIDTH, HEIGHT = 720, 150
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 8, 20
# Two lines of one picture have different dashes, too: colours may not print.
DASHES = ('', '6 3', '2 2', '8 3 2 3')


def text(string):
    """For a page: as text, or in double quotes"""
    return html.escape(words.plain(string))


def nice(top):
    """1, 2 or 5 times a power of ten that is at least @top"""
    if top <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(top))
    return next(factor * power for factor in (1, 2, 5, 10, 20)
                if factor * power >= top * (1 - 1e-9))


def thin(points, limit):
    """
    At most 2 * @limit of (x, y), y may be None: of each column the lowest and
    the highest, so that no peak is lost.
    """
    if len(points) <= 2 * limit:
        return points
    first, last = points[0][0], points[-1][0]
    columns = {}
    for x, y in points:
        index = int((x - first) / ((last - first) or 1) * (limit - 1))
        columns.setdefault(index, []).append((x, y))
    kept = []
    for index in sorted(columns):
        column = columns[index]
        known = [point for point in column if point[1] is not None]
        if not known:
            kept.append(column[0])
            continue
        ends = {min(known, key=lambda point: point[1]),
                max(known, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept


def path(points, at):
    """The d of a line that is interrupted where y is None"""
    parts, pen = [], 'M'
    for x, y in points:
        if y is None:
            pen = 'M'
            continue
        parts.append(f'{pen}{at(x, y)}')
        pen = 'L'
    # A point alone is drawn as a short line.
    return ' '.join(parts) + (' h1' if len(parts) == 1 else '')


def lines(title, series, span, unit='', top=None, marks=()):
    """
    @series: pairs of a name and points (seconds, value or None); @span: seconds
    in all; @top: the axis' end, if it is given; @marks: (seconds, text)
    """
    known = [y for _, points in series for _, y in points if y is not None]
    top = top or nice(max(known, default=0))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x, y):
        return (f'{LEFT + wide * x / (span or 1):.1f},'
                f'{TOP + high * (1 - min(y / top, 1)):.1f}')

    out = [f'<figure><figcaption>{text(title)}</figcaption>',
           f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
           f'<title>{text(title)}</title>']
    for part in (0, 0.5, 1):
        y = TOP + high * (1 - part)
        label = words.count(top * part) + unit
        out.append(f'<path class="grid" d="M{LEFT},{y:.1f}h{wide}"/>'
                   f'<text x="{LEFT - 4}" y="{y + 4:.1f}" '
                   f'text-anchor="end">{text(label)}</text>')
    for part in (0, 0.25, 0.5, 0.75, 1):
        anchor = {0: 'start', 1: 'end'}.get(part, 'middle')
        out.append(f'<text x="{LEFT + wide * part:.1f}" y="{HEIGHT - 4}" '
                   f'text-anchor="{anchor}">'
                   f'{text(words.count(span * part))} s</text>')
    for x, what in marks:
        out.append(f'<path class="mark" d="M{LEFT + wide * x / (span or 1):.1f}'
                   f',{TOP}v{high}"><title>{text(what)}</title></path>')
    for index, (_, points) in enumerate(series):
        out.append(f'<path class="line s{index % 4}" '
                   f'd="{path(thin(points, wide), at)}"/>')
    out.append('</svg>' + key([name for name, _ in series]) + '</figure>')
    return '\n'.join(out)


def key(names):
    if len(names) < 2:
        return ''
    return '<p class="key">' + ' '.join(
        f'<svg viewBox="0 0 24 6" class="key"><path class="line s{i % 4}" '
        f'd="M0,3h24"/></svg> {text(name)}' for i, name in enumerate(names)
    ) + '</p>'


def join(ranges, limit):
    """
    (first, last, rights, number of ranges) in rising order, at most @limit:
    those with the smallest gaps between them are taken together.
    """
    items = [(one['first'], one['last'],
              ('r' if one['read'] else '') + ('w' if one['write'] else ''), 1)
             for one in ranges]
    if len(items) <= limit:
        return items
    gaps = sorted(range(1, len(items)),
                  key=lambda i: items[i][0] - items[i - 1][1])
    kept = set(gaps[len(items) - limit:])
    joined = [items[0]]
    for i in range(1, len(items)):
        if i in kept:
            joined.append(items[i])
        else:
            first, _, rights, n = joined[-1]
            joined[-1] = (first, items[i][1],
                          ''.join(sorted(set(rights + items[i][2]))), n + 1)
    return joined


def weight(length):
    """How much room a range gets: every bit of its length the same"""
    return max(math.log2(length) - 8, 2)


def space(ranges, limit=200):
    """
    A domain's addresses from left to right. Their room grows with the
    logarithm of their length; a gap is a thin line.
    """
    items = join(ranges, limit)
    total = sum(weight(last - first + 1) for first, last, *_ in items)
    gap = min(4, WIDTH / 4 / max(len(items), 1))
    scale = (WIDTH - gap * max(len(items) - 1, 0)) / (total or 1)
    out, x = [f'<svg viewBox="0 0 {WIDTH} 26" role="img" class="space">'], 0.0
    for first, last, rights, n in items:
        wide = weight(last - first + 1) * scale
        what = (f'0x{first:x} .. 0x{last:x}, '
                f'{words.size(last - first + 1)}, {rights or "-"}'
                f'{f", {n} ranges" if n > 1 else ""}')
        out.append(f'<rect class="r{rights or "-"}" x="{x:.1f}" y="1" '
                   f'width="{max(wide, 0.5):.1f}" height="24">'
                   f'<title>{text(what)}</title></rect>')
        x += wide + gap
    out.append('</svg>')
    return ''.join(out)
