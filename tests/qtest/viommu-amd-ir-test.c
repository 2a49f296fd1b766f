/*
 * AMD-Vi interrupt remapping: both forms of entries, x2APIC, the unit's own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether an interrupt arrived, and where, is read off the local APICs' request
 * registers: no CPU runs here that would take it.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-amd.h"
#include "viommu-edu.h"

#define INDEX       5
#define VECTOR      0x61            /* and the following ones */
#define BEYOND_RAM  0x7f0000000000ULL
#define IV          (1ULL << 0)
#define LEN(log2)   ((uint64_t)(log2) << 1)
#define IG          (1ULL << 5)
#define NMI_PASS    (1ULL << 58)
#define PASS        (1ULL << 60)
#define REMAP       (2ULL << 60)

typedef struct Remap {
    AMD *amd;
    Edu *edu;
    uint64_t table;
} Remap;

static void remap_start(Remap *r, const char *props, uint64_t control)
{
    r->amd = amd_start(props, EDU_DEVICE "-smp 2");
    r->edu = edu_new(&r->amd->unit, EDU_SID);
    r->table = unit_alloc(&r->amd->unit, 8);
    amd_enable(r->amd);
    amd_write(r->amd, AMD_CONTROL, amd_read(r->amd, AMD_CONTROL) | control);
}

static void remap_stop(Remap *r)
{
    edu_free(r->edu);
    amd_stop(r->amd);
}

static void remap_dte(Remap *r, uint64_t w2)
{
    amd_set_dte(r->amd, EDU_SID, 2, w2, 0);
    amd_cmd(r->amd, AMD_CMD_DEVTAB | EDU_SID, 0);
}

static void remap_send(Remap *r, uint16_t data)
{
    edu_msi(r->edu, VIOMMU_MSI_ADDR, data);
    edu_raise(r->edu);
}

/* query-viommu's answer, to be freed, and the unit in it */
static QDict *remap_query(Remap *r, QDict **unit)
{
    QDict *answer = qtest_qmp(r->amd->qts, "{'execute': 'query-viommu'}");

    *unit = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer, "return")));
    return answer;
}

/* The last one is the one of @data, for the reason of @code. */
static void remap_logged(Remap *r, uint16_t data, unsigned code, bool recorded)
{
    QDict *unit, *answer = remap_query(r, &unit);
    QDict *fault = qobject_to(QDict, qlist_peek(qdict_get_qlist(unit,
                                                                "fault-log")));
    QDict *words;

    g_assert_nonnull(fault);
    words = qdict_get_qdict(fault, "fault");
    g_assert_true(qdict_get_bool(fault, "interrupt"));
    g_assert_cmphex(qdict_get_int(fault, "iova"), ==, VIOMMU_MSI_ADDR);
    g_assert_cmphex(qdict_get_int(words, "code"), ==, code);
    g_assert_true(qdict_get_bool(words, "recorded") == recorded);
    if (qdict_haskey(fault, "index")) {
        g_assert_cmpint(qdict_get_int(fault, "index"), ==, data & 0x7ff);
    }
    qobject_unref(answer);
}

/* It is not sent on, and logged like this. */
static void remap_fails(Remap *r, uint16_t data, unsigned code, unsigned flags,
                        uint64_t addr)
{
    remap_send(r, data);
    amd_assert_event(r->amd, code, EDU_SID, flags | AMD_F_I, addr);
    amd_assert_no_event(r->amd);
    remap_logged(r, data, code, true);
}

static bool remap_arrived(Remap *r, int cpu, uint8_t vector)
{
    return viommu_irq_arrived(r->amd, cpu, vector);
}

/* What the device table entry says, without any remapping entry */
static void test_entry(void)
{
    Remap r;

    remap_start(&r, "", 0);
    /* IV clear */
    remap_send(&r, VECTOR);
    g_assert_true(remap_arrived(&r, 0, VECTOR));
    /* IntCtl: abort, pass */
    remap_dte(&r, IV | LEN(8) | r.table);
    remap_fails(&r, VECTOR + 1, AMD_EV_PAGE_FAULT, 0, VIOMMU_MSI_ADDR);
    g_assert_false(remap_arrived(&r, 0, VECTOR + 1));
    remap_dte(&r, IV | LEN(8) | r.table | PASS);
    remap_send(&r, VECTOR + 2);
    g_assert_true(remap_arrived(&r, 0, VECTOR + 2));
    /* NMI needs its own bit. */
    remap_fails(&r, 4 << 8, AMD_EV_PAGE_FAULT, 0, VIOMMU_MSI_ADDR);
    remap_dte(&r, IV | LEN(8) | r.table | PASS | NMI_PASS);
    remap_send(&r, 4 << 8);
    amd_assert_no_event(r.amd);
    /* IG */
    remap_dte(&r, IV | LEN(8) | r.table | IG);
    remap_send(&r, VECTOR + 1);
    amd_assert_no_event(r.amd);
    /* Illegal ones */
    remap_dte(&r, IV | LEN(12) | r.table | REMAP);
    remap_fails(&r, 0, AMD_EV_ILLEGAL_DTE, 0, VIOMMU_MSI_ADDR);
    remap_dte(&r, IV | LEN(8) | r.table | REMAP | 1ULL << 52);
    remap_fails(&r, 0, AMD_EV_ILLEGAL_DTE, AMD_F_RZ, VIOMMU_MSI_ADDR);
    remap_stop(&r);
}

/* A counter of edu's interrupts, as query-viommu says */
static int64_t remap_count(Remap *r, const char *which)
{
    QDict *unit, *answer = remap_query(r, &unit);
    QListEntry *entry;
    int64_t n = -1;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "endpoint-info"), entry) {
        QDict *ep = qobject_to(QDict, qlist_entry_obj(entry));

        if (qdict_get_int(ep, "requester-id") == EDU_SID) {
            n = qdict_get_try_int(ep, which, -1);
        }
    }
    qobject_unref(answer);
    return n;
}

static int64_t remap_counted(Remap *r)
{
    return remap_count(r, "interrupts-remapped");
}

static void put32(Remap *r, unsigned index, uint32_t entry)
{
    qtest_writel(r->amd->qts, r->table + 4 * index, entry);
}

static void test_legacy(void)
{
    Remap r;

    remap_start(&r, "", 0);
    remap_dte(&r, IV | LEN(3) | r.table | REMAP);
    put32(&r, INDEX, VECTOR << 16 | 1 << 8 | 1);
    put32(&r, INDEX + 1, (VECTOR + 1) << 16 | 1);
    g_assert_cmpint(remap_counted(&r), ==, 0);
    remap_send(&r, INDEX);
    g_assert_true(remap_arrived(&r, 1, VECTOR));
    g_assert_cmpint(remap_counted(&r), ==, 1);
    g_assert_false(remap_arrived(&r, 0, VECTOR));
    remap_send(&r, INDEX + 1);
    g_assert_true(remap_arrived(&r, 0, VECTOR + 1));
    amd_assert_no_event(r.amd);

    /* Beyond the table; off; suppressed; illegal; not readable */
    remap_fails(&r, 8, AMD_EV_PAGE_FAULT, 0, VIOMMU_MSI_ADDR);
    g_assert_cmpint(remap_counted(&r), ==, 2);
    put32(&r, INDEX, (VECTOR + 2) << 16);
    remap_fails(&r, INDEX, AMD_EV_PAGE_FAULT, 0, VIOMMU_MSI_ADDR);
    g_assert_cmpint(remap_count(&r, "interrupts-refused"), ==, 2);
    put32(&r, INDEX, (VECTOR + 2) << 16 | 2);
    remap_send(&r, INDEX);
    amd_assert_no_event(r.amd);
    remap_logged(&r, INDEX, AMD_EV_PAGE_FAULT, false);
    put32(&r, INDEX, (VECTOR + 2) << 16 | 1 | 1 << 7);
    remap_fails(&r, INDEX, AMD_EV_PAGE_FAULT, AMD_F_PR | AMD_F_RZ,
                VIOMMU_MSI_ADDR);
    g_assert_false(remap_arrived(&r, 0, VECTOR + 2));
    remap_dte(&r, IV | LEN(3) | BEYOND_RAM | REMAP);
    remap_fails(&r, INDEX, AMD_EV_PAGE_ERROR, 1 << 9, BEYOND_RAM + 4 * INDEX);
    remap_stop(&r);
}

static void put128(Remap *r, unsigned index, uint64_t lo, uint64_t hi)
{
    qtest_writeq(r->amd->qts, r->table + 16 * index + 8, hi);
    qtest_writeq(r->amd->qts, r->table + 16 * index, lo);
}

static void test_ga(void)
{
    Remap r;

    remap_start(&r, "", AMD_C_GA);
    remap_dte(&r, IV | LEN(9) | r.table | REMAP);
    put128(&r, 0x1ff, 1 << 8 | 1, VECTOR);
    remap_send(&r, 0x1ff);
    g_assert_true(remap_arrived(&r, 1, VECTOR));
    /* Without XTEn the destination has 8 bits. */
    put128(&r, 3, 0xab0001ULL << 8 | 1, (VECTOR + 1) | 0x55ULL << 56);
    remap_send(&r, 3);
    g_assert_true(remap_arrived(&r, 1, VECTOR + 1));
    put128(&r, 3, 1 << 8 | 1, (VECTOR + 2) | 1 << 8);
    remap_fails(&r, 3, AMD_EV_PAGE_FAULT, AMD_F_PR | AMD_F_RZ,
                VIOMMU_MSI_ADDR);
    remap_stop(&r);

    /* With it, of 32; the decoder's unit test has the upper ones. */
    remap_start(&r, "xtsup=on", AMD_C_GA | AMD_C_XT);
    remap_dte(&r, IV | LEN(9) | r.table | REMAP);
    put128(&r, 3, 1 << 8 | 1, VECTOR);
    remap_send(&r, 3);
    g_assert_true(remap_arrived(&r, 1, VECTOR));
    amd_assert_no_event(r.amd);
    remap_stop(&r);
}

/* The unit's own interrupt, by XT's register: never remapped */
static void test_own(void)
{
    Remap r;

    remap_start(&r, "xtsup=on", AMD_C_INT_CAP_XT | AMD_C_WAIT_INT);
    amd_write(r.amd, AMD_XT_INT, (uint64_t)VECTOR << 32 | 1 << 8);
    amd_cmd(r.amd, AMD_CMD_WAIT, 0);
    g_assert_false(remap_arrived(&r, 1, VECTOR));
    amd_cmd(r.amd, AMD_CMD_WAIT | AMD_WAIT_INT, 0);
    g_assert_true(remap_arrived(&r, 1, VECTOR));

    amd_write(r.amd, AMD_CONTROL, amd_read(r.amd, AMD_CONTROL) |
              AMD_C_EVENT_INT);
    amd_write(r.amd, AMD_XT_INT, (uint64_t)(VECTOR + 1) << 32 | 1 << 8);
    edu_store(r.edu, 0x1000, 4);
    g_assert_true(remap_arrived(&r, 1, VECTOR + 1));
    remap_stop(&r);
}

/* A fault, while the unit's own interrupt is @vector: does that arrive? */
static bool own_arrives(Remap *r, uint8_t vector)
{
    amd_write(r->amd, AMD_XT_INT, (uint64_t)vector << 32 | 1 << 8);
    edu_store(r->edu, 0x1000, 4);
    viommu_turns(r->amd);
    return remap_arrived(r, 1, vector);
}

/* 2.5: a record in the log interrupts, and its overflow; nothing else does. */
static void test_event(void)
{
    uint64_t base, control;
    Remap r;

    remap_start(&r, "xtsup=on", AMD_C_INT_CAP_XT | AMD_C_EVENT_INT);
    g_assert_true(own_arrives(&r, VECTOR));

    /* EventIntEn clear; nor for a record of before, when it is set */
    control = amd_read(r.amd, AMD_CONTROL);
    amd_write(r.amd, AMD_CONTROL, control & ~AMD_C_EVENT_INT);
    g_assert_false(own_arrives(&r, VECTOR + 1));
    g_assert_cmphex(amd_read(r.amd, AMD_EVENT_TAIL), ==, 2 * 16);
    amd_write(r.amd, AMD_CONTROL, control);
    viommu_turns(r.amd);
    g_assert_false(remap_arrived(&r, 1, VECTOR + 1));

    /* A log that is nowhere takes no record. */
    base = amd_read(r.amd, AMD_EVENT_BASE);
    amd_write(r.amd, AMD_EVENT_BASE,
              BEYOND_RAM | (uint64_t)AMD_RING_LOG2 << 56);
    amd_write(r.amd, AMD_STATUS, AMD_S_EVENT_INT);
    g_assert_false(own_arrives(&r, VECTOR + 2));
    g_assert_cmphex(amd_read(r.amd, AMD_EVENT_TAIL), ==, 0);
    g_assert_cmphex(amd_read(r.amd, AMD_STATUS) & AMD_S_EVENT_INT, ==, 0);

    /* One that is full overflows, and has stopped then. */
    amd_write(r.amd, AMD_EVENT_BASE, base);
    amd_write(r.amd, AMD_EVENT_HEAD, 16);
    g_assert_true(own_arrives(&r, VECTOR + 3));
    g_assert_cmphex(amd_read(r.amd, AMD_STATUS) &
                    (AMD_S_OVERFLOW | AMD_S_EVENT_RUN), ==, AMD_S_OVERFLOW);
    g_assert_cmphex(amd_read(r.amd, AMD_EVENT_TAIL), ==, 0);
    g_assert_false(own_arrives(&r, VECTOR + 4));
    remap_stop(&r);
}

/* intremap=off: what the guest sets up for it is refused. */
static void test_off(void)
{
    Remap r;

    remap_start(&r, "intremap=off", 0);
    remap_send(&r, VECTOR);
    g_assert_true(remap_arrived(&r, 0, VECTOR));
    put32(&r, INDEX, (VECTOR + 1) << 16 | 1);
    remap_dte(&r, IV | LEN(3) | r.table | REMAP);
    remap_fails(&r, INDEX, AMD_EV_PAGE_FAULT, 0, VIOMMU_MSI_ADDR);
    g_assert_false(remap_arrived(&r, 0, VECTOR + 1));
    remap_stop(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/amd/ir/entry", test_entry);
    qtest_add_func("/viommu/amd/ir/legacy", test_legacy);
    qtest_add_func("/viommu/amd/ir/ga", test_ga);
    qtest_add_func("/viommu/amd/ir/own", test_own);
    qtest_add_func("/viommu/amd/ir/event", test_event);
    qtest_add_func("/viommu/amd/ir/off", test_off);
    return g_test_run();
}
