# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings, and the page that is made of one"""

import gzip
import html.parser
import json
import os
import re
import tempfile
import unittest

from viommu_tools import chart, rates, record, report


HOSTILE = '</title></td><script>alert(1)</script><img src=x onerror=a>"\'&\x1b'


def unit(n, fault_words='it is not mapped', device='edu'):
    return dict({name: n * 10 for name in rates.UNIT}, **{
        'qom-path': '/iommu', 'model': 'vtd', 'enabled': True, 'endpoints': 1,
        'maps-in-flight': n % 5, 'drain-wait-ns-max': 5,
        'properties': [{'name': 'aw-bits', 'value': '48'},
                       {'name': 'dma-mode', 'value': '""'}],
        'endpoint-info': [dict(dict.fromkeys(rates.ENDPOINT, n), **{
            'address': '00:04.0', 'requester-id': 32, 'device': device,
            'mode': 'translate', 'maps-in-flight': 0, 'tag': 1792,
            'domain': [{'name': 'DID', 'value': 7}]})],
        'fault-log': [{'address': '00:04.0', 'device': device, 'iova': 0x1000,
                       'write': True, 'count': n, 'first-us': 1,
                       'last-us': 5 * 10**6, 'fault': {
                           'reason': fault_words, 'code': 5,
                           'recorded': True}}]})


def mapping(first=0x1000):
    return {'unit': '/iommu', 'tag': 1792, 'endpoint': '00:04.0',
            'domain': [{'name': 'DID', 'value': 7}], 'complete': True,
            'ranges': [{'first': first, 'last': first + 0xfff,
                        'address': 0x100000, 'read': True, 'write': True,
                        'page-sizes': [4096]}]}


def stalled(who='edu'):
    return {'event': 'VIOMMU_DRAIN_STALLED', 'timestamp': {
        'seconds': 6, 'microseconds': 0}, 'data': {
            'viommu': '/iommu', 'device': who, 'iova': 0x1000, 'length': 512,
            'write': True, 'age-ms': 1000}}


def recording(samples=5, **more):
    head = {'viommu-recording': 1, 'when': 0, 'about': {
        'name': more.pop('name', 'guest'),
        'version': {'qemu': {'major': 10, 'minor': 0, 'micro': 2}}}}
    records = [{'t': float(n), 'units': [unit(n, **more)]}
               for n in range(samples)]
    return head, records


class Checker(html.parser.HTMLParser):
    """Counts elements; fails if they do not nest, or if one asks for more."""
    SINGLE = {'meta'}

    def __init__(self, test):
        super().__init__()
        self.test, self.open, self.count = test, [], {}

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        for name, _ in attrs:
            self.test.assertNotIn(name, ('src', 'href', 'onerror', 'onload'))
        if tag not in self.SINGLE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.SINGLE:
            self.open.pop()

    def handle_endtag(self, tag):
        self.test.assertEqual(self.open.pop(), tag)


class Page(unittest.TestCase):
    def check(self, page):
        checker = Checker(self)
        checker.feed(page)
        checker.close()
        self.assertEqual(checker.open, [])
        self.assertNotIn('script', checker.count)
        self.assertNotIn('img', checker.count)
        self.assertNotIn('link', checker.count)
        self.assertIsNone(re.search(r'https?://|url\(|@import', page))
        self.assertIn("default-src 'none'", page)
        return checker.count

    def test_everything_is_there(self):
        head, records = recording()
        records.append({'t': 4.5, 'event': stalled()})
        records.append({'t': 4.6, 'map': mapping()})
        page = report.page(head, records)
        count = self.check(page)
        self.assertEqual(count['figure'], len(report.PICTURES) + 1)
        for words in ('vIOMMU report: guest', '10.0.2', 'vtd /iommu',
                      'aw-bits=48', 'it is not mapped', 'Domain DID 0x7',
                      '0x1000 .. 0x1fff', 'keeps an invalidation waiting',
                      'class="mark"', '1970-01-01 00:00:04 UTC'):
            self.assertIn(words, page)
        self.assertNotIn('dma-mode', page)

    def test_nothing_was_recorded(self):
        head, _ = recording()
        self.check(report.page(head, []))
        self.assertIn('Nothing was recorded', report.page(head, []))
        head.pop('about')
        self.check(report.page(head, [{'t': 1.0, 'units': []}]))

    def test_what_others_chose(self):
        head, records = recording(name=HOSTILE, fault_words=HOSTILE,
                                  device=HOSTILE)
        records.append({'t': 4.5, 'event': stalled(HOSTILE)})
        hostile = mapping()
        hostile['endpoint'] = HOSTILE
        hostile['domain'] = [{'name': HOSTILE, 'value': 1}]
        records.append({'t': 4.6, 'map': hostile})
        page = report.page(head, records)
        self.check(page)
        self.assertNotIn('\x1b', page)
        self.assertIn('&lt;script&gt;alert(1)&lt;/script&gt;', page)

    def test_restart_is_a_gap(self):
        head, records = recording()
        records += [{'t': 5.0 + n, 'units': [unit(n)]} for n in range(3)]
        run = report.Run(head, records)
        seen = [one['rates']['walks'] for _, one in run.units['/iommu']]
        self.assertEqual(seen, [None, 10, 10, 10, 10, None, 10, 10])
        self.assertEqual(report.grown(run.units['/iommu'], 'walks'), 60)

    def test_findings(self):
        head, records = recording()
        self.assertNotIn('sanitizer', report.page(head, records))
        for one in records:
            one['units'][0]['findings'] = []
        self.assertIn('sanitizer', report.page(head, records))
        records[2]['units'][0]['findings'] = [{
            'kind': 'use-after-unmap', 'address': '00:04.0', 'device': 'edu',
            'message': HOSTILE, 'count': 7, 'first-us': 1, 'last-us': 2}]
        page = report.page(head, records)
        self.check(page)
        self.assertIn('use-after-unmap', page)
        del records[2]['units'][0]['findings'][0]['address']
        del records[2]['units'][0]['findings'][0]['device']
        self.assertIn('the unit', report.page(head, records))

    def test_long_tables_are_cut(self):
        page = report.table(('a',), [(n,) for n in range(report.ROWS + 7)])
        self.assertEqual(page.count('<tr>'), report.ROWS + 1)
        self.assertIn('and 7 more', page)

    def test_long_recording(self):
        head, records = recording(20000)
        page = report.page(head, records)
        self.check(page)
        self.assertLess(len(page), 2 << 20)


class Chart(unittest.TestCase):
    def test_nice(self):
        for top, axis in ((0, 1), (1, 1), (3, 5), (7, 10), (101, 200),
                          (0.03, 0.05), (1e9, 1e9)):
            self.assertAlmostEqual(chart.nice(top), axis)

    def test_no_peak_is_lost(self):
        points = [(n, 0) for n in range(10000)]
        points[1234], points[9999], points[0] = (1234, 9), (9999, 7), (0, 8)
        points[5000] = (5000, None)
        kept = chart.thin(points, 100)
        self.assertLessEqual(len(kept), 200)
        self.assertLessEqual({(1234, 9), (9999, 7), (0, 8)}, set(kept))
        self.assertEqual(kept, sorted(kept))

    def test_gap_in_a_line(self):
        drawn = chart.path([(0, 1), (1, 1), (2, None), (3, 1), (4, 1)],
                           lambda x, y: f'{x},{y}')
        self.assertEqual(drawn, 'M0,1 L1,1 M3,1 L4,1')

    def ranges(self, *firsts):
        return [{'first': n, 'last': n + 9, 'read': True, 'write': n % 2 == 0}
                for n in firsts]

    def test_join_by_the_smallest_gaps(self):
        got = chart.join(self.ranges(0, 11, 100, 1000, 1015), 3)
        self.assertEqual(got, [(0, 20, 'rw', 2), (100, 109, 'rw', 1),
                               (1000, 1024, 'rw', 2)])
        every = chart.join(self.ranges(0, 11, 100), 9)
        self.assertEqual(every, [(0, 9, 'rw', 1), (11, 20, 'r', 1),
                                 (100, 109, 'rw', 1)])
        self.assertEqual(chart.join([], 5), [])
        self.assertEqual(len(chart.join(self.ranges(*range(0, 90000, 30)),
                                        200)), 200)

    def test_space_fits(self):
        for count in (0, 1, 2, 200, 3000):
            drawn = chart.space(self.ranges(*range(0, count * 50, 50)))
            ends = [float(x) + float(w) for x, w in re.findall(
                r'x="([\d.]+)" y="1" width="([\d.]+)"', drawn)]
            self.assertLessEqual(max(ends, default=0), chart.WIDTH + 1)


class Recordings(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def file(self, name, data):
        path = os.path.join(self.dir.name, name)
        with open(path, 'wb') as file:
            file.write(data)
        return path

    def test_cut_off(self):
        head, records = recording()
        lines = [json.dumps(one) for one in [head, *records]]
        whole = '\n'.join(lines).encode()
        path = self.file('a.json', whole[:-40])
        self.assertEqual(len(record.read(path)[1]), len(records) - 1)
        path = self.file('a.json.gz', gzip.compress(whole)[:-8])
        self.assertGreaterEqual(len(record.read(path)[1]), len(records) - 1)

    def test_no_recording(self):
        for data in (b'', b'[]', b'{}', b'\xff\xfe\0', b'{"a": ', b'null',
                     b'{"viommu-recording": 2}'):
            path = self.file('a.json', data)
            with self.assertRaises(record.Bad):
                record.read(path)
            self.assertEqual(report.main([path, '-o', '-']), 1)
        with self.assertRaises(record.Bad):
            record.read(self.file('b.gz', b'no gzip'))

    def test_damaged(self):
        head, records = recording()
        del records[2]['units'][0]['endpoint-info']
        path = self.file('a.json', '\n'.join(
            json.dumps(one) for one in [head, *records]).encode())
        self.assertEqual(report.main([path, '-o', '-']), 1)

    def test_of_each_domain_one_map(self):
        asked = []

        class Link:
            def ask(self, command, **arguments):
                asked.append((command, arguments))
                if 'start' not in arguments:
                    return {'mode': 'translate', 'next': 0x5000,
                            'ranges': mapping()['ranges']}
                return {'mode': 'translate', 'ranges':
                        mapping(0x5000)['ranges']}

        one = unit(1)
        one['endpoint-info'].append(dict(one['endpoint-info'][0],
                                         address='00:05.0'))
        path = os.path.join(self.dir.name, 'r.json')
        times = iter([100, 100, 100, 100, 100, 101, 101])
        made = record.Recorder(path, {}, lambda: next(times), lambda: 7)
        made.sample(Link(), [one], [stalled()])
        made.sample(Link(), [one], [])
        made.close()
        head, records = record.read(path)
        self.assertEqual(head['when'], 7)
        self.assertEqual(len(asked), 2)
        self.assertEqual(asked[1][1]['start'], 0x5000)
        kinds = [next(key for key in got if key != 't') for got in records]
        self.assertEqual(kinds, ['event', 'units', 'map', 'units'])
        self.assertEqual(len(records[2]['map']['ranges']), 2)
        self.assertTrue(records[2]['map']['complete'])

    def test_endless_map(self):
        class Link:
            def ask(self, command, **arguments):
                return {'mode': 'translate', 'ranges': [], 'next': 1}

        one = unit(1)
        got = record.read_map(Link(), one, one['endpoint-info'][0])
        self.assertFalse(got['complete'])


