# SPDX-License-Identifier: GPL-2.0-or-later
"""
The screen as lines of text. Pure: a page is a list of (text, style), as many
as the screen has lines, none wider than the screen. Styles are PLAIN, BOLD and
MARKED; nothing is said by a style alone.
"""

from . import rates, words

PLAIN, BOLD, MARKED = range(3)
# Below this a page is cut off, but nothing breaks.
WIDTH, HEIGHT = 80, 24
# Lines for what happened, at the bottom of the main page
NEWS = 4
# With more units than these, each has one line.
UNITS_IN_FULL = 2
UNITS_SHOWN = 6

HELP = (
    'Up, Down, PgUp, PgDn   choose an endpoint, or scroll',
    'Enter                  open the endpoint',
    'w                      walk an address of the endpoint',
    'm                      what the endpoint\'s tables map',
    's, S                   sort by the next column; turn the order round',
    'f, Space               freeze the screen, and go on',
    '+, -                   ask more often, or less',
    'r                      ask now',
    'Esc, q                 back; from the first page: leave',
    '',
    'DMA/s    accesses and maps, as often as the device began one',
    'MISS/s   of those, what its cache did not know',
    'HIT%     what its cache did know',
    'FLT/s    refused accesses',
    'HELD     pieces of guest memory that it holds at this moment',
    'WAIT     how long an invalidation has been waiting for it',
    '-        not known: it takes two answers, and something to count',
)

COLUMNS = (
    # heading, width, to the right; the device's name takes the rest
    ('ADDRESS', 7, False), ('DEVICE', 0, False), ('MODE', 9, False),
    ('DMA/s', 6, True), ('MISS/s', 6, True), ('HIT%', 5, True),
    ('FLT/s', 6, True), ('HELD', 5, True), ('WAIT', 7, True),
)


def table_line(mark, cells, width):
    fixed = len(mark) + sum(one[1] + 1 for one in COLUMNS if one[1])
    parts = [words.fit(cell, size or max(width - fixed, 4), right)
             for cell, (_, size, right) in zip(cells, COLUMNS)]
    return mark + ' '.join(parts)


def endpoint_cells(one):
    rate, waited = one['rates'], one.get('waited-ms')
    return (one['address'], words.name(one), one['mode'],
            words.count(rate['accesses']), words.count(rate['translations']),
            words.percent(rate['cache-hit-rate']), words.count(rate['faults']),
            words.count(one['maps-in-flight']),
            '' if waited is None else words.duration(waited * 10**6))


def unit_title(unit):
    state = 'on' if unit['enabled'] else 'off'
    return (f'{unit["model"]} {unit["qom-path"]}: translation {state}, '
            f'{unit["endpoints"]} endpoints, {unit["maps-in-flight"]} maps in '
            'flight')


def unit_lines(unit):
    rate, c = unit['rates'], words.count
    return [
        (unit_title(unit), BOLD),
        (f'  translations {c(rate["translations"])}/s, IOTLB hits '
         f'{words.percent(rate["iotlb-hit-rate"])}%, walks '
         f'{c(rate["walks"])}/s, faults {c(rate["faults"])}/s '
         f'({c(unit["faults"])} in all)', PLAIN),
        ('  invalidations/s: '
         f'global {c(rate["invalidations-tlb-global"])}, '
         f'domain {c(rate["invalidations-tlb-domain"])}, '
         f'page {c(rate["invalidations-tlb-page"])}, '
         f'configuration {c(rate["invalidations-config"])}', PLAIN),
        (f'  drains {c(rate["drains"])}/s, waited '
         f'{c(rate["drains-waited"])}/s ({c(unit["drains-waited"])} in all, '
         f'longest {words.duration(unit["drain-wait-ns-max"])}), stalled '
         f'{c(unit["drain-stalls"])}', PLAIN),
    ]


def unit_line(unit):
    rate, c = unit['rates'], words.count
    invalidations = [rate[name] for name in rates.UNIT
                     if name.startswith('invalidations-')]
    total = None if None in invalidations else sum(invalidations)
    return (f'{unit["model"]} {unit["qom-path"]}: '
            f'{c(rate["translations"])} transl/s, {c(total)} inv/s, '
            f'{c(rate["faults"])} faults/s, {c(rate["drains-waited"])} waits/s',
            PLAIN)


def all_unit_lines(units):
    if len(units) <= UNITS_IN_FULL:
        return [line for unit in units for line in unit_lines(unit)]
    lines = [unit_line(unit) for unit in units[:UNITS_SHOWN]]
    if len(units) > UNITS_SHOWN:
        lines.append((f'and {len(units) - UNITS_SHOWN} more', PLAIN))
    return lines


def all_endpoints(units, order, upside_down):
    """Those of every unit, in order"""
    every = [dict(one, unit=unit['qom-path']) for unit in units
             for one in unit['endpoint-info']]
    return rates.in_order(every, order, upside_down)


def scroll(first, chosen, shown, total):
    """The first line of @shown that are shown, so that @chosen is."""
    first = min(first, chosen)
    first = max(first, chosen - shown + 1)
    return max(min(first, total - shown), 0)


def cut(lines, width, height):
    """Exactly a screen of it"""
    page = [(words.fit(text, width), style) for text, style in lines[:height]]
    return page + [(' ' * width, PLAIN)] * (height - len(page))


def with_foot(lines, foot, width, height):
    return cut(lines[:height - 1] +
               [('', PLAIN)] * (height - 1 - len(lines)) + [(foot, MARKED)],
               width, height)


class Screen:
    """What is shown, apart from where."""

    def __init__(self):
        self.units = []
        self.order, self.upside_down = 'rate', False
        self.frozen = False
        self.chosen = None       # (unit, address)
        self.first = 0           # line of the endpoints that is at the top
        self.news = []           # lines
        self.title = ''
        self.problem = ''        # what is wrong with the connection
        self.endpoints = []

    def show(self, units):
        self.units = units
        self.sort()

    def sort(self):
        self.endpoints = all_endpoints(self.units, self.order,
                                       self.upside_down)
        if self.chosen_index() is None and self.endpoints:
            self.choose(0)

    def chosen_index(self):
        for index, one in enumerate(self.endpoints):
            if (one['unit'], one['address']) == self.chosen:
                return index
        return None

    def choose(self, index):
        index = max(min(index, len(self.endpoints) - 1), 0)
        if self.endpoints:
            one = self.endpoints[index]
            self.chosen = one['unit'], one['address']

    def chosen_endpoint(self):
        index = self.chosen_index()
        return None if index is None else self.endpoints[index]

    def unit_of(self, one):
        return next(unit for unit in self.units
                    if unit['qom-path'] == one['unit'])

    def add_news(self, lines):
        self.news = (self.news + lines)[-100:]

    def heading(self):
        state = ' FROZEN' if self.frozen else ''
        turned = ', turned round' if self.upside_down else ''
        return f'viommu-top {self.title}{state}, by {self.order}{turned}'

    def foot(self, keys):
        return f'! {self.problem}' if self.problem else keys

    def column_names(self, shown):
        names, total = [one[0] for one in COLUMNS], len(self.endpoints)
        if total > shown:
            names[1] += f' {self.first + 1}-{self.first + shown}/{total}'
        return names

    def main_page(self, width=WIDTH, height=HEIGHT):
        lines = [(self.heading(), MARKED)] + all_unit_lines(self.units)
        if not self.units:
            lines.append(('no vIOMMU in this machine: no intel-iommu, amd-iommu, '
                          'arm-smmuv3 or virtio-iommu-pci'
                          if not self.problem else '', PLAIN))
        room = max(height - len(lines) - NEWS - 3, 1)
        chosen = self.chosen_index() or 0
        self.first = scroll(self.first, chosen, room, len(self.endpoints))
        lines.append((table_line('  ', self.column_names(room), width), BOLD))
        for index, one in enumerate(self.endpoints[self.first:][:room],
                                    self.first):
            mark = '> ' if index == chosen else '  '
            lines.append((table_line(mark, endpoint_cells(one), width),
                          MARKED if index == chosen else PLAIN))
        lines += [('', PLAIN)] * (height - NEWS - 2 - len(lines))
        lines.append(('What happened:' if self.news else
                      'Nothing has been refused or kept waiting.', BOLD))
        lines += [(f'  {line}', PLAIN) for line in self.news[-NEWS:]]
        return with_foot(lines, self.foot(
            'q leave  s sort  f freeze  Enter open  w walk  m map  h help'),
            width, height)

    def text_page(self, title, text, first, width=WIDTH, height=HEIGHT):
        """@text: lines, from number @first on; returns (page, first)."""
        folded = [part for line in text for part in fold(line, width)]
        shown = max(height - 2, 1)
        first = max(min(first, len(folded) - shown), 0)
        lines = [(title, MARKED)]
        lines += [(line, PLAIN) for line in folded[first:first + shown]]
        where = '' if len(folded) <= shown else \
            f'  lines {first + 1} to {min(first + shown, len(folded))} of ' \
            f'{len(folded)}'
        return with_foot(lines, self.foot(f'Esc back  Up, Down{where}'), width,
                         height), first


def fold(line, width):
    """Lines of at most so many columns; what goes on is indented."""
    text, parts = words.plain(line), []
    indent = len(text) - len(text.lstrip()) + 2
    while len(text) > width > indent + 8:
        at = text.rfind(' ', indent + 8, width + 1)
        at = width if at < 0 else at
        parts.append(text[:at])
        text = ' ' * indent + text[at:].lstrip()
    return parts + [text]


def endpoint_text(unit, one, flights):
    """An endpoint in full. @flights: of viommu-in-flight, None: not asked"""
    rate = one['rates']
    lines = [f'{unit["model"]} {unit["qom-path"]}',
             f'requester ID 0x{one["requester-id"]:x}, QOM path '
             f'{one.get("qom-path", "(no device is there any more)")}',
             f'{one["mode"]}{": " + one["why"] if one.get("why") else ""}']
    if one.get('domain') or 'tag' in one:
        numbers = [f'{n["name"]}=0x{n["value"]:x}'
                   for n in one.get('domain', [])]
        if 'tag' in one:
            numbers.append(f'tag {one["tag"]}')
        lines.append('domain: ' + ', '.join(numbers))
    for stage in one['stages']:
        half = ' (upper half)' if stage['upper'] else ''
        lines.append(f'stage {stage["stage"]}{half}: {stage["format"]}, '
                     f'{stage["levels"]} levels at 0x{stage["root"]:x}, '
                     f'{stage["input-bits"]} bits to {stage["output-bits"]}')
    for window in one['windows']:
        lines.append(f'not translated: 0x{window["first"]:x} .. '
                     f'0x{window["last"]:x}, {window["what"]}')
    for pasid in one.get('pasids', []):
        lines.append(f'PASID 0x{pasid["pasid"]:x}: {pasid["mode"]}')
    lines.append('')
    for name in rates.ENDPOINT:
        if name in one:
            lines.append(f'{name.replace("-", " ")}: {one[name]}, '
                         f'{words.count(rate[name])}/s')
    lines.append(f'hits of its cache: '
                 f'{words.percent(rate["cache-hit-rate"])}%')
    oldest = '' if 'oldest-ms' not in one else ', the oldest for ' \
        f'{words.duration(one["oldest-ms"] * 10**6)} at least'
    lines += ['', f'maps in flight: {one["maps-in-flight"]}, of these waited '
              f'for: {one["maps-waited-for"]}{oldest}']
    for flight in (flights or {}).get('maps', []):
        lines.append(f'  {flight_line(flight)}')
    if (flights or {}).get('next'):
        lines.append('  and more')
    faults = [fault for fault in unit['fault-log']
              if fault['address'] == one['address']]
    lines += ['', f'last faults: {len(faults) or "none"}']
    for fault in faults:
        lines.append(f'  {words.clock(fault["last-us"] / 1e6)} '
                     f'{words.words_of_fault(fault)}, {fault["count"]} times')
    return lines + findings_text(unit, one)


def findings_text(unit, one):
    """What the sanitizer has found of an endpoint; nothing if it is off"""
    if 'findings' not in unit:
        return []
    found = [finding for finding in unit['findings']
             if finding.get('address') == one['address']]
    lines = ['', f'sanitizer: {len(found) or "nothing found"}']
    for finding in found:
        lines.append(f'  {words.clock(finding["last-us"] / 1e6)} '
                     f'{finding["kind"]}: {finding["message"]}, '
                     f'{finding["count"]} times')
    return lines


def flight_line(flight):
    text = (f'{"write" if flight["write"] else "read"} of '
            f'0x{flight["length"]:x} bytes at 0x{flight["iova"]:x}, '
            f'{flight["kind"]}')
    if 'pasid' in flight:
        text += f', PASID 0x{flight["pasid"]:x}'
    if 'age-ms' in flight:
        text += (f', for {words.duration(flight["age-ms"] * 10**6)} at least')
    if 'waited-ms' in flight:
        text += (', waited for since '
                 f'{words.duration(flight["waited-ms"] * 10**6)}')
    return text


def walk_text(answer, iova):
    """What viommu-translate said of @iova"""
    lines = [f'{answer["endpoint"]}: {answer["mode"]}']
    lines += [f'configuration: 0x{word["value"]:016x} at 0x{word["address"]:x}'
              for word in answer['configuration']]
    for step in answer['walk']:
        bits = ' or '.join(f'bit {bit["bit"]}' +
                           (f' ({bit["name"]})' if 'name' in bit else '')
                           for bit in step['bits'])
        lines.append(f'stage {step["stage"]}, level {step["level"]}: '
                     f'0x{step["value"]:016x} at 0x{step["address"]:x}: '
                     f'{step["says"]}{"; " + bits if bits else ""}')
    if 'mapping' in answer:
        there = answer['mapping']['first'] <= iova
        lines.append(f'{"its" if there else "next"} mapping: '
                     f'{range_text(answer["mapping"])}')
    for key, name in (('iotlb', 'IOTLB'), ('dma-cache', "endpoint's cache")):
        if key in answer:
            held = answer[key]
            to = f' to 0x{held["address"]:x}' if 'address' in held else ''
            lines.append(f'{name}: 0x{held["first"]:x} .. 0x{held["last"]:x}'
                         f'{to},{" read" if held["read"] else ""}'
                         f'{" write" if held["write"] else ""}'
                         f'{"" if held["agrees"] else "; the tables say "}'
                         f'{"" if held["agrees"] else "otherwise now"}')
    return lines + ['', answer['verdict']]


def range_text(one):
    rights = ('r' if one['read'] else '-') + ('w' if one['write'] else '-')
    pages = ', '.join(words.size(n) for n in one['page-sizes'])
    return (f'0x{one["first"]:x} .. 0x{one["last"]:x} '
            f'({words.size(one["last"] - one["first"] + 1)}) to '
            f'0x{one["address"]:x} {rights}'
            f'{" of pages of " if pages else ""}{pages}')


def map_text(mapping):
    """What viommu-map said"""
    total = sum(one['last'] - one['first'] + 1 for one in mapping['ranges'])
    lines = [f'{mapping["mode"]}, {words.size(total)} in '
             f'{len(mapping["ranges"])} ranges'
             f'{" so far" if "next" in mapping else ""}']
    lines += [range_text(one) for one in mapping['ranges']]
    if not mapping['ranges']:
        lines.append('nothing is mapped' if 'next' not in mapping else
                     'nothing is mapped so far')
    if 'next' in mapping:
        lines.append(f'and more from 0x{mapping["next"]:x} on')
    return lines
