# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers and strings for people"""

import unittest

from viommu_tools import words


class Numbers(unittest.TestCase):
    def test_count(self):
        for number, text in ((None, '-'), (0, '0'), (0.01, '<0.1'),
                             (0.25, '0.2'), (3.44, '3.4'), (9.96, '10'),
                             (12, '12'), (9999, '9999'), (9999.6, '10.0k'),
                             (56700, '56.7k'), (99949, '99.9k'),
                             (99960, '100k'), (999400, '999k'),
                             (999600, '1.00M'), (1234567, '1.23M'),
                             (9.999e9, '10.0G'), (2**64, '18.4E'),
                             (1e30, 'lots')):
            self.assertEqual(words.count(number), text)

    def test_count_is_narrow(self):
        number = 0.001
        while number < 1e25:
            self.assertLessEqual(len(words.count(number)), 5, number)
            number *= 1.013

    def test_percent(self):
        for part, text in ((None, '-'), (0, '0.0'), (0.5, '50.0'),
                           (0.99999, '99.9'), (1, '100')):
            self.assertEqual(words.percent(part), text)

    def test_duration(self):
        for nanoseconds, text in ((None, '-'), (0, '0 ns'), (999, '999 ns'),
                                  (1500, '1.5 us'), (33262, '33.3 us'),
                                  (2_000_000, '2 ms'), (3 * 10**9, '3 s'),
                                  (86400 * 10**9, '86400 s')):
            self.assertEqual(words.duration(nanoseconds), text)

    def test_size(self):
        for number, text in ((1, '1 bytes'), (4096, '4 KiB'),
                             (6144, '6 KiB'), (1 << 21, '2 MiB'),
                             (1536 << 20, '1.5 GiB'), (1 << 50, '1 PiB'),
                             ((1 << 30) + 1, '1.0 GiB')):
            self.assertEqual(words.size(number), text)

    def test_typed(self):
        self.assertEqual(words.number('0x80_0000'), 0x800000)
        self.assertEqual(words.number(' ffffffffffffffff '), (1 << 64) - 1)
        for text in ('', 'xyz', '-1', '10000000000000000', '0x'):
            with self.assertRaises(ValueError):
                words.number(text)


class Strings(unittest.TestCase):
    def test_nothing_moves_the_cursor(self):
        self.assertEqual(words.plain('a\x1b[2Jb\r\n\x07\x9bc'), 'a?[2Jb????c')
        # Bidirectional overrides, private use, lone surrogates
        self.assertEqual(words.plain('\u202ea\ue000\ud800'), '?a??')

    def test_fit(self):
        self.assertEqual(words.fit('abc', 5), 'abc  ')
        self.assertEqual(words.fit('abc', 5, True), '  abc')
        self.assertEqual(words.fit('abcdef', 4), 'abc~')
        self.assertEqual(words.fit('abc', 3), 'abc')
        self.assertEqual(words.fit('abc', 1), 'a')
        self.assertEqual(words.fit('abc', 0), '')

    def test_fit_wide(self):
        # Two columns each
        self.assertEqual(words.fit('\u65e5\u672c', 4), '\u65e5\u672c')
        self.assertEqual(words.fit('\u65e5\u672c\u8a9e', 5),
                         '\u65e5\u672c~')
        self.assertEqual(words.fit('\u65e5\u672c\u8a9e', 4), '\u65e5~ ')


class Faults(unittest.TestCase):
    FAULT = {'address': '00:04.0', 'device': 'edu', 'iova': 0xfee000b0,
             'write': True, 'fault': {'reason': 'not present'}}

    def test_interrupt(self):
        # That of an older emulator says nothing of interrupts.
        for more, text in (({}, 'write at 0xfee000b0'),
                           ({'interrupt': False}, 'write at 0xfee000b0'),
                           ({'interrupt': True}, 'interrupt at 0xfee000b0'),
                           ({'interrupt': True, 'index': 5},
                            'interrupt at 0xfee000b0, index 5'),
                           ({'write': False}, 'read at 0xfee000b0'),
                           ({'pasid': 7}, 'write at 0xfee000b0, PASID 0x7')):
            self.assertEqual(words.words_of_fault({**self.FAULT, **more}),
                             f'00:04.0 edu {text}: not present')
