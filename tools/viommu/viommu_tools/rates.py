# SPDX-License-Identifier: GPL-2.0-or-later
"""
What happened between two answers of query-viommu. Pure: no clock, no link.

A counter that is smaller than it was, or that was not there, says nothing of
the time between: its rate is None.
"""

# Members of VIOMMUInfo that count, and of VIOMMUEndpointInfo
UNIT = ('translations', 'iotlb-hits', 'iotlb-misses', 'walks', 'faults',
        'invalidations-tlb-global', 'invalidations-tlb-domain',
        'invalidations-tlb-page', 'invalidations-config', 'drains',
        'drains-waited', 'drain-wait-ns-total', 'drain-stalls',
        'maps-revoked', 'maps-abandoned')
ENDPOINT = ('accesses', 'translations', 'faults', 'interrupts-remapped')


def change(before, after, name):
    """How much a counter grew, or None."""
    if before is None or name not in before or name not in after:
        return None
    grown = after[name] - before[name]
    return grown if grown >= 0 else None


def rate(grown, seconds):
    return None if grown is None or seconds <= 0 else grown / seconds


def share(part, whole):
    """part / whole, or None if nothing happened."""
    return None if part is None or not whole else \
        min(max(part / whole, 0.0), 1.0)


def restarted(before, after):
    """Is @after another process's answer?"""
    return before is not None and any(
        name in before and after.get(name, 0) < before[name] for name in UNIT)


def unit_rates(before, after, seconds):
    if restarted(before, after):
        before = None
    grown = {name: change(before, after, name) for name in UNIT}
    rates = {name: rate(grown[name], seconds) for name in UNIT}
    hits, misses = grown['iotlb-hits'], grown['iotlb-misses']
    rates['iotlb-hit-rate'] = None if hits is None or misses is None else \
        share(hits, hits + misses)
    return rates


def endpoint_rates(before, after, seconds):
    grown = {name: change(before, after, name) for name in ENDPOINT}
    rates = {name: rate(grown[name], seconds) for name in ENDPOINT}
    accesses, misses = grown['accesses'], grown['translations']
    rates['cache-hit-rate'] = None if accesses is None or misses is None else \
        share(accesses - misses, accesses)
    return rates


def endpoints_by_address(unit):
    return {} if unit is None else \
        {one['address']: one for one in unit['endpoint-info']}


def compare(before, after, seconds):
    """
    @before, @after: two answers of query-viommu, @seconds apart; @before may
    be None. The units of @after, each with 'rates', and so its endpoints.
    """
    known = {unit['qom-path']: unit for unit in before or ()}
    units = []
    for unit in after:
        old = known.get(unit['qom-path'])
        if restarted(old, unit):
            old = None
        olds = endpoints_by_address(old)
        endpoints = []
        for one in unit['endpoint-info']:
            was = olds.get(one['address'])
            if was and was.get('qom-path') != one.get('qom-path'):
                was = None
            endpoints.append(dict(one,
                                  rates=endpoint_rates(was, one, seconds)))
        units.append(dict(unit, rates=unit_rates(old, unit, seconds),
                          **{'endpoint-info': endpoints}))
    return units


# How endpoints can be sorted: a name, and whether large comes first
ORDERS = ('rate', 'misses', 'faults', 'in-flight', 'address', 'device')
KEYS = {
    'rate': lambda one: one['rates']['accesses'],
    'misses': lambda one: one['rates']['translations'],
    'faults': lambda one: one['rates']['faults'],
    'in-flight': lambda one: one['maps-in-flight'],
}


def in_order(endpoints, order, upside_down=False):
    """
    Numbers: the largest first, what is not known last. What is alike stays in
    the order of addresses.
    """
    result = sorted(endpoints, key=lambda one: one['requester-id'])
    if order == 'device':
        result.sort(key=lambda one: (one.get('device') is None,
                                     one.get('device') or ''))
    elif order in KEYS:
        key = KEYS[order]
        result.sort(key=lambda one: -1 if key(one) is None else key(one),
                    reverse=True)
        # A stable sort that is reversed keeps what is alike in its order.
    return result[::-1] if upside_down else result
