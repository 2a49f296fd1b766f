/*
 * virtio-iommu: requests, their statuses, and when they are returned
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIRTIO 1.3, 5.13.6.  Endpoint 0 is the host bridge; 0xf8 the ISA bridge,
 * 0xfb the SMBus; 0x28 the disk, where there is one.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-rig.h"
#include "viommu-virtio.h"

#define EP      0x00
#define EP2     0xf8
#define EP3     0xfb
#define NO_EP   0x123
/* Behind a bridge, bus 1 */
#define ALIAS    0x100
#define BEHIND_1 0x108
#define BEHIND_2 0x110
#define BEHIND_3 0x118
#define PAGE    0x1000ull
#define RW      (VIO_MAP_F_R | VIO_MAP_F_W)

static VIO *begin(const char *props)
{
    VIO *vio = vio_start(props, "");

    vio_setup(vio, VIO_ALL_FEATURES);
    return vio;
}

#define assert_status(vio, put, status) \
    g_assert_cmphex(vio_wait(vio, put), ==, status)

static void attach_ok(VIO *vio, uint32_t domain, uint32_t endpoint)
{
    assert_status(vio, vio_put_attach(vio, domain, endpoint, 0), VIO_S_OK);
}

static void map_ok(VIO *vio, uint32_t domain, uint64_t first, uint64_t pages)
{
    assert_status(vio, vio_put_map(vio, domain, first,
                                   first + pages * PAGE - 1, 0x100000, RW),
                  VIO_S_OK);
}

static unsigned put_attach_reserved(VIO *vio, uint8_t reserved)
{
    uint8_t req[20] = { VIO_T_ATTACH };

    req[16] = reserved;
    return vio_put(vio, req, sizeof(req), 4);
}

static void test_attach(void)
{
    VIO *vio = begin("");

    assert_status(vio, put_attach_reserved(vio, 1), VIO_S_INVAL);
    assert_status(vio, vio_put_attach(vio, 1, EP, 2), VIO_S_INVAL);
    assert_status(vio, vio_put_attach(vio, 1, EP, 1u << 31), VIO_S_INVAL);
    assert_status(vio, vio_put_attach(vio, 1, NO_EP, 0), VIO_S_NOENT);
    assert_status(vio, vio_put_attach(vio, 1, 0x10000 | EP, 0), VIO_S_NOENT);
    /* Flags before the endpoint */
    assert_status(vio, vio_put_attach(vio, 1, NO_EP, 2), VIO_S_INVAL);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 0);

    attach_ok(vio, UINT32_MAX, EP);
    map_ok(vio, UINT32_MAX, 0, 1);
    /* Again: nothing changes. */
    attach_ok(vio, UINT32_MAX, EP);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 1);
    /* Rejected: it stays where it was. */
    assert_status(vio, vio_put_attach(vio, UINT32_MAX, EP,
                                      VIO_ATTACH_F_BYPASS), VIO_S_INVAL);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 1);
    /* It moves; the domain that it leaves is nobody's, and gone. */
    attach_ok(vio, 2, EP);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 0);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 1);
    assert_status(vio, vio_put_map(vio, UINT32_MAX, 0, PAGE - 1, 0, RW),
                  VIO_S_NOENT);
    vio_stop(vio);
}

/* The driver is told a status alone; the log has what was asked for. */
static void test_refused_said(void)
{
    UnitLog *log = unit_log_new();
    VIO *vio = vio_start("", "-d guest_errors");

    vio_setup(vio, VIO_ALL_FEATURES);
    attach_ok(vio, 7, EP);
    map_ok(vio, 7, 0, 1);
    assert_status(vio, vio_put_attach(vio, 7, NO_EP, 0), VIO_S_NOENT);
    assert_status(vio, vio_put_map(vio, 7, 0x10000, 0x10ffe, 0, RW),
                  VIO_S_RANGE);
    vio_stop(vio);
    unit_log_rest(log);
    g_assert_cmpuint(unit_log_count(log, "virtio-iommu: ATTACH of endpoint"),
                     ==, 1);
    g_assert_cmpuint(unit_log_count(log, "is refused: S_NOENT"), ==, 1);
    g_assert_cmpuint(unit_log_count(log, "virtio-iommu: MAP of 0x10000 .. "
                                    "0x10ffe in domain 7"), ==, 1);
    g_assert_cmpuint(unit_log_count(log, "is refused: S_RANGE"), ==, 1);
    g_assert_cmpuint(unit_log_count(log, "virtio-iommu: "), ==, 2);
    unit_log_free(log);
}

/* One bypass domain for all, as Linux has it */
static void test_bypass_domain(void)
{
    VIO *vio = begin("");
    unsigned i;

    for (i = 0; i < 2; i++) {
        assert_status(vio, vio_put_attach(vio, 0, EP, VIO_ATTACH_F_BYPASS),
                      VIO_S_OK);
        assert_status(vio, vio_put_attach(vio, 0, EP2, VIO_ATTACH_F_BYPASS),
                      VIO_S_OK);
    }
    assert_status(vio, vio_put_attach(vio, 0, EP3, 0), VIO_S_INVAL);
    assert_status(vio, vio_put_map(vio, 0, 0, PAGE - 1, 0, RW), VIO_S_INVAL);
    assert_status(vio, vio_put_unmap(vio, 0, 0, PAGE - 1), VIO_S_INVAL);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 1);
    assert_status(vio, vio_put_detach(vio, 0, EP), VIO_S_OK);
    assert_status(vio, vio_put_detach(vio, 0, EP2), VIO_S_OK);
    /* Its ID is free for one of the other kind. */
    attach_ok(vio, 0, EP);
    vio_stop(vio);
}

/* A flag whose feature was not accepted is unknown. */
static void test_features(void)
{
    VIO *vio = vio_start("", "");

    vio_setup(vio, 1 << 2);
    assert_status(vio, vio_put_attach(vio, 1, EP, VIO_ATTACH_F_BYPASS),
                  VIO_S_INVAL);
    attach_ok(vio, 1, EP);
    assert_status(vio, vio_put_map(vio, 1, 0, PAGE - 1, 0, VIO_MAP_F_MMIO),
                  VIO_S_INVAL);
    vio_stop(vio);
}

static void test_detach(void)
{
    VIO *vio = begin("");

    assert_status(vio, vio_put_detach(vio, 1, NO_EP), VIO_S_NOENT);
    assert_status(vio, vio_put_detach(vio, 1, UINT32_MAX), VIO_S_NOENT);
    assert_status(vio, vio_put_detach(vio, 1, EP), VIO_S_INVAL);
    attach_ok(vio, 1, EP);
    assert_status(vio, vio_put_detach(vio, 2, EP), VIO_S_INVAL);
    assert_status(vio, vio_put_detach(vio, 1, EP), VIO_S_OK);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 0);
    vio_stop(vio);
}

typedef struct MapCase {
    uint64_t first, last, gpa;
    uint32_t flags;
    uint8_t status;
} MapCase;

static void test_map(void)
{
    static const MapCase cases[] = {
        { 0x1000, 0x1fff, 0x100000, 8, VIO_S_INVAL },
        { 0x1001, 0x1fff, 0x100000, RW, VIO_S_RANGE },
        { 0x1000, 0x1ffe, 0x100000, RW, VIO_S_RANGE },
        { 0x1000, 0x1fff, 0x100800, RW, VIO_S_RANGE },
        { 0x2000, 0x1fff, 0x100000, RW, VIO_S_RANGE },
        /* Beyond aw-bits */
        { 0xfffff000, 0x100000fff, 0x100000, RW, VIO_S_RANGE },
        { 0, 0x1fff, -PAGE, RW, VIO_S_RANGE },
        { 0xfffff000, 0xffffffff, 0x100000, RW, VIO_S_OK },
        { 0x4000, 0x7fff, 0x100000, RW, VIO_S_OK },
        { 0x7000, 0x8fff, 0x100000, RW, VIO_S_INVAL },
        { 0x0000, 0x4fff, 0x100000, RW, VIO_S_INVAL },
        { 0x5000, 0x5fff, 0x100000, RW, VIO_S_INVAL },
        { 0x0000, 0xffff, 0x100000, RW, VIO_S_INVAL },
        /* The doorbell of MSIs, which PROBE tells of */
        { 0xfee00000, 0xfee00fff, 0x100000, RW, VIO_S_INVAL },
        { 0xfed00000, 0xfeffffff, 0x100000, RW, VIO_S_INVAL },
        { 0xfed00000, 0xfedfffff, 0x100000, VIO_MAP_F_MMIO, VIO_S_OK },
    };
    VIO *vio = begin("aw-bits=32");
    unsigned i;

    assert_status(vio, vio_put_map(vio, 1, 0, PAGE - 1, 0, RW), VIO_S_NOENT);
    attach_ok(vio, 1, EP);
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        const MapCase *c = &cases[i];

        g_test_message("%u", i);
        assert_status(vio, vio_put_map(vio, 1, c->first, c->last, c->gpa,
                                       c->flags), c->status);
    }
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 3);
    vio_stop(vio);
}

static void test_unmap(void)
{
    VIO *vio = begin("");

    assert_status(vio, vio_put_unmap(vio, 1, 0, UINT64_MAX), VIO_S_NOENT);
    attach_ok(vio, 1, EP);
    assert_status(vio, vio_put_unmap(vio, 1, 0, UINT64_MAX), VIO_S_OK);
    map_ok(vio, 1, 0x1000, 1);
    map_ok(vio, 1, 0x2000, 4);
    map_ok(vio, 1, 0x8000, 1);
    /* One would be split: none goes. */
    assert_status(vio, vio_put_unmap(vio, 1, 0, 0x2fff), VIO_S_RANGE);
    assert_status(vio, vio_put_unmap(vio, 1, 0x3000, UINT64_MAX), VIO_S_RANGE);
    assert_status(vio, vio_put_unmap(vio, 1, 0x3000, 0x3fff), VIO_S_RANGE);
    assert_status(vio, vio_put_unmap(vio, 1, 0x5fff, 0x1000), VIO_S_RANGE);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 3);
    /* What is not mapped is no matter, nor is alignment there. */
    assert_status(vio, vio_put_unmap(vio, 1, 0x7, 0x1fff), VIO_S_OK);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 2);
    assert_status(vio, vio_put_unmap(vio, 1, 0, UINT64_MAX), VIO_S_OK);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 0);
    vio_stop(vio);
}

static void test_bounds(void)
{
    VIO *vio = begin("max-domains=2,max-mappings=3");
    unsigned i;

    attach_ok(vio, 1, EP);
    attach_ok(vio, 2, EP2);
    assert_status(vio, vio_put_attach(vio, 3, EP3, 0), VIO_S_NOMEM);
    attach_ok(vio, 2, EP3);
    for (i = 0; i < 3; i++) {
        map_ok(vio, 1 + i % 2, i * PAGE, 1);
    }
    assert_status(vio, vio_put_map(vio, 1, 0x10000, 0x10fff, 0, RW),
                  VIO_S_NOMEM);
    assert_status(vio, vio_put_unmap(vio, 1, 0, PAGE - 1), VIO_S_OK);
    map_ok(vio, 1, 0x10000, 1);
    vio_stop(vio);
}

/* 5.13.6, 5.13.6.2: what is no request comes back as it was. */
static void test_malformed(void)
{
    static const uint8_t map[36] = { VIO_T_MAP };
    static const uint8_t types[] = { 0, 6, 7, 0x80, 0xff };
    VIO *vio = begin("");
    uint8_t req[36] = { 0 };
    unsigned i, slot;

    for (i = 0; i < ARRAY_SIZE(types); i++) {
        req[0] = types[i];
        slot = vio_put(vio, req, sizeof(req), 4);
        assert_status(vio, slot, VIO_S_NONE);
        g_assert_cmpuint(vio->slots[slot].len, ==, 0);
    }
    /* No head; then no tail */
    slot = vio_put(vio, map, 3, 4);
    assert_status(vio, slot, VIO_S_NONE);
    g_assert_cmpuint(vio->slots[slot].len, ==, 0);
    slot = vio_put(vio, map, sizeof(map), 3);
    assert_status(vio, slot, VIO_S_NONE);
    g_assert_cmpuint(vio->slots[slot].len, ==, 0);
    slot = vio_put(vio, map, sizeof(map), 0);
    vio_wait(vio, slot);
    g_assert_cmpuint(vio->slots[slot].len, ==, 0);
    /* Too short for its type, but there is a tail */
    slot = vio_put(vio, map, sizeof(map) - 1, 4);
    assert_status(vio, slot, VIO_S_INVAL);
    g_assert_cmpuint(vio->slots[slot].len, ==, 4);
    g_assert_cmphex(vio_answer(vio, slot, 1), ==, 0);
    /* The queue goes on. */
    attach_ok(vio, 1, EP);
    vio_stop(vio);
}

static void assert_region(VIO *vio, unsigned at, uint8_t subtype,
                          uint64_t first, uint64_t last)
{
    uint8_t prop[24];

    qtest_memread(vio->qts, vio->big + at * sizeof(prop), prop, sizeof(prop));
    g_assert_cmphex(lduw_le_p(prop), ==, 1);
    g_assert_cmpuint(lduw_le_p(prop + 2), ==, 20);
    g_assert_cmphex(prop[4], ==, subtype);
    g_assert_cmphex(ldq_le_p(prop + 8), ==, first);
    g_assert_cmphex(ldq_le_p(prop + 16), ==, last);
}

static unsigned put_probe(VIO *vio, uint32_t endpoint, unsigned size)
{
    uint8_t req[72] = { VIO_T_PROBE };

    stl_le_p(req + 4, endpoint);
    return vio_put(vio, req, sizeof(req), size + 4);
}

static void test_probe(void)
{
    VIO *vio = begin("");
    unsigned slot = put_probe(vio, EP, VIO_PROBE_SIZE);

    vio_wait(vio, slot);
    g_assert_cmpuint(vio->slots[slot].len, ==, VIO_PROBE_SIZE + 4);
    g_assert_cmphex(qtest_readb(vio->qts, vio->big + VIO_PROBE_SIZE), ==,
                    VIO_S_OK);
    assert_region(vio, 0, 1, 0xfee00000, 0xfeefffff);
    /* The rest is zero. */
    g_assert_true(viommu_is_filled(vio, vio->big + 24, 0,
                                   VIO_PROBE_SIZE - 24));

    vio_wait(vio, put_probe(vio, NO_EP, VIO_PROBE_SIZE));
    g_assert_cmphex(qtest_readb(vio->qts, vio->big + VIO_PROBE_SIZE), ==,
                    VIO_S_NOENT);
    /* Too small: no property, and the tail is at its end. */
    vio_wait(vio, put_probe(vio, EP, 100));
    g_assert_cmphex(qtest_readb(vio->qts, vio->big + 100), ==, VIO_S_INVAL);
    g_assert_true(viommu_is_filled(vio, vio->big, 0, 100));
    vio_stop(vio);
}

/*
 * Functions on a conventional bus make their requests as one endpoint: their
 * IDs are names of it.
 */
static void test_names(void)
{
    VIO *vio = vio_start("", "-device pcie-pci-bridge,id=br,addr=7.0 "
                             "-device pci-testdev,bus=br,addr=1.0 "
                             "-device pci-testdev,bus=br,addr=2.0");
    QPCIDevice *bridge = unit_open_bridge(&vio->unit, 7 << 3, 1);

    vio_setup(vio, VIO_ALL_FEATURES);
    vio_wait(vio, put_probe(vio, BEHIND_1, VIO_PROBE_SIZE));
    g_assert_cmphex(qtest_readb(vio->qts, vio->big + VIO_PROBE_SIZE), ==,
                    VIO_S_OK);
    vio_wait(vio, put_probe(vio, BEHIND_3, VIO_PROBE_SIZE));
    g_assert_cmphex(qtest_readb(vio->qts, vio->big + VIO_PROBE_SIZE), ==,
                    VIO_S_NOENT);
    assert_status(vio, vio_put_attach(vio, 1, BEHIND_3, 0), VIO_S_NOENT);
    assert_status(vio, vio_put_detach(vio, 1, BEHIND_3), VIO_S_NOENT);

    attach_ok(vio, 1, BEHIND_1);
    attach_ok(vio, 1, ALIAS);
    attach_ok(vio, 1, BEHIND_2);
    map_ok(vio, 1, 0, 1);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 1);
    /* All of them move. */
    attach_ok(vio, 2, BEHIND_2);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 1);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 0);
    assert_status(vio, vio_put_detach(vio, 1, BEHIND_1), VIO_S_INVAL);
    assert_status(vio, vio_put_detach(vio, 2, BEHIND_1), VIO_S_OK);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 0);
    assert_status(vio, vio_put_detach(vio, 2, ALIAS), VIO_S_OK);
    assert_status(vio, vio_put_detach(vio, 2, BEHIND_2), VIO_S_OK);
    g_free(bridge);
    vio_stop(vio);
}

/* The disk is held up; what is asked of the unit is returned or not. */
static Rig *held(void)
{
    const RigOptions opt = { 0 };
    Rig *rig = rig_new(&opt);

    rig_hold(rig, false, rig->data_iova);
    return rig;
}

#define VIO_OF(rig) container_of((rig)->unit, VIO, unit)
#define DOMAIN 7                        /* the rig's */

static void test_others_go_on(void)
{
    Rig *rig = held();
    VIO *vio = VIO_OF(rig);
    unsigned unmap = vio_put_unmap(vio, DOMAIN, rig->data_iova,
                                   rig->data_iova + PAGE - 1);
    unsigned behind = vio_put_map(vio, DOMAIN, 0x40000000, 0x40000fff,
                                  rig->spare, RW);
    unsigned same = vio_put_map(vio, DOMAIN, rig->data_iova,
                                rig->data_iova + PAGE - 1, rig->spare, RW);
    unsigned nothing = vio_put_unmap(vio, DOMAIN, 0x60000000, 0x60000fff);
    unsigned bad = vio_put_unmap(vio, 99, 0, PAGE - 1);

    vio_kick(vio);
    viommu_until(vio, vio_done(vio, behind) && vio_done(vio, same) &&
                      vio_done(vio, nothing) && vio_done(vio, bad));
    g_assert_cmphex(vio_answer(vio, behind, 0), ==, VIO_S_OK);
    g_assert_cmphex(vio_answer(vio, same, 0), ==, VIO_S_OK);
    g_assert_cmphex(vio_answer(vio, nothing, 0), ==, VIO_S_OK);
    g_assert_cmphex(vio_answer(vio, bad, 0), ==, VIO_S_NOENT);
    viommu_turns(vio);
    g_assert_false(vio_done(vio, unmap));
    g_assert_cmpuint(vio_register(vio, "requests-waiting"), ==, 1);
    rig_step(rig, RIG_SHORT_NS);
    g_assert_false(vio_done(vio, unmap));
    rig_release(rig);
    viommu_until(vio, vio_done(vio, unmap));
    g_assert_cmphex(vio_answer(vio, unmap, 0), ==, VIO_S_OK);
    rig_free(rig);
}

/* An endpoint that moves to another domain */
static void test_move(void)
{
    Rig *rig = held();
    VIO *vio = VIO_OF(rig);
    unsigned move = vio_put_attach(vio, 33, rig->sid, 0);

    vio_kick(vio);
    viommu_turns(vio);
    g_assert_false(vio_done(vio, move));
    qtest_clock_step(vio->qts, RIG_RELEASE_NS);
    viommu_until(vio, vio_done(vio, move));
    g_assert_true(viommu_is_filled(vio, rig->page, RIG_ON_DISK, RIG_LEN));
    rig_free(rig);
}

/*
 * The driver resets the unit: nobody is attached any more, and the status reads
 * as 0 when what was in flight then has drained.
 */
static void test_driver_reset(void)
{
    Rig *rig = held();
    VIO *vio = VIO_OF(rig);
    uint8_t before = vio->transport->status(vio);

    vio_reset_start(vio);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 0);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 0);
    /* It was written before the reset, and stays. */
    g_assert_cmpuint(vio_register(vio, "bypass"), ==, 0);
    viommu_turns(vio);
    g_assert_cmphex(vio->transport->status(vio), ==, before);
    /* Once more changes nothing. */
    vio_reset_start(vio);
    qtest_clock_step(vio->qts, RIG_SHORT_NS);
    viommu_turns(vio);
    g_assert_cmphex(vio->transport->status(vio), ==, before);
    qtest_clock_step(vio->qts, RIG_RELEASE_NS);
    viommu_until(vio, vio_reset_done(vio));
    g_assert_true(viommu_is_filled(vio, rig->page, RIG_ON_DISK, RIG_LEN));
    vio_negotiate(vio, VIO_ALL_FEATURES);
    attach_ok(vio, 1, EP);
    rig_free(rig);
}

/* A driver that does not wait: the first request to remove something does. */
static void test_impatient_reset(void)
{
    Rig *rig = held();
    VIO *vio = VIO_OF(rig);
    unsigned slot;

    vio_reset_start(vio);
    vio_negotiate(vio, VIO_ALL_FEATURES);
    slot = vio_put_attach(vio, 1, EP, 0);
    vio_kick(vio);
    viommu_turns(vio);
    g_assert_false(vio_done(vio, slot));
    qtest_clock_step(vio->qts, RIG_RELEASE_NS);
    viommu_until(vio, vio_done(vio, slot));
    g_assert_true(viommu_is_filled(vio, rig->page, RIG_ON_DISK, RIG_LEN));
    rig_free(rig);
}

/* The machine's reset does not wait for anything. */
static void test_reset_of_reset(void)
{
    Rig *rig = held();
    VIO *vio = VIO_OF(rig);

    vio_reset_start(vio);
    viommu_turns(vio);
    g_assert_false(vio_reset_done(vio));
    rig->unit->ops->reset(rig->unit);
    vio_find(vio);
    g_assert_true(vio_reset_done(vio));
    rig_free(rig);
}

/* A request that waits belongs to a queue that the driver resets. */
static void test_reset_while_waiting(void)
{
    Rig *rig = held();
    VIO *vio = VIO_OF(rig);
    unsigned slot = vio_put_unmap(vio, DOMAIN, rig->data_iova,
                                  rig->data_iova + PAGE - 1);

    vio_kick(vio);
    viommu_turns(vio);
    g_assert_false(vio_done(vio, slot));
    vio_reset_start(vio);
    g_assert_cmpuint(vio_register(vio, "requests-waiting"), ==, 0);
    viommu_turns(vio);
    g_assert_false(vio_reset_done(vio));
    qtest_clock_step(vio->qts, RIG_RELEASE_NS);
    viommu_until(vio, vio_reset_done(vio));
    g_assert_cmphex(vio_answer(vio, slot, 0), ==, VIO_S_NONE);
    vio_negotiate(vio, VIO_ALL_FEATURES);
    attach_ok(vio, 1, EP);
    rig_free(rig);
}

static void assert_one_fault(VIO *vio, uint8_t reason, uint32_t flags,
                             uint32_t endpoint, uint64_t address)
{
    VIOFault fault;

    viommu_until(vio, vio_fault_take(vio, &fault));
    g_assert_cmpuint(fault.reason, ==, reason);
    g_assert_cmphex(fault.flags, ==, flags);
    g_assert_cmphex(fault.endpoint, ==, endpoint);
    g_assert_cmphex(fault.address, ==, address);
    while (vio_fault_take(vio, &fault)) {
        g_assert_cmphex(fault.endpoint, ==, endpoint);
    }
}

/* 5.13.6.9: the disk reads its ring, which is gone. */
static void see_fault(bool detach, uint8_t reason)
{
    const RigOptions opt = { 0 };
    Rig *rig = rig_new(&opt);
    VIO *vio = VIO_OF(rig);

    assert_status(vio, detach ? vio_put_detach(vio, DOMAIN, rig->sid) :
                  vio_put_unmap(vio, DOMAIN, RIG_RING_IOVA,
                                RIG_RING_IOVA + PAGE - 1), VIO_S_OK);
    vblk_submit(rig->blk, false, 0, RIG_SPARE_IOVA, RIG_LEN);
    assert_one_fault(vio, reason, 0x101, rig->sid, RIG_RING_IOVA + 0x202);
    rig_free(rig);
}

static void test_faults(void)
{
    see_fault(false, 2);
    see_fault(true, 1);
}

/*
 * A request is held, whose end will find no used ring: a fault.  Without
 * ioeventfd the disk itself does not end it when the machine stops.
 */
static Rig *held_without_used(void)
{
    const RigOptions opt = {
        .used_apart = true,
        .args = "-global virtio-blk-pci.ioeventfd=off",
    };
    Rig *rig = rig_new(&opt);
    VIO *vio = VIO_OF(rig);
    VIOFault fault;

    rig_hold(rig, false, rig->data_iova);
    assert_status(vio, vio_put_unmap(vio, DOMAIN, RIG_USED_IOVA,
                                     RIG_USED_IOVA + PAGE - 1), VIO_S_OK);
    viommu_turns(vio);
    g_assert_false(vio_fault_take(vio, &fault));
    return rig;
}

/* Is a fault of the used ring told? */
static bool used_fault_take(Rig *rig)
{
    VIOFault fault;

    if (!vio_fault_take(VIO_OF(rig), &fault)) {
        return false;
    }
    g_assert_cmphex(fault.endpoint, ==, rig->sid);
    g_assert_cmphex(fault.address & -PAGE, ==, RIG_USED_IOVA);
    return true;
}

/* A drain ends when the machine stops, and what DMA met there is told then. */
static void test_faults_stop(void)
{
    Rig *rig = held_without_used();
    VIO *vio = VIO_OF(rig);
    unsigned slot = vio_put_unmap(vio, DOMAIN, rig->data_iova,
                                  rig->data_iova + PAGE - 1);

    vio_kick(vio);
    viommu_turns(vio);
    g_assert_false(vio_done(vio, slot));
    qtest_qmp_assert_success(vio->qts, "{'execute': 'stop'}");
    g_assert_true(used_fault_take(rig));
    qtest_qmp_assert_success(vio->qts, "{'execute': 'cont'}");
    viommu_until(vio, vio_done(vio, slot));
    rig_free(rig);
}

/*
 * What DMA meets after that waits until the machine runs again, and is of no
 * driver that has reset the unit meanwhile.
 */
static void see_fault_wait(bool reset)
{
    Rig *rig = held_without_used();
    VIO *vio = VIO_OF(rig);

    qtest_qmp_assert_success(vio->qts, "{'execute': 'stop'}");
    viommu_turns(vio);
    g_assert_false(used_fault_take(rig));
    if (reset) {
        vio_reset_start(vio);
        viommu_until(vio, vio_reset_done(vio));
        vio_negotiate(vio, VIO_ALL_FEATURES);
    }
    qtest_qmp_assert_success(vio->qts, "{'execute': 'cont'}");
    viommu_turns(vio);
    g_assert_true(used_fault_take(rig) == !reset);
    rig_free(rig);
}

static void test_faults_wait(void)
{
    see_fault_wait(false);
    see_fault_wait(true);
}

static uint64_t config64(VIO *vio, unsigned at)
{
    uint64_t value = 0;
    unsigned i;

    for (i = 0; i < 8; i++) {
        value |= (uint64_t)vio->transport->config(vio, at + i) << 8 * i;
    }
    return value;
}

typedef struct Limits {
    const char *props;
    uint64_t granule, end;   /* the smallest page, the last address */
} Limits;

/* What the config space says is what requests are held to. */
static void test_limits(const void *opaque)
{
    const Limits *l = opaque;
    VIO *vio = begin(l->props);
    uint64_t granule = l->granule ?: qemu_real_host_page_size();
    uint64_t top = l->end - granule + 1;

    g_assert_cmphex(config64(vio, VIO_CONFIG_MASK), ==, -granule);
    g_assert_cmphex(config64(vio, VIO_CONFIG_END - 8), ==, 0);
    g_assert_cmphex(config64(vio, VIO_CONFIG_END), ==, l->end);
    attach_ok(vio, 1, EP);
    assert_status(vio, vio_put_map(vio, 1, granule, 2 * granule - 1, granule,
                                   RW), VIO_S_OK);
    assert_status(vio, vio_put_map(vio, 1, 4 * granule, 4 * granule +
                                   granule / 2 - 1, 0, RW), VIO_S_RANGE);
    assert_status(vio, vio_put_map(vio, 1, 4 * granule, 5 * granule - 1,
                                   granule / 2, RW), VIO_S_RANGE);
    assert_status(vio, vio_put_map(vio, 1, top, l->end, 0, RW), VIO_S_OK);
    if (l->end < UINT64_MAX) {
        assert_status(vio, vio_put_map(vio, 1, l->end + 1, l->end + granule, 0,
                                       RW), VIO_S_RANGE);
        assert_status(vio, vio_put_map(vio, 1, top - granule, l->end + granule,
                                       0, RW), VIO_S_RANGE);
    }
    /* All 2^64 bytes, whatever can be mapped */
    assert_status(vio, vio_put_unmap(vio, 1, 0, UINT64_MAX), VIO_S_OK);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 0);
    vio_stop(vio);
}

static const Limits limits[] = {
    /* q35's own width */
    { "", 0, (1ull << 39) - 1 },
    { "granule=host,aw-bits=64", 0, UINT64_MAX },
    { "granule=4k,aw-bits=48", 4 << 10, (1ull << 48) - 1 },
    { "granule=8k,aw-bits=32", 8 << 10, UINT32_MAX },
    { "granule=16k,aw-bits=63", 16 << 10, INT64_MAX },
    { "granule=64k", 64 << 10, (1ull << 39) - 1 },
};

/* Each option of ours says what it does; virtio's own are not asked. */
static void test_help(void)
{
    static const char *const ours[] = {
        "primary-bus", "boot-bypass", "granule", "aw-bits", "max-domains",
        "max-mappings", "iotlb-size", "dma-cache-size", "dma-mode",
        "drain-timeout", "drain-stall-time", "sanitizer", NULL
    };
    QTestState *qts = qtest_init("-machine none");
    QDict *answer = qtest_qmp(qts, "{'execute': 'device-list-properties',"
                              " 'arguments': {'typename':"
                              " 'virtio-iommu-device'}}");
    QListEntry *entry;
    unsigned n = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(answer, "return"), entry) {
        QDict *property = qobject_to(QDict, qlist_entry_obj(entry));
        const char *name = qdict_get_str(property, "name");
        const char *what = qdict_get_try_str(property, "description");

        if (g_strv_contains(ours, name)) {
            g_test_message("%s: %s", name, what);
            g_assert_nonnull(what);
            g_assert_cmpuint(strlen(what), >, 20);
            n++;
        }
    }
    g_assert_cmpuint(n, ==, ARRAY_SIZE(ours) - 1);
    qobject_unref(answer);
    qtest_quit(qts);
}

static void test_properties(void)
{
    static const char *const bad[] = {
        "max-domains=0", "max-mappings=0", "aw-bits=65", "aw-bits=31",
        "iotlb-size=1", "dma-mode=fast",
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autofree char *args = vio_machine(bad[i]);
        g_autofree char *name = g_strndup(bad[i], strcspn(bad[i], "="));
        g_autofree char *said = unit_refused(args);

        g_assert_nonnull(strstr(said, name));
    }
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    g_setenv("VIOMMU_UNIT", "virtio", true);
    for (i = 0; i < ARRAY_SIZE(limits); i++) {
        g_autofree char *path =
            g_strdup_printf("/viommu/virtio/limits/%s",
                            *limits[i].props ? limits[i].props : "default");

        qtest_add_data_func(path, &limits[i], test_limits);
    }
    qtest_add_func("/viommu/virtio/help", test_help);
    qtest_add_func("/viommu/virtio/attach", test_attach);
    qtest_add_func("/viommu/virtio/refused-said", test_refused_said);
    qtest_add_func("/viommu/virtio/bypass-domain", test_bypass_domain);
    qtest_add_func("/viommu/virtio/features", test_features);
    qtest_add_func("/viommu/virtio/detach", test_detach);
    qtest_add_func("/viommu/virtio/map", test_map);
    qtest_add_func("/viommu/virtio/unmap", test_unmap);
    qtest_add_func("/viommu/virtio/bounds", test_bounds);
    qtest_add_func("/viommu/virtio/malformed", test_malformed);
    qtest_add_func("/viommu/virtio/probe", test_probe);
    qtest_add_func("/viommu/virtio/names", test_names);
    qtest_add_func("/viommu/virtio/others-go-on", test_others_go_on);
    qtest_add_func("/viommu/virtio/move", test_move);
    qtest_add_func("/viommu/virtio/driver-reset", test_driver_reset);
    qtest_add_func("/viommu/virtio/impatient-reset", test_impatient_reset);
    qtest_add_func("/viommu/virtio/reset-of-reset", test_reset_of_reset);
    qtest_add_func("/viommu/virtio/reset-while-waiting",
                   test_reset_while_waiting);
    qtest_add_func("/viommu/virtio/faults", test_faults);
    qtest_add_func("/viommu/virtio/faults-stop", test_faults_stop);
    qtest_add_func("/viommu/virtio/faults-wait", test_faults_wait);
    qtest_add_func("/viommu/virtio/properties", test_properties);
    return g_test_run();
}
