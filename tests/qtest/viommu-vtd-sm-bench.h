/*
 * A workbench for scalable mode: a unit that can do all of it, and an
 * x-dma-bench that accesses memory with a PASID or without
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_VTD_SM_BENCH_H
#define VIOMMU_VTD_SM_BENCH_H

#include "viommu-vtd-sm.h"

#define SMB_SLOT        4
#define SMB_SID         (SMB_SLOT << 3)
#define SMB_IOVA        0x20000000ULL
#define SMB_DID         21
#define SMB_PASID       77
#define SMB_NO_PASID    0
/* No memory there: reads fail.  In the smallest width, 39 bits. */
#define SMB_BEYOND_RAM  0x7000000000ULL

typedef struct SMBench {
    VTD *vtd;
    QPCIDevice *pci;
    QPCIBar bar;
    uint64_t page;           /* guest memory that nothing else uses */
} SMBench;

/* smb_new: translation is on; no entry is present.  @props: beside all */
SMBench *smb_new(const char *props);
void smb_free(SMBench *b);

/* smb_read, smb_write: one access; did the device get an answer? */
bool smb_read(SMBench *b, uint32_t pasid, uint64_t iova);
bool smb_write(SMBench *b, uint32_t pasid, uint64_t iova);
/* smb_leads: do reads and writes lead to @gpa, without a fault? */
bool smb_leads(SMBench *b, uint32_t pasid, uint64_t iova, uint64_t gpa);
/* smb_faults: both fail, and are recorded with @reason. */
void smb_faults(SMBench *b, uint32_t pasid, uint64_t iova, uint8_t reason);
/* smb_fails: as above, but nothing is recorded. */
void smb_fails(SMBench *b, uint32_t pasid, uint64_t iova);

/* smb_inv_all: PASID cache, context cache and IOTLB, globally */
void smb_inv_all(SMBench *b);
/* smb_poke: one 64-bit word of an entry, then smb_inv_all() */
void smb_poke(SMBench *b, uint64_t gpa, uint64_t value);

#endif
