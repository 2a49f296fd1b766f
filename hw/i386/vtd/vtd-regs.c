/*
 * VT-d: the register file
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 11.4.  A write of any size goes through the masks byte by byte, then
 * every register whose triggering part it covered acts.  So a 64-bit access to
 * a pair of 32-bit registers (Xen writes FEADDR and FEUADDR so) or a 32-bit
 * one to half of a 64-bit register needs no case of its own.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "system/dma-held.h"
#include "trace.h"
#include "vtd-internal.h"
#include "vtd-queue.h"
#include "vtd-regfile.h"

/* The actions of which some byte is in the eight around @addr: a bit each */
static uint32_t vtd_reg_actions_at(const IntelIOMMUState *s, hwaddr addr)
{
    return s->reg_acts[addr / 8];
}

static bool vtd_reg_busy(const IntelIOMMUState *s, hwaddr addr)
{
    uint32_t acts = vtd_reg_actions_at(s, addr);

    for (; acts; acts &= acts - 1) {
        const VTDRegAction *action = &s->reg_actions[ctz32(acts)];

        /* Of the register as a whole, whose command is in its upper half */
        if (action->busy && (addr | 7) == action->last && action->busy(s)) {
            return true;
        }
    }
    return false;
}

/*
 * The invalidation queue's registers are the BQL's alone: no other thread has
 * to do with them.
 */
static bool vtd_reg_is_queues(hwaddr addr, hwaddr last)
{
    return addr >= DMAR_IQH_REG && last < DMAR_ICS_REG;
}

static void vtd_reg_change(IntelIOMMUState *s, hwaddr addr, uint64_t val,
                           unsigned size)
{
    vtd_regfile_write(&s->csr[addr], &s->wmask[addr], &s->w1cmask[addr],
                      val, MIN(size, s->reg_size - addr));
}

static uint64_t vtd_reg_read(void *opaque, hwaddr addr, unsigned size)
{
    IntelIOMMUState *s = opaque;
    DMA_HELD("register read");

    trace_vtd_reg_read(addr, size);
    QEMU_LOCK_GUARD(&s->lock);
    return vtd_regfile_read(&s->csr[addr], &s->womask[addr],
                            MIN(size, s->reg_size - addr));
}

/*
 * The doorbell, as a guest rings it for each invalidation: what all that
 * follows does for it, and it is one that is never busy.
 */
static void vtd_reg_write_tail(IntelIOMMUState *s, uint64_t val)
{
    uint64_t mask = ldq_le_p(&s->wmask[DMAR_IQT_REG]);
    uint64_t old = vtd_reg64(s, DMAR_IQT_REG);

    vtd_reg64_set(s, DMAR_IQT_REG, (old & ~mask) | (val & mask));
    vtd_queue_tail_written(s);
}

static void vtd_reg_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    IntelIOMMUState *s = opaque;
    hwaddr last = addr + size - 1;
    uint32_t acts;
    DMA_HELD("register write");

    trace_vtd_reg_write(addr, size, val);
    if (likely(addr == DMAR_IQT_REG && size == sizeof(uint64_t))) {
        vtd_reg_write_tail(s, val);
        return;
    }
    if (vtd_reg_busy(s, addr)) {
        qemu_log_mask(LOG_GUEST_ERROR, "vtd: register 0x%" HWADDR_PRIx
                      " written while its command is pending\n", addr);
        return;
    }

    if (likely(vtd_reg_is_queues(addr, last))) {
        vtd_reg_change(s, addr, val, size);
    } else {
        QEMU_LOCK_GUARD(&s->lock);
        vtd_reg_change(s, addr, val, size);
    }

    /* In the order of the table; an access is of eight bytes at most. */
    acts = vtd_reg_actions_at(s, addr) | vtd_reg_actions_at(s, last);
    for (; acts; acts &= acts - 1) {
        const VTDRegAction *action = &s->reg_actions[ctz32(acts)];

        if (addr <= action->last && last >= action->first) {
            action->written(s);
        }
    }
}

const MemoryRegionOps vtd_reg_ops = {
    .read = vtd_reg_read,
    .write = vtd_reg_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
};

void vtd_regs_init(IntelIOMMUState *s, const VTDRegAction *actions, size_t n)
{
    assert(n <= 32);
    s->reg_actions = actions;
    for (size_t i = 0; i < n; i++) {
        for (hwaddr at = actions[i].first / 8; at <= actions[i].last / 8;
             at++) {
            s->reg_acts[at] |= 1u << i;
        }
    }
}

static void vtd_define32(IntelIOMMUState *s, hwaddr reg, uint32_t val,
                     uint32_t wmask, uint32_t w1cmask, uint32_t womask)
{
    stl_le_p(&s->csr[reg], val);
    stl_le_p(&s->wmask[reg], wmask);
    stl_le_p(&s->w1cmask[reg], w1cmask);
    stl_le_p(&s->womask[reg], womask);
}

static void vtd_define64(IntelIOMMUState *s, hwaddr reg, uint64_t val,
                     uint64_t wmask, uint64_t w1cmask, uint64_t womask)
{
    stq_le_p(&s->csr[reg], val);
    stq_le_p(&s->wmask[reg], wmask);
    stq_le_p(&s->w1cmask[reg], w1cmask);
    stq_le_p(&s->womask[reg], womask);
}

void vtd_regs_reset(IntelIOMMUState *s)
{
    /* The upper message addresses are RsvdZ without EIM. */
    uint32_t upper = s->ecap & VTD_ECAP_EIM ? UINT32_MAX : 0;

    QEMU_LOCK_GUARD(&s->lock);

    memset(s->csr, 0, sizeof(s->csr));
    memset(s->wmask, 0, sizeof(s->wmask));
    memset(s->w1cmask, 0, sizeof(s->w1cmask));
    memset(s->womask, 0, sizeof(s->womask));

    vtd_define32(s, DMAR_VER_REG, VTD_VER, 0, 0, 0);
    vtd_define64(s, DMAR_CAP_REG, s->cap, 0, 0, 0);
    vtd_define64(s, DMAR_ECAP_REG, s->ecap, 0, 0, 0);

    vtd_define32(s, DMAR_GCMD_REG, 0, VTD_GCMD_WMASK, 0, VTD_GCMD_WMASK);
    vtd_define32(s, DMAR_GSTS_REG, 0, 0, 0, 0);
    vtd_define64(s, DMAR_RTADDR_REG, 0, VTD_RTADDR_WMASK, 0, 0);
    vtd_define64(s, DMAR_CCMD_REG, 0, VTD_CCMD_WMASK, 0, VTD_CCMD_WOMASK);

    vtd_define32(s, DMAR_FSTS_REG, 0, 0, VTD_FSTS_W1CMASK, 0);
    vtd_define32(s, DMAR_FECTL_REG, VTD_FECTL_IM, VTD_FECTL_IM, 0, 0);
    vtd_define32(s, DMAR_FEDATA_REG, 0, VTD_FEDATA_WMASK, 0, 0);
    vtd_define32(s, DMAR_FEADDR_REG, 0, VTD_FEADDR_WMASK, 0, 0);
    vtd_define32(s, DMAR_FEUADDR_REG, 0, upper, 0, 0);

    /* CAP.PLMR and PHMR are clear: no protected memory. */
    vtd_define32(s, DMAR_PMEN_REG, 0, 0, 0, 0);

    vtd_define64(s, DMAR_IQH_REG, 0, 0, 0, 0);
    vtd_define64(s, DMAR_IQT_REG, 0, VTD_IQT_WMASK, 0, 0);
    vtd_define64(s, DMAR_IQA_REG, 0, VTD_IQA_WMASK, 0, 0);
    vtd_define32(s, DMAR_ICS_REG, 0, 0, VTD_ICS_IWC, 0);
    vtd_define32(s, DMAR_IECTL_REG, VTD_IECTL_IM, VTD_IECTL_IM, 0, 0);
    vtd_define32(s, DMAR_IEDATA_REG, 0, VTD_IEDATA_WMASK, 0, 0);
    vtd_define32(s, DMAR_IEADDR_REG, 0, VTD_IEADDR_WMASK, 0, 0);
    vtd_define32(s, DMAR_IEUADDR_REG, 0, upper, 0, 0);

    vtd_define64(s, DMAR_IRTA_REG, 0, VTD_IRTA_WMASK, 0, 0);

    vtd_define64(s, DMAR_IVA_REG, 0, VTD_IVA_WMASK, 0, VTD_IVA_WMASK);
    vtd_define64(s, DMAR_IOTLB_REG, 0, VTD_IOTLB_WMASK, 0, 0);

    if (s->ecap & VTD_ECAP_PRS) {
        vtd_define64(s, DMAR_PQH_REG, 0, VTD_PQH_WMASK, 0, 0);
        vtd_define64(s, DMAR_PQT_REG, 0, VTD_PQH_WMASK, 0, 0);
        vtd_define64(s, DMAR_PQA_REG, 0, VTD_PQA_WMASK, 0, 0);
        vtd_define32(s, DMAR_PRS_REG, 0, 0, VTD_PRS_W1CMASK, 0);
        vtd_define32(s, DMAR_PECTL_REG, VTD_PECTL_IM, VTD_PECTL_IM, 0, 0);
        vtd_define32(s, DMAR_PEDATA_REG, 0, VTD_PEDATA_WMASK, 0, 0);
        vtd_define32(s, DMAR_PEADDR_REG, 0, VTD_PEADDR_WMASK, 0, 0);
        vtd_define32(s, DMAR_PEUADDR_REG, 0, upper, 0, 0);
    }

    for (unsigned i = 0; i < s->fault_records; i++) {
        vtd_define64(s, vtd_frcd_reg(i), 0, 0, 0, 0);
        vtd_define64(s, vtd_frcd_reg(i) + 8, 0, 0, VTD_FRCD_F, 0);
    }
}
