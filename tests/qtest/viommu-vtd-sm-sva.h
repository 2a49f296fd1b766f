/*
 * An x-sva-test behind a VT-d unit in scalable mode: PASIDs, ATS, page requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_VTD_SM_SVA_H
#define VIOMMU_VTD_SM_SVA_H

#include "viommu-sva.h"
#include "viommu-vtd-sm.h"

#define SMS_DID     9
#define SMS_PASID   77
#define SMS_IOVA    0x20000000ULL

typedef struct SMSva {
    VTD *vtd;
    SVA *sva;
    VTDSMSpace space;        /* of SMS_PASID; no other has an entry */
    uint64_t context;        /* the entry, whatever becomes of it */
    uint64_t queue;          /* the page request queue, a page */
    uint64_t page;           /* what sms_map() has returned last */
} SMSva;

#define SMS_UNIT VTD_SM_ALL ",device-iotlb=on,svm=on"

/*
 * sms_new: translation is on, everything enabled in the device, and its context
 * entry allows ATS and page requests.  Nothing is mapped.  @args: more
 * arguments, beginning with a space; @unit: SMS_UNIT, and more
 */
SMSva *sms_new(VTDSMType type, const char *unit, const char *args);
void sms_free(SMSva *r);

/* sms_map: the page @iova, for reads and writes; Returns: where it leads */
uint64_t sms_map(SMSva *r, uint64_t iova);
/* sms_poke: change a word in memory; sms_forget: and all that is cached */
void sms_poke(SMSva *r, uint64_t gpa, uint64_t clear, uint64_t set);
void sms_forget(SMSva *r);

/* sms_start: a fill of 8 bytes with @byte, or reads, with SMS_PASID */
void sms_start(SMSva *r, unsigned context, bool is_write, uint32_t flags,
               uint64_t iova, uint8_t byte);
/* sms_hold: a fill that has its translation in use, and waits */
void sms_hold(SMSva *r, unsigned context, uint64_t iova);

/* sms_inv_start: one descriptor, and a wait; sms_done: has it completed? */
void sms_inv_start(SMSva *r, uint64_t lo, uint64_t hi);
bool sms_done(SMSva *r);
void sms_wait(SMSva *r);

/* sms_answer: a page group response of @code for group @group, with @pasid */
void sms_answer(SMSva *r, uint32_t pasid, unsigned group, unsigned code);

#endif
