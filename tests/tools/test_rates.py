# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened between two answers: rates, order, and what is new"""

import unittest

from viommu_tools import news, rates


def endpoint(address, **counters):
    return dict({'address': address, 'requester-id': int(address[3:5], 16),
                 'qom-path': f'/dev{address}', 'mode': 'translate',
                 'maps-in-flight': 0}, **counters)


def unit(endpoints=(), faults=(), **counters):
    return dict(dict.fromkeys(rates.UNIT, 0), **counters,
                **{'qom-path': '/iommu', 'endpoint-info': list(endpoints),
                   'fault-log': list(faults)})


def fault(iova, count, last=10, first=1):
    return {'address': '00:04.0', 'device': 'edu', 'iova': iova, 'write': True,
            'fault': {'code': 5, 'reason': 'no', 'recorded': True},
            'count': count, 'first-us': first * 10**6, 'last-us': last * 10**6}


class Rates(unittest.TestCase):
    def test_difference_by_seconds(self):
        before = [unit(translations=100, walks=7)]
        after = [unit(translations=300, walks=8)]
        got = rates.compare(before, after, 4.0)[0]['rates']
        self.assertEqual(got['translations'], 50)
        self.assertEqual(got['walks'], 0.25)
        self.assertEqual(got['faults'], 0)

    def test_first_answer_says_nothing(self):
        got = rates.compare(None, [unit(translations=5)], 0)[0]['rates']
        self.assertTrue(all(rate is None for rate in got.values()))

    def test_no_time_passed(self):
        got = rates.compare([unit()], [unit(walks=9)], 0)[0]['rates']
        self.assertIsNone(got['walks'])

    def test_another_process(self):
        before = [unit([endpoint('00:04.0', accesses=5)], walks=50)]
        after = [unit([endpoint('00:04.0', accesses=9)], walks=3)]
        got = rates.compare(before, after, 1)[0]
        self.assertIsNone(got['rates']['drains'])
        self.assertIsNone(got['endpoint-info'][0]['rates']['accesses'])

    def test_hit_rates(self):
        before = [unit([endpoint('00:04.0', **{'accesses': 0,
                                               'translations': 0})])]
        after = [unit([endpoint('00:04.0', **{'accesses': 1000,
                                              'translations': 250})],
                      **{'iotlb-hits': 9, 'iotlb-misses': 1})]
        got = rates.compare(before, after, 2)[0]
        self.assertEqual(got['rates']['iotlb-hit-rate'], 0.9)
        self.assertEqual(got['endpoint-info'][0]['rates']['cache-hit-rate'],
                         0.75)
        self.assertEqual(got['endpoint-info'][0]['rates']['accesses'], 500)

    def test_hit_rate_of_nothing(self):
        got = rates.compare([unit()], [unit()], 1)[0]['rates']
        self.assertIsNone(got['iotlb-hit-rate'])

    def test_counters_may_collide(self):
        # They are no atomics: a miss may be counted, and its access not.
        before = endpoint('00:04.0', **{'accesses': 0, 'translations': 0})
        after = endpoint('00:04.0', **{'accesses': 9, 'translations': 10})
        got = rates.endpoint_rates(before, after, 1)
        self.assertEqual(got['cache-hit-rate'], 0)

    def test_another_device(self):
        before = [unit([endpoint('00:04.0', accesses=5)])]
        new = dict(endpoint('00:04.0', accesses=9), **{'qom-path': '/other'})
        got = rates.compare(before, [unit([new])], 1)[0]['endpoint-info'][0]
        self.assertIsNone(got['rates']['accesses'])

    def test_emulator_without_the_counter(self):
        got = rates.endpoint_rates(endpoint('00:04.0'), endpoint('00:04.0'), 1)
        self.assertEqual(set(got.values()), {None})

    def test_the_answers_stay(self):
        before, after = [unit(walks=1)], [unit(walks=2)]
        rates.compare(before, after, 1)
        self.assertNotIn('rates', after[0])


class Order(unittest.TestCase):
    def setUp(self):
        def one(address, rate, **more):
            return dict(endpoint(address), rates={
                'accesses': rate, 'translations': None, 'faults': 0}, **more)
        self.three = [one('00:04.0', 5.0), one('00:03.0', None, device='b'),
                      one('00:05.0', 9.0, device='a')]

    def addresses(self, *how):
        return [one['address'][3:5]
                for one in rates.in_order(self.three, *how)]

    def test_largest_first_unknown_last(self):
        self.assertEqual(self.addresses('rate'), ['05', '04', '03'])
        self.assertEqual(self.addresses('rate', True), ['03', '04', '05'])

    def test_alike_by_address(self):
        self.assertEqual(self.addresses('faults'), ['03', '04', '05'])
        self.assertEqual(self.addresses('misses'), ['03', '04', '05'])
        self.assertEqual(self.addresses('address'), ['03', '04', '05'])

    def test_nameless_last(self):
        self.assertEqual(self.addresses('device'), ['05', '03', '04'])

    def test_every_order(self):
        for order in rates.ORDERS:
            self.assertEqual(sorted(self.addresses(order)), ['03', '04', '05'])


class News(unittest.TestCase):
    def test_new_and_more(self):
        before = [unit(faults=[fault(0x1000, 3), fault(0x2000, 1)])]
        after = [unit(faults=[fault(0x3000, 1, last=11),
                              fault(0x1000, 5, last=12), fault(0x2000, 1)])]
        got = [(one['iova'], one['more'])
               for _, one in news.faults(before, after)]
        self.assertEqual(got, [(0x3000, 1), (0x1000, 2)])

    def test_driven_out_and_back(self):
        before = [unit(faults=[fault(0x1000, 30)])]
        after = [unit(faults=[fault(0x1000, 1, first=9)])]
        self.assertEqual(news.faults(before, after)[0][1]['more'], 1)

    def test_lines_in_time(self):
        event = {'event': 'VIOMMU_DRAIN_STALLED', 'timestamp': {
            'seconds': 5, 'microseconds': 0}, 'data': {
                'viommu': '/iommu', 'device': 'disk', 'iova': 0x1000,
                'length': 0x200, 'write': True, 'age-ms': 1000}}
        said = news.lines([('/iommu', dict(fault(0x3000, 1), more=2))],
                          [event])
        self.assertEqual(len(said), 2)
        self.assertIn('disk: write of 0x200 bytes at 0x1000 keeps', said[0])
        self.assertIn('edu write at 0x3000: no, 2 times', said[1])

    def test_what_the_sanitizer_says(self):
        event = {'event': 'VIOMMU_SANITIZER', 'timestamp': {
            'seconds': 5, 'microseconds': 0}, 'data': {
                'viommu': '/iommu', 'address': '00:04.0', 'kind': 'bypass',
                'message': 'it goes round'}}
        self.assertIn('00:04.0: bypass: it goes round',
                      news.lines([], [event])[0])
        event['data']['type'] = 'e1000e'
        self.assertIn('00:04.0 e1000e: bypass: it goes round',
                      news.lines([], [event])[0])
        del event['data']['address'], event['data']['type']
        self.assertIn('the unit: bypass: it goes round',
                      news.lines([], [event])[0])

    def test_an_event_that_is_not_known(self):
        event = {'event': 'VIOMMU_OTHER', 'timestamp': {
            'seconds': 5, 'microseconds': 0}, 'data': {'b': 1, 'a': '\x1b['}}
        said = news.lines([], [event])
        self.assertIn('VIOMMU_OTHER: a ?[, b 1', said[0])
