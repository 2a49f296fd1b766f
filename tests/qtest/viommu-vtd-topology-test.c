/*
 * Which requester ID a device has: behind ports, behind bridges, renumbered
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-vtd.h"
#include "viommu-edu.h"
#include "viommu-plug.h"

#define BRIDGE      (7 << 3)
#define BUS         3
#define NEW_BUS     9
#define IOVA        0x3000000ULL
#define SOURCE      0x3001000ULL
#define MARK        0x77
#define EDU_BEHIND  "-device edu,bus=br,addr=%s,dma_mask=0xffffffffffffffff "

typedef struct Branch {
    VTD *vtd;
    QPCIDevice *bridge;
    Edu *edu;
    VTDDomain dom;
    uint64_t page;
} Branch;

static Branch *branch_new(const char *bridge, const char *addr, uint16_t sid,
                          uint16_t requester)
{
    g_autofree char *edu = g_strdup_printf(EDU_BEHIND, addr);
    Branch *br = g_new0(Branch, 1);
    VTD *vtd = vtd_start("", "-device %s,id=br,addr=07.0 %s", bridge, edu);
    uint64_t source = vtd_alloc(vtd, 1);

    br->vtd = vtd;
    br->bridge = vtd_open_bridge(vtd, BRIDGE, BUS);
    br->edu = edu_new(&vtd->unit, sid);
    br->page = vtd_alloc(vtd, 1);
    vtd_domain_init(vtd, &br->dom, 2, 4);
    viommu_fill(vtd, source, MARK, VTD_PAGE_SIZE);
    vtd_map(vtd, &br->dom, SOURCE, source, 1, VTD_PTE_RW);
    vtd_map(vtd, &br->dom, IOVA, br->page, 1, VTD_PTE_RW);
    vtd_attach(vtd, requester, &br->dom, VTD_TT_UNTRANSLATED);
    vtd_enable(vtd, VTD_QUEUED);
    return br;
}

static void branch_free(Branch *br)
{
    edu_free(br->edu);
    g_free(br->bridge);
    vtd_stop(br->vtd);
    g_free(br);
}

static void see_it_work(Branch *br)
{
    edu_load(br->edu, SOURCE, 64);
    viommu_fill(br->vtd, br->page, 0, 64);
    edu_store(br->edu, IOVA, 64);
    g_assert_true(viommu_is_filled(br->vtd, br->page, MARK, 64));
    vtd_assert_no_fault(br->vtd);
}

static void test_root_port(void)
{
    uint16_t sid = BUS << 8;
    Branch *br = branch_new("pcie-root-port,chassis=1", "0.0", sid, sid);

    see_it_work(br);
    edu_store(br->edu, IOVA + 2 * VTD_PAGE_SIZE, 8);
    vtd_assert_fault(br->vtd, VTD_FR_WRITE, sid, false,
                     IOVA + 2 * VTD_PAGE_SIZE);
    branch_free(br);
}

/* A bridge to conventional PCI speaks for what is behind it. */
static void test_alias(void)
{
    uint16_t alias = BUS << 8;
    Branch *br = branch_new("pcie-pci-bridge", "5.0", alias | 5 << 3, alias);

    see_it_work(br);
    edu_store(br->edu, IOVA + 2 * VTD_PAGE_SIZE, 8);
    vtd_assert_fault(br->vtd, VTD_FR_WRITE, alias, false,
                     IOVA + 2 * VTD_PAGE_SIZE);
    branch_free(br);
}

/* The guest gives the bus another number: the ID follows. */
static void test_renumber(void)
{
    uint16_t sid = BUS << 8, new_sid = NEW_BUS << 8;
    Branch *br = branch_new("pcie-root-port,chassis=1", "0.0", sid, sid);

    see_it_work(br);
    qpci_config_writeb(br->bridge, PCI_SECONDARY_BUS, NEW_BUS);
    qpci_config_writeb(br->bridge, PCI_SUBORDINATE_BUS, NEW_BUS);
    vtd_inv_everything(br->vtd);
    edu_store(br->edu, IOVA, 8);
    vtd_assert_fault(br->vtd, VTD_FR_ROOT_P, new_sid, false, IOVA);
    vtd_attach(br->vtd, new_sid, &br->dom, VTD_TT_UNTRANSLATED);
    vtd_inv_everything(br->vtd);
    see_it_work(br);
    branch_free(br);
}

/*
 * 6.2.2: what is cached carries the source-id, so without any invalidation the
 * new ID's configuration applies, the old one's not any more, and back again.
 */
static void test_renumber_kept(void)
{
    uint16_t sid = BUS << 8, new_sid = NEW_BUS << 8;
    Branch *br = branch_new("pcie-root-port,chassis=1", "0.0", sid, sid);
    uint64_t old_page = br->page, new_page = vtd_alloc(br->vtd, 1);
    VTDDomain dom;

    vtd_domain_init(br->vtd, &dom, 5, 4);
    vtd_map(br->vtd, &dom, IOVA, new_page, 1, VTD_PTE_RW);
    vtd_attach(br->vtd, new_sid, &dom, VTD_TT_UNTRANSLATED);
    see_it_work(br);

    qpci_config_writeb(br->bridge, PCI_SUBORDINATE_BUS, NEW_BUS);
    qpci_config_writeb(br->bridge, PCI_SECONDARY_BUS, NEW_BUS);
    viommu_fill(br->vtd, old_page, 0, 64);
    edu_store(br->edu, IOVA, 64);
    g_assert_true(viommu_is_filled(br->vtd, new_page, MARK, 64));
    g_assert_true(viommu_is_filled(br->vtd, old_page, 0, 64));
    /* This was mapped under the old ID only. */
    edu_load(br->edu, SOURCE, 64);
    vtd_assert_fault(br->vtd, VTD_FR_READ, new_sid, true, SOURCE);

    qpci_config_writeb(br->bridge, PCI_SECONDARY_BUS, BUS);
    see_it_work(br);
    branch_free(br);
}

/* A root complex that bypasses the unit keeps out of it. */
static void test_bypass_bus(void)
{
    VTD *vtd = vtd_start("", "-machine default_bus_bypass_iommu=on "
                         EDU_DEVICE);
    Edu *edu = edu_new(&vtd->unit, EDU_SID);
    uint64_t from = vtd_alloc(vtd, 1), to = vtd_alloc(vtd, 1);

    viommu_fill(vtd, from, MARK, 64);
    vtd_enable(vtd, VTD_REGISTER);
    edu_load(edu, from, 64);
    edu_store(edu, to, 64);
    g_assert_true(viommu_is_filled(vtd, to, MARK, 64));
    vtd_assert_no_fault(vtd);
    edu_free(edu);
    vtd_stop(vtd);
}

/* A bridge in the slot and a device behind it, numbered and at work */
static QPCIDevice *plug_branch(Branch *br, uint16_t sid)
{
    QTestState *qts = br->vtd->qts;
    QPCIDevice *port;

    qtest_qmp_device_add(qts, "pcie-pci-bridge", "br", "{'bus': 'rp'}");
    qtest_qmp_device_add(qts, "edu", "dev", "{'bus': 'br', 'addr': '5.0',"
                         " 'dma_mask': %" PRIu64 "}", UINT64_MAX);
    port = vtd_open_bridge(br->vtd, PLUG_PORT, BUS);
    qpci_config_writeb(port, PCI_SUBORDINATE_BUS, sid >> 8);
    plug_power(port);
    br->bridge = vtd_open_bridge(br->vtd, BUS << 8, sid >> 8);
    br->edu = edu_new(&br->vtd->unit, sid);
    return port;
}

/*
 * The bridge comes and goes, and its bus is freed.  Its endpoints are nobody's,
 * least of all those of whatever is on bus 0 or comes into the slot next.
 */
static void come_and_go(Branch *br, Edu *other)
{
    uint16_t alias = (BUS + 1) << 8, sid = alias | 5 << 3;
    VTD *vtd = br->vtd;
    QPCIDevice *port;

    vtd_attach(vtd, alias, &br->dom, VTD_TT_UNTRANSLATED);
    port = plug_branch(br, sid);
    see_it_work(br);
    edu_store(br->edu, IOVA + 2 * VTD_PAGE_SIZE, 8);
    vtd_assert_fault(vtd, VTD_FR_WRITE, alias, false,
                     IOVA + 2 * VTD_PAGE_SIZE);
    edu_free(br->edu);
    g_free(br->bridge);
    plug_pull(&vtd->unit, port, "br");
    g_free(port);

    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, br->dom.did, sid);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, br->dom.did, alias);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, br->dom.did, sid & 0xff);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, br->dom.did, BUS << 8);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_DOMAIN, br->dom.did, 0);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_DOMAIN, br->dom.did, 0, 0);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
    vtd_assert_no_fault(vtd);
    /* A fault, of somebody who is there */
    edu_store(other, IOVA, 8);
    vtd_assert_fault(vtd, VTD_FR_CTX_P, EDU_SID, false, IOVA);
}

static void test_unplug(void)
{
    Branch *br = g_new0(Branch, 1);
    VTD *vtd = vtd_start("", PLUG_PORT_ARGS EDU_DEVICE);
    Edu *other = edu_new(&vtd->unit, EDU_SID);
    uint64_t source = vtd_alloc(vtd, 1);

    br->vtd = vtd;
    br->page = vtd_alloc(vtd, 1);
    vtd_domain_init(vtd, &br->dom, 2, 4);
    viommu_fill(vtd, source, MARK, VTD_PAGE_SIZE);
    vtd_map(vtd, &br->dom, SOURCE, source, 1, VTD_PTE_RW);
    vtd_map(vtd, &br->dom, IOVA, br->page, 1, VTD_PTE_RW);
    vtd_set_context(vtd, EDU_SID, 0, 0);

    vtd_enable(vtd, VTD_QUEUED);
    come_and_go(br, other);
    come_and_go(br, other);
    vtd_reset(vtd);
    viommu_turns(vtd);
    edu_free(other);
    other = edu_new(&vtd->unit, EDU_SID);
    vtd_enable(vtd, VTD_QUEUED);
    come_and_go(br, other);
    edu_free(other);
    vtd_stop(vtd);
    g_free(br);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What is freed is overwritten, so that its use does not go unnoticed. */
    g_setenv("MALLOC_PERTURB_", "170", true);
    qtest_add_func("/viommu/vtd/topology/root-port", test_root_port);
    qtest_add_func("/viommu/vtd/topology/alias", test_alias);
    qtest_add_func("/viommu/vtd/topology/renumber", test_renumber);
    qtest_add_func("/viommu/vtd/topology/renumber-kept", test_renumber_kept);
    qtest_add_func("/viommu/vtd/topology/bypass-bus", test_bypass_bus);
    qtest_add_func("/viommu/vtd/topology/unplug", test_unplug);
    return g_test_run();
}
