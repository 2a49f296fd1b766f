/*
 * AMD-Vi: what software does with the registers that it must not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 48882 3.4 has no event for these.  They are said in the log
 * (-d guest_errors), and change nothing.  BQL.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "amdvi-internal.h"

static void mistake(const char *reg, uint64_t value, const char *what)
{
    qemu_log_mask(LOG_GUEST_ERROR, "amdvi: %s written with 0x%" PRIx64 ": %s\n",
                  reg, value, what);
}

static void mistakes_base(const char *reg, uint64_t value, bool running)
{
    if (running) {
        mistake(reg, value, "it runs; its pointers begin anew");
    }
}

/* Its base may have come in halves, so its length counts from now on. */
static void mistakes_on(const char *ring, uint64_t base, bool on)
{
    if (on && amdvi_get(base, AMDVI_RING_LEN) < AMDVI_RING_LEN_MIN) {
        qemu_log_mask(LOG_GUEST_ERROR, "amdvi: %s turned on with a length "
                      "below 8 (256 entries), which is reserved and taken as "
                      "8\n", ring);
    }
}

static void mistakes_control(AMDVIState *s, uint64_t value)
{
    uint64_t on = value & ~s->control;

    if (value & ~amdvi_control_wmask(s)) {
        mistake("Control", value, "some bits are reserved, or EFR does not "
                "have what they turn on; they stay clear");
    }
    mistakes_on("command buffer", s->cmd_base, on & AMDVI_CONTROL_CMD_BUF_EN);
    mistakes_on("event log", s->event_base, on & AMDVI_CONTROL_EVENT_LOG_EN);
}

static void mistakes_pointer(const char *reg, uint64_t value, uint64_t base)
{
    if ((value & AMDVI_RING_POINTER) >> AMDVI_RING_ENTRY_SHIFT >>
        amdvi_ring_log2(base)) {
        mistake(reg, value, "it is beyond the end, and taken modulo the size");
    }
}

void amdvi_mistakes(AMDVIState *s, hwaddr reg, uint64_t value)
{
    switch (reg) {
    case AMDVI_REG_CONTROL:
        mistakes_control(s, value);
        break;
    case AMDVI_REG_CMD_BASE:
        mistakes_base("the command buffer's base", value,
                      s->status & AMDVI_STATUS_CMD_RUN);
        break;
    case AMDVI_REG_EVENT_BASE:
        mistakes_base("the event log's base", value,
                      s->status & AMDVI_STATUS_EVENT_RUN);
        break;
    case AMDVI_REG_CMD_TAIL:
        mistakes_pointer("the command buffer's tail", value, s->cmd_base);
        break;
    case AMDVI_REG_EVENT_HEAD:
        mistakes_pointer("the event log's head", value, s->event_base);
        break;
    }
}
