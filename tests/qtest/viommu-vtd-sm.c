/*
 * A VT-d unit in scalable mode, as a test drives it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-vtd-sm.h"

#define FIRST_LEVELS    4
#define SECOND_LEVELS   4
/* What the second stage of a nested space maps */
#define IDENTITY        (2ULL << 30)

VTD *vtd_sm_start(const char *unit, const char *args)
{
    VTD *vtd = vtd_start(unit, "%s", args);

    vtd->scalable = true;
    return vtd;
}

uint64_t vtd_sm_context(VTD *vtd, uint16_t sid)
{
    uint64_t half = vtd->root + (sid >> 8) * 16 + (sid & 0x80 ? 8 : 0);
    uint64_t table = qtest_readq(vtd->qts, half);
    uint64_t entry;

    if (!(table & VTD_ROOT_P)) {
        table = vtd_alloc(vtd, 1);
        qtest_writeq(vtd->qts, half, table | VTD_ROOT_P);
    }
    entry = (table & VTD_PTE_ADDR) + (sid & 0x7f) * VTD_SM_CTX_SIZE;
    if (!(qtest_readq(vtd->qts, entry) & VTD_CTX_P)) {
        /* As few PASIDs as a directory can have: 2^13, in one page. */
        qtest_writeq(vtd->qts, entry,
                     vtd_alloc(vtd, 1) | VTD_SM_CTX_PASIDE | VTD_CTX_P);
    }
    return entry;
}

uint64_t vtd_sm_directory(VTD *vtd, uint16_t sid, uint32_t pasid)
{
    uint64_t context = qtest_readq(vtd->qts, vtd_sm_context(vtd, sid));

    return (context & VTD_PTE_ADDR) + (pasid >> 6) * 8;
}

uint64_t vtd_sm_entry(VTD *vtd, uint16_t sid, uint32_t pasid)
{
    uint64_t directory = vtd_sm_directory(vtd, sid, pasid);
    uint64_t table = qtest_readq(vtd->qts, directory);

    if (!(table & VTD_SM_P)) {
        table = vtd_alloc(vtd, 1);
        qtest_writeq(vtd->qts, directory, table | VTD_SM_P);
    }
    return (table & VTD_PTE_ADDR) + (pasid & 0x3f) * VTD_SM_PASID_SIZE;
}

void vtd_sm_space_init(VTD *vtd, VTDSMSpace *space, VTDSMType type,
                       uint16_t did, uint32_t pasid)
{
    *space = (VTDSMSpace) { .type = type, .did = did, .pasid = pasid };
    if (type == VTD_SM_FIRST || type == VTD_SM_NESTED) {
        space->first = vtd_alloc(vtd, 1);
    }
    if (type == VTD_SM_SECOND || type == VTD_SM_NESTED) {
        vtd_domain_init(vtd, &space->second, did, SECOND_LEVELS);
    }
    if (type == VTD_SM_NESTED) {
        for (uint64_t at = 0; at < IDENTITY; at += VTD_LEVEL_SIZE(3)) {
            vtd_map(vtd, &space->second, at, at, 3, VTD_PTE_RW);
        }
    }
}

void vtd_sm_attach(VTD *vtd, uint16_t sid, const VTDSMSpace *space)
{
    uint64_t entry = vtd_sm_entry(vtd, sid, space->pasid);

    qtest_writeq(vtd->qts, entry + 16, space->first);
    qtest_writeq(vtd->qts, entry + 8, space->did | VTD_SM_PWSNP);
    qtest_writeq(vtd->qts, entry, space->second.table |
                 VTD_SM_AW(space->second.levels ?: SECOND_LEVELS) |
                 VTD_SM_PGTT(space->type) |
                 VTD_SM_P);
}

void vtd_sm_detach(VTD *vtd, uint16_t sid, uint32_t pasid)
{
    uint64_t entry = vtd_sm_entry(vtd, sid, pasid);

    qtest_writeq(vtd->qts, entry, qtest_readq(vtd->qts, entry) & ~VTD_SM_P);
}

static uint64_t first_pte(VTD *vtd, const VTDSMSpace *space, uint64_t iova,
                          int level)
{
    uint64_t table = space->first;

    for (int l = FIRST_LEVELS; ; l--) {
        uint64_t entry = table + ((iova >> VTD_LEVEL_SHIFT(l)) & 511) * 8;
        uint64_t pte;

        if (l == level) {
            return entry;
        }
        pte = qtest_readq(vtd->qts, entry);
        if (!(pte & VTD_FS_P)) {
            pte = vtd_alloc(vtd, 1) | VTD_FS_A | VTD_FS_US | VTD_FS_W |
                  VTD_FS_P;
            qtest_writeq(vtd->qts, entry, pte);
        }
        table = pte & VTD_PTE_ADDR;
    }
}

uint64_t vtd_sm_pte(VTD *vtd, const VTDSMSpace *space, uint64_t iova,
                    int level)
{
    return space->type == VTD_SM_SECOND ?
           vtd_pte(vtd, &space->second, iova, level) :
           first_pte(vtd, space, iova, level);
}

uint64_t vtd_sm_word(VTD *vtd, uint16_t sid, const VTDSMSpace *space,
                     uint64_t iova, VTDSMWhere where, unsigned word)
{
    uint64_t at = 0;

    switch (where) {
    case IN_ROOT:
        at = vtd->root;
        break;
    case IN_CONTEXT:
        at = vtd_sm_context(vtd, sid);
        break;
    case IN_DIRECTORY:
        at = vtd_sm_directory(vtd, sid, space->pasid);
        break;
    case IN_ENTRY:
        at = vtd_sm_entry(vtd, sid, space->pasid);
        break;
    case IN_FIRST_TOP:
        at = vtd_sm_pte(vtd, space, iova, FIRST_LEVELS);
        break;
    case IN_FIRST_LEAF:
        at = vtd_sm_pte(vtd, space, iova, 1);
        break;
    case IN_SECOND_TOP:
        at = vtd_pte(vtd, &space->second, iova, SECOND_LEVELS);
        break;
    case IN_SECOND_LEAF:
        at = vtd_pte(vtd, &space->second, iova,
                     space->type == VTD_SM_NESTED ? 3 : 1);
        break;
    }
    return at + 8 * word;
}

void vtd_sm_map(VTD *vtd, const VTDSMSpace *space, uint64_t iova, uint64_t gpa,
                int level, uint64_t perms)
{
    uint64_t entry = vtd_sm_pte(vtd, space, iova, level);
    uint64_t pte = gpa | (level > 1 ? VTD_PTE_PS : 0);

    if (!perms) {
        pte = 0;
    } else if (space->type == VTD_SM_SECOND) {
        pte |= perms;
    } else {
        pte |= VTD_FS_A | VTD_FS_US | VTD_FS_P |
               (perms & VTD_PTE_W ? VTD_FS_D | VTD_FS_W : 0);
    }
    qtest_writeq(vtd->qts, entry, pte);
}

static void piotlb_put(VTD *vtd, VTDScope scope, const VTDSMSpace *space,
                       uint64_t iova, int am)
{
    bool pages = scope == VTD_PAGE;

    vtd_queue_put(vtd, VTD_D_PIOTLB | VTD_D_G(pages ? 3 : 2) |
                  VTD_D_DID(space->did) | VTD_D_PASID(space->pasid),
                  pages ? iova | am : 0);
}

void vtd_sm_inv_start(VTD *vtd, VTDScope scope, const VTDSMSpace *space,
                      uint64_t iova, int am)
{
    if (scope == VTD_GLOBAL || space->type == VTD_SM_SECOND) {
        vtd_queue_put(vtd, VTD_D_IOTLB | VTD_D_G(scope) |
                      VTD_D_DID(space->did) | VTD_D_IOTLB_DR | VTD_D_IOTLB_DW,
                      scope == VTD_PAGE ? iova | am : 0);
    } else {
        piotlb_put(vtd, scope, space, iova, am);
    }
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
}

void vtd_sm_forget_start(VTD *vtd, const VTDSMSpace *space)
{
    vtd_queue_put(vtd, VTD_D_PC | VTD_D_G(1) | VTD_D_DID(space->did) |
                  VTD_D_PASID(space->pasid), 0);
    vtd_sm_inv_start(vtd, VTD_DOMAIN, space, 0, 0);
}

void vtd_sm_forget(VTD *vtd, const VTDSMSpace *space)
{
    vtd_sm_forget_start(vtd, space);
    vtd_inv_wait(vtd, VTD_QUEUED);
}
