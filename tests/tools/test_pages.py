# SPDX-License-Identifier: GPL-2.0-or-later
"""The screen as text: what is on it, and that it always is of its size"""

import unittest

from viommu_tools import pages, rates


def endpoint(number, **more):
    return dict({'address': f'00:{number:02x}.0', 'requester-id': number << 3,
                 'device': f'dev{number}', 'qom-path': f'/m/dev{number}',
                 'mode': 'translate', 'maps-in-flight': 0,
                 'maps-waited-for': 0, 'domain': [{'name': 'DID', 'value': 7}],
                 'tag': 1792, 'windows': [], 'stages': [],
                 'accesses': number * 10, 'translations': 0, 'faults': 0,
                 'interrupts-remapped': 0}, **more)


def unit(name, endpoints):
    return dict(dict.fromkeys(rates.UNIT, 0), **{
        'qom-path': name, 'model': 'vtd', 'enabled': True,
        'endpoints': len(endpoints), 'maps-in-flight': 0,
        'drain-wait-ns-max': 0, 'fault-log': [],
        'endpoint-info': list(endpoints)})


def before(units):
    """The same, earlier"""
    def zero(one, names):
        return dict(one, **dict.fromkeys(names, 0))
    return [dict(zero(one, rates.UNIT), **{'endpoint-info': [
        zero(ep, rates.ENDPOINT) for ep in one['endpoint-info']]})
        for one in units]


def screen(units):
    made = pages.Screen()
    made.show(rates.compare(before(units), units, 1))
    return made


def text(page):
    return '\n'.join(line for line, _ in page)


class MainPage(unittest.TestCase):
    def assert_size(self, page, width, height):
        self.assertEqual(len(page), height)
        for line, _ in page:
            self.assertEqual(len(line), width)

    def test_every_size(self):
        for units in ([], [unit('/a', [endpoint(n) for n in range(40)])],
                      [unit(f'/u{n}', [endpoint(n)]) for n in range(9)]):
            shown = screen(units)
            for width in (1, 2, 10, 39, 79, 80, 200):
                for height in (1, 2, 5, 10, 24, 100):
                    self.assert_size(shown.main_page(width, height), width,
                                     height)
                    page, _ = shown.text_page('t', pages.HELP, 3, width,
                                              height)
                    self.assert_size(page, width, height)

    def test_busiest_first_and_marked(self):
        page = text(screen([unit('/a', [endpoint(3), endpoint(5)])])
                    .main_page())
        self.assertLess(page.index('dev5'), page.index('dev3'))
        self.assertIn('> 00:05.0 dev5', page)
        self.assertIn('  00:03.0 dev3', page)

    def test_choice_stays_with_the_endpoint(self):
        shown = screen([unit('/a', [endpoint(3), endpoint(5)])])
        shown.choose(1)
        busy = [unit('/a', [endpoint(3, accesses=999), endpoint(5)])]
        shown.show(rates.compare(before(busy), busy, 1))
        self.assertIn('> 00:03.0', text(shown.main_page()))
        gone = [unit('/a', [endpoint(5)])]
        shown.show(rates.compare(before(gone), gone, 1))
        self.assertIn('> 00:05.0', text(shown.main_page()))

    def test_scrolls_to_the_choice(self):
        shown = screen([unit('/a', [endpoint(n) for n in range(40)])])
        for index in (0, 39, 20, 5, 39, 0):
            shown.choose(index)
            page = text(shown.main_page())
            self.assertIn(f'> {shown.chosen_endpoint()["address"]}', page)
            self.assertIn('/40', page)

    def test_many_units_have_a_line_each(self):
        page = text(screen([unit(f'/u{n}', [endpoint(n)]) for n in range(9)])
                    .main_page())
        self.assertIn('vtd /u5: ', page)
        self.assertNotIn('vtd /u6: ', page)
        self.assertIn('and 3 more', page)

    def test_problem_is_said(self):
        shown = screen([])
        self.assertIn('no vIOMMU', text(shown.main_page()))
        shown.problem = 'gone; trying again'
        self.assertTrue(shown.main_page()[-1][0].startswith('! gone'))

    def test_news_are_the_last(self):
        shown = screen([unit('/a', [endpoint(3)])])
        shown.add_news([f'line {n}' for n in range(300)])
        page = text(shown.main_page())
        self.assertIn('line 299', page)
        self.assertNotIn('line 295 ', page)
        self.assertLessEqual(len(shown.news), 100)

    def test_names_of_others(self):
        page = text(screen([unit('/a', [endpoint(3, device='\x1b[31m\n')])])
                    .main_page())
        self.assertNotIn('\x1b', page)
        self.assertIn('?[31m?', page)


class TextPages(unittest.TestCase):
    def test_fold(self):
        line = '  ' + 'word ' * 40
        parts = pages.fold(line, 50)
        self.assertTrue(all(len(part) <= 50 for part in parts))
        self.assertEqual(' '.join(parts).split(), line.split())
        self.assertEqual(''.join(pages.fold('x' * 200, 50)).replace(' ', ''),
                         'x' * 200)

    def test_scroll_ends_at_the_end(self):
        shown = pages.Screen()
        page, first = shown.text_page('t', [f'line {n}' for n in range(50)],
                                      1 << 30)
        self.assertEqual(first, 50 - 22)
        self.assertIn('line 49', text(page))

    def test_endpoint(self):
        fault = {'address': '00:03.0', 'device': 'dev3', 'iova': 0x1000,
                 'write': False, 'pasid': 5, 'count': 3, 'first-us': 0,
                 'last-us': 0, 'fault': {'reason': 'it is not mapped',
                                         'code': 6, 'recorded': True}}
        finding = {'kind': 'out-of-bounds', 'address': '00:03.0',
                   'message': 'it is behind a mapping', 'count': 7,
                   'last-us': 0}
        other = dict(finding, address='00:04.0', count=9)
        one = dict(unit('/a', [endpoint(3, **{'oldest-ms': 2500})]),
                   **{'fault-log': [fault], 'findings': [finding, other]})
        shown = screen([one])
        flights = {'maps': [{'iova': 0x2000, 'length': 512, 'write': True,
                             'kind': 'request', 'waited-ms': 1500,
                             'age-ms': 2500}]}
        said = '\n'.join(pages.endpoint_text(
            shown.units[0], shown.chosen_endpoint(), flights))
        for words in ('requester ID 0x18', 'DID=0x7', 'tag 1792',
                      'accesses: 30, 30/s', 'PASID 0x5: it is not mapped',
                      '3 times', 'write of 0x200 bytes at 0x2000',
                      'waited for since 1.5 s', 'request, for 2.5 s at least',
                      'the oldest for 2.5 s at least', 'sanitizer: 1',
                      'out-of-bounds: it is behind a mapping, 7 times'):
            self.assertIn(words, said)
        self.assertNotIn('9 times', said)

    def test_walk(self):
        said = '\n'.join(pages.walk_text({
            'endpoint': '00:03.0', 'mode': 'translate',
            'configuration': [{'address': 0x10, 'value': 1}],
            'walk': [{'stage': 2, 'level': 1, 'value': 1, 'address': 0x20,
                      'says': 'not allowed', 'bits': [{'bit': 1,
                                                       'name': 'W'}]}],
            'iotlb': {'first': 0, 'last': 4095, 'read': True, 'write': False,
                      'agrees': False}, 'verdict': 'It is refused.'}, 0))
        for words in ('0x0000000000000001 at 0x10', 'bit 1 (W)',
                      '0x0 .. 0xfff, read; the tables say otherwise now',
                      'It is refused.'):
            self.assertIn(words, said)

    def test_walk_without_tables(self):
        mapping = {'first': 0x1000, 'last': 0x2fff, 'address': 0x5000,
                   'read': True, 'write': False, 'page-sizes': []}
        for iova, word in ((0x1010, 'its'), (0x10, 'next')):
            said = pages.walk_text({
                'endpoint': '00:03.0', 'mode': 'translate', 'walk': [],
                'configuration': [], 'mapping': mapping,
                'verdict': 'It is refused.'}, iova)
            self.assertIn(f'{word} mapping: 0x1000 .. 0x2fff (8 KiB) to '
                          '0x5000 r-', said)

    def test_map(self):
        said = '\n'.join(pages.map_text({'mode': 'translate', 'next': 0x9000,
                                         'ranges': [{
                                             'first': 0x1000, 'last': 0x2fff,
                                             'address': 0x5000, 'read': True,
                                             'write': False,
                                             'page-sizes': [4096]}]}))
        self.assertIn('0x1000 .. 0x2fff (8 KiB) to 0x5000 r- of pages of '
                      '4 KiB', said)
        self.assertIn('more from 0x9000', said)
        self.assertIn('translate, 8 KiB in 1 ranges so far', said)
