/*
 * AMD-Vi: decoders of commands, and the form of events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "amdvi-decode.h"

/*
 * 2.4.3: the bytes that an address and S stand for.  S: as many ones as the
 * address has from bit 12 on, so large a block; all ones: everything.
 */
static void amdvi_decode_pages(uint64_t word, uint64_t *first, uint64_t *last)
{
    uint64_t addr = word & AMDVI_PAGES1_ADDR;
    uint64_t ones = AMDVI_PAGE_SIZE - 1;

    if (word & AMDVI_PAGES1_S) {
        /* Bit 12 counts as a one: the block is of two pages at least. */
        do {
            ones = ones << 1 | 1;
        } while ((addr & ones & ~(ones >> 1)) && ones != UINT64_MAX);
    }
    *first = addr & ~ones;
    *last = addr | ones;
}

static const char *amdvi_decode_wait(const uint64_t words[2], AMDVICmd *cmd)
{
    if (words[0] & AMDVI_WAIT0_RESERVED) {
        return "a reserved bit is set";
    }
    cmd->wait.store = words[0] & AMDVI_WAIT0_S;
    cmd->wait.interrupt = words[0] & AMDVI_WAIT0_I;
    cmd->wait.addr = words[0] & AMDVI_WAIT0_ADDR;
    cmd->wait.data = words[1];
    return NULL;
}

static const char *amdvi_decode_iommu_pages(const uint64_t words[2],
                                            uint64_t efr, AMDVICmd *cmd)
{
    if ((words[0] & AMDVI_PAGES0_RESERVED) ||
        (words[1] & AMDVI_PAGES1_RESERVED)) {
        return "a reserved bit is set";
    }
    cmd->pages.guest = words[1] & AMDVI_PAGES1_GN;
    if (cmd->pages.guest && !(efr & AMDVI_EFR_GT_SUP)) {
        return "GN, but EFR.GTSup is clear";
    }
    cmd->pages.domain = amdvi_get(words[0], AMDVI_PAGES0_DOMAIN);
    cmd->pages.pasid = amdvi_get(words[0], AMDVI_PAGES0_PASID);
    amdvi_decode_pages(words[1], &cmd->pages.first, &cmd->pages.last);
    return NULL;
}

static const char *amdvi_decode_iotlb_pages(const uint64_t words[2],
                                            uint64_t efr, AMDVICmd *cmd)
{
    if (words[1] & AMDVI_IOTLB1_RESERVED) {
        return "a reserved bit is set";
    }
    cmd->iotlb.guest = words[1] & AMDVI_PAGES1_GN;
    if (cmd->iotlb.guest && !(efr & AMDVI_EFR_GT_SUP)) {
        return "GN, but EFR.GTSup is clear";
    }
    cmd->iotlb.device = amdvi_get(words[0], AMDVI_CMD0_DEVICE);
    cmd->iotlb.pasid = amdvi_get(words[0], AMDVI_IOTLB0_PASID_HIGH) << 16 |
                       amdvi_get(words[0], AMDVI_IOTLB0_PASID_MID) << 8 |
                       amdvi_get(words[0], AMDVI_IOTLB0_PASID_LOW);
    amdvi_decode_pages(words[1], &cmd->iotlb.first, &cmd->iotlb.last);
    return NULL;
}

const char *amdvi_decode_cmd(const uint64_t words[2], uint64_t efr,
                             AMDVICmd *cmd)
{
    uint8_t op = amdvi_get(words[0], AMDVI_CMD_OPCODE);

    *cmd = (AMDVICmd) { .op = op };
    switch (op) {
    case AMDVI_CMD_COMPLETION_WAIT:
        return amdvi_decode_wait(words, cmd);
    case AMDVI_CMD_INVALIDATE_DEVTAB_ENTRY:
    case AMDVI_CMD_INVALIDATE_INTERRUPT_TABLE:
        cmd->devtab.device = amdvi_get(words[0], AMDVI_CMD0_DEVICE);
        return (words[0] & AMDVI_DEVTAB0_RESERVED) || words[1] ?
               "a reserved bit is set" : NULL;
    case AMDVI_CMD_INVALIDATE_IOMMU_PAGES:
        return amdvi_decode_iommu_pages(words, efr, cmd);
    case AMDVI_CMD_INVALIDATE_IOTLB_PAGES:
        return amdvi_decode_iotlb_pages(words, efr, cmd);
    case AMDVI_CMD_INVALIDATE_IOMMU_ALL:
        if (!(efr & AMDVI_EFR_IA_SUP)) {
            return "EFR.IASup is clear";
        }
        return (words[0] & AMDVI_ALL0_RESERVED) || words[1] ?
               "a reserved bit is set" : NULL;
    case AMDVI_CMD_PREFETCH_IOMMU_PAGES:
        return "EFR.PreFSup is clear";
    case AMDVI_CMD_COMPLETE_PPR_REQUEST:
        return "EFR.PPRSup is clear";
    default:
        return "there is no such command";
    }
}

const char *amdvi_cmd_name(uint8_t op)
{
    static const char *const names[] = {
        [AMDVI_CMD_COMPLETION_WAIT] = "COMPLETION_WAIT",
        [AMDVI_CMD_INVALIDATE_DEVTAB_ENTRY] = "INVALIDATE_DEVTAB_ENTRY",
        [AMDVI_CMD_INVALIDATE_IOMMU_PAGES] = "INVALIDATE_IOMMU_PAGES",
        [AMDVI_CMD_INVALIDATE_IOTLB_PAGES] = "INVALIDATE_IOTLB_PAGES",
        [AMDVI_CMD_INVALIDATE_INTERRUPT_TABLE] = "INVALIDATE_INTERRUPT_TABLE",
        [AMDVI_CMD_PREFETCH_IOMMU_PAGES] = "PREFETCH_IOMMU_PAGES",
        [AMDVI_CMD_COMPLETE_PPR_REQUEST] = "COMPLETE_PPR_REQUEST",
        [AMDVI_CMD_INVALIDATE_IOMMU_ALL] = "INVALIDATE_IOMMU_ALL",
    };

    return op < ARRAY_SIZE(names) && names[op] ? names[op] : "unknown";
}

void amdvi_encode_event(const AMDVIEvent *event, uint64_t words[2])
{
    bool guest = event->flags & AMDVI_EVF_GN;
    uint32_t pasid = guest ? event->pasid : 0;

    words[0] = amdvi_put(event->device, AMDVI_EVENT_DEVICE) |
               amdvi_put(pasid >> 16, AMDVI_EVENT_PASID_HIGH) |
               amdvi_put(guest ? pasid : event->domain, AMDVI_EVENT_DOMAIN) |
               amdvi_put(event->flags, AMDVI_EVENT_FLAGS) |
               amdvi_put(event->code, AMDVI_EVENT_CODE);
    words[1] = event->addr;
}

const char *amdvi_event_name(AMDVIEventCode code)
{
    static const char *const names[] = {
        [AMDVI_EVENT_NONE] = "none",
        [AMDVI_EVENT_ILLEGAL_DEV_TABLE_ENTRY] = "ILLEGAL_DEV_TABLE_ENTRY",
        [AMDVI_EVENT_IO_PAGE_FAULT] = "IO_PAGE_FAULT",
        [AMDVI_EVENT_DEV_TAB_HARDWARE_ERROR] = "DEV_TAB_HARDWARE_ERROR",
        [AMDVI_EVENT_PAGE_TAB_HARDWARE_ERROR] = "PAGE_TAB_HARDWARE_ERROR",
        [AMDVI_EVENT_ILLEGAL_COMMAND_ERROR] = "ILLEGAL_COMMAND_ERROR",
        [AMDVI_EVENT_COMMAND_HARDWARE_ERROR] = "COMMAND_HARDWARE_ERROR",
        [AMDVI_EVENT_IOTLB_INV_TIMEOUT] = "IOTLB_INV_TIMEOUT",
        [AMDVI_EVENT_INVALID_DEVICE_REQUEST] = "INVALID_DEVICE_REQUEST",
    };

    return code < ARRAY_SIZE(names) && names[code] ? names[code] : "unknown";
}
