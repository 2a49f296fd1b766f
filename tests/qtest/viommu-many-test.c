/*
 * A machine of many functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * To change the memory map takes longer the more address spaces there are, and
 * each function has its own.  So the guest has them all switched in one change;
 * and where it switches one after the other, others run in between.  How many
 * views the memory core makes is counted, and how often a queue yields.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-rig.h"
#include "viommu-virtio.h"
#include "viommu-vtd.h"

#define MANY        32
#define SLOT        3
#define PORT        (0x1c << 3)
#define BUS         1
#define BEHIND      8

/* Of an emulator that says so: the number of views that it has made */
#define VIEWS       "-trace flatview_new "
#define VIEW        "flatview_new "
/* Those of one change of the memory map: of @n functions, and a few more */
#define ONE_CHANGE(n) ((n) + 16)

static uint16_t sid_of(unsigned i)
{
    return (SLOT << 3) + i;
}

static uint16_t behind(unsigned i)
{
    return BUS << 8 | i;
}

static char *functions(const char *args)
{
    GString *text = g_string_new(args);
    unsigned i;

    for (i = 0; i < MANY; i++) {
        g_string_append_printf(text, "-device pci-testdev,addr=%02x.%x,"
                               "multifunction=on ", sid_of(i) >> 3,
                               sid_of(i) & 7);
    }
    return g_string_free(text, false);
}

/* Behind a root port, whose bus the guest numbers */
static char *functions_behind(const char *args)
{
    g_autofree char *many = functions(args);
    GString *text = g_string_new(many);
    unsigned i;

    g_string_append_printf(text, "-device pcie-root-port,id=rp,addr=%02x.0 ",
                           PORT >> 3);
    for (i = 0; i < BEHIND; i++) {
        g_string_append_printf(text, "-device pci-testdev,bus=rp,addr=0.%x,"
                               "multifunction=on ", i);
    }
    return g_string_free(text, false);
}

static void attach_all(VTD *vtd, const VTDDomain *dom, int tt)
{
    unsigned i;

    for (i = 0; i < MANY; i++) {
        vtd_attach(vtd, sid_of(i), dom, tt);
    }
}

/* A unit that is on, and all functions pass it */
static VTD *begin(VTDDomain *dom, const char *args)
{
    VTD *vtd = vtd_start("", "%s", args);
    unsigned i;

    vtd_domain_init(vtd, dom, 1, 3);
    attach_all(vtd, dom, VTD_TT_PASSTHROUGH);
    for (i = 0; i < BEHIND; i++) {
        vtd_attach(vtd, behind(i), dom, VTD_TT_PASSTHROUGH);
    }
    vtd_enable(vtd, VTD_QUEUED);
    return vtd;
}

static void test_global(void)
{
    g_autofree char *args = functions(VIEWS);
    UnitLog *log = unit_log_new();
    VTDDomain dom;
    VTD *vtd = begin(&dom, args);
    unsigned before = unit_log_count(log, VIEW);

    attach_all(vtd, &dom, VTD_TT_UNTRANSLATED);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0);
    unit_log_rest(log);
    g_assert_cmpuint(unit_log_count(log, VIEW), >=, before + MANY);
    g_assert_cmpuint(unit_log_count(log, VIEW), <=,
                     before + ONE_CHANGE(MANY));
    vtd_stop(vtd);
    unit_log_free(log);
}

/* FM 3: all functions of a device */
static void test_masked(void)
{
    g_autofree char *args = functions(VIEWS);
    UnitLog *log = unit_log_new();
    VTDDomain dom;
    VTD *vtd = begin(&dom, args);
    unsigned before = unit_log_count(log, VIEW);

    attach_all(vtd, &dom, VTD_TT_UNTRANSLATED);
    vtd_queue_put(vtd, VTD_D_CC | VTD_D_G(VTD_PAGE) | 3ull << 48 |
                  VTD_D_CC_SID(sid_of(0)), 0);
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    vtd_inv_wait(vtd, VTD_QUEUED);
    unit_log_rest(log);
    g_assert_cmpuint(unit_log_count(log, VIEW), >=, before + 8);
    g_assert_cmpuint(unit_log_count(log, VIEW), <=, before + ONE_CHANGE(8));
    vtd_stop(vtd);
    unit_log_free(log);
}

/* A bus gets another number, where tables say something else of all on it. */
static void test_renumbered(void)
{
    g_autofree char *args = functions_behind(VIEWS);
    UnitLog *log = unit_log_new();
    VTDDomain dom;
    VTD *vtd = begin(&dom, args);
    QPCIDevice *port = vtd_open_bridge(vtd, PORT, BUS);
    unsigned before = unit_log_count(log, VIEW);

    /* Of bus 2 there is no entry: what is on it is blocked. */
    qpci_config_writeb(port, 0x19, BUS + 1);
    viommu_turns(vtd);
    unit_log_rest(log);
    g_assert_cmpuint(unit_log_count(log, VIEW), >=, before + BEHIND);
    g_assert_cmpuint(unit_log_count(log, VIEW), <=,
                     before + ONE_CHANGE(BEHIND));
    g_free(port);
    vtd_stop(vtd);
    unit_log_free(log);
}

/* One after the other: others run between two of them. */
static void test_queue(void)
{
    g_autofree char *args = functions("-trace viommu_queue_yield ");
    UnitLog *log = unit_log_new();
    VTDDomain dom;
    VTD *vtd = begin(&dom, args);
    unsigned i, before = unit_log_count(log, "viommu_queue_yield ");

    attach_all(vtd, &dom, VTD_TT_UNTRANSLATED);
    for (i = 0; i < MANY; i++) {
        vtd_queue_put(vtd, VTD_D_CC | VTD_D_G(VTD_PAGE) |
                      VTD_D_CC_SID(sid_of(i)), 0);
    }
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    vtd_inv_wait(vtd, VTD_QUEUED);
    unit_log_rest(log);
    g_assert_cmpuint(unit_log_count(log, "viommu_queue_yield "), ==,
                     before + MANY);
    vtd_stop(vtd);
    unit_log_free(log);
}

static void test_requests(void)
{
    const char *yield = "virtio_iommu_requests_yield ";
    g_autofree char *args = functions("-trace virtio_iommu_requests_yield ");
    UnitLog *log = unit_log_new();
    VIO *vio = vio_start("", args);
    unsigned i, last = 0, before;

    vio_setup(vio, VIO_ALL_FEATURES);
    before = unit_log_count(log, yield);
    for (i = 0; i < VIO_SLOTS; i++) {
        last = vio_put_attach(vio, i, sid_of(i), 0);
    }
    g_assert_cmphex(vio_wait(vio, last), ==, VIO_S_OK);
    unit_log_rest(log);
    g_assert_cmpuint(unit_log_count(log, yield), ==, before + VIO_SLOTS);
    vio_stop(vio);
    unit_log_free(log);
}

/* A request of a thousand pieces takes as long as many. */
#define PIECES      1024
#define TABLE       0x10000000
#define PIECE(i)    (0x20000000 + (i) * 0x10000ull)

static void put_table(VIO *vio)
{
    struct vring_desc *table = g_new0(struct vring_desc, PIECES);
    unsigned i;

    for (i = 0; i < PIECES; i++) {
        table[i] = (struct vring_desc) {
            .addr = cpu_to_le64(PIECE(i)),
            .len = cpu_to_le32(4),
            .flags = cpu_to_le16((i ? VRING_DESC_F_WRITE : 0) |
                                 (i < PIECES - 1 ? VRING_DESC_F_NEXT : 0)),
            .next = cpu_to_le16(i + 1),
        };
    }
    qtest_memwrite(vio->qts, TABLE, table, PIECES * sizeof(*table));
    g_free(table);
}

static void test_pieces(void)
{
    const char *yield = "virtio_iommu_requests_yield ";
    UnitLog *log = unit_log_new();
    VIO *vio = vio_start("", "-trace virtio_iommu_requests_yield");
    uint64_t ring;
    unsigned i, before;

    vio_setup(vio, VIO_ALL_FEATURES | 1ull << VIRTIO_RING_F_INDIRECT_DESC);
    before = unit_log_count(log, yield);
    ring = vio->requests.gpa;
    put_table(vio);
    for (i = 0; i < VIO_RING_SIZE; i++) {
        struct vring_desc desc = {
            .addr = cpu_to_le64(TABLE),
            .len = cpu_to_le32(PIECES * sizeof(desc)),
            .flags = cpu_to_le16(VRING_DESC_F_INDIRECT),
        };

        qtest_memwrite(vio->qts, ring + i * sizeof(desc), &desc, sizeof(desc));
        qtest_writew(vio->qts, ring + VIO_AVAIL_OFF + 4 + 2 * i, i);
    }
    qtest_writew(vio->qts, ring + VIO_AVAIL_OFF + 2, VIO_RING_SIZE);
    vio_kick(vio);
    viommu_until(vio, qtest_readw(vio->qts, ring + VIO_USED_OFF + 2) ==
                      VIO_RING_SIZE);
    unit_log_rest(log);
    /* Some ten thousand pieces in one go, at most */
    g_assert_cmpuint(unit_log_count(log, yield), >=,
                     before + VIO_RING_SIZE * PIECES / 10000);
    vio_stop(vio);
    unit_log_free(log);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("VIOMMU_UNIT", "virtio", true);
    qtest_add_func("/viommu/many/global", test_global);
    qtest_add_func("/viommu/many/masked", test_masked);
    qtest_add_func("/viommu/many/renumbered", test_renumbered);
    qtest_add_func("/viommu/many/queue", test_queue);
    qtest_add_func("/viommu/many/requests", test_requests);
    qtest_add_func("/viommu/many/pieces", test_pieces);
    return g_test_run();
}
