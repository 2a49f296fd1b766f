/*
 * A workbench for translation tests: one unit, one edu device, one domain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-bench.h"

#define LEN 8                /* of an access */

Bench *bench_new(const char *unit, int levels, VTDForm form, const char *args)
{
    Bench *b = g_new0(Bench, 1);
    VTD *vtd = vtd_start(unit, EDU_DEVICE "%s", args);

    b->vtd = vtd;
    b->source = vtd_alloc(vtd, 1);
    b->sink = vtd_alloc(vtd, 1);
    viommu_fill(vtd, b->source, BENCH_MARK, VTD_PAGE_SIZE);
    vtd_domain_init(vtd, &b->dom, BENCH_DID, levels);
    vtd_map(vtd, &b->dom, BENCH_SOURCE_IOVA, b->source, 1, VTD_PTE_RW);
    vtd_map(vtd, &b->dom, BENCH_SINK_IOVA, b->sink, 1, VTD_PTE_RW);
    vtd_attach(vtd, EDU_SID, &b->dom, VTD_TT_UNTRANSLATED);
    b->edu = edu_new(&vtd->unit, EDU_SID);
    vtd_enable(vtd, form);
    return b;
}

void bench_free(Bench *b)
{
    edu_free(b->edu);
    vtd_stop(b->vtd);
    g_free(b);
}

bool bench_writes(Bench *b, uint64_t iova, uint64_t gpa)
{
    edu_load(b->edu, BENCH_SOURCE_IOVA, LEN);
    viommu_fill(b->vtd, gpa, BENCH_BLANK, LEN);
    edu_store(b->edu, iova, LEN);
    return viommu_is_filled(b->vtd, gpa, BENCH_MARK, LEN);
}

bool bench_reads(Bench *b, uint64_t iova, uint64_t gpa)
{
    viommu_fill(b->vtd, gpa, BENCH_MARK, LEN);
    viommu_fill(b->vtd, b->sink, BENCH_BLANK, LEN);
    edu_load(b->edu, BENCH_SINK_IOVA, LEN);
    edu_load(b->edu, iova, LEN);
    edu_store(b->edu, BENCH_SINK_IOVA, LEN);
    return viommu_is_filled(b->vtd, b->sink, BENCH_MARK, LEN);
}

void bench_works(Bench *b, uint64_t iova, uint64_t gpa)
{
    g_assert_true(bench_reads(b, iova, gpa));
    g_assert_true(bench_writes(b, iova, gpa));
    vtd_assert_no_fault(b->vtd);
}

void bench_faults(Bench *b, uint64_t iova, uint64_t gpa, uint8_t read_reason,
                  uint8_t write_reason)
{
    uint64_t page = iova & ~(VTD_PAGE_SIZE - 1);

    g_assert_false(bench_reads(b, iova, gpa));
    vtd_assert_fault(b->vtd, read_reason, EDU_SID, true, page);
    g_assert_false(bench_writes(b, iova, gpa));
    vtd_assert_fault(b->vtd, write_reason, EDU_SID, false, page);
}
