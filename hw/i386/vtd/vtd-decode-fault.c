/*
 * VT-d: fault reasons, fault records and page requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Layouts and their sections are in vtd-spec.h.
 */
#include "qemu/osdep.h"
#include "vtd-decode.h"

bool vtd_fault_is_reserved(VTDFaultReason reason)
{
    switch (reason) {
    case VTD_FR_ROOT_ENTRY_RSVD:
    case VTD_FR_CONTEXT_ENTRY_RSVD:
    case VTD_FR_SM_ROOT_RSVD:
    case VTD_FR_SM_CONTEXT_RSVD:
    case VTD_FR_SM_PASID_DIR_RSVD:
    case VTD_FR_SM_PASID_RSVD:
        return true;
    default:
        return false;
    }
}

bool vtd_fault_is_qualified(VTDFaultReason reason)
{
    switch (reason) {
    /* There is no entry whose FPD could count, or it could not be read. */
    case VTD_FR_NONE:
    case VTD_FR_ROOT_ENTRY_P:
    case VTD_FR_ROOT_TABLE_INV:
    case VTD_FR_CONTEXT_TABLE_INV:
    case VTD_FR_ROOT_ENTRY_RSVD:
    case VTD_FR_IR_REQ_RSVD:
    case VTD_FR_IR_INDEX_OVER:
    case VTD_FR_IR_ROOT_INVAL:
    case VTD_FR_IR_REQ_COMPAT:
    case VTD_FR_RTADDR_INV_TTM:
    case VTD_FR_RTADDR_PASID:
    case VTD_FR_RTADDR_PAGE_REQ:
    case VTD_FR_SM_ROOT_ACCESS:
    case VTD_FR_SM_ROOT_P:
    case VTD_FR_SM_ROOT_RSVD:
    case VTD_FR_SM_CONTEXT_ACCESS:
    case VTD_FR_SM_PASID_DIR_ACCESS:
    case VTD_FR_SM_PASID_ACCESS:
        return false;
    case VTD_FR_CONTEXT_ENTRY_P ... VTD_FR_PAGING_ENTRY_INV:
    case VTD_FR_CONTEXT_ENTRY_RSVD ... VTD_FR_INTERRUPT_ADDR:
    case VTD_FR_IR_ENTRY_P:
    case VTD_FR_IR_IRTE_RSVD:
    case VTD_FR_IR_SID_ERR ... VTD_FR_IR_PID_RSVD:
    case VTD_FR_SM_CONTEXT_P ... VTD_FR_SM_CONTEXT_RID:
    case VTD_FR_SM_PASID_DIR_P:
    case VTD_FR_SM_PASID_DIR_RSVD:
    case VTD_FR_SM_PASID_P ... VTD_FR_SM_PASID_SRE:
    case VTD_FR_FS_ACCESS ... VTD_FR_SS_UPDATE:
    case VTD_FR_SM_NON_CANONICAL:
    case VTD_FR_SM_USER:
    case VTD_FR_SM_BEYOND_HAW ... VTD_FR_SM_INTERRUPT_ADDR:
    case VTD_FR_SM_PASID_SIZE:
    case VTD_FR_FS_NO_SNOOP:
    case VTD_FR_FS_UPDATE:
        return true;
    }
    return false;
}

VTDATSAnswer vtd_ats_answer(VTDFaultReason reason)
{
    switch (reason) {
    /* A page that is not there, or a right that is not granted */
    case VTD_FR_ADDR_BEYOND_MGAW ... VTD_FR_READ:
    case VTD_FR_SM_PASID_DIR_P:
    case VTD_FR_SM_PASID_P:
    case VTD_FR_SM_PASID_ERE ... VTD_FR_SM_PASID_SRE:
    case VTD_FR_FS_ACCESS ... VTD_FR_FS_WRITE:
    case VTD_FR_SS_P:
    case VTD_FR_SM_NON_CANONICAL ... VTD_FR_SM_READ:
    case VTD_FR_FS_NO_SNOOP:
        return VTD_ATS_NO_RIGHTS;
    case VTD_FR_FS_UPDATE:
        return VTD_ATS_NO_RIGHTS_FAULT;
    /* The endpoint, or its PASID, may not */
    case VTD_FR_ROOT_ENTRY_P ... VTD_FR_CONTEXT_ENTRY_P:
    case VTD_FR_CONTEXT_ENTRY_TT:
    case VTD_FR_RTADDR_PASID:
    case VTD_FR_SM_ROOT_P:
    case VTD_FR_SM_CONTEXT_P:
    case VTD_FR_SM_CONTEXT_DTE ... VTD_FR_SM_CONTEXT_RID:
    case VTD_FR_SM_PASID_SIZE:
        return VTD_ATS_UR;
    /* The tables are in error */
    default:
        return VTD_ATS_CA;
    }
}

void vtd_encode_fault(const VTDFaultRecord *record,
                      uint64_t *lo, uint64_t *hi)
{
    *lo = VTD_FRCD_FI(record->addr);
    *hi = VTD_FRCD_SID(record->sid) | VTD_FRCD_FR(record->reason) |
          VTD_FRCD_AT(record->at);
    if (record->read) {
        *hi |= VTD_FRCD_T;
    }
    if (record->page) {
        *hi |= VTD_FRCD_T2;
    }
    if (!record->has_pasid) {
        return;
    }
    *hi |= VTD_FRCD_PP | VTD_FRCD_PV(record->pasid);
    if (record->exec) {
        *hi |= VTD_FRCD_EXE;
    }
    if (record->priv) {
        *hi |= VTD_FRCD_PRIV;
    }
}

void vtd_encode_page_request(const VTDPageRequest *req, uint64_t words[4])
{
    words[0] = VTD_PRD_TYPE | VTD_PRD_RID(req->sid);
    if (req->has_pasid) {
        words[0] |= VTD_PRD_PP | VTD_PRD_PASID(req->pasid) |
                    (req->exec ? VTD_PRD_EXE : 0) |
                    (req->priv ? VTD_PRD_PRIV : 0);
    }
    words[1] = VTD_PRD_ADDR(req->addr) | VTD_PRD_PRGI(req->prgi) |
               (req->read ? VTD_PRD_R : 0) |
               (req->write ? VTD_PRD_W : 0) |
               (req->last ? VTD_PRD_LPIG : 0);
    words[2] = 0;
    words[3] = 0;
}
