/*
 * A VT-d unit as a test drives it: registers, tables, invalidation, faults
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "libqos/fw_cfg.h"
#include "libqos/pci-pc.h"
#include "viommu-viommud.h"
#include "viommu-vtd.h"

/* Below it: what firmware would use. */
#define FIRST_FREE 0x100000

#define TABLES_FILE "etc/acpi/tables"
/* The beginning of the file is enough, and it comes byte by byte. */
#define TABLES_MAX  (20 * 1024)

/* Is the unit in another process? */
static bool vtd_is_remote(void)
{
    return g_strcmp0(g_getenv("VIOMMU_UNIT"), "remote-vtd") == 0;
}

/* Its slots are controlled by their own registers, not through ACPI. */
char *vtd_machine(const char *unit)
{
    if (vtd_is_remote()) {
        return viommud_vtd_args(0, unit);
    }
    return g_strdup_printf("-machine q35 -m 2G -nodefaults "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-device intel-iommu%s%s", *unit ? "," : "", unit);
}

VTD *vtd_start_machine(const char *machine, const char *args)
{
    VTD *vtd = g_new0(VTD, 1);

    vtd->qts = unit_launch(machine, args);
    vtd->bus = qpci_new_pc(vtd->qts, NULL);
    vtd->next = FIRST_FREE;
    vtd->root = vtd_alloc(vtd, 1);
    vtd->iq = vtd_alloc(vtd, 1);
    vtd->iq_status = vtd_alloc(vtd, 1);
    return vtd;
}

VTD *vtd_start(const char *unit, const char *fmt, ...)
{
    g_autofree char *args = NULL, *machine = NULL;
    va_list ap;
    VTD *vtd;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    machine = vtd_machine(unit);
    vtd = vtd_start_machine(machine, args);
    vtd->remote = vtd_is_remote();
    return vtd;
}

VTD *vtd_adopt(const VTD *from, QTestState *qts)
{
    VTD *vtd = g_new0(VTD, 1);

    *vtd = *from;
    vtd->qts = qts;
    vtd->bus = qpci_new_pc(qts, NULL);
    return vtd;
}

void vtd_stop(VTD *vtd)
{
    qpci_free_pc(vtd->bus);
    unit_quit(vtd->qts);
    if (vtd->remote) {
        viommud_end();
    }
    g_free(vtd);
}

uint64_t vtd_alloc(VTD *vtd, unsigned pages)
{
    return unit_alloc(&vtd->unit, pages);
}

uint32_t vtd_read32(VTD *vtd, unsigned reg)
{
    return qtest_readl(vtd->qts, VTD_BASE + reg);
}

uint64_t vtd_read64(VTD *vtd, unsigned reg)
{
    return qtest_readq(vtd->qts, VTD_BASE + reg);
}

void vtd_write32(VTD *vtd, unsigned reg, uint32_t value)
{
    qtest_writel(vtd->qts, VTD_BASE + reg, value);
}

void vtd_write64(VTD *vtd, unsigned reg, uint64_t value)
{
    qtest_writeq(vtd->qts, VTD_BASE + reg, value);
}

void vtd_gcmd(VTD *vtd, uint32_t set, uint32_t clear)
{
    uint32_t now = vtd_read32(vtd, VTD_GSTS) & VTD_G_STICKY;

    vtd_write32(vtd, VTD_GCMD, (now & ~clear) | set);
}

void vtd_set_root(VTD *vtd, uint64_t root)
{
    vtd_write64(vtd, VTD_RTADDR,
                root | (vtd->scalable ? VTD_RTADDR_SCALABLE : 0));
    vtd_gcmd(vtd, VTD_G_SRTP, 0);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_SRTP);
    vtd_inv_everything(vtd);
}

void vtd_enable_queue(VTD *vtd)
{
    vtd->iq_tail = 0;
    vtd_write64(vtd, VTD_IQT, 0);
    vtd_write64(vtd, VTD_IQA, vtd->iq | (vtd->scalable ? VTD_IQA_DW : 0));
    vtd_gcmd(vtd, VTD_G_QIE, 0);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_QIE);
}

void vtd_enable(VTD *vtd, VTDForm form)
{
    vtd_set_root(vtd, vtd->root);
    if (form == VTD_QUEUED) {
        vtd_enable_queue(vtd);
    }
    vtd_gcmd(vtd, VTD_G_TE, 0);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
}

void vtd_reset(VTD *vtd)
{
    qtest_system_reset(vtd->qts);
    vtd->iq_tail = 0;
}

QPCIDevice *vtd_open_bridge(VTD *vtd, int devfn, uint8_t bus)
{
    return unit_open_bridge(&vtd->unit, devfn, bus);
}

uint64_t vtd_root_entry(VTD *vtd, uint16_t sid)
{
    return vtd->root + (sid >> 8) * 16;
}

uint64_t vtd_context_entry(VTD *vtd, uint16_t sid)
{
    uint64_t entry = vtd_root_entry(vtd, sid);
    uint64_t table = qtest_readq(vtd->qts, entry);

    if (!(table & VTD_ROOT_P)) {
        table = vtd_alloc(vtd, 1);
        qtest_writeq(vtd->qts, entry, table | VTD_ROOT_P);
    }
    return (table & VTD_PTE_ADDR) + (sid & 0xff) * 16;
}

void vtd_set_context(VTD *vtd, uint16_t sid, uint64_t lo, uint64_t hi)
{
    uint64_t entry = vtd_context_entry(vtd, sid);

    qtest_writeq(vtd->qts, entry + 8, hi);
    qtest_writeq(vtd->qts, entry, lo);
}

void vtd_domain_init(VTD *vtd, VTDDomain *dom, uint16_t did, int levels)
{
    dom->did = did;
    dom->levels = levels;
    dom->table = vtd_alloc(vtd, 1);
}

void vtd_attach(VTD *vtd, uint16_t sid, const VTDDomain *dom, int tt)
{
    vtd_set_context(vtd, sid, dom->table | VTD_CTX_TT(tt) | VTD_CTX_P,
                    VTD_CTX_DID(dom->did) | VTD_CTX_AW(dom->levels));
}

uint64_t vtd_pte(VTD *vtd, const VTDDomain *dom, uint64_t iova, int level)
{
    uint64_t table = dom->table;
    int l;

    for (l = dom->levels; ; l--) {
        uint64_t entry = table + ((iova >> VTD_LEVEL_SHIFT(l)) & 511) * 8;
        uint64_t pte;

        if (l == level) {
            return entry;
        }
        pte = qtest_readq(vtd->qts, entry);
        if (!(pte & VTD_PTE_RW)) {
            pte = vtd_alloc(vtd, 1) | VTD_PTE_RW;
            qtest_writeq(vtd->qts, entry, pte);
        }
        table = pte & VTD_PTE_ADDR;
    }
}

void vtd_map(VTD *vtd, const VTDDomain *dom, uint64_t iova, uint64_t gpa,
             int level, uint64_t perms)
{
    qtest_writeq(vtd->qts, vtd_pte(vtd, dom, iova, level),
                 gpa | perms | (level > 1 ? VTD_PTE_PS : 0));
}

void vtd_unmap(VTD *vtd, const VTDDomain *dom, uint64_t iova, int level)
{
    qtest_writeq(vtd->qts, vtd_pte(vtd, dom, iova, level), 0);
}

unsigned vtd_queue_slot_size(const VTD *vtd)
{
    return vtd->scalable ? 32 : 16;
}

void vtd_queue_put(VTD *vtd, uint64_t lo, uint64_t hi)
{
    unsigned size = vtd_queue_slot_size(vtd);
    uint64_t slot = vtd->iq + vtd->iq_tail * size;

    qtest_writeq(vtd->qts, slot, lo);
    qtest_writeq(vtd->qts, slot + 8, hi);
    vtd->iq_tail = (vtd->iq_tail + 1) % (VTD_PAGE_SIZE / size);
}

void vtd_queue_kick(VTD *vtd)
{
    vtd_write64(vtd, VTD_IQT, vtd->iq_tail * vtd_queue_slot_size(vtd));
}

void vtd_queue_wait_put(VTD *vtd)
{
    vtd_queue_put(vtd, VTD_D_WAIT_DATA(++vtd->iq_ticket) | VTD_D_WAIT_SW |
                  VTD_D_WAIT, vtd->iq_status);
}

void vtd_inv_iotlb_start(VTD *vtd, VTDForm form, VTDScope scope, uint16_t did,
                         uint64_t iova, int am)
{
    uint64_t addr = scope == VTD_PAGE ? iova | am : 0;

    if (form == VTD_QUEUED) {
        vtd_queue_put(vtd, VTD_D_IOTLB | VTD_D_G(scope) | VTD_D_DID(did) |
                      VTD_D_IOTLB_DR | VTD_D_IOTLB_DW, addr);
        vtd_queue_wait_put(vtd);
        vtd_queue_kick(vtd);
        return;
    }
    if (scope == VTD_PAGE) {
        vtd_write64(vtd, VTD_IVA, addr);
    }
    vtd_write64(vtd, VTD_IOTLB, VTD_IOTLB_IVT | VTD_IOTLB_IIRG(scope) |
                VTD_IOTLB_DR | VTD_IOTLB_DW | VTD_IOTLB_DID(did));
}

bool vtd_inv_done(VTD *vtd, VTDForm form)
{
    if (form == VTD_QUEUED) {
        return qtest_readl(vtd->qts, vtd->iq_status) == vtd->iq_ticket;
    }
    return !(vtd_read64(vtd, VTD_IOTLB) & VTD_IOTLB_IVT);
}

void vtd_inv_wait(VTD *vtd, VTDForm form)
{
    viommu_until(vtd, vtd_inv_done(vtd, form));
}

void vtd_inv_iotlb(VTD *vtd, VTDForm form, VTDScope scope, uint16_t did,
                   uint64_t iova, int am)
{
    vtd_inv_iotlb_start(vtd, form, scope, did, iova, am);
    vtd_inv_wait(vtd, form);
}

void vtd_inv_context(VTD *vtd, VTDForm form, VTDScope scope, uint16_t did,
                     uint16_t sid)
{
    if (form == VTD_QUEUED) {
        vtd_queue_put(vtd, VTD_D_CC | VTD_D_G(scope) | VTD_D_DID(did) |
                      VTD_D_CC_SID(sid), 0);
        vtd_queue_wait_put(vtd);
        vtd_queue_kick(vtd);
        vtd_inv_wait(vtd, form);
        return;
    }
    vtd_write64(vtd, VTD_CCMD, VTD_CCMD_ICC | VTD_CCMD_CIRG(scope) |
                (uint64_t)sid << 16 | did);
    viommu_until(vtd, !(vtd_read64(vtd, VTD_CCMD) & VTD_CCMD_ICC));
}

void vtd_inv_everything(VTD *vtd)
{
    VTDForm form = vtd_read32(vtd, VTD_GSTS) & VTD_G_QIE ? VTD_QUEUED
                                                         : VTD_REGISTER;

    vtd_inv_context(vtd, form, VTD_GLOBAL, 0, 0);
    vtd_inv_iotlb(vtd, form, VTD_GLOBAL, 0, 0, 0);
}

bool vtd_fault_take(VTD *vtd, unsigned index, VTDFault *fault)
{
    unsigned reg = VTD_CAP_FRO(vtd_read64(vtd, VTD_CAP)) + index * 16;
    uint64_t hi = vtd_read64(vtd, reg + 8);

    if (!(hi & VTD_FRCD_F)) {
        return false;
    }
    fault->info = vtd_read64(vtd, reg);
    fault->reason = VTD_FRCD_FR(hi);
    fault->sid = VTD_FRCD_SID(hi);
    fault->is_read = hi & VTD_FRCD_T;
    fault->hi = hi;
    vtd_write64(vtd, reg + 8, VTD_FRCD_F);
    vtd_write32(vtd, VTD_FSTS, VTD_FSTS_PFO);
    return true;
}

void vtd_assert_no_fault(VTD *vtd)
{
    VTDFault fault;

    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, 0);
    g_assert_false(vtd_fault_take(vtd, 0, &fault));
}

void vtd_assert_fault(VTD *vtd, uint8_t reason, uint16_t sid, bool is_read,
                      uint64_t info)
{
    VTDFault fault;

    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS) & VTD_FSTS_PPF, ==,
                    VTD_FSTS_PPF);
    g_assert_true(vtd_fault_take(vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, reason);
    g_assert_cmphex(fault.sid, ==, sid);
    g_assert_cmpint(fault.is_read, ==, is_read);
    g_assert_cmphex(fault.info, ==, info);
    vtd_assert_no_fault(vtd);
}

char *vtd_dmar(QTestState *qts)
{
    g_autofree uint8_t *file = g_malloc0(TABLES_MAX);
    QFWCFG *fw_cfg = pc_fw_cfg_init(qts);
    size_t size = qfw_cfg_get_file(fw_cfg, TABLES_FILE, file, TABLES_MAX);
    GString *hex = g_string_new(NULL);
    size_t at = 0, i;
    uint32_t len = 0;

    pc_fw_cfg_uninit(fw_cfg);
    while (at + 8 < size && memcmp(file + at, "DMAR", 4) != 0) {
        at++;
    }
    if (at + 8 < size) {
        len = file[at + 4] | file[at + 5] << 8;
    }
    for (i = 0; i < len; i++) {
        g_string_append_printf(hex, "%02x", file[at + i]);
    }
    return g_string_free(hex, false);
}
