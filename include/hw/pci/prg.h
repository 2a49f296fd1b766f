/*
 * Page request groups: what a device has asked for and not been answered
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure bookkeeping: no QEMU type beyond fixed-width integers.  PCIe 10.4.  A
 * group is open until its last request, then it waits for its response, which
 * frees all its requests at once.  No lock: callers take turns.
 */
#ifndef HW_PCI_PRG_H
#define HW_PCI_PRG_H

#define PRG_GROUPS 512       /* PRG indexes have 9 bits */

typedef enum PRGState {
    PRG_FREE,
    PRG_OPEN,                /* more requests follow */
    PRG_WAITS,               /* for its response */
} PRGState;

typedef struct PRGroup {
    uint8_t state;           /* PRGState */
    uint32_t pasid;          /* of all its requests */
    uint32_t requests;
} PRGroup;

typedef struct PRGs {
    PRGroup groups[PRG_GROUPS];
    uint32_t outstanding;    /* requests in all of them */
} PRGs;

typedef enum PRGResult {
    PRG_OK,
    PRG_FULL,                /* as many are outstanding as may be */
    PRG_BUSY,                /* the group waits for its response */
    PRG_MIXED,               /* the group is another PASID's */
} PRGResult;

/** prg_reset: nothing was asked for. */
void prg_reset(PRGs *prgs);

/**
 * prg_request: one more request of group @prgi, if there may be: @max are
 * allowed.  @last: of the group.
 */
PRGResult prg_request(PRGs *prgs, uint16_t prgi, uint32_t pasid, bool last,
                      uint32_t max);

/**
 * prg_response: group @prgi has been answered.
 *
 * @pasid: what the response says, if @has_pasid; it becomes the group's
 * Returns: false: no group waits that it can be for.
 */
bool prg_response(PRGs *prgs, uint16_t prgi, uint32_t *pasid, bool has_pasid);

/**
 * prg_take: end a group that waits, if there is one: its index and PASID.
 * prg_drop_open: groups that are open are no more.
 */
bool prg_take(PRGs *prgs, uint16_t *prgi, uint32_t *pasid);
void prg_drop_open(PRGs *prgs);

#endif
