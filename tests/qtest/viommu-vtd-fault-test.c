/*
 * VT-d faults: each reason, what the record says, and how software is told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-bench.h"

#define IOVA        0x20000000ULL
#define BEYOND_RAM  0x7f0000000000ULL    /* no memory there: reads fail */
#define OTHER_SLOT  6
#define OTHER_SID   (OTHER_SLOT << 3)
#define OTHER_EDU   "-device edu,addr=06.0,dma_mask=0xffffffffffffffff "
#define VECTOR      0x41                 /* and the following ones */

/* Load the device's buffer and unmap nothing: the fault comes next. */
static Bench *start(const char *unit)
{
    Bench *b = bench_new(unit, 4, VTD_REGISTER, OTHER_EDU);

    edu_load(b->edu, BENCH_SOURCE_IOVA, 8);
    return b;
}

/* Both directions fault for the same @reason, after an invalidation. */
static void both_fault(Bench *b, uint64_t iova, uint8_t reason)
{
    uint64_t page = iova & ~(VTD_PAGE_SIZE - 1);

    vtd_inv_everything(b->vtd);
    edu_store(b->edu, iova, 8);
    vtd_assert_fault(b->vtd, reason, EDU_SID, false, page);
    edu_load(b->edu, iova, 8);
    vtd_assert_fault(b->vtd, reason, EDU_SID, true, page);
}

static void test_root_not_present(void)
{
    Bench *b = start("");

    qtest_writeq(b->vtd->qts, vtd_root_entry(b->vtd, EDU_SID), 0);
    both_fault(b, IOVA, VTD_FR_ROOT_P);
    bench_free(b);
}

static void test_root_reserved(void)
{
    Bench *b = start("");
    uint64_t entry = vtd_root_entry(b->vtd, EDU_SID);
    uint64_t lo = qtest_readq(b->vtd->qts, entry);

    qtest_writeq(b->vtd->qts, entry, lo | 0x10);
    both_fault(b, IOVA, VTD_FR_ROOT_RSVD);
    qtest_writeq(b->vtd->qts, entry, lo);
    qtest_writeq(b->vtd->qts, entry + 8, 1);
    both_fault(b, IOVA, VTD_FR_ROOT_RSVD);
    bench_free(b);
}

static void test_root_unreadable(void)
{
    Bench *b = start("");

    vtd_set_root(b->vtd, BEYOND_RAM);
    both_fault(b, IOVA, VTD_FR_ROOT_ACCESS);
    bench_free(b);
}

static void test_context_unreadable(void)
{
    Bench *b = start("");

    qtest_writeq(b->vtd->qts, vtd_root_entry(b->vtd, EDU_SID),
                 BEYOND_RAM | VTD_ROOT_P);
    both_fault(b, IOVA, VTD_FR_CTX_ACCESS);
    bench_free(b);
}

static void test_context_not_present(void)
{
    Bench *b = start("");

    vtd_set_context(b->vtd, EDU_SID, 0, 0);
    both_fault(b, IOVA, VTD_FR_CTX_P);
    bench_free(b);
}

static void set_context(Bench *b, uint64_t lo, uint64_t hi)
{
    vtd_set_context(b->vtd, EDU_SID, b->dom.table | VTD_CTX_P | lo,
                    VTD_CTX_DID(BENCH_DID) | hi);
}

static void test_context_reserved(void)
{
    Bench *b = start("");

    set_context(b, 0x10, VTD_CTX_AW(4));
    both_fault(b, IOVA, VTD_FR_CTX_RSVD);
    set_context(b, 0, VTD_CTX_AW(4) | 1ULL << 40);
    both_fault(b, IOVA, VTD_FR_CTX_RSVD);
    bench_free(b);
}

/* A width the unit does not have, or a pass-through it does not offer */
static void test_context_invalid(void)
{
    Bench *b = bench_new("aw-bits=39", 3, VTD_REGISTER, "");

    edu_load(b->edu, BENCH_SOURCE_IOVA, 8);
    vtd_set_context(b->vtd, EDU_SID, b->dom.table | VTD_CTX_P,
                    VTD_CTX_DID(BENCH_DID) | VTD_CTX_AW(4));
    both_fault(b, IOVA, VTD_FR_CTX_INV);
    bench_free(b);
}

/* Device-TLB type without ECAP.DT, and the reserved type */
static void test_context_type(void)
{
    Bench *b = start("");

    set_context(b, VTD_CTX_TT(VTD_TT_DEVICE_TLB), VTD_CTX_AW(4));
    both_fault(b, IOVA, VTD_FR_CTX_INV);
    set_context(b, VTD_CTX_TT(3), VTD_CTX_AW(4));
    both_fault(b, IOVA, VTD_FR_CTX_INV);
    bench_free(b);
}

static void test_beyond_width(void)
{
    Bench *b = bench_new("aw-bits=48", 3, VTD_REGISTER, "");

    edu_load(b->edu, BENCH_SOURCE_IOVA, 8);
    both_fault(b, 1ULL << 39, VTD_FR_BEYOND_MGAW);
    both_fault(b, (1ULL << 48) - VTD_PAGE_SIZE, VTD_FR_BEYOND_MGAW);
    both_fault(b, ~0xfffULL, VTD_FR_BEYOND_MGAW);
    bench_free(b);
}

static void test_table_unreadable(void)
{
    Bench *b = start("");
    int level;

    /* The entry of @level leads to a table that cannot be read. */
    for (level = 4; level >= 2; level--) {
        uint64_t iova = IOVA + VTD_LEVEL_SIZE(4) * level;

        qtest_writeq(b->vtd->qts, vtd_pte(b->vtd, &b->dom, iova, level),
                     BEYOND_RAM | VTD_PTE_RW);
        both_fault(b, iova, VTD_FR_PT_ACCESS);
    }
    /* The top table itself counts as bad programming of the context. */
    vtd_set_context(b->vtd, EDU_SID, BEYOND_RAM | VTD_CTX_P,
                    VTD_CTX_DID(BENCH_DID) | VTD_CTX_AW(4));
    both_fault(b, IOVA, VTD_FR_CTX_INV);
    bench_free(b);
}

static void test_table_reserved(void)
{
    Bench *b = start("");
    VTD *vtd = b->vtd;
    uint64_t page = vtd_alloc(vtd, 1);

    /* PS where there is no such page size */
    qtest_writeq(vtd->qts, vtd_pte(vtd, &b->dom, IOVA + VTD_LEVEL_SIZE(4), 4),
                 page | VTD_PTE_RW | VTD_PTE_PS);
    both_fault(b, IOVA + VTD_LEVEL_SIZE(4), VTD_FR_PT_RSVD);
    /* Address bits below the page size */
    qtest_writeq(vtd->qts, vtd_pte(vtd, &b->dom, 4ULL << 30, 3),
                 0x40000000 | 1 << 21 | VTD_PTE_RW | VTD_PTE_PS);
    both_fault(b, 4ULL << 30, VTD_FR_PT_RSVD);
    qtest_writeq(vtd->qts, vtd_pte(vtd, &b->dom, 5ULL << 30, 2),
                 0x40000000 | 1 << 12 | VTD_PTE_RW | VTD_PTE_PS);
    both_fault(b, 5ULL << 30, VTD_FR_PT_RSVD);
    bench_free(b);
}

static void test_permission(void)
{
    Bench *b = start("");
    uint64_t page = vtd_alloc(b->vtd, 1);

    vtd_map(b->vtd, &b->dom, IOVA, page, 1, VTD_PTE_R);
    edu_store(b->edu, IOVA + 0x123, 8);
    vtd_assert_fault(b->vtd, VTD_FR_WRITE, EDU_SID, false, IOVA);
    vtd_map(b->vtd, &b->dom, IOVA + 4096, page, 1, VTD_PTE_W);
    edu_load(b->edu, IOVA + 4096 + 0xabc, 8);
    vtd_assert_fault(b->vtd, VTD_FR_READ, EDU_SID, true, IOVA + 4096);
    bench_free(b);
}

/* A page whose memory would be the interrupt address range */
static void test_interrupt_output(void)
{
    Bench *b = start("");

    vtd_map(b->vtd, &b->dom, IOVA, 0xfee00000, 1, VTD_PTE_RW);
    both_fault(b, IOVA, VTD_FR_INTR_OUT);
    bench_free(b);
}

/* FPD of a context entry: no record, still no access. */
static void test_fault_disable(void)
{
    Bench *b = start("");
    uint64_t page = vtd_alloc(b->vtd, 1);

    set_context(b, VTD_CTX_FPD, VTD_CTX_AW(4));
    vtd_inv_everything(b->vtd);
    edu_store(b->edu, IOVA, 8);
    vtd_assert_no_fault(b->vtd);
    vtd_map(b->vtd, &b->dom, IOVA, page, 1, VTD_PTE_R);
    vtd_inv_everything(b->vtd);
    edu_store(b->edu, IOVA, 8);
    g_assert_true(viommu_is_filled(b->vtd, page, 0, 8));
    vtd_assert_no_fault(b->vtd);

    /* Not present with FPD is quiet as well (9.3). */
    vtd_set_context(b->vtd, EDU_SID, VTD_CTX_FPD, 0);
    vtd_inv_everything(b->vtd);
    edu_store(b->edu, IOVA, 8);
    vtd_assert_no_fault(b->vtd);
    bench_free(b);
}

/* 7.2.1: one record register; the second fault of a device is compressed. */
static void test_overflow(void)
{
    Bench *b = start("");
    VTD *vtd = b->vtd;
    Edu *other = edu_new(&vtd->unit, OTHER_SID);
    VTDFault fault;

    g_assert_cmpint(VTD_CAP_NFR(vtd_read64(vtd, VTD_CAP)), ==, 1);
    edu_store(b->edu, IOVA, 8);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, VTD_FSTS_PPF);
    /* Same device again: no overflow. */
    edu_store(b->edu, IOVA + 4096, 8);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, VTD_FSTS_PPF);
    /* Another device: no register is left. */
    edu_store(other, IOVA, 8);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==,
                    VTD_FSTS_PPF | VTD_FSTS_PFO);
    /* PPF is what the F bits say: writing it changes nothing. */
    vtd_write32(vtd, VTD_FSTS, VTD_FSTS_PPF);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==,
                    VTD_FSTS_PPF | VTD_FSTS_PFO);
    g_assert_true(vtd_fault_take(vtd, 0, &fault));
    g_assert_cmphex(fault.sid, ==, EDU_SID);
    g_assert_cmphex(fault.info, ==, IOVA);
    vtd_assert_no_fault(vtd);
    /* And it records again. */
    edu_store(other, IOVA, 8);
    vtd_assert_fault(vtd, VTD_FR_CTX_P, OTHER_SID, false, IOVA);
    edu_free(other);
    bench_free(b);
}

static void test_many_records(void)
{
    Bench *b;
    VTD *vtd;
    Edu *other;
    VTDFault fault;
    int i;

    if (!viommu_offers("intel-iommu", "fault-records")) {
        g_test_skip("one fault record only");
        return;
    }
    b = start("fault-records=8");
    vtd = b->vtd;
    other = edu_new(&vtd->unit, OTHER_SID);
    g_assert_cmpint(VTD_CAP_NFR(vtd_read64(vtd, VTD_CAP)), ==, 8);
    for (i = 0; i < 8; i++) {
        /* In turn, so that nothing is compressed. */
        Edu *edu = i & 1 ? other : b->edu;

        edu_store(edu, IOVA + i * VTD_PAGE_SIZE, 8);
        if (i < 2) {
            g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, VTD_FSTS_PPF);
        }
    }
    for (i = 0; i < 8; i++) {
        uint64_t page = IOVA + i * VTD_PAGE_SIZE;

        if (!vtd_fault_take(vtd, i, &fault)) {
            /* Compression may leave out what has a record already. */
            g_assert_cmpint(i, >=, 2);
            break;
        }
        g_assert_cmphex(fault.sid, ==, i & 1 ? OTHER_SID : EDU_SID);
        g_assert_cmphex(fault.info, ==, page);
    }
    vtd_assert_no_fault(vtd);
    edu_free(other);
    bench_free(b);
}

static void set_event(VTD *vtd, uint8_t vector)
{
    vtd_write32(vtd, VTD_FEDATA, vector);
    vtd_write32(vtd, VTD_FEADDR, VIOMMU_MSI_ADDR);
}

static bool event_sent(VTD *vtd, uint8_t vector)
{
    return viommu_irq_arrived(vtd, 0, vector);
}

static void test_event(void)
{
    Bench *b = start("");
    VTD *vtd = b->vtd;
    VTDFault fault;

    /* Masked out of reset: held pending, sent when unmasked. */
    set_event(vtd, VECTOR);
    g_assert_cmphex(vtd_read32(vtd, VTD_FECTL), ==, VTD_ECTL_IM);
    edu_store(b->edu, IOVA, 8);
    g_assert_cmphex(vtd_read32(vtd, VTD_FECTL), ==, VTD_ECTL_IM | VTD_ECTL_IP);
    g_assert_false(event_sent(vtd, VECTOR));
    vtd_write32(vtd, VTD_FECTL, 0);
    g_assert_cmphex(vtd_read32(vtd, VTD_FECTL), ==, 0);
    g_assert_true(event_sent(vtd, VECTOR));

    /* Unmasked: sent at once. */
    g_assert_true(vtd_fault_take(vtd, 0, &fault));
    set_event(vtd, VECTOR + 1);
    edu_store(b->edu, IOVA, 8);
    g_assert_true(event_sent(vtd, VECTOR + 1));
    g_assert_cmphex(vtd_read32(vtd, VTD_FECTL), ==, 0);

    /* One event until software has seen to it. */
    set_event(vtd, VECTOR + 2);
    edu_store(b->edu, IOVA + 4096, 8);
    g_assert_false(event_sent(vtd, VECTOR + 2));
    bench_free(b);
}

/* Serviced while masked: nothing is pending any more. */
static void test_event_serviced(void)
{
    Bench *b = start("");
    VTD *vtd = b->vtd;
    VTDFault fault;

    set_event(vtd, VECTOR);
    edu_store(b->edu, IOVA, 8);
    g_assert_cmphex(vtd_read32(vtd, VTD_FECTL), ==, VTD_ECTL_IM | VTD_ECTL_IP);
    g_assert_true(vtd_fault_take(vtd, 0, &fault));
    vtd_assert_no_fault(vtd);
    g_assert_cmphex(vtd_read32(vtd, VTD_FECTL), ==, VTD_ECTL_IM);
    vtd_write32(vtd, VTD_FECTL, 0);
    g_assert_false(event_sent(vtd, VECTOR));
    bench_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/vtd/fault/" name, fn)
    ADD("reason/root-not-present", test_root_not_present);
    ADD("reason/root-reserved", test_root_reserved);
    ADD("reason/root-unreadable", test_root_unreadable);
    ADD("reason/context-not-present", test_context_not_present);
    ADD("reason/context-invalid", test_context_invalid);
    ADD("reason/context-type", test_context_type);
    ADD("reason/context-reserved", test_context_reserved);
    ADD("reason/context-unreadable", test_context_unreadable);
    ADD("reason/beyond-width", test_beyond_width);
    ADD("reason/permission", test_permission);
    ADD("reason/table-unreadable", test_table_unreadable);
    ADD("reason/table-reserved", test_table_reserved);
    ADD("reason/interrupt-output", test_interrupt_output);
    ADD("disable", test_fault_disable);
    ADD("overflow", test_overflow);
    ADD("many-records", test_many_records);
    ADD("event", test_event);
    ADD("event-serviced", test_event_serviced);
#undef ADD
    return g_test_run();
}
