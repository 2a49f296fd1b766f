/*
 * VT-d, scalable mode: entries while a driver writes them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The processor writes 64 bits at a time, so an entry of several words goes
 * through states that nobody meant.  Linux clears Present first and sets it
 * last; each state in between is the old entry, none, or the new one, with
 * what is cached or without, and never a third.
 */
#include "qemu/osdep.h"
#include "viommu-vtd-sm-bench.h"

#define NEW_DID     (SMB_DID + 1)
#define WORDS       8

/* How a driver makes one entry another */
typedef struct Writer {
    const char *name;
    bool present_first;      /* cleared, alone, and invalidated then */
    bool zero_upwards;       /* the order in which words are zeroed */
    bool makes_upwards;      /* ... and written, word 0 last, P after that */
} Writer;

static const Writer writers[] = {
    { "linux-6.12", false, true, false },
    { "linux-7", true, true, false },
    { "downwards", true, false, true },
};

typedef struct Change {
    SMBench *b;
    uint64_t gpa;            /* of the entry */
    unsigned words;
    uint64_t before[WORDS], after[WORDS];
    uint64_t page[2];        /* where they lead */
    uint8_t reason;          /* if it is not present */
    bool left;               /* the old one has been seen to be gone */
    bool reached;            /* the new one is there */
} Change;

/* smb_leads(), with nothing in the other page that could be taken for it */
static bool leads(Change *c, unsigned page)
{
    qtest_writel(c->b->vtd->qts, c->page[!page], 0);
    return smb_leads(c->b, SMB_PASID, SMB_IOVA, c->page[page]);
}

static void see(Change *c)
{
    bool old = leads(c, 0), new = leads(c, 1);
    VTDFault fault;

    g_assert_false(old && new);
    if (!old && !new) {
        g_assert_true(vtd_fault_take(c->b->vtd, 0, &fault));
        g_assert_cmphex(fault.reason, ==, c->reason);
        vtd_unit_drop_faults(&c->b->vtd->unit, SMB_SID);
    }
    /* There is no way back. */
    g_assert_false(old && c->left);
    g_assert_false(!new && c->reached);
    c->left |= !old;
    c->reached |= new;
}

/* What a store leaves: with what was cached before, and without */
static void store(Change *c, unsigned word, uint64_t value)
{
    qtest_writeq(c->b->vtd->qts, c->gpa + 8 * word, value);
    see(c);
    smb_inv_all(c->b);
    see(c);
}

static void change(Change *c, const Writer *w)
{
    if (w->present_first) {
        store(c, 0, c->before[0] & ~VTD_SM_P);
        g_assert_true(c->left);
    }
    for (unsigned i = 0; i < c->words; i++) {
        store(c, w->zero_upwards ? i : c->words - 1 - i, 0);
    }
    g_assert_true(c->left);
    for (unsigned i = 1; i < c->words; i++) {
        unsigned word = w->makes_upwards ? i : c->words - i;

        store(c, word, c->after[word]);
    }
    store(c, 0, c->after[0] & ~VTD_SM_P);
    g_assert_false(c->reached);
    store(c, 0, c->after[0]);
    g_assert_true(c->reached);
}

static void space(Change *c, VTDSMSpace *s, VTDSMType type, uint16_t did,
                  unsigned page)
{
    vtd_sm_space_init(c->b->vtd, s, type, did, SMB_PASID);
    vtd_sm_map(c->b->vtd, s, SMB_IOVA, c->page[page], 1, VTD_PTE_RW);
    vtd_sm_attach(c->b->vtd, SMB_SID, s);
}

static Change change_new(unsigned words, uint8_t reason)
{
    SMBench *b = smb_new("");

    return (Change) {
        .b = b,
        .words = words,
        .page = { b->page, vtd_alloc(b->vtd, 1) },
        .reason = reason,
    };
}

static void change_read(Change *c, uint64_t words[WORDS])
{
    for (unsigned i = 0; i < c->words; i++) {
        words[i] = qtest_readq(c->b->vtd->qts, c->gpa + 8 * i);
    }
}

/* It is @before now, and cached */
static void change_from(Change *c)
{
    for (unsigned i = 0; i < c->words; i++) {
        qtest_writeq(c->b->vtd->qts, c->gpa + 8 * i, c->before[i]);
    }
    smb_inv_all(c->b);
    g_assert_true(smb_leads(c->b, SMB_PASID, SMB_IOVA, c->page[0]));
}

/* The PASID table's entry, from each type to each */
static void test_entry(const void *opaque)
{
    static const VTDSMType types[] = {
        VTD_SM_FIRST, VTD_SM_SECOND, VTD_SM_NESTED,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(types) * ARRAY_SIZE(types); i++) {
        Change c = change_new(8, VTD_FR_S_PASID_P);
        VTDSMSpace old, new;

        c.gpa = vtd_sm_entry(c.b->vtd, SMB_SID, SMB_PASID);
        space(&c, &new, types[i % 3], NEW_DID, 1);
        change_read(&c, c.after);
        space(&c, &old, types[i / 3], SMB_DID, 0);
        change_read(&c, c.before);
        change_from(&c);
        change(&c, opaque);
        smb_free(c.b);
    }
}

/* The context entry, from one PASID directory to another */
static void test_context(const void *opaque)
{
    Change c = change_new(4, VTD_FR_S_CTX_P);
    VTDSMSpace old, new;
    VTD *vtd = c.b->vtd;

    c.gpa = vtd_sm_context(vtd, SMB_SID);
    space(&c, &old, VTD_SM_SECOND, SMB_DID, 0);
    change_read(&c, c.before);
    /* Another directory, and RID_PASID */
    qtest_writeq(vtd->qts, c.gpa, vtd_alloc(vtd, 1) | VTD_SM_CTX_PASIDE |
                 VTD_CTX_P);
    qtest_writeq(vtd->qts, c.gpa + 8, 5);
    space(&c, &new, VTD_SM_FIRST, NEW_DID, 1);
    change_read(&c, c.after);
    change_from(&c);
    change(&c, opaque);
    smb_free(c.b);
}

/* Entries of one word are old or new, or not there; P is in them. */
static void one_word(Change *c)
{
    c->words = 1;
    change_from(c);
    store(c, 0, 0);
    store(c, 0, c->after[0]);
    g_assert_true(c->reached);
    smb_free(c->b);
}

static void test_directory(void)
{
    Change c = change_new(1, VTD_FR_S_DIR_P);
    VTDSMSpace old, new;

    c.gpa = vtd_sm_directory(c.b->vtd, SMB_SID, SMB_PASID);
    space(&c, &old, VTD_SM_FIRST, SMB_DID, 0);
    change_read(&c, c.before);
    qtest_writeq(c.b->vtd->qts, c.gpa, 0);
    space(&c, &new, VTD_SM_SECOND, NEW_DID, 1);
    change_read(&c, c.after);
    one_word(&c);
}

/* A leaf; and a table in whose place there is a large page then */
static void test_leaf(void)
{
    static const struct {
        VTDSMType type;
        int level;
        uint8_t reason;
    } way[] = {
        { VTD_SM_FIRST, 1, VTD_FR_FS_P }, { VTD_SM_SECOND, 1, VTD_FR_SS_P },
        { VTD_SM_NESTED, 1, VTD_FR_FS_P }, { VTD_SM_FIRST, 2, VTD_FR_FS_P },
        { VTD_SM_SECOND, 2, VTD_FR_SS_P },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
        Change c = change_new(1, way[i].reason);
        VTDSMSpace s;

        space(&c, &s, way[i].type, SMB_DID, 0);
        c.gpa = vtd_sm_pte(c.b->vtd, &s, SMB_IOVA, way[i].level);
        change_read(&c, c.before);
        if (way[i].level == 2) {
            c.page[1] = unit_alloc_aligned(&c.b->vtd->unit, UNIT_LARGE);
        }
        vtd_sm_map(c.b->vtd, &s, SMB_IOVA, c.page[1], way[i].level,
                   VTD_PTE_RW);
        change_read(&c, c.after);
        one_word(&c);
    }
}

/*
 * A present entry that is replaced word by word, with DMA in between: what was
 * tagged with the new domain while the table was the old one is gone after a
 * flush of the old domain.
 */
static void test_entry_copied(void)
{
    SMBench *b = smb_new("");
    uint64_t page[2] = { b->page, vtd_alloc(b->vtd, 1) };
    VTDSMSpace old, new;
    uint64_t entry, word0;
    QTestState *qts = b->vtd->qts;

    vtd_sm_space_init(b->vtd, &new, VTD_SM_SECOND, NEW_DID, SMB_PASID);
    vtd_sm_map(b->vtd, &new, SMB_IOVA, page[1], 1, VTD_PTE_RW);
    vtd_sm_attach(b->vtd, SMB_SID, &new);
    entry = vtd_sm_entry(b->vtd, SMB_SID, SMB_PASID);
    word0 = qtest_readq(qts, entry);
    vtd_sm_space_init(b->vtd, &old, VTD_SM_SECOND, SMB_DID, SMB_PASID);
    vtd_sm_map(b->vtd, &old, SMB_IOVA, page[0], 1, VTD_PTE_RW);
    vtd_sm_attach(b->vtd, SMB_SID, &old);
    smb_inv_all(b);
    qtest_writeq(qts, entry + 8, NEW_DID | VTD_SM_PWSNP);
    g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[0]));
    qtest_writeq(qts, entry, word0);
    vtd_sm_forget(b->vtd, &old);
    g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[1]));
    smb_free(b);
}

static void add(const char *name, const Writer *w,
                void (*fn)(const void *opaque))
{
    g_autofree char *path = g_strdup_printf("/viommu/vtd-sm/writer/%s/%s",
                                            name, w->name);

    qtest_add_data_func(path, w, fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(writers); i++) {
        add("entry", &writers[i], test_entry);
        add("context", &writers[i], test_context);
    }
    qtest_add_func("/viommu/vtd-sm/writer/directory", test_directory);
    qtest_add_func("/viommu/vtd-sm/writer/leaf", test_leaf);
    qtest_add_func("/viommu/vtd-sm/writer/copied", test_entry_copied);
    return g_test_run();
}
