/*
 * VT-d: posted interrupts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 5.2.3.  Hardware updates a descriptor in one atomic operation.  Here it
 * is two: the vector's bit in PIR, then the word with ON, SN, NV and NDST.  So
 * whoever finds ON set finds the bit, too.  In between software may take the
 * bit before it sees ON: then it is notified of what it has taken already,
 * which it must expect in any case, as PIR is read after ON is cleared.
 */
#include "qemu/osdep.h"
#include "hw/i386/x86-iommu.h"
#include "trace.h"
#include "vtd-post.h"

/* A word that somebody else changes each time is no descriptor in use. */
#define VTD_POST_TRIES 64

static bool vtd_post_read(const IOPTMem *mem, uint64_t addr,
                          uint64_t words[VTD_PID_WORDS])
{
    for (unsigned i = 0; i < VTD_PID_WORDS; i++) {
        if (!mem->read(mem->opaque, addr + 8 * i, &words[i])) {
            return false;
        }
    }
    return true;
}

/* Set the vector's bit; @word: what is thought to be there. */
static bool vtd_post_request(const IOPTMem *mem, uint64_t pda, uint8_t vector,
                             uint64_t word)
{
    uint64_t addr = pda + 8 * VTD_PID_PIR_WORD(vector), seen;

    for (unsigned i = 0; i < VTD_POST_TRIES; i++) {
        seen = word;
        if (!mem->update(mem->opaque, addr, &word,
                         seen | VTD_PID_PIR_BIT(vector))) {
            return false;
        }
        if (word == seen) {
            return true;
        }
    }
    return false;
}

/*
 * Set ON, if a notification is due.
 * @control: what is thought to be there; set to what was when it was decided
 */
static bool vtd_post_notify(const IOPTMem *mem, uint64_t pda, bool urg,
                            uint64_t *control, bool *notify)
{
    uint64_t addr = pda + 8 * VTD_PID_CONTROL, seen;

    for (unsigned i = 0; i < VTD_POST_TRIES; i++) {
        seen = *control;
        *notify = vtd_pid_notifies(seen, urg);
        /* What it is thought to be may be out of date: it is compared. */
        if (!mem->update(mem->opaque, addr, control,
                         seen | (*notify ? VTD_PID_ON : 0))) {
            return false;
        }
        if (*control == seen) {
            return true;
        }
    }
    return false;
}

VTDFaultReason vtd_post(IntelIOMMUState *s, const VTDIRTE *irte, bool eime,
                        bool *notify, MSIMessage *msg)
{
    const IOPTMem *mem = &s->viommu.mem;
    uint64_t words[VTD_PID_WORDS], control;
    VTDFaultReason reason;
    X86IOMMUIrq irq;

    *notify = false;
    if (!vtd_post_read(mem, irte->pda, words)) {
        return VTD_FR_IR_PID_ACCESS;
    }
    reason = vtd_check_pid(words, eime);
    if (reason != VTD_FR_NONE) {
        return reason;
    }
    control = words[VTD_PID_CONTROL];
    if (!vtd_post_request(mem, irte->pda, irte->vector,
                          words[VTD_PID_PIR_WORD(irte->vector)]) ||
        !vtd_post_notify(mem, irte->pda, irte->urg, &control, notify)) {
        *notify = false;
        return VTD_FR_IR_PID_ACCESS;
    }
    trace_vtd_ir_post(irte->pda, irte->vector, irte->urg, control, *notify);
    if (*notify) {
        /* Fixed, edge, physical */
        irq = (X86IOMMUIrq) {
            .vector = VTD_PID_NV(control),
            .dest = eime ? VTD_PID_NDST(control) : VTD_PID_NDST_XAPIC(control),
        };
        x86_iommu_irq_to_msi_message(&irq, msg);
    }
    return VTD_FR_NONE;
}
