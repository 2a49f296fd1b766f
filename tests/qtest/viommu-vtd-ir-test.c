/*
 * VT-d interrupt remapping: MSI and IOAPIC, source verification, faults
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether an interrupt arrived, and where, is read off the local APICs' request
 * registers: no CPU runs here that would take it.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-vtd-remap.h"

#define VECTOR          0x61               /* and the following ones */
#define BEYOND_RAM      0x7f0000000000ULL
#define PLAIN_VECTOR    0x31
#define EDU_BUS         0x00
#define IOAPIC          0xfec00000ULL
#define IOAPIC_SID      0xff00             /* what the DMAR table says */
#define IOAPIC_PIN      20                 /* INTA of slot 4 on q35 */
#define IOAPIC_MASKED   (1 << 16)

static bool arrived(Remap *r, int cpu, uint8_t vector)
{
    return viommu_irq_arrived(r->vtd, cpu, vector);
}

/*
 * Who asks is told of the last one, too.  Of what a unit in another process
 * refuses it is known that it does, and no more.
 */
static void assert_logged(Remap *r, unsigned index, uint8_t reason,
                          bool recorded)
{
    QDict *answer = qtest_qmp(r->vtd->qts, "{'execute': 'query-viommu'}");
    QDict *unit = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer,
                                                               "return")));
    QDict *fault = qobject_to(QDict, qlist_peek(qdict_get_qlist(unit,
                                                                "fault-log")));
    QDict *words;

    g_assert_nonnull(fault);
    words = qdict_get_qdict(fault, "fault");
    g_assert_cmpstr(qdict_get_str(fault, "address"), ==, "00:04.0");
    g_assert_true(qdict_get_bool(fault, "interrupt"));
    g_assert_true(qdict_get_bool(fault, "write"));
    g_assert_cmphex(qdict_get_int(fault, "iova") >> 20, ==, 0xfee);
    if (!r->vtd->remote) {
        g_assert_cmphex(qdict_get_int(words, "code"), ==, reason);
        g_assert_cmpint(qdict_get_try_int(fault, "index", -1), ==,
                        reason == VTD_FR_IR_COMPAT ? -1 : (int64_t)index);
        g_assert_true(qdict_get_bool(words, "recorded") == recorded);
        g_assert_nonnull(strstr(qdict_get_str(words, "reason"),
                                reason == VTD_FR_IR_COMPAT ? "compatibility" :
                                reason == VTD_FR_IR_INDEX ? "index" :
                                "interrupt remapping table"));
    }
    qobject_unref(answer);
}

/* The request is refused: nothing arrives, and the record says why. */
static void see_refused(Remap *r, unsigned index, uint8_t reason)
{
    VTDFault fault;

    g_assert_false(arrived(r, 0, VECTOR));
    g_assert_false(arrived(r, 0, PLAIN_VECTOR));
    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, reason);
    g_assert_cmphex(fault.sid, ==, EDU_SID);
    g_assert_cmphex(fault.info, ==, REMAP_INFO(index));
    vtd_assert_no_fault(r->vtd);
    assert_logged(r, index, reason, true);
}

static void test_msi(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 0);
    remap_put(r, 6, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 1) |
             VTD_IRTE_XAPIC(1), 0);
    remap_send(r, 5);
    g_assert_true(arrived(r, 0, VECTOR));
    g_assert_false(arrived(r, 1, VECTOR));
    remap_send(r, 6);
    g_assert_true(arrived(r, 1, VECTOR + 1));
    g_assert_false(arrived(r, 0, VECTOR + 1));

    /* SHV: the data is added to the handle. */
    remap_put(r, 9, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 2), 0);
    edu_msi(r->edu, VTD_MSI_REMAP(5) | VTD_MSI_SHV, 4);
    edu_raise(r->edu);
    g_assert_true(arrived(r, 0, VECTOR + 2));
    vtd_assert_no_fault(r->vtd);
    remap_free(r);
}

/* A changed entry applies once the interrupt entry cache was invalidated. */
static void test_change(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 0);
    remap_send(r, 5);
    g_assert_true(arrived(r, 0, VECTOR));
    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 1), 0);
    remap_flush(r, 5);
    remap_send(r, 5);
    g_assert_true(arrived(r, 0, VECTOR + 1));
    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 2), 0);
    remap_flush_all(r);
    remap_send(r, 5);
    g_assert_true(arrived(r, 0, VECTOR + 2));
    vtd_assert_no_fault(r->vtd);
    remap_free(r);
}

/* IRTA.EIME: a destination has 32 bits. */
static void test_extended(void)
{
    Remap *r = remap_new("intremap=on,eim=on", VTD_IRTA_EIME);

    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR) |
             VTD_IRTE_X2APIC(1), 0);
    remap_send(r, 5);
    g_assert_true(arrived(r, 1, VECTOR));
    g_assert_false(arrived(r, 0, VECTOR));
    vtd_assert_no_fault(r->vtd);
    remap_free(r);
}

typedef struct Source {
    uint64_t hi;             /* of the IRTE */
    bool allowed;
} Source;

static void test_source(void)
{
    static const Source sources[] = {
        { VTD_IRTE_SVT(0) | VTD_IRTE_SID(0xffff), true },
        { VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID), true },
        { VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID + 1), false },
        { VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID + 8), false },
        /* SQ: bits of the function number that do not matter */
        { VTD_IRTE_SVT(1) | VTD_IRTE_SQ(1) | VTD_IRTE_SID(EDU_SID + 4), true },
        { VTD_IRTE_SVT(1) | VTD_IRTE_SQ(1) | VTD_IRTE_SID(EDU_SID + 2),
          false },
        { VTD_IRTE_SVT(1) | VTD_IRTE_SQ(2) | VTD_IRTE_SID(EDU_SID + 6), true },
        { VTD_IRTE_SVT(1) | VTD_IRTE_SQ(2) | VTD_IRTE_SID(EDU_SID + 1),
          false },
        { VTD_IRTE_SVT(1) | VTD_IRTE_SQ(3) | VTD_IRTE_SID(EDU_SID + 7), true },
        { VTD_IRTE_SVT(1) | VTD_IRTE_SQ(3) | VTD_IRTE_SID(EDU_SID + 8),
          false },
        /* SVT 2: a range of buses */
        { VTD_IRTE_SVT(2) | VTD_IRTE_SID(EDU_BUS << 8 | 0x10), true },
        { VTD_IRTE_SVT(2) | VTD_IRTE_SID(0x0110), false },
    };
    Remap *r = remap_new("intremap=on,eim=off", 0);
    VTDFault fault;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(sources); i++) {
        remap_put(r, i, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + i),
                 sources[i].hi);
        remap_flush(r, i);
        remap_send(r, i);
        g_assert_cmpint(arrived(r, 0, VECTOR + i), ==, sources[i].allowed);
        if (sources[i].allowed) {
            vtd_assert_no_fault(r->vtd);
        } else {
            g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
            g_assert_cmphex(fault.reason, ==, VTD_FR_IR_SID);
            g_assert_cmphex(fault.sid, ==, EDU_SID);
            g_assert_cmphex(fault.info, ==, REMAP_INFO(i));
        }
    }
    remap_free(r);
}

/* forge: an interrupt request that is a DMA write of the driver's choice */
static void forge(Remap *r, uint64_t addr, uint32_t data)
{
    uint64_t at = vtd_alloc(r->vtd, 1);

    qtest_writel(r->vtd->qts, at, data);
    edu_load(r->edu, at, 4);
    edu_store(r->edu, addr, 4);
}

static void test_fault_request(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);
    VTDFault fault;

    /* Above the subhandle the data is reserved. */
    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 0);
    forge(r, VTD_MSI_REMAP(5) | VTD_MSI_SHV, 0x10000);
    g_assert_false(arrived(r, 0, VECTOR));
    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_IR_REQ_RSVD);
    vtd_assert_no_fault(r->vtd);
    remap_free(r);
}

/* A DMA write to the window is held to the same source verification. */
static void test_forged(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR),
             VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID + 8));
    forge(r, VTD_MSI_REMAP(5), 0);
    if (arrived(r, 0, VECTOR)) {
        g_test_skip("a DMA write's requester ID does not reach the remapper");
    } else {
        see_refused(r, 5, VTD_FR_IR_SID);
    }
    remap_free(r);
}

static void test_fault_index(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    remap_send(r, REMAP_ENTRIES);
    see_refused(r, REMAP_ENTRIES, VTD_FR_IR_INDEX);
    remap_send(r, 0xffff);
    see_refused(r, 0xffff, VTD_FR_IR_INDEX);
    remap_free(r);
}

static void test_fault_entry(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    remap_put(r, 5, VTD_IRTE_VECTOR(VECTOR), 0);
    remap_send(r, 5);
    see_refused(r, 5, VTD_FR_IR_P);
    /* Reserved bits of a present entry */
    remap_put(r, 6, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 1ULL << 40);
    remap_send(r, 6);
    see_refused(r, 6, VTD_FR_IR_RSVD);
    remap_put(r, 7, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR) | 1 << 24, 0);
    remap_send(r, 7);
    see_refused(r, 7, VTD_FR_IR_RSVD);
    remap_free(r);
}

/* FPD: refused in silence. */
static void test_fault_disable(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    remap_put(r, 5, VTD_IRTE_FPD | VTD_IRTE_VECTOR(VECTOR), 0);
    remap_send(r, 5);
    g_assert_false(arrived(r, 0, VECTOR));
    vtd_assert_no_fault(r->vtd);
    assert_logged(r, 5, VTD_FR_IR_P, false);
    remap_put(r, 6, VTD_IRTE_P | VTD_IRTE_FPD | VTD_IRTE_VECTOR(VECTOR),
             VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID + 1));
    remap_send(r, 6);
    g_assert_false(arrived(r, 0, VECTOR));
    vtd_assert_no_fault(r->vtd);
    remap_free(r);
}

static void test_fault_table(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    remap_set_table(r, BEYOND_RAM | VTD_IRTA_SIZE(REMAP_LOG2));
    remap_send(r, 5);
    see_refused(r, 5, VTD_FR_IR_ACCESS);
    remap_free(r);
}

/* 5.1.4: compatibility format passes only where CFI lets it. */
static void test_compatibility(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    edu_msi(r->edu, VIOMMU_MSI_ADDR, PLAIN_VECTOR);
    edu_raise(r->edu);
    see_refused(r, 0, VTD_FR_IR_COMPAT);
    vtd_gcmd(r->vtd, VTD_G_CFI, 0);
    viommu_until(r->vtd, vtd_read32(r->vtd, VTD_GSTS) & VTD_G_CFI);
    edu_raise(r->edu);
    g_assert_true(arrived(r, 0, PLAIN_VECTOR));
    vtd_assert_no_fault(r->vtd);

    /* With remapping off, always. */
    vtd_gcmd(r->vtd, 0, VTD_G_IRE | VTD_G_CFI);
    viommu_until(r->vtd, !(vtd_read32(r->vtd, VTD_GSTS) & VTD_G_IRE));
    edu_msi(r->edu, VIOMMU_MSI_ADDR, PLAIN_VECTOR + 1);
    edu_raise(r->edu);
    g_assert_true(arrived(r, 0, PLAIN_VECTOR + 1));
    vtd_assert_no_fault(r->vtd);
    remap_free(r);
}

/* With EIME it is refused whatever CFI says. */
static void test_compatibility_extended(void)
{
    Remap *r = remap_new("intremap=on,eim=on", VTD_IRTA_EIME);

    vtd_gcmd(r->vtd, VTD_G_CFI, 0);
    edu_msi(r->edu, VIOMMU_MSI_ADDR, PLAIN_VECTOR);
    edu_raise(r->edu);
    see_refused(r, 0, VTD_FR_IR_COMPAT);
    remap_free(r);
}

/* Turns DMA translation on, with an empty domain for the device. */
static void translate(Remap *r)
{
    VTDDomain dom;

    vtd_domain_init(r->vtd, &dom, 1, 4);
    vtd_attach(r->vtd, EDU_SID, &dom, VTD_TT_UNTRANSLATED);
    vtd_set_root(r->vtd, r->vtd->root);
    vtd_gcmd(r->vtd, VTD_G_TE, 0);
    viommu_until(r->vtd, vtd_read32(r->vtd, VTD_GSTS) & VTD_G_TE);
}

/* DMA translation does not get in the way of remapping, nor help it. */
static void test_translated(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    translate(r);
    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 1), 0);
    remap_send(r, 5);
    g_assert_true(arrived(r, 0, VECTOR + 1));
    vtd_assert_no_fault(r->vtd);
    remap_send(r, 6);
    see_refused(r, 6, VTD_FR_IR_P);
    remap_free(r);
}

static void put_redirection(Remap *r, uint64_t rte)
{
    qtest_writel(r->vtd->qts, IOAPIC, 0x11 + IOAPIC_PIN * 2);
    qtest_writel(r->vtd->qts, IOAPIC + 0x10, rte >> 32);
    qtest_writel(r->vtd->qts, IOAPIC, 0x10 + IOAPIC_PIN * 2);
    qtest_writel(r->vtd->qts, IOAPIC + 0x10, rte);
}

static void test_ioapic(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);
    VTDFault fault;

    remap_put(r, 3, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 0);
    put_redirection(r, VTD_RTE_REMAP(3) | VECTOR);
    edu_raise(r->edu);
    g_assert_true(arrived(r, 0, VECTOR));
    vtd_assert_no_fault(r->vtd);

    /* The entry moves to another vector and CPU. */
    remap_put(r, 3, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 1) |
             VTD_IRTE_XAPIC(1), 0);
    remap_flush(r, 3);
    edu_raise(r->edu);
    g_assert_true(arrived(r, 1, VECTOR + 1));

    remap_put(r, 3, 0, 0);
    remap_flush(r, 3);
    edu_raise(r->edu);
    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_IR_P);
    g_assert_cmphex(fault.info, ==, REMAP_INFO(3));
    put_redirection(r, IOAPIC_MASKED);

    /* Compatibility format is refused here as well. */
    put_redirection(r, PLAIN_VECTOR);
    edu_raise(r->edu);
    g_assert_false(arrived(r, 0, PLAIN_VECTOR));
    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_IR_COMPAT);
    remap_free(r);
}

static unsigned occurrences(const char *file, const char *what)
{
    g_autofree char *text = NULL;
    const char *at;
    unsigned n = 0;

    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    for (at = text; (at = strstr(at, what)); at += strlen(what)) {
        n++;
    }
    return n;
}

/* A unit in another process has a log of its own. */
static void assert_said(Remap *r, const char *log, const char *what,
                        unsigned times)
{
    if (!r->vtd->remote) {
        g_assert_cmpuint(occurrences(log, what), ==, times);
    }
}

/*
 * An entry for the device behind the pin, though the I/O APIC has an ID of its
 * own: accepted, as by the base, and said once, until the next reset.
 */
static void test_ioapic_source(void)
{
    g_autofree char *log = NULL;
    g_autofree char *args = NULL;
    Remap *r;
    int fd = g_file_open_tmp("viommu-log-XXXXXX", &log, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    args = g_strdup_printf("-d guest_errors -D %s ", log);
    r = remap_new_args("intremap=on,eim=off", 0, args);
    put_redirection(r, VTD_RTE_REMAP(3) | VECTOR);

    remap_put(r, 3, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR),
             VTD_IRTE_SVT(1) | VTD_IRTE_SID(IOAPIC_SID));
    remap_flush(r, 3);
    edu_raise(r->edu);
    g_assert_true(arrived(r, 0, VECTOR));
    assert_said(r, log, "I/O APIC", 0);

    for (int i = 1; i <= 3; i++) {
        remap_put(r, 3, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + i),
                 i < 3 ? VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID)
                       : VTD_IRTE_SVT(2) | VTD_IRTE_SID(EDU_BUS));
        remap_flush(r, 3);
        edu_raise(r->edu);
        g_assert_true(arrived(r, 0, VECTOR + i));
    }
    vtd_assert_no_fault(r->vtd);
    assert_said(r, log, "I/O APIC", 1);
    assert_said(r, log, "0xff00, is for 0x0020", 1);
    remap_free(r);
    unlink(log);
}

static void test_ioapic_source_check(void)
{
    Remap *r = remap_new("intremap=on,eim=off,x-ioapic-sid-check=on", 0);
    VTDFault fault;

    put_redirection(r, VTD_RTE_REMAP(3) | VECTOR);
    remap_put(r, 3, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR),
             VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID));
    remap_flush(r, 3);
    edu_raise(r->edu);
    g_assert_false(arrived(r, 0, VECTOR));
    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_IR_SID);
    g_assert_cmphex(fault.sid, ==, IOAPIC_SID);
    g_assert_cmphex(fault.info, ==, REMAP_INFO(3));

    remap_put(r, 3, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 1),
             VTD_IRTE_SVT(1) | VTD_IRTE_SID(IOAPIC_SID));
    remap_flush(r, 3);
    edu_raise(r->edu);
    g_assert_true(arrived(r, 0, VECTOR + 1));
    vtd_assert_no_fault(r->vtd);
    remap_free(r);
}

static int64_t counted(Remap *r, const char *what)
{
    QDict *answer = qtest_qmp(r->vtd->qts, "{'execute': 'query-viommu'}");
    QList *units = qdict_get_qlist(answer, "return");
    int64_t n = qdict_get_int(qobject_to(QDict, qlist_peek(units)), what);

    qobject_unref(answer);
    return n;
}

/* Interrupts of edu that were remapped; -1: none can be */
static int64_t remapped(Remap *r)
{
    QDict *answer = qtest_qmp(r->vtd->qts, "{'execute': 'query-viommu'}");
    QList *units = qdict_get_qlist(answer, "return");
    QDict *unit = qobject_to(QDict, qlist_peek(units));
    QListEntry *entry;
    int64_t n = -1;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "endpoint-info"), entry) {
        QDict *ep = qobject_to(QDict, qlist_entry_obj(entry));

        if (qdict_get_int(ep, "requester-id") == EDU_SID) {
            n = qdict_get_try_int(ep, "interrupts-remapped", -1);
        }
    }
    qobject_unref(answer);
    return n;
}

static void test_counted(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);

    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 0);
    g_assert_cmpint(remapped(r), ==, 0);
    remap_send(r, 5);
    g_assert_true(arrived(r, 0, VECTOR));
    g_assert_cmpint(remapped(r), ==, 1);
    /* That of another, or one that is refused, is none of its. */
    remap_put(r, 3, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 0);
    put_redirection(r, VTD_RTE_REMAP(3) | VECTOR);
    remap_send(r, 7);
    g_assert_cmpint(remapped(r), ==, 1);
    remap_free(r);
}

/* An interrupt is no DMA: it is neither looked up as such nor counted. */
static void test_uncounted(void)
{
    Remap *r = remap_new("intremap=on,eim=off", 0);
    int64_t translations, walks;

    translate(r);
    translations = counted(r, "translations");
    walks = counted(r, "walks");
    remap_put(r, 3, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 0);
    put_redirection(r, VTD_RTE_REMAP(3) | VECTOR);
    edu_raise(r->edu);
    g_assert_true(arrived(r, 0, VECTOR));
    remap_put(r, 5, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 1), 0);
    remap_send(r, 5);
    g_assert_true(arrived(r, 0, VECTOR + 1));
    g_assert_cmpint(counted(r, "translations"), ==, translations);
    g_assert_cmpint(counted(r, "walks"), ==, walks);
    vtd_assert_no_fault(r->vtd);
    remap_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/vtd/ir/" name, fn)
    ADD("msi", test_msi);
    ADD("change", test_change);
    ADD("extended", test_extended);
    ADD("source", test_source);
    ADD("forged", test_forged);
    ADD("compatibility", test_compatibility);
    ADD("compatibility-extended", test_compatibility_extended);
    ADD("translated", test_translated);
    ADD("ioapic/messages", test_ioapic);
    ADD("ioapic/source", test_ioapic_source);
    ADD("ioapic/source-check", test_ioapic_source_check);
    ADD("counted", test_counted);
    ADD("uncounted", test_uncounted);
    ADD("fault/request", test_fault_request);
    ADD("fault/index", test_fault_index);
    ADD("fault/entry", test_fault_entry);
    ADD("fault/table", test_fault_table);
    ADD("fault/disable", test_fault_disable);
#undef ADD
    return g_test_run();
}
