/*
 * VT-d queued invalidation: wait descriptors, errors, recovery, hostile input
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-vtd.h"

#define VECTOR      0x51
#define BEYOND_RAM  0x7f0000000000ULL
#define IQT_MAX     0x7fff0

static VTD *start(void)
{
    VTD *vtd = vtd_start("", "%s", "");

    vtd_set_root(vtd, vtd->root);
    vtd_enable_queue(vtd);
    return vtd;
}

static uint32_t status(VTD *vtd)
{
    return qtest_readl(vtd->qts, vtd->iq_status);
}

static void sync_queue(VTD *vtd)
{
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    vtd_inv_wait(vtd, VTD_QUEUED);
}

static void assert_idle(VTD *vtd)
{
    g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, vtd->iq_tail * 16);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, 0);
}

/* The queue has stopped at slot @head. */
static void assert_stopped(VTD *vtd, unsigned head)
{
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, VTD_FSTS_IQE);
    g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, head * 16);
}

/* Who asks is told why; of a unit in another process, nobody knows. */
static void assert_told(VTD *vtd, const char *text)
{
    QDict *answer, *queue;
    QList *units;

    if (vtd->remote) {
        return;
    }
    answer = qtest_qmp(vtd->qts, "{'execute': 'query-viommu'}");
    units = qdict_get_qlist(answer, "return");
    queue = qobject_to(QDict, qlist_peek(qdict_get_qlist(
        qobject_to(QDict, qlist_peek(units)), "queues")));
    g_assert_nonnull(strstr(qdict_get_str(queue, "error"), text));
    qobject_unref(answer);
}

static void test_status_write(void)
{
    VTD *vtd = start();
    uint64_t second = vtd_alloc(vtd, 1);

    sync_queue(vtd);
    assert_idle(vtd);
    /* Where and what the descriptor says, four bytes and no more. */
    qtest_writeq(vtd->qts, second, ~0ULL);
    vtd_queue_put(vtd, VTD_D_WAIT_DATA(0x12345678) | VTD_D_WAIT_SW |
                  VTD_D_WAIT, second);
    sync_queue(vtd);
    g_assert_cmphex(qtest_readq(vtd->qts, second), ==, 0xffffffff12345678);
    assert_idle(vtd);
    vtd_stop(vtd);
}

/* FN orders what follows; alone it neither writes nor interrupts. */
static void test_fence(void)
{
    VTD *vtd = start();

    vtd_queue_put(vtd, VTD_D_WAIT_FN | VTD_D_WAIT_DATA(0xdead) | VTD_D_WAIT,
                  vtd->iq_status);
    vtd_queue_kick(vtd);
    assert_idle(vtd);
    g_assert_cmphex(status(vtd), ==, 0);
    g_assert_cmphex(vtd_read32(vtd, VTD_ICS), ==, 0);
    sync_queue(vtd);
    assert_idle(vtd);
    vtd_stop(vtd);
}

static void put_interrupt(VTD *vtd)
{
    vtd_queue_put(vtd, VTD_D_WAIT_IF | VTD_D_WAIT, 0);
    vtd_queue_kick(vtd);
}

static void test_interrupt(void)
{
    VTD *vtd = start();

    vtd_write32(vtd, VTD_IEDATA, VECTOR);
    vtd_write32(vtd, VTD_IEADDR, VIOMMU_MSI_ADDR);

    /* Masked out of reset */
    g_assert_cmphex(vtd_read32(vtd, VTD_IECTL), ==, VTD_ECTL_IM);
    put_interrupt(vtd);
    g_assert_cmphex(vtd_read32(vtd, VTD_ICS), ==, VTD_ICS_IWC);
    g_assert_cmphex(vtd_read32(vtd, VTD_IECTL), ==, VTD_ECTL_IM | VTD_ECTL_IP);
    g_assert_false(viommu_irq_arrived(vtd, 0, VECTOR));
    vtd_write32(vtd, VTD_IECTL, 0);
    g_assert_cmphex(vtd_read32(vtd, VTD_IECTL), ==, 0);
    g_assert_true(viommu_irq_arrived(vtd, 0, VECTOR));

    /* Not serviced yet: no second event. */
    vtd_write32(vtd, VTD_IEDATA, VECTOR + 1);
    put_interrupt(vtd);
    g_assert_false(viommu_irq_arrived(vtd, 0, VECTOR + 1));

    /* Serviced: the next one comes at once. */
    vtd_write32(vtd, VTD_ICS, VTD_ICS_IWC);
    g_assert_cmphex(vtd_read32(vtd, VTD_ICS), ==, 0);
    put_interrupt(vtd);
    g_assert_true(viommu_irq_arrived(vtd, 0, VECTOR + 1));
    assert_idle(vtd);

    /* Masked and serviced: nothing is pending. */
    vtd_write32(vtd, VTD_ICS, VTD_ICS_IWC);
    vtd_write32(vtd, VTD_IECTL, VTD_ECTL_IM);
    vtd_write32(vtd, VTD_IEDATA, VECTOR + 2);
    put_interrupt(vtd);
    g_assert_cmphex(vtd_read32(vtd, VTD_IECTL), ==, VTD_ECTL_IM | VTD_ECTL_IP);
    vtd_write32(vtd, VTD_ICS, VTD_ICS_IWC);
    g_assert_cmphex(vtd_read32(vtd, VTD_IECTL), ==, VTD_ECTL_IM);
    vtd_write32(vtd, VTD_IECTL, 0);
    g_assert_false(viommu_irq_arrived(vtd, 0, VECTOR + 2));
    vtd_stop(vtd);
}

typedef struct Bad {
    const char *name;
    uint64_t lo, hi;
} Bad;

static const Bad bad_descriptors[] = {
    { "type-0", 0, 0 },
    { "type-a", 0xa, 0 },
    { "type-f", 0xf, 0 },
    { "type-high", VTD_D_WAIT | VTD_D_WAIT_SW | 1 << 9, 0x1000 },
    { "context-granularity", VTD_D_CC, 0 },
    { "context-reserved", VTD_D_CC | VTD_D_G(VTD_GLOBAL) | 1ULL << 50, 0 },
    { "iotlb-granularity", VTD_D_IOTLB, 0 },
    { "iotlb-reserved-low", VTD_D_IOTLB | VTD_D_G(VTD_GLOBAL) | 1ULL << 32,
      0 },
    { "iotlb-reserved-high", VTD_D_IOTLB | VTD_D_G(VTD_PAGE), 1 << 7 },
    { "wait-reserved", VTD_D_WAIT | VTD_D_WAIT_SW | 1 << 8, 0x1000 },
};

/* An error stops the queue there; the slot behind is not looked at. */
static void test_bad(const void *opaque)
{
    const Bad *bad = opaque;
    VTD *vtd = start();

    sync_queue(vtd);
    vtd_queue_put(vtd, bad->lo, bad->hi);
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    assert_stopped(vtd, 1);
    g_assert_cmphex(status(vtd), ==, 1);
    /* The fault event is due, and masked. */
    g_assert_cmphex(vtd_read32(vtd, VTD_FECTL), ==, VTD_ECTL_IM | VTD_ECTL_IP);

    /* More tail does not move it while IQE is set. */
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    assert_stopped(vtd, 1);

    /* Software mends the slot and clears IQE. */
    qtest_writeq(vtd->qts, vtd->iq + 16, VTD_D_WAIT_SW | VTD_D_WAIT);
    qtest_writeq(vtd->qts, vtd->iq + 24, vtd->iq_status + 64);
    vtd_write32(vtd, VTD_FSTS, VTD_FSTS_IQE);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, 0);
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    vtd_inv_wait(vtd, VTD_QUEUED);
    assert_idle(vtd);
    vtd_stop(vtd);
}

/* Clearing IQE is enough: the queue goes on without a new tail. */
static void test_restart(void)
{
    VTD *vtd = start();

    vtd_queue_put(vtd, 0xf, 0);
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    assert_stopped(vtd, 0);
    assert_told(vtd, "IQEI is 3 (the descriptor at the head has no legal type");
    qtest_writeq(vtd->qts, vtd->iq, VTD_D_WAIT_SW | VTD_D_WAIT);
    qtest_writeq(vtd->qts, vtd->iq + 8, vtd->iq_status + 64);
    vtd_write32(vtd, VTD_FSTS, VTD_FSTS_IQE);
    vtd_inv_wait(vtd, VTD_QUEUED);
    assert_idle(vtd);
    /* Cleared without mending: it stops again at the same place. */
    vtd_queue_put(vtd, 0xf, 0);
    vtd_queue_kick(vtd);
    assert_stopped(vtd, 2);
    vtd_write32(vtd, VTD_FSTS, VTD_FSTS_IQE);
    assert_stopped(vtd, 2);
    vtd_stop(vtd);
}

/* Another way to recover: off, which starts the head at 0 again, and on. */
static void test_restart_by_disabling(void)
{
    VTD *vtd = start();

    sync_queue(vtd);
    vtd_queue_put(vtd, 0xf, 0);
    vtd_queue_kick(vtd);
    assert_stopped(vtd, 1);
    /* The queue is taken down with head and tail equal. */
    vtd_write64(vtd, VTD_IQT, 16);
    vtd_write32(vtd, VTD_FSTS, VTD_FSTS_IQE);
    vtd_gcmd(vtd, 0, VTD_G_QIE);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_QIE));
    g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, 0);
    vtd_enable_queue(vtd);
    sync_queue(vtd);
    assert_idle(vtd);
    vtd_stop(vtd);
}

static void test_unreadable(void)
{
    VTD *vtd = vtd_start("", "%s", "");
    uint64_t iq = vtd->iq;

    vtd->iq = BEYOND_RAM;
    vtd_enable_queue(vtd);
    vtd_write64(vtd, VTD_IQT, 16);
    assert_stopped(vtd, 0);
    assert_told(vtd, "IQEI is 2 (the descriptor at the head cannot be read");
    vtd->iq = iq;
    vtd_write64(vtd, VTD_IQT, 0);
    vtd_write32(vtd, VTD_FSTS, VTD_FSTS_IQE);
    vtd_gcmd(vtd, 0, VTD_G_QIE);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_QIE));
    vtd_enable_queue(vtd);
    sync_queue(vtd);
    assert_idle(vtd);
    vtd_stop(vtd);
}

static void test_tail_beyond(void)
{
    VTD *vtd = start();

    sync_queue(vtd);
    vtd_write64(vtd, VTD_IQT, VTD_IQ_SLOTS * 16);
    assert_stopped(vtd, 1);
    assert_told(vtd, "IQEI is 1 (the tail is beyond the queue's end");
    vtd_write64(vtd, VTD_IQT, vtd->iq_tail * 16);
    vtd_write32(vtd, VTD_FSTS, VTD_FSTS_IQE);
    sync_queue(vtd);
    assert_idle(vtd);
    vtd_write64(vtd, VTD_IQT, IQT_MAX);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, VTD_FSTS_IQE);
    vtd_stop(vtd);
}

static void test_wrap(void)
{
    VTD *vtd = start();
    int i, j;

    for (i = 0; i < 3 * VTD_IQ_SLOTS; i += 101) {
        for (j = 0; j < 100; j++) {
            vtd_queue_put(vtd, VTD_D_IOTLB | VTD_D_G(VTD_GLOBAL), 0);
        }
        sync_queue(vtd);
        assert_idle(vtd);
    }
    vtd_stop(vtd);
}

/* Every queue size, up to its last slot and over its end */
static void test_sizes(void)
{
    VTD *vtd = vtd_start("", "%s", "");
    unsigned qs;

    for (qs = 0; qs < 8; qs++) {
        unsigned slots = VTD_IQ_SLOTS << qs, i;
        uint64_t iq = vtd_alloc(vtd, 1 << qs);
        g_autofree uint64_t *descs = g_new(uint64_t, slots * 2);

        for (i = 0; i < slots; i++) {
            descs[i * 2] = cpu_to_le64(VTD_D_WAIT_DATA(i + 1) | VTD_D_WAIT_SW |
                                       VTD_D_WAIT);
            descs[i * 2 + 1] = cpu_to_le64(vtd->iq_status);
        }
        qtest_memwrite(vtd->qts, iq, descs, slots * 16);
        vtd_write64(vtd, VTD_IQT, 0);
        vtd_write64(vtd, VTD_IQA, iq | qs);
        vtd_gcmd(vtd, VTD_G_QIE, 0);
        vtd_write64(vtd, VTD_IQT, (slots - 1) * 16);
        viommu_until(vtd, status(vtd) == slots - 1);
        g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, (slots - 1) * 16);
        vtd_write64(vtd, VTD_IQT, 0);
        viommu_until(vtd, status(vtd) == slots);
        g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, 0);
        g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, 0);
        vtd_gcmd(vtd, 0, VTD_G_QIE);
        viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_QIE));
    }
    vtd_stop(vtd);
}

/* Take a queue in whatever state down and see that a new one works. */
static void see_it_recover(VTD *vtd)
{
    vtd_write64(vtd, VTD_IQT, vtd_read64(vtd, VTD_IQH));
    vtd_write32(vtd, VTD_FSTS, ~0U);
    vtd_gcmd(vtd, 0, VTD_G_QIE);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_QIE));
    qtest_writel(vtd->qts, vtd->iq_status, 0);
    vtd_enable_queue(vtd);
    sync_queue(vtd);
    assert_idle(vtd);
}

static uint64_t random64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

/* Status addresses are kept to a page that nobody looks at. */
static void put_garbage(VTD *vtd, uint64_t scratch)
{
    uint64_t lo = random64(), hi = random64();

    if (g_test_rand_bit()) {
        /* Plausible: a real type and few stray bits */
        lo = (lo & random64() & random64() & ~0xe0fULL) |
             g_test_rand_int_range(1, 9);
        hi &= random64();
    }
    if ((lo & 0xf) == VTD_D_WAIT) {
        hi = scratch | (hi & 0xffc);
    }
    vtd_queue_put(vtd, lo, hi);
}

static void test_garbage(void)
{
    VTD *vtd = start();
    uint64_t scratch = vtd_alloc(vtd, 1);
    int round, i;

    for (round = 0; round < 150; round++) {
        int n = g_test_rand_int_range(1, 40);

        for (i = 0; i < n; i++) {
            put_garbage(vtd, scratch);
        }
        vtd_queue_kick(vtd);
        /* Skip what it stopped at, now and then, instead of starting over. */
        for (i = 0; i < n && (vtd_read32(vtd, VTD_FSTS) & VTD_FSTS_IQE); i++) {
            uint64_t head = vtd_read64(vtd, VTD_IQH);

            g_assert_cmphex(head, <, VTD_IQ_SLOTS * 16);
            qtest_writeq(vtd->qts, vtd->iq + head,
                         VTD_D_WAIT_SW | VTD_D_WAIT);
            qtest_writeq(vtd->qts, vtd->iq + head + 8, scratch);
            vtd_write32(vtd, VTD_FSTS, VTD_FSTS_IQE);
            vtd_queue_kick(vtd);
        }
        if (round % 8 == 0) {
            see_it_recover(vtd);
        }
    }
    see_it_recover(vtd);
    vtd_stop(vtd);
}

/* Queue addresses and tails that mean nothing */
static void test_garbage_registers(void)
{
    VTD *vtd = vtd_start("", "%s", "");
    int i;

    for (i = 0; i < 200; i++) {
        vtd_write64(vtd, VTD_IQT, random64());
        vtd_write64(vtd, VTD_IQA, random64());
        vtd_gcmd(vtd, VTD_G_QIE, 0);
        vtd_write64(vtd, VTD_IQT, random64() & 0x1ff0);
        vtd_write64(vtd, VTD_IQA, random64());
        vtd_write32(vtd, VTD_FSTS, ~0U);
        vtd_write64(vtd, VTD_IQT, random64());
        see_it_recover(vtd);
        vtd_gcmd(vtd, 0, VTD_G_QIE);
        viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_QIE));
    }
    vtd_stop(vtd);
}

int main(int argc, char **argv)
{
    /* The same garbage every time, unless asked otherwise */
    static char seed[] = "--seed=R02S00000001000000020000000300000004";
    g_autofree char **args = g_new0(char *, argc + 2);
    size_t i;

    args[0] = argv[0];
    args[1] = seed;
    memcpy(args + 2, argv + 1, (argc - 1) * sizeof(*args));
    argc++;
    argv = args;
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/vtd/queue/" name, fn)
    ADD("wait/status", test_status_write);
    ADD("wait/fence", test_fence);
    ADD("wait/interrupt", test_interrupt);
    ADD("error/unreadable", test_unreadable);
    ADD("error/tail-beyond", test_tail_beyond);
    ADD("error/restart", test_restart);
    ADD("error/restart-by-disabling", test_restart_by_disabling);
    ADD("wrap", test_wrap);
    ADD("sizes", test_sizes);
    ADD("hostile/descriptors", test_garbage);
    ADD("hostile/registers", test_garbage_registers);
#undef ADD
    for (i = 0; i < G_N_ELEMENTS(bad_descriptors); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vtd/queue/bad/%s",
                                                bad_descriptors[i].name);

        qtest_add_data_func(path, &bad_descriptors[i], test_bad);
    }
    return g_test_run();
}
