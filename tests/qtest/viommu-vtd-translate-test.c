/*
 * VT-d translation: page sizes, widths, context types, permissions, caching
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-bench.h"

#define OTHER_SLOT  6
#define OTHER_SID   (OTHER_SLOT << 3)
#define OTHER_DID   12
#define OTHER_EDU   "-device edu,addr=06.0,dma_mask=0xffffffffffffffff "

#define INTR_ADDR   0xfee01000ULL
#define GIB         (1ULL << 30)

static const char *width(int levels)
{
    return levels == 3 ? "aw-bits=39" : "aw-bits=48";
}

/* One large or small page at both ends of the address space. */
static void test_page(const void *opaque)
{
    int levels = GPOINTER_TO_INT(opaque) >> 4;
    int level = GPOINTER_TO_INT(opaque) & 15;
    uint64_t size = VTD_LEVEL_SIZE(level);
    uint64_t top = 1ULL << (levels == 3 ? 39 : 48);
    uint64_t gpa = GIB;      /* on every page's boundary, and RAM */
    uint64_t iovas[] = { 4 * GIB + 3 * size, top - 2 * size };
    Bench *b = bench_new(width(levels), levels, VTD_REGISTER, "");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(iovas); i++) {
        uint64_t iova = iovas[i];

        iova &= ~(size - 1);
        vtd_map(b->vtd, &b->dom, iova, gpa, level, VTD_PTE_RW);
        bench_works(b, iova, gpa);
        bench_works(b, iova + size - 8, gpa + size - 8);
        bench_works(b, iova + size / 2 + 0x10, gpa + size / 2 + 0x10);
        bench_faults(b, iova + size, gpa, VTD_FR_READ, VTD_FR_WRITE);
    }
    bench_free(b);
}

/* One transfer over pages that are not neighbours in memory. */
static void test_scattered(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    uint64_t iova = 0x7000000;
    uint64_t second = vtd_alloc(b->vtd, 2);
    uint64_t first = vtd_alloc(b->vtd, 1);
    int i;

    vtd_map(b->vtd, &b->dom, iova, first, 1, VTD_PTE_RW);
    vtd_map(b->vtd, &b->dom, iova + VTD_PAGE_SIZE, second, 1, VTD_PTE_RW);
    for (i = 1; i < 4095; i += 511) {
        viommu_fill(b->vtd, first, BENCH_BLANK, VTD_PAGE_SIZE);
        viommu_fill(b->vtd, second, BENCH_BLANK, 2 * VTD_PAGE_SIZE);
        edu_load(b->edu, BENCH_SOURCE_IOVA, 4096);
        edu_store(b->edu, iova + i, 4096);
        g_assert_true(viommu_is_filled(b->vtd, first, BENCH_BLANK, i));
        g_assert_true(viommu_is_filled(b->vtd, first + i, BENCH_MARK,
                                       4096 - i));
        g_assert_true(viommu_is_filled(b->vtd, second, BENCH_MARK, i));
        g_assert_true(viommu_is_filled(b->vtd, second + i, BENCH_BLANK,
                                       8192 - i));
    }
    vtd_assert_no_fault(b->vtd);
    bench_free(b);
}

/* 3.7: an access needs its permission at every level. */
static void test_permissions(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    uint64_t page = vtd_alloc(b->vtd, 1);
    int level, perms;

    for (level = 4; level >= 1; level--) {
        for (perms = 0; perms <= 3; perms++) {
            /* A table of its own for each level and permission. */
            uint64_t iova = VTD_LEVEL_SIZE(4) * (level * 4 + perms);
            uint64_t entry;

            vtd_map(b->vtd, &b->dom, iova, page, 1, VTD_PTE_RW);
            entry = vtd_pte(b->vtd, &b->dom, iova, level);
            qtest_writeq(b->vtd->qts, entry,
                         (qtest_readq(b->vtd->qts, entry) & ~3ULL) | perms);
            g_assert_cmpint(bench_writes(b, iova, page), ==,
                            !!(perms & VTD_PTE_W));
            if (perms & VTD_PTE_W) {
                vtd_assert_no_fault(b->vtd);
            } else {
                vtd_assert_fault(b->vtd, VTD_FR_WRITE, EDU_SID, false, iova);
            }
            /* What is cached has a test of its own. */
            vtd_inv_everything(b->vtd);
            g_assert_cmpint(bench_reads(b, iova, page), ==,
                            !!(perms & VTD_PTE_R));
            if (perms & VTD_PTE_R) {
                vtd_assert_no_fault(b->vtd);
            } else {
                vtd_assert_fault(b->vtd, VTD_FR_READ, EDU_SID, true, iova);
            }
        }
    }
    bench_free(b);
}

/* A translation that a read brought into the IOTLB does not allow writes. */
static void test_cached_permission(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    uint64_t page = vtd_alloc(b->vtd, 1);
    uint64_t iova = 0x8000000;

    vtd_map(b->vtd, &b->dom, iova, page, 1, VTD_PTE_R);
    g_assert_true(bench_reads(b, iova, page));
    vtd_assert_no_fault(b->vtd);
    g_assert_false(bench_writes(b, iova, page));
    vtd_assert_fault(b->vtd, VTD_FR_WRITE, EDU_SID, false, iova);
    g_assert_true(bench_reads(b, iova, page));
    vtd_assert_no_fault(b->vtd);
    bench_free(b);
}

static void test_pass_through(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    uint64_t page = vtd_alloc(b->vtd, 1), mapped = vtd_alloc(b->vtd, 1);

    vtd_map(b->vtd, &b->dom, page, mapped, 1, VTD_PTE_RW);
    vtd_set_context(b->vtd, EDU_SID,
                    VTD_CTX_TT(VTD_TT_PASSTHROUGH) | VTD_CTX_P,
                    VTD_CTX_DID(BENCH_DID) | VTD_CTX_AW(4));
    vtd_inv_everything(b->vtd);
    edu_load(b->edu, b->source, 64);
    edu_store(b->edu, page, 64);
    g_assert_true(viommu_is_filled(b->vtd, page, BENCH_MARK, 64));
    vtd_assert_no_fault(b->vtd);

    /* And back. */
    vtd_attach(b->vtd, EDU_SID, &b->dom, VTD_TT_UNTRANSLATED);
    vtd_inv_everything(b->vtd);
    bench_works(b, page, mapped);
    bench_free(b);
}

static void test_device_tlb(void)
{
    Bench *b = bench_new("device-iotlb=on", 4, VTD_QUEUED, "");
    uint64_t page = vtd_alloc(b->vtd, 1);
    uint64_t iova = 0x9000000;

    vtd_attach(b->vtd, EDU_SID, &b->dom, VTD_TT_DEVICE_TLB);
    vtd_inv_everything(b->vtd);
    vtd_map(b->vtd, &b->dom, iova, page, 1, VTD_PTE_RW);
    bench_works(b, iova, page);
    bench_free(b);
}

/* 3.14: the tables do not apply to the interrupt address range. */
static void test_interrupt_range(void)
{
    Bench *b = bench_new("intremap=off", 4, VTD_REGISTER, "");
    uint64_t page = vtd_alloc(b->vtd, 1);

    vtd_map(b->vtd, &b->dom, INTR_ADDR, page, 1, VTD_PTE_RW);
    edu_load(b->edu, BENCH_SOURCE_IOVA, 4);
    viommu_fill(b->vtd, page, BENCH_BLANK, VTD_PAGE_SIZE);
    edu_store(b->edu, INTR_ADDR, 4);
    g_assert_true(viommu_is_filled(b->vtd, page, BENCH_BLANK, VTD_PAGE_SIZE));
    vtd_assert_no_fault(b->vtd);

    /* Its neighbours are memory. */
    vtd_map(b->vtd, &b->dom, 0xfedff000, page, 1, VTD_PTE_RW);
    bench_works(b, 0xfedff000, page);
    vtd_map(b->vtd, &b->dom, 0xfef00000, page, 1, VTD_PTE_RW);
    bench_works(b, 0xfef00000, page);
    bench_free(b);
}

typedef struct Flush {
    VTDForm form;
    VTDScope scope;
    int level;               /* of the page that changes */
} Flush;

/* What a PTE said before may be used until it is invalidated, not after. */
static void test_flush(const void *opaque)
{
    const Flush *f = opaque;
    Bench *b = bench_new("", 4, f->form, "");
    uint64_t iova = 8 * GIB;
    uint64_t inside = VTD_LEVEL_SIZE(f->level) / 2 & ~(VTD_PAGE_SIZE - 1);
    uint64_t was = 0x20000000, is = 0x40000000;

    /* On every boundary up to 1 GiB that level 3 needs */
    if (f->level == 3) {
        was = 0;
        inside = 0x30000000;
    }
    vtd_map(b->vtd, &b->dom, iova, was, f->level, VTD_PTE_RW);
    bench_works(b, iova + inside, was + inside);
    vtd_map(b->vtd, &b->dom, iova, is, f->level, VTD_PTE_RW);
    vtd_inv_iotlb(b->vtd, f->form, f->scope, BENCH_DID,
                  f->scope == VTD_PAGE ? iova + inside : 0, 0);
    viommu_fill(b->vtd, was + inside, BENCH_BLANK, 64);
    bench_works(b, iova + inside, is + inside);
    g_assert_true(viommu_is_filled(b->vtd, was + inside, BENCH_BLANK, 64));

    vtd_unmap(b->vtd, &b->dom, iova, f->level);
    vtd_inv_iotlb(b->vtd, f->form, f->scope, BENCH_DID,
                  f->scope == VTD_PAGE ? iova + inside : 0, 0);
    bench_faults(b, iova + inside, is + inside, VTD_FR_READ, VTD_FR_WRITE);

    /* Not-present is never cached: no invalidation without caching mode. */
    vtd_map(b->vtd, &b->dom, iova, was, f->level, VTD_PTE_RW);
    bench_works(b, iova + inside, was + inside);
    bench_free(b);
}

/* Page-selective with an address mask: 2^AM pages at once, and no others. */
static void test_address_mask(const void *opaque)
{
    VTDForm form = GPOINTER_TO_INT(opaque);
    Bench *b = bench_new("", 4, form, "");
    uint64_t iova = 0xa000000, page = vtd_alloc(b->vtd, 1);
    int i;

    for (i = 0; i < 16; i++) {
        vtd_map(b->vtd, &b->dom, iova + i * VTD_PAGE_SIZE, page, 1,
                VTD_PTE_RW);
        bench_works(b, iova + i * VTD_PAGE_SIZE, page);
    }
    for (i = 0; i < 16; i++) {
        vtd_unmap(b->vtd, &b->dom, iova + i * VTD_PAGE_SIZE, 1);
    }
    /* The low bits of the address are within the mask. */
    vtd_inv_iotlb(b->vtd, form, VTD_PAGE, BENCH_DID,
                  iova + 5 * VTD_PAGE_SIZE, 4);
    for (i = 0; i < 16; i++) {
        bench_faults(b, iova + i * VTD_PAGE_SIZE, page, VTD_FR_READ,
                     VTD_FR_WRITE);
    }
    bench_free(b);
}

/* Two devices, two domains, one IOVA. */
static void test_domains(void)
{
    Bench *b = bench_new("", 4, VTD_QUEUED, OTHER_EDU);
    VTD *vtd = b->vtd;
    Edu *other = edu_new(&vtd->unit, OTHER_SID);
    VTDDomain dom;
    uint64_t mine = vtd_alloc(vtd, 1), theirs = vtd_alloc(vtd, 1);
    uint64_t iova = 0xb000000;

    vtd_domain_init(vtd, &dom, OTHER_DID, 3);
    vtd_attach(vtd, OTHER_SID, &dom, VTD_TT_UNTRANSLATED);
    vtd_map(vtd, &b->dom, iova, mine, 1, VTD_PTE_RW);
    vtd_map(vtd, &dom, iova, theirs, 1, VTD_PTE_RW);
    viommu_fill(vtd, mine, 1, 64);
    viommu_fill(vtd, theirs, 2, 64);

    edu_load(b->edu, BENCH_SOURCE_IOVA, 64);
    edu_store(b->edu, iova, 64);
    edu_load(other, iova, 64);
    viommu_fill(vtd, theirs, 3, 64);
    edu_store(other, iova, 64);
    g_assert_true(viommu_is_filled(vtd, mine, BENCH_MARK, 64));
    g_assert_true(viommu_is_filled(vtd, theirs, 2, 64));
    vtd_assert_no_fault(vtd);

    /* Flushing one domain says nothing about the other. */
    vtd_unmap(vtd, &dom, iova, 1);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_DOMAIN, OTHER_DID, 0, 0);
    bench_works(b, iova, mine);
    edu_store(other, iova, 64);
    vtd_assert_fault(vtd, VTD_FR_WRITE, OTHER_SID, false, iova);

    /* The first device moves into the second's domain. */
    vtd_map(vtd, &dom, BENCH_SOURCE_IOVA, b->source, 1, VTD_PTE_RW);
    vtd_map(vtd, &dom, BENCH_SINK_IOVA, b->sink, 1, VTD_PTE_RW);
    vtd_map(vtd, &dom, iova, theirs, 1, VTD_PTE_RW);
    vtd_attach(vtd, EDU_SID, &dom, VTD_TT_UNTRANSLATED);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, BENCH_DID, EDU_SID);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_DOMAIN, BENCH_DID, 0, 0);
    viommu_fill(vtd, mine, BENCH_BLANK, 64);
    bench_works(b, iova, theirs);
    g_assert_true(viommu_is_filled(vtd, mine, BENCH_BLANK, 64));
    edu_free(other);
    bench_free(b);
}

/* Off, on, off again: off is the guest-physical address space. */
static void test_switch(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    uint64_t page = vtd_alloc(b->vtd, 1);
    uint64_t iova = vtd_alloc(b->vtd, 1);
    int i;

    vtd_map(b->vtd, &b->dom, iova, page, 1, VTD_PTE_RW);
    for (i = 0; i < 2; i++) {
        bench_works(b, iova, page);
        vtd_gcmd(b->vtd, 0, VTD_G_TE);
        viommu_until(b->vtd, !(vtd_read32(b->vtd, VTD_GSTS) & VTD_G_TE));
        edu_load(b->edu, b->source, 64);
        viommu_fill(b->vtd, page, BENCH_BLANK, 64);
        edu_store(b->edu, iova, 64);
        g_assert_true(viommu_is_filled(b->vtd, iova, BENCH_MARK, 64));
        g_assert_true(viommu_is_filled(b->vtd, page, BENCH_BLANK, 64));
        vtd_gcmd(b->vtd, VTD_G_TE, 0);
        viommu_until(b->vtd, vtd_read32(b->vtd, VTD_GSTS) & VTD_G_TE);
    }
    bench_free(b);
}

/* A reset in mid-use: bypass, then the same again from scratch. */
static void test_reset(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    uint64_t page = vtd_alloc(b->vtd, 1);
    uint64_t iova = 0xc000000;

    vtd_map(b->vtd, &b->dom, iova, page, 1, VTD_PTE_RW);
    bench_works(b, iova, page);
    vtd_reset(b->vtd);
    edu_free(b->edu);
    b->edu = edu_new(&b->vtd->unit, EDU_SID);
    edu_load(b->edu, b->source, 64);
    edu_store(b->edu, b->sink, 64);
    g_assert_true(viommu_is_filled(b->vtd, b->sink, BENCH_MARK, 64));
    vtd_unmap(b->vtd, &b->dom, iova, 1);
    vtd_enable(b->vtd, VTD_REGISTER);
    bench_faults(b, iova, page, VTD_FR_READ, VTD_FR_WRITE);
    bench_free(b);
}

/* More pages than any IOTLB holds, in an order that revisits. */
static void test_many_pages(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    uint64_t iova = 0x100000000ULL, gpa = 0x10000000;
    int i;

    for (i = 0; i < 1200; i++) {
        vtd_map(b->vtd, &b->dom, iova + i * VTD_PAGE_SIZE,
                gpa + (i * 7 % 1200) * VTD_PAGE_SIZE, 1, VTD_PTE_RW);
    }
    edu_load(b->edu, BENCH_SOURCE_IOVA, 8);
    for (i = 0; i < 1200; i++) {
        edu_store(b->edu, iova + i * VTD_PAGE_SIZE + i, 8);
    }
    for (i = 0; i < 1200; i++) {
        g_assert_true(viommu_is_filled(b->vtd, gpa +
                                       (i * 7 % 1200) * VTD_PAGE_SIZE + i,
                                       BENCH_MARK, 8));
    }
    vtd_assert_no_fault(b->vtd);
    bench_free(b);
}

static void add_pages(void)
{
    int levels, level;

    for (levels = 3; levels <= 4; levels++) {
        for (level = 1; level <= 3; level++) {
            g_autofree char *path = g_strdup_printf(
                "/viommu/vtd/translate/%s/%s", levels == 3 ? "39" : "48",
                level == 1 ? "4K" : level == 2 ? "2M" : "1G");

            qtest_add_data_func(path, GINT_TO_POINTER(levels << 4 | level),
                                test_page);
        }
    }
}

static void add_flushes(void)
{
    static const char *const scopes[] = { "", "global", "domain", "page" };
    static Flush flushes[18];
    int i;

    for (i = 0; i < 18; i++) {
        Flush *f = &flushes[i];
        g_autofree char *path = NULL;

        f->form = i & 1 ? VTD_QUEUED : VTD_REGISTER;
        f->scope = VTD_GLOBAL + i / 2 % 3;
        f->level = 1 + i / 6;
        path = g_strdup_printf("/viommu/vtd/flush/%s/%s/%s",
                               i & 1 ? "queued" : "register",
                               scopes[f->scope],
                               f->level == 1 ? "4K" :
                               f->level == 2 ? "2M" : "1G");
        qtest_add_data_func(path, f, test_flush);
    }
}

/* 6.5.2.3: whether the way to a leaf may be kept, software says (IH). */

#define HINT_IOVA   0x40000000ULL
#define HINT_IH     (1ULL << 6)

typedef struct Hint {
    Bench *b;
    VTDForm form;
    uint64_t pages[3];       /* guest memory */
    unsigned at;             /* which of them is mapped */
} Hint;

static Hint hint_new(VTDForm form)
{
    Hint h = { .b = bench_new("", 4, form, ""), .form = form };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(h.pages); i++) {
        h.pages[i] = vtd_alloc(h.b->vtd, 1);
    }
    vtd_map(h.b->vtd, &h.b->dom, HINT_IOVA, h.pages[0], 1, VTD_PTE_RW);
    return h;
}

static void hint_next(Hint *h)
{
    h->at = (h->at + 1) % G_N_ELEMENTS(h->pages);
}

/* Another page, by the entry that is there */
static void hint_change_leaf(Hint *h)
{
    hint_next(h);
    vtd_map(h->b->vtd, &h->b->dom, HINT_IOVA, h->pages[h->at], 1, VTD_PTE_RW);
}

/* Another page, by another table; the old one stays as it is. */
static void hint_change_table(Hint *h)
{
    VTD *vtd = h->b->vtd;
    uint64_t table = vtd_alloc(vtd, 1);
    uint64_t entry = vtd_pte(vtd, &h->b->dom, HINT_IOVA, 2);
    uint64_t in_table = vtd_pte(vtd, &h->b->dom, HINT_IOVA, 1) &
                        (VTD_PAGE_SIZE - 1);

    hint_next(h);
    qtest_writeq(vtd->qts, table + in_table, h->pages[h->at] | VTD_PTE_RW);
    qtest_writeq(vtd->qts, entry, table | VTD_PTE_RW);
}

static void hint_inv(Hint *h, VTDScope scope, bool ih)
{
    vtd_inv_iotlb(h->b->vtd, h->form, scope, BENCH_DID,
                  HINT_IOVA | (ih ? HINT_IH : 0), 0);
}

static void hint_works(Hint *h)
{
    bench_works(h->b, HINT_IOVA, h->pages[h->at]);
}

static void test_hint(const void *opaque)
{
    Hint h = hint_new(GPOINTER_TO_UINT(opaque));
    VTDScope scope;

    hint_works(&h);
    hint_change_leaf(&h);
    hint_inv(&h, VTD_PAGE, true);
    hint_works(&h);
    for (scope = VTD_GLOBAL; scope <= VTD_PAGE; scope++) {
        unsigned before = h.at;

        /* Software has said that this is not so: the table is used on. */
        hint_change_table(&h);
        hint_inv(&h, VTD_PAGE, true);
        g_assert_true(bench_writes(h.b, HINT_IOVA, h.pages[before]));
        hint_inv(&h, scope, false);
        hint_works(&h);
        hint_change_leaf(&h);
        hint_inv(&h, VTD_PAGE, true);
        hint_works(&h);
    }
    /* Of what the entry does not allow, the tables as they are now count. */
    hint_change_table(&h);
    qtest_writeq(h.b->vtd->qts, vtd_pte(h.b->vtd, &h.b->dom, HINT_IOVA, 1), 0);
    hint_inv(&h, VTD_PAGE, true);
    hint_inv(&h, VTD_PAGE, false);
    bench_faults(h.b, HINT_IOVA, h.pages[0], VTD_FR_READ, VTD_FR_WRITE);
    bench_free(h.b);
}

/* What was remembered is one domain's tables, whoever comes next. */
static void test_hint_domain(const void *opaque)
{
    VTDForm form = GPOINTER_TO_UINT(opaque);
    Hint h = hint_new(form);
    VTD *vtd = h.b->vtd;
    VTDDomain other;
    unsigned i;

    vtd_domain_init(vtd, &other, OTHER_DID, 4);
    vtd_map(vtd, &other, BENCH_SOURCE_IOVA, h.b->source, 1, VTD_PTE_RW);
    vtd_map(vtd, &other, BENCH_SINK_IOVA, h.b->sink, 1, VTD_PTE_RW);
    vtd_map(vtd, &other, HINT_IOVA, h.pages[2], 1, VTD_PTE_RW);
    for (i = 0; i < 2; i++) {
        hint_works(&h);
        vtd_attach(vtd, EDU_SID, &other, VTD_TT_UNTRANSLATED);
        vtd_inv_context(vtd, form, VTD_PAGE, BENCH_DID, EDU_SID);
        bench_works(h.b, HINT_IOVA, h.pages[2]);
        vtd_attach(vtd, EDU_SID, &h.b->dom, VTD_TT_UNTRANSLATED);
        vtd_inv_context(vtd, form, VTD_PAGE, OTHER_DID, EDU_SID);
    }
    hint_works(&h);
    bench_free(h.b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_pages();
    qtest_add_func("/viommu/vtd/translate/scattered", test_scattered);
    qtest_add_func("/viommu/vtd/translate/permissions", test_permissions);
    qtest_add_func("/viommu/vtd/translate/cached-permission",
                   test_cached_permission);
    qtest_add_func("/viommu/vtd/translate/pass-through", test_pass_through);
    qtest_add_func("/viommu/vtd/translate/device-tlb", test_device_tlb);
    qtest_add_func("/viommu/vtd/translate/interrupt-range",
                   test_interrupt_range);
    qtest_add_func("/viommu/vtd/translate/domains", test_domains);
    qtest_add_func("/viommu/vtd/translate/switch", test_switch);
    qtest_add_func("/viommu/vtd/translate/reset", test_reset);
    qtest_add_func("/viommu/vtd/translate/many-pages", test_many_pages);
    qtest_add_data_func("/viommu/vtd/translate/hint/register",
                        GUINT_TO_POINTER(VTD_REGISTER), test_hint);
    qtest_add_data_func("/viommu/vtd/translate/hint/queued",
                        GUINT_TO_POINTER(VTD_QUEUED), test_hint);
    qtest_add_data_func("/viommu/vtd/translate/hint-domain/register",
                        GUINT_TO_POINTER(VTD_REGISTER), test_hint_domain);
    qtest_add_data_func("/viommu/vtd/translate/hint-domain/queued",
                        GUINT_TO_POINTER(VTD_QUEUED), test_hint_domain);
    add_flushes();
    qtest_add_data_func("/viommu/vtd/flush/register/mask",
                        GINT_TO_POINTER(VTD_REGISTER), test_address_mask);
    qtest_add_data_func("/viommu/vtd/flush/queued/mask",
                        GINT_TO_POINTER(VTD_QUEUED), test_address_mask);
    return g_test_run();
}
