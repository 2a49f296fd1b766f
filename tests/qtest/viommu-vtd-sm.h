/*
 * A VT-d unit in scalable mode, as a test drives it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_VTD_SM_H
#define VIOMMU_VTD_SM_H

#include "viommu-vtd.h"

/* PGTT of a PASID table entry */
typedef enum VTDSMType {
    VTD_SM_FIRST = 1,
    VTD_SM_SECOND = 2,
    VTD_SM_NESTED = 3,
    VTD_SM_PASS_THROUGH = 4,
} VTDSMType;

/* What a PASID table entry leads to.  Its first stage has 4 levels. */
typedef struct VTDSMSpace {
    VTDSMType type;
    uint16_t did;
    uint32_t pasid;          /* by which it is attached, and invalidated */
    uint64_t first;          /* top table of the first stage */
    VTDDomain second;        /* nested: maps the first 2 GiB as they are */
} VTDSMSpace;

/* Properties of a unit that can do all of it, but for 57 bits */
#define VTD_SM_ALL \
    "x-scalable-mode=on,x-flts=on,ssts=on,nesting=on,pasid-bits=20," \
    "rid-pasid=on,ssads=on,eafs=on,page-walk-coherency=on"

/*
 * vtd_sm_start: as vtd_start(), and what the test does from then on is in
 * scalable mode, by queue.
 */
VTD *vtd_sm_start(const char *unit, const char *args);

/*
 * Addresses of entries.  Tables are made on demand, and the context entry of
 * @sid, too: requests with PASID are enabled.
 */
uint64_t vtd_sm_context(VTD *vtd, uint16_t sid);
uint64_t vtd_sm_directory(VTD *vtd, uint16_t sid, uint32_t pasid);
uint64_t vtd_sm_entry(VTD *vtd, uint16_t sid, uint32_t pasid);

void vtd_sm_space_init(VTD *vtd, VTDSMSpace *space, VTDSMType type,
                       uint16_t did, uint32_t pasid);
/* vtd_sm_attach: @pasid 0 is RID_PASID, too; nothing is invalidated. */
void vtd_sm_attach(VTD *vtd, uint16_t sid, const VTDSMSpace *space);
/* vtd_sm_detach: P is cleared, nothing else, and nothing invalidated. */
void vtd_sm_detach(VTD *vtd, uint16_t sid, uint32_t pasid);

/* vtd_sm_pte: the entry of the stage that the test maps with: the first */
uint64_t vtd_sm_pte(VTD *vtd, const VTDSMSpace *space, uint64_t iova,
                    int level);
/*
 * vtd_sm_map: @perms of VTD_PTE_R, VTD_PTE_W; 0: no more.  In a first stage it
 * is accessed and dirty already, as drivers do it for DMA.
 */
void vtd_sm_map(VTD *vtd, const VTDSMSpace *space, uint64_t iova, uint64_t gpa,
                int level, uint64_t perms);

/* Where in the tables a word is */
typedef enum VTDSMWhere {
    IN_ROOT,
    IN_CONTEXT,
    IN_DIRECTORY,
    IN_ENTRY,         /* of the PASID table */
    IN_FIRST_TOP,     /* the first stage's entry of level 4 */
    IN_FIRST_LEAF,
    IN_SECOND_TOP,
    IN_SECOND_LEAF,   /* nested: of 1 GiB */
} VTDSMWhere;

/* vtd_sm_word: 64-bit word @word of the entry that @iova of @space is at. */
uint64_t vtd_sm_word(VTD *vtd, uint16_t sid, const VTDSMSpace *space,
                     uint64_t iova, VTDSMWhere where, unsigned word);

/* vtd_sm_inv_start: what a driver does; of VTD_PAGE, 2^@am pages at @iova. */
void vtd_sm_inv_start(VTD *vtd, VTDScope scope, const VTDSMSpace *space,
                      uint64_t iova, int am);
/* vtd_sm_forget_start: PASID cache and translations of @space; _forget waits */
void vtd_sm_forget_start(VTD *vtd, const VTDSMSpace *space);
void vtd_sm_forget(VTD *vtd, const VTDSMSpace *space);

#endif
