/*
 * PCI Express: an address translation cache for a device model
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An invalidation that meets uses takes a hold, which every fence from then on
 * waits for, and which is released when they have ended.  A use is waited for
 * by one hold at most, so there are no more holds than uses.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "qemu/main-loop.h"
#include "qemu/host-utils.h"
#include "system/dma-held.h"
#include "system/dma-inflight.h"
#include "trace.h"
#include "pci-ats-internal.h"

/* Somebody waits for the uses that are stamped @stamp. */
typedef struct ATCHold {
    PCIATC *atc;
    uint64_t stamp;
    DMAHold *hold;
} ATCHold;

/* BQL */
static void atc_hold_release(ATCHold *h)
{
    dma_drain_release(h->hold);
    g_free(h);
}

/* BQL */
static void atc_release_ready(PCIATC *atc)
{
    uint64_t oldest = atc_oldest(atc->atc);
    ATCHold *h;

    while ((h = g_queue_peek_head(&atc->holds)) && h->stamp < oldest) {
        g_queue_pop_head(&atc->holds);
        atc_hold_release(h);
    }
}

static void atc_release_bh(void *opaque)
{
    DMA_HELD("drain");

    atc_release_ready(opaque);
}

/* DMAHoldOps.abandon: drain-timeout; the device has been broken. */
static void atc_hold_abandon(void *opaque)
{
    ATCHold *h = opaque;

    g_queue_remove(&h->atc->holds, h);
    atc_hold_release(h);
}

static const DMAHoldOps atc_hold_ops = {
    .abandon = atc_hold_abandon,
};

/* In a key: the PASID, whether there is one, and for whom it was translated */
static uint32_t atc_key(uint32_t pasid, unsigned flags)
{
    return pasid == PCI_NO_PASID ? 0 :
           pasid | DMA_ATTRS_PASID |
           (flags & PCI_ATC_PRIV ? DMA_ATTRS_PRIV : 0);
}

void pci_atc_invalidate(PCIATC *atc, uint32_t pasid, bool all, hwaddr first,
                        hwaddr last)
{
    AddressSpace *as = pci_device_iommu_address_space(atc->dev);
    uint32_t mask = all ? 0 : DMA_ATTRS_PASID | DMA_ATTRS_PASID_MASK;
    unsigned uses;
    ATCHold *h;

    uses = atc_invalidate(atc->atc, atc_key(pasid, 0), mask, first, last,
                          ++atc->stamp);
    trace_pci_atc_invalidate(atc->dev->name, pasid, all, first, last, uses);
    if (!uses) {
        return;
    }
    h = g_new(ATCHold, 1);
    *h = (ATCHold) { .atc = atc, .stamp = atc->stamp };
    h->hold = dma_drain_hold(as, first, last - first + 1, &atc_hold_ops, h);
    if (!h->hold) {
        /* No vIOMMU: nobody has anything invalidated. */
        g_free(h);
        return;
    }
    g_queue_push_tail(&atc->holds, h);
    /* They may have ended since. */
    atc_release_ready(atc);
}

void pci_atc_reset(PCIATC *atc)
{
    atc_reset(atc->atc);
    atc_release_ready(atc);
}

PCIATC *pci_atc_new(PCIDevice *dev, unsigned entries)
{
    PCIATC *atc = g_new0(PCIATC, 1);

    atc->dev = dev;
    atc->atc = atc_new(entries);
    atc->bh = qemu_bh_new(atc_release_bh, atc);
    g_queue_init(&atc->holds);
    QLIST_INSERT_HEAD(&pci_ats_device(dev)->atcs, atc, next);
    return atc;
}

void pci_atc_free(PCIATC *atc)
{
    if (atc) {
        QLIST_REMOVE(atc, next);
        pci_atc_reset(atc);
        qemu_bh_delete(atc->bh);
        atc_free(atc->atc);
        g_free(atc);
    }
}

unsigned pci_atc_count(PCIATC *atc)
{
    return atc_count(atc->atc);
}

MemTxAttrs pci_atc_attrs(uint32_t pasid, unsigned flags)
{
    if (pasid == PCI_NO_PASID) {
        return MEMTXATTRS_UNSPECIFIED;
    }
    return (MemTxAttrs) {
        .pid = pasid,
        .pid_valid = true,
        .pid_exec = flags & PCI_ATC_EXEC,
        .pid_priv = (flags & PCI_ATC_PRIV) != 0,
    };
}

/* Ask what the cache does not know. */
static int atc_ask(PCIATC *atc, uint32_t pasid, unsigned flags, hwaddr iova,
                   unsigned need, ATCEntry *entry)
{
    IOMMUTLBEntry tlb;
    uint32_t errors;
    ssize_t n;

    n = pci_ats_request_translation(atc->dev, pasid, flags & PCI_ATC_PRIV,
                                    flags & PCI_ATC_EXEC, iova, 1,
                                    !(need & ATC_WRITE), &tlb, 1, &errors);
    if (n < 0) {
        return n;
    }
    if (tlb.perm & IOMMU_UNTRANSLATED_ONLY) {
        return -EXDEV;
    }
    *entry = (ATCEntry) {
        .key = atc_key(pasid, flags),
        .shift = ctz64(~tlb.addr_mask),
        .iova = tlb.iova,
        .addr = tlb.translated_addr,
        .perm = (tlb.perm & IOMMU_RO ? ATC_READ : 0) |
                (tlb.perm & IOMMU_WO ? ATC_WRITE : 0) |
                (tlb.perm & IOMMU_EXEC ? ATC_EXEC : 0),
    };
    return need & ~entry->perm ? -EACCES : 0;
}

int pci_atc_begin(PCIATC *atc, uint32_t pasid, unsigned flags, hwaddr iova,
                  hwaddr len, bool is_write, PCIATCUse *use)
{
    unsigned need = is_write ? ATC_WRITE :
                    flags & PCI_ATC_EXEC ? ATC_READ | ATC_EXEC : ATC_READ;
    hwaddr offset;
    ATCEntry entry;

    if (!atc_begin(atc->atc, &use->use, atc_key(pasid, flags), iova, len, need,
                   &entry)) {
        int ret = atc_ask(atc, pasid, flags, iova, need, &entry);

        if (ret) {
            pci_atc_end(atc, use);
            return ret;
        }
        atc_fill(atc->atc, &use->use, &entry);
    }
    offset = iova - entry.iova;
    use->addr = entry.addr + offset;
    use->len = MIN(len - 1, (1ULL << entry.shift) - 1 - offset) + 1;
    use->attrs = (MemTxAttrs) { .address_type = PCI_AT_TRANSLATED };
    return 0;
}

void pci_atc_end(PCIATC *atc, PCIATCUse *use)
{
    if (!atc_end(atc->atc, &use->use)) {
        return;
    }
    if (bql_locked()) {
        atc_release_ready(atc);
    } else {
        qemu_bh_schedule(atc->bh);
    }
}

/* One piece: through the cache, or untranslated where it has to be. */
static int atc_rw_piece(PCIATC *atc, uint32_t pasid, unsigned flags,
                        hwaddr iova, void *buf, hwaddr *len, bool is_write)
{
    AddressSpace *as = pci_get_address_space(atc->dev);
    PCIATCUse use;
    int ret = pci_atc_begin(atc, pasid, flags, iova, *len, is_write, &use);

    if (ret == -EXDEV) {
        *len = MIN(*len, 0x1000 - (iova & 0xfff));
        return address_space_rw(as, iova, pci_atc_attrs(pasid, flags), buf,
                                *len, is_write) == MEMTX_OK ? 0 : -EIO;
    }
    if (ret) {
        return ret;
    }
    *len = use.len;
    ret = address_space_rw(as, use.addr, use.attrs, buf, use.len,
                           is_write) == MEMTX_OK ? 0 : -EIO;
    pci_atc_end(atc, &use);
    return ret;
}

int pci_atc_rw(PCIATC *atc, uint32_t pasid, unsigned flags, hwaddr iova,
               void *buf, hwaddr len, bool is_write, hwaddr *done)
{
    *done = 0;
    while (*done < len) {
        hwaddr n = len - *done;
        int ret = atc_rw_piece(atc, pasid, flags, iova + *done,
                               (uint8_t *)buf + *done, &n, is_write);

        if (ret) {
            return ret;
        }
        *done += n;
    }
    return 0;
}
