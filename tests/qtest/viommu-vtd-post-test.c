/*
 * VT-d, posted interrupts: what is recorded, who is notified, what is refused
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Section 5.2.3 and its formats, 9.10 and 9.11.
 */
#include "qemu/osdep.h"
#include "viommu-vtd-remap.h"

#define INDEX       5
#define NV          0x61             /* and the following ones */
#define VV          0x45
#define PI_ON       "intremap=on,posted-interrupts=on,eim=off"
#define BEYOND_RAM  0x7000000000ULL
#define ROM         0xfffc0000ULL    /* the firmware */
#define IOAPIC      0xfec00000ULL
#define IOAPIC_PIN  20               /* INTA of slot 4 on q35 */

typedef struct Post {
    Remap *remap;
    VTD *vtd;
    uint64_t pid;            /* the descriptor */
} Post;

static Post post_new(const char *unit, uint64_t irta_bits)
{
    Remap *remap = remap_new(unit, irta_bits);

    return (Post) {
        .remap = remap,
        .vtd = remap->vtd,
        .pid = vtd_alloc(remap->vtd, 1),
    };
}

/* The entry of @vector, which leads to the descriptor @pid */
static void put(Post *p, uint8_t vector, uint64_t pid, uint64_t lo, uint64_t hi)
{
    remap_put(p->remap, INDEX, VTD_IRTE_P | VTD_IRTE_IM |
              VTD_IRTE_VECTOR(vector) | VTD_IRTE_PDAL(pid) | lo,
              VTD_IRTE_PDAH(pid) | hi);
    remap_flush(p->remap, INDEX);
}

static void set_control(Post *p, uint64_t control)
{
    qtest_writeq(p->vtd->qts, p->pid + VTD_PID_CONTROL, control);
}

static uint64_t control(Post *p)
{
    return qtest_readq(p->vtd->qts, p->pid + VTD_PID_CONTROL);
}

static bool is_posted(Post *p, uint8_t vector)
{
    return qtest_readb(p->vtd->qts, p->pid + vector / 8) >> vector % 8 & 1;
}

static bool notified(Post *p, int cpu, uint8_t vector)
{
    return viommu_irq_arrived(p->vtd, cpu, vector);
}

/* ON, SN and URG: all that decides on a notification */
static void test_notification(void)
{
    Post p = post_new(PI_ON, 0);

    g_assert_cmphex(vtd_read64(p.vtd, VTD_CAP) & VTD_CAP_PI, ==, VTD_CAP_PI);
    for (unsigned i = 0; i < 8; i++) {
        bool on = i & 1, sn = i & 2, urg = i & 4;
        bool due = !on && (urg || !sn);
        uint64_t was = VTD_PID_NV(NV + i) | VTD_PID_XAPIC(0) |
                       (on ? VTD_PID_ON : 0) | (sn ? VTD_PID_SN : 0);

        set_control(&p, was);
        put(&p, VV + i, p.pid, urg ? VTD_IRTE_URG : 0, 0);
        remap_send(p.remap, INDEX);
        g_assert_true(is_posted(&p, VV + i));
        g_assert_cmphex(control(&p), ==, was | (due ? VTD_PID_ON : 0));
        g_assert_cmpint(notified(&p, 0, NV + i), ==, due);
        /* The vector is in the descriptor, and nowhere else. */
        g_assert_false(notified(&p, 0, VV + i));
    }
    vtd_assert_no_fault(p.vtd);
    remap_free(p.remap);
}

/* Each vector has its bit, and only that is set. */
static void test_vectors(void)
{
    Post p = post_new(PI_ON, 0);

    set_control(&p, VTD_PID_NV(NV) | VTD_PID_ON);
    for (unsigned vector = 0; vector < 256; vector += vector ? 17 : 1) {
        for (unsigned at = 0; at < 32; at += 8) {
            qtest_writeq(p.vtd->qts, p.pid + at, 0);
        }
        put(&p, vector, p.pid, 0, 0);
        remap_send(p.remap, INDEX);
        for (unsigned word = 0; word < 4; word++) {
            g_assert_cmphex(qtest_readq(p.vtd->qts, p.pid + 8 * word), ==,
                            word == vector / 64 ? 1ULL << vector % 64 : 0);
        }
    }
    /* What was recorded before stays. */
    qtest_writeq(p.vtd->qts, p.pid, UINT64_MAX - 2);
    put(&p, 1, p.pid, 0, 0);
    remap_send(p.remap, INDEX);
    g_assert_cmphex(qtest_readq(p.vtd->qts, p.pid), ==, UINT64_MAX);
    g_assert_false(notified(&p, 0, NV));
    vtd_assert_no_fault(p.vtd);
    remap_free(p.remap);
}

/* NDST by mode; the entry's source-id is verified as ever. */
static void test_destination(void)
{
    Post p = post_new(PI_ON, 0);

    set_control(&p, VTD_PID_NV(NV) | VTD_PID_XAPIC(1));
    put(&p, VV, p.pid, 0, VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID));
    remap_send(p.remap, INDEX);
    g_assert_true(notified(&p, 1, NV));
    g_assert_false(notified(&p, 0, NV));
    remap_free(p.remap);

    p = post_new("intremap=on,posted-interrupts=on,eim=on", VTD_IRTA_EIME);
    set_control(&p, VTD_PID_NV(NV) | VTD_PID_X2APIC(1));
    put(&p, VV, p.pid, 0, 0);
    remap_send(p.remap, INDEX);
    g_assert_true(notified(&p, 1, NV));
    vtd_assert_no_fault(p.vtd);
    remap_free(p.remap);
}

static void refused(Post *p, uint8_t reason)
{
    VTDFault fault;

    remap_send(p->remap, INDEX);
    g_assert_true(vtd_fault_take(p->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, reason);
    g_assert_cmphex(fault.sid, ==, EDU_SID);
    g_assert_cmphex(fault.info, ==, REMAP_INFO(INDEX));
    vtd_assert_no_fault(p->vtd);
    g_assert_false(notified(p, 0, NV));
}

/* Whatever has been recorded, if anything */
static bool drop_faults(Post *p)
{
    VTDFault fault;
    bool any = false;

    while (vtd_fault_take(p->vtd, 0, &fault)) {
        any = true;
    }
    return any;
}

/* The same with FPD: in silence */
static void refused_twice(Post *p, uint64_t pid, uint64_t lo, uint64_t hi,
                          uint8_t reason)
{
    put(p, VV, pid, lo, hi);
    refused(p, reason);
    put(p, VV, pid, lo | VTD_IRTE_FPD, hi);
    remap_send(p->remap, INDEX);
    vtd_assert_no_fault(p->vtd);
}

static void test_refused_entry(void)
{
    Post p = post_new(PI_ON, 0);

    set_control(&p, VTD_PID_NV(NV));
    refused_twice(&p, p.pid, 1 << 2, 0, VTD_FR_IR_RSVD);
    refused_twice(&p, p.pid, 1 << 13, 0, VTD_FR_IR_RSVD);
    refused_twice(&p, p.pid, 1ULL << 37, 0, VTD_FR_IR_RSVD);
    refused_twice(&p, p.pid, 0, 1 << 20, VTD_FR_IR_RSVD);
    /* Beyond the host address width, 48 */
    refused_twice(&p, p.pid | 1ULL << 48, 0, 0, VTD_FR_IR_RSVD);
    refused_twice(&p, p.pid, 0, VTD_IRTE_SVT(1) | VTD_IRTE_SID(EDU_SID + 8),
                  VTD_FR_IR_SID);
    g_assert_false(is_posted(&p, VV));
    g_assert_cmphex(control(&p), ==, VTD_PID_NV(NV));
    remap_free(p.remap);

    /* Without the property there is no such format. */
    p = post_new("intremap=on,eim=off", 0);
    g_assert_cmphex(vtd_read64(p.vtd, VTD_CAP) & VTD_CAP_PI, ==, 0);
    refused_twice(&p, p.pid, 0, 0, VTD_FR_IR_RSVD);
    g_assert_false(is_posted(&p, VV));
    remap_free(p.remap);
}

/* A descriptor that is wrong, or no memory: nothing is changed anywhere. */
static void test_refused_descriptor(void)
{
    static const struct {
        unsigned at;
        uint64_t bits;
    } reserved[] = {
        { 32, 1 << 2 }, { 32, 1 << 15 }, { 32, 1 << 24 },
        { 32, 1ULL << 32 }, { 32, 1ULL << 48 }, { 40, 1 }, { 56, 1ULL << 63 },
    };
    Post p = post_new(PI_ON, 0);
    uint64_t rom = qtest_readq(p.vtd->qts, ROM);

    for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
        set_control(&p, VTD_PID_NV(NV));
        qtest_writeq(p.vtd->qts, p.pid + reserved[i].at, reserved[i].bits |
                     qtest_readq(p.vtd->qts, p.pid + reserved[i].at));
        refused_twice(&p, p.pid, 0, 0, VTD_FR_PID_RSVD);
        g_assert_false(is_posted(&p, VV));
        g_assert_cmphex(control(&p) & VTD_PID_ON, ==, 0);
        qtest_writeq(p.vtd->qts, p.pid + reserved[i].at, 0);
    }
    refused_twice(&p, BEYOND_RAM, 0, 0, VTD_FR_PID_ACCESS);
    /* A device's registers, the unit's own among them, and the interrupts' */
    refused_twice(&p, VTD_BASE + 0x40, 0, 0, VTD_FR_PID_ACCESS);
    refused_twice(&p, IOAPIC, 0, 0, VTD_FR_PID_ACCESS);
    refused_twice(&p, 0xfee00000, 0, 0, VTD_FR_PID_ACCESS);
    /* Memory that cannot be written; what is there is of no matter. */
    put(&p, VV, ROM, 0, 0);
    remap_send(p.remap, INDEX);
    g_assert_true(drop_faults(&p));
    g_assert_cmphex(qtest_readq(p.vtd->qts, ROM), ==, rom);
    remap_free(p.remap);
}

/* A descriptor that is the entry itself: it is memory like any other. */
static void test_hostile(void)
{
    Post p = post_new(PI_ON, 0);
    uint64_t table = p.remap->table;

    /* Entry 4 is PIR's third word on; 5, 6, 7 of the line stay as they are. */
    for (unsigned vector = 0; vector < 256; vector += 51) {
        put(&p, vector, table + INDEX / 4 * 64, 0, 0);
        remap_send(p.remap, INDEX);
        drop_faults(&p);
    }
    /* And on with what is left of it */
    set_control(&p, VTD_PID_NV(NV));
    put(&p, VV, p.pid, 0, 0);
    remap_send(p.remap, INDEX);
    g_assert_true(is_posted(&p, VV));
    g_assert_true(notified(&p, 0, NV));
    remap_free(p.remap);
}

/* 5.2.6: the I/O APIC's, too, as if they were edges */
static void test_ioapic(void)
{
    Post p = post_new(PI_ON, 0);
    uint64_t rte = VTD_RTE_REMAP(INDEX) | VV;

    set_control(&p, VTD_PID_NV(NV));
    put(&p, VV, p.pid, 0, 0);
    qtest_writel(p.vtd->qts, IOAPIC, 0x11 + IOAPIC_PIN * 2);
    qtest_writel(p.vtd->qts, IOAPIC + 0x10, rte >> 32);
    qtest_writel(p.vtd->qts, IOAPIC, 0x10 + IOAPIC_PIN * 2);
    qtest_writel(p.vtd->qts, IOAPIC + 0x10, rte);
    edu_raise(p.remap->edu);
    g_assert_true(is_posted(&p, VV));
    g_assert_true(notified(&p, 0, NV));
    vtd_assert_no_fault(p.vtd);
    remap_free(p.remap);
}

static void test_profile(void)
{
    /* A unit in another process remaps interrupts if it is told to. */
    VTD *vtd = vtd_start(g_getenv("VIOMMU_UNIT") ?
                         "profile=modern,intremap=on" : "profile=modern",
                         "-nodefaults");

    g_assert_cmphex(vtd_read64(vtd, VTD_CAP) & VTD_CAP_PI, ==, VTD_CAP_PI);
    vtd_stop(vtd);
    vtd = vtd_start("profile=modern,intremap=off", "-nodefaults");
    g_assert_cmphex(vtd_read64(vtd, VTD_CAP) & VTD_CAP_PI, ==, 0);
    vtd_stop(vtd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/vtd/post/" name, fn)
    ADD("notification", test_notification);
    ADD("vectors", test_vectors);
    ADD("destination", test_destination);
    ADD("refused/entry", test_refused_entry);
    ADD("refused/descriptor", test_refused_descriptor);
    ADD("hostile", test_hostile);
    ADD("ioapic", test_ioapic);
    ADD("profile", test_profile);
#undef ADD
    return g_test_run();
}
