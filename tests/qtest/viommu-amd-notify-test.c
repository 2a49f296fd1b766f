/*
 * AMD-Vi: what VFIO and vhost are told (x-iommu-listener)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The unit says NpCache, so software invalidates what it makes present, and a
 * listener for MAP events has a picture of the tables after each invalidation.
 */
#include "qemu/osdep.h"
#include "viommu-amd.h"
#include "viommu-listener.h"

#define DOMAIN  5
#define IOVA    0x40000000ULL
#define TARGET  0x10000000ULL
#define PAGES   512

typedef struct Notify {
    AMD *amd;
    Listener *l;
    AMDDomain dom;
} Notify;

static void notify_start(Notify *n, const char *listener)
{
    n->amd = amd_start("", LISTENER_DEVICE "%s", listener);
    n->l = listener_new(&n->amd->unit, LISTENER_SID);
    amd_domain_init(n->amd, &n->dom, DOMAIN);
    amd_attach(n->amd, LISTENER_SID, &n->dom);
    amd_enable(n->amd);
}

static void notify_stop(Notify *n)
{
    listener_free(n->l);
    amd_stop(n->amd);
}

static void put(Notify *n, uint64_t page, uint64_t entry)
{
    qtest_writeq(n->amd->qts,
                 amd_pte(n->amd, &n->dom, IOVA + page * UNIT_PAGE, 1), entry);
}

static void inv(Notify *n, uint64_t pages)
{
    amd_cmd(n->amd, AMD_CMD_PAGES | AMD_PAGES_DOMAIN(DOMAIN), pages);
}

/* The listener has what the level 1 tables have. */
static void agrees(Notify *n)
{
    g_autoptr(GArray) ought = g_array_new(false, false, sizeof(Heard));
    unsigned i;

    for (i = 0; i < PAGES; i++) {
        uint64_t iova = IOVA + i * UNIT_PAGE;
        uint64_t e = qtest_readq(n->amd->qts,
                                 amd_pte(n->amd, &n->dom, iova, 1));
        uint64_t addr = e & AMD_ADDR;
        unsigned perm = (e & AMD_IR ? 1 : 0) | (e & AMD_IW ? 2 : 0);

        if ((e & AMD_MODE(7)) == AMD_MODE(7)) {
            /* 64 KiB are all that there are. */
            addr = (addr & ~0xffffULL) + (i % 16) * UNIT_PAGE;
        }
        if ((e & AMD_PR) && perm) {
            picture_put(ought, iova, iova + UNIT_PAGE - 1, addr, perm);
        }
    }
    listener_agrees_with(n->l, ought);
}

static void test_map(void)
{
    unsigned i, k;
    Notify n;

    notify_start(&n, "map=on");
    agrees(&n);
    for (i = 0; i < 4; i++) {
        put(&n, i, (TARGET + i * UNIT_PAGE) | AMD_PR |
            (i == 2 ? AMD_IR : AMD_RW));
        inv(&n, IOVA + i * UNIT_PAGE);
        agrees(&n);
    }
    put(&n, 1, 0);
    inv(&n, IOVA + UNIT_PAGE);
    agrees(&n);
    put(&n, 0, (TARGET + 0x100000) | AMD_PR | AMD_RW);
    inv(&n, IOVA);
    agrees(&n);
    /* Many, and pages of 64 KiB among them */
    for (i = 0; i < 200; i++) {
        unsigned page = g_test_rand_int_range(0, PAGES / 16) * 16;
        uint64_t to = TARGET + g_test_rand_int_range(0, 64) * 0x10000;
        unsigned kind = g_test_rand_int_range(0, 4);

        for (k = 0; k < 16; k++) {
            put(&n, page + k, kind == 0 ? 0 :
                kind == 1 ? to | 0x7000 | AMD_MODE(7) | AMD_PR | AMD_RW :
                (to + k * UNIT_PAGE) | AMD_PR | AMD_RW);
        }
        if (i % 20 == 19) {
            if (i % 40 == 39) {
                amd_cmd(n.amd, AMD_CMD_ALL, 0);
            } else {
                inv(&n, AMD_PAGES_ALL);
            }
            agrees(&n);
        }
    }
    /* Detached: nothing; and attached again */
    listener_clear(n.l);
    amd_set_dte(n.amd, LISTENER_SID, 0, AMD_DTE_V, 0);
    amd_cmd(n.amd, AMD_CMD_DEVTAB | LISTENER_SID, 0);
    listener_is_empty(n.l);
    amd_attach(n.amd, LISTENER_SID, &n.dom);
    amd_cmd(n.amd, AMD_CMD_DEVTAB | LISTENER_SID, 0);
    agrees(&n);
    notify_stop(&n);
}

/* Device TLBs hear of their own command alone. */
static void test_devtlb(void)
{
    Notify n;

    notify_start(&n, "unmap=off,devtlb=on");
    listener_clear(n.l);
    put(&n, 0, TARGET | AMD_PR | AMD_RW);
    inv(&n, IOVA);
    LISTENER_SILENT(n.l);
    amd_cmd(n.amd, AMD_CMD_IOTLB | LISTENER_SID, IOVA);
    LISTENER_HEARD(n.l, { XIL_DEVTLB, IOVA, UNIT_PAGE - 1 });
    amd_cmd(n.amd, AMD_CMD_IOTLB | (LISTENER_SID + 8), IOVA);
    LISTENER_SILENT(n.l);
    amd_cmd(n.amd, AMD_CMD_IOTLB | LISTENER_SID, IOVA | 0x7001);
    LISTENER_HEARD(n.l, { XIL_DEVTLB, IOVA, 0xffff });
    notify_stop(&n);
}

/* Guest tables; accesses without a PASID are PASID 0's. */
static void test_map_guest(void)
{
    g_autoptr(GArray) ought = g_array_new(false, false, sizeof(Heard));
    uint64_t w0 = AMD_CMD_PAGES | AMD_PAGES_DOMAIN(DOMAIN);
    AMDGuest guest;
    unsigned i;
    Notify n;

    n.amd = amd_start("gtsup=on", LISTENER_DEVICE "map=on");
    n.amd->control = AMD_C_GT;
    n.l = listener_new(&n.amd->unit, LISTENER_SID);
    amd_guest_init(n.amd, &guest, DOMAIN, false);
    amd_guest_attach(n.amd, LISTENER_SID, &guest);
    amd_enable(n.amd);
    listener_is_empty(n.l);
    for (i = 0; i < 8; i++) {
        uint64_t iova = IOVA + 2 * i * UNIT_PAGE;
        bool write = i % 2;

        qtest_writeq(n.amd->qts, amd_guest_pte(n.amd, &guest, 0, iova, 1),
                     TARGET + i * UNIT_PAGE * 3 + AMD_G_P + AMD_G_US +
                     AMD_G_A + AMD_G_D + (write ? AMD_G_RW : 0));
        amd_cmd(n.amd, w0, iova | AMD_GN);
        picture_put(ought, iova, iova + UNIT_PAGE - 1,
                    TARGET + i * UNIT_PAGE * 3, write ? 3 : 1);
        listener_agrees_with(n.l, ought);
    }
    /* The PASID has no tables any more. */
    qtest_writeq(n.amd->qts, guest.gcr3, 0);
    amd_cmd(n.amd, w0, AMD_PAGES_ALL | AMD_GN);
    listener_is_empty(n.l);
    notify_stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/amd/notify/map", test_map);
    qtest_add_func("/viommu/amd/notify/map-guest", test_map_guest);
    qtest_add_func("/viommu/amd/notify/devtlb", test_devtlb);
    return g_test_run();
}
