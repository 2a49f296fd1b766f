# SPDX-License-Identifier: GPL-2.0-or-later
"""
viommu-report: one HTML page of a recording of viommu-top.

The page needs nothing but itself: no script, no network, and it says so to the
browser. Whatever comes from the machine goes through chart.text().
"""

import argparse
import datetime
import pkgutil
import sys

from . import chart, rates, record, words
from .chart import text

# Lines of a table; what is left out is said.
ROWS = 200
POLICY = "default-src 'none'; style-src 'unsafe-inline'"

SPACE_KEY = ('<p class="small">Blue: read and write. Green: read. Orange: '
             'write. Gaps are not to scale, and a range\'s width grows with '
             'the logarithm of its length.</p>')

# Title, unit and members of 'rates' of a picture
PICTURES = (
    ('Translations that no endpoint had cached, per second', '',
     (('translations', 'translations'), ('walks', 'page-table walks'))),
    ('IOTLB hits', '%', (('iotlb-hit-rate', 'hits'),)),
    ('Invalidations per second', '',
     (('invalidations-tlb-page', 'page'), ('invalidations-tlb-domain',
                                           'domain'),
      ('invalidations-tlb-global', 'global'), ('invalidations-config',
                                               'configuration'))),
    ('Drains per second', '',
     (('drains', 'asked for'), ('drains-waited', 'had to wait'))),
    ('Waiting of drains, milliseconds per second', '',
     (('drain-wait-ns-total', 'waiting'),)),
    ('Refused accesses per second', '', (('faults', 'faults'),)),
)
SCALE = {'iotlb-hit-rate': 100, 'drain-wait-ns-total': 1e-6}
TOPS = {'iotlb-hit-rate': 100}


class Run:
    """A recording, by unit"""

    def __init__(self, head, records):
        self.head = head
        self.span = records[-1]['t'] if records else 0.0
        samples = [(one['t'], one['units']) for one in records
                   if 'units' in one]
        self.samples = len(samples)
        self.events = [(one['t'], one['event']) for one in records
                       if 'event' in one]
        self.maps = {}           # (unit, tag): [(t, map)]
        for one in records:
            if 'map' in one:
                key = one['map']['unit'], one['map']['tag']
                self.maps.setdefault(key, []).append((one['t'], one['map']))
        self.units = {}          # path: [(t, unit with rates)]
        before, then = None, 0.0
        for t, answer in samples:
            for unit in rates.compare(before, answer, t - then):
                self.units.setdefault(unit['qom-path'], []).append((t, unit))
            before, then = answer, t


def table(heads, rows, numbers=()):
    """@numbers: columns to the right"""
    def cells(kind, row):
        return ''.join(f'<{kind}{" class=n" if i in numbers else ""}>'
                       f'{text(cell)}</{kind}>' for i, cell in enumerate(row))
    out = ['<div class="wide"><table>', f'<tr>{cells("th", heads)}</tr>']
    out += [f'<tr>{cells("td", row)}</tr>' for row in rows[:ROWS]]
    out.append('</table></div>')
    if len(rows) > ROWS:
        out.append(f'<p class="small">and {len(rows) - ROWS} more</p>')
    return '\n'.join(out)


def when(head, seconds=0.0):
    moment = datetime.datetime.fromtimestamp(head['when'] + seconds,
                                             datetime.timezone.utc)
    return moment.strftime('%Y-%m-%d %H:%M:%S UTC')


def drain_events(run, path):
    return [(t, event) for t, event in run.events
            if event['event'].startswith('VIOMMU_DRAIN_') and
            event.get('data', {}).get('viommu') == path]


def pictures(run, path, samples):
    """Of a unit"""
    marks = [(t, words.words_of_event(event))
             for t, event in drain_events(run, path)]
    for title, unit, members in PICTURES:
        series = [(name, [(t, None if one['rates'][member] is None else
                           one['rates'][member] * SCALE.get(member, 1))
                          for t, one in samples]) for member, name in members]
        yield chart.lines(title, series, run.span, unit,
                          TOPS.get(members[0][0]),
                          marks if members[0][0].startswith('drain') else ())
    yield chart.lines('Maps in flight', [
        ('maps', [(t, one['maps-in-flight']) for t, one in samples])],
        run.span)


def grown(samples, member):
    """How much a counter grew in all, across restarts of the emulator"""
    total, before = 0, None
    for _, one in samples:
        more = rates.change(before, one, member)
        total += 0 if before is None else one.get(member, 0) \
            if more is None else more
        before = one
    return total


def totals(samples, span):
    rows = []
    for member in rates.UNIT:
        known = [one['rates'][member] for _, one in samples
                 if one['rates'][member] is not None]
        scale = words.duration if member == 'drain-wait-ns-total' else \
            words.count
        more = grown(samples, member)
        rows.append((member, scale(more), scale(more / span if span else None),
                     scale(max(known, default=None))))
    return table(('counter', 'in the recording', 'a second', 'at most'), rows,
                 (1, 2, 3))


def endpoint_samples(samples):
    """{address: [(t, endpoint)]}"""
    found = {}
    for t, unit in samples:
        for one in unit['endpoint-info']:
            found.setdefault(one['address'], []).append((t, one))
    return found


def endpoints(samples, span):
    rows = []
    for address, seen in endpoint_samples(samples).items():
        last, modes = seen[-1][1], []
        for _, one in seen:
            if one['mode'] not in modes[-1:]:
                modes.append(one['mode'])
        sums = {name: grown(seen, name) for name in rates.ENDPOINT}
        has = 'accesses' in last
        hits = rates.share(sums['accesses'] - sums['translations'],
                           sums['accesses'])
        rows.append((address, words.name(last), ', then '.join(modes[:8]),
                     words.count(sums['accesses'] / span)
                     if has and span else words.UNKNOWN,
                     words.percent(hits) if has else words.UNKNOWN,
                     words.count(sums['faults']) if has else words.UNKNOWN,
                     words.count(max(one['maps-in-flight']
                                     for _, one in seen))))
    return table(('address', 'device', 'mode', 'DMA/s', 'hits %', 'faults',
                  'maps, at most'), rows, (3, 4, 5, 6))


def faults(head, samples):
    found = {}
    for _, unit in samples:
        for one in unit['fault-log']:
            key = (one['address'], one['iova'], one.get('pasid'),
                   one.get('index'), words.kind_of_fault(one),
                   one['fault']['reason'], one['first-us'])
            found[key] = one
    rows = [(when({'when': one['last-us'] / 1e6}),
             f'{one["address"]} {one.get("device", "")}',
             words.kind_of_fault(one), f'0x{one["iova"]:x}' +
             (f', index {one["index"]}' if 'index' in one else '') +
             (f', PASID 0x{one["pasid"]:x}' if 'pasid' in one else ''),
             one['fault']['reason'] +
             ('' if one['fault']['recorded'] else ' (the guest is not told)'),
             one['count'])
            for one in sorted(found.values(), key=lambda one: -one['last-us'])]
    if not rows:
        return '<p>None.</p>'
    return table(('the last one', 'endpoint', '', 'at', 'why', 'times'), rows,
                 (5,))


def events(run, path):
    rows = [(when(run.head, t), event['event'], words.words_of_event(event))
            for t, event in drain_events(run, path)]
    return table(('when', 'event', ''), rows) if rows else '<p>None.</p>'


def findings(samples):
    """Of the sanitizer, all that were there at any time"""
    found = {}
    for _, unit in samples:
        for one in unit.get('findings', ()):
            found[one['kind'], one.get('address'), one['first-us'],
                  one['message']] = one
    rows = [(when({'when': one['last-us'] / 1e6}), one['kind'],
             f'{one.get("address", "the unit")} {one.get("device", "")}',
             one['message'],
             one['count'])
            for one in sorted(found.values(), key=lambda one: -one['last-us'])]
    if not rows:
        return '<p>None.</p>'
    return table(('the last one', 'kind', 'endpoint', 'the first one',
                  'times'), rows, (4,))


def domain_map(run, seen):
    """What a domain mapped: at the end, and how that changed"""
    t, last = seen[-1]
    numbers = ', '.join(f'{n["name"]} 0x{n["value"]:x}'
                        for n in last['domain'])
    title = f'Domain {numbers or last["tag"]}, of {last["endpoint"]}'
    total = sum(one['last'] - one['first'] + 1 for one in last['ranges'])
    said = (f'{len(last["ranges"])} ranges, {words.size(total)} in all, '
            f'{when(run.head, t)}')
    if not last['complete']:
        said += '; there was more than was recorded'
    out = [f'<h3>{text(title)}</h3><p>{text(said)}</p>']
    if last['ranges']:
        out.append(chart.space(last['ranges']) + SPACE_KEY)
    rows = [(f'0x{one["first"]:x} .. 0x{one["last"]:x}',
             words.size(one['last'] - one['first'] + 1),
             ('r' if one['read'] else '-') + ('w' if one['write'] else '-'),
             f'0x{one["address"]:x}',
             ', '.join(words.size(n) for n in one['page-sizes']))
            for one in last['ranges']]
    if rows:
        out.append('<details><summary>Ranges</summary>' + table(
            ('IOVA', 'size', '', 'leads to', 'pages'), rows, (1,)) +
            '</details>')
    if len(seen) > 1:
        out.append(chart.lines('Mapped, MiB', [('mapped', [
            (t, sum(one['last'] - one['first'] + 1
                    for one in m['ranges']) / (1 << 20)) for t, m in seen])],
            run.span))
    return '\n'.join(out)


def unit_section(run, path, samples):
    last = samples[-1][1]
    out = [f'<h2>{text(last["model"])} {text(path)}</h2>',
           '<p class="small">' + text(' '.join(
               f'{one["name"]}={one["value"]}' for one in last['properties']
               if one['value'].strip('"'))) + '</p>']
    out += pictures(run, path, samples)
    out += ['<h3>Counters</h3>', totals(samples, run.span),
            '<h3>Endpoints</h3>', endpoints(samples, run.span),
            '<h3>Drains that stalled or were given up</h3>', events(run, path),
            '<h3>Faults</h3>', faults(run.head, samples)]
    if 'findings' in last:
        out += ['<h3>Findings of the sanitizer</h3>', findings(samples)]
    for (unit, _), seen in sorted(run.maps.items()):
        if unit == path:
            out.append(domain_map(run, seen))
    return '\n'.join(out)


def page(head, records):
    """The HTML of a recording"""
    run = Run(head, records)
    about = head.get('about', {})
    qemu = about.get('version', {}).get('qemu', {})
    title = f'vIOMMU report: {about.get("name") or "machine"}'
    version = '.'.join(str(qemu.get(part, '?'))
                       for part in ('major', 'minor', 'micro'))
    style = pkgutil.get_data(__package__, 'report.css').decode()
    out = ['<!DOCTYPE html>', '<html lang="en"><head><meta charset="utf-8">',
           f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
           '<meta name="viewport" content="width=device-width">',
           f'<title>{text(title)}</title><style>{style}</style></head><body>',
           f'<h1>{text(title)}</h1>',
           f'<p>{text(when(head))}, {text(words.count(run.span))} s, '
           f'{run.samples} answers of QEMU {text(version)}. Red lines in a '
           'picture are events; most things say more when they are pointed '
           'at.</p>']
    if not run.units:
        out.append('<p>Nothing was recorded of any vIOMMU.</p>')
    for path, samples in run.units.items():
        out.append(unit_section(run, path, samples))
    out.append('</body></html>')
    return '\n'.join(out) + '\n'


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog='viommu-report', description='Make an HTML page, which needs '
        'nothing but itself, of a recording (viommu-top --record).')
    parser.add_argument('recording')
    parser.add_argument('-o', '--output', metavar='FILE',
                        help='the page (default: the recording\'s name with '
                        '.html; -: standard output)')
    args = parser.parse_args(argv)
    base = args.recording.removesuffix('.gz').removesuffix('.json')
    output = args.output or f'{base}.html'
    try:
        html = page(*record.read(args.recording))
        if output == '-':
            sys.stdout.write(html)
        else:
            with open(output, 'w', encoding='utf-8') as file:
                file.write(html)
    except record.Bad as error:
        print(f'viommu-report: {error}', file=sys.stderr)
        return 1
    except (KeyError, TypeError) as error:
        print(f'viommu-report: {args.recording} is damaged, or not of this '
              f'viommu-top: {type(error).__name__} {error}', file=sys.stderr)
        return 1
    except OSError as error:
        print(f'viommu-report: {error.filename or output}: {error.strerror}',
              file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
