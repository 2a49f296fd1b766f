/*
 * An x-sva-test as a test drives it: capabilities, commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_SVA_H
#define VIOMMU_SVA_H

#include "hw/misc/x-sva-test.h"
#include "viommu-unit.h"

#define SVA_SLOT    4
#define SVA_SID     (SVA_SLOT << 3)
#define SVA_DEVICE  "-device x-sva-test,id=sva,addr=04.0"

/* What sva_enable() is to switch on */
#define SVA_ATS     (1u << 0)
#define SVA_PASID   (1u << 1)    /* and Execute Requested, Privileged Mode */
#define SVA_PRI     (1u << 2)    /* for as many requests as there may be */

typedef struct SVA {
    Unit *unit;
    QPCIDevice *pci;
    QPCIBar bar;
    uint64_t config;         /* its configuration space in memory */
} SVA;

/* sva_open: the device @sid, with memory decoding and bus mastering. */
SVA *sva_open(Unit *unit, uint16_t sid);
void sva_close(SVA *s);

/* sva_cap: where an extended capability is; 0: there is none. */
unsigned sva_cap(SVA *s, uint16_t id);
uint16_t sva_cap_read16(SVA *s, uint16_t id, unsigned reg);
void sva_cap_write16(SVA *s, uint16_t id, unsigned reg, uint16_t value);
uint32_t sva_cap_read32(SVA *s, uint16_t id, unsigned reg);
void sva_cap_write32(SVA *s, uint16_t id, unsigned reg, uint32_t value);
void sva_enable(SVA *s, unsigned what);
/* sva_msi: its only message, enabled */
void sva_msi(SVA *s, uint64_t addr, uint16_t data);
/* sva_flr: function-level reset; enabled again by sva_enable_bus(). */
void sva_flr(SVA *s);
void sva_enable_bus(SVA *s);

/*
 * sva_assert_found: after a while, the unit's sanitizer has found one thing, of
 * @kind, about this device, at @iova; @pasid: or -1; @words are in its message.
 * @kind NULL: it has found nothing, and nothing stale was used.
 */
void sva_assert_found(SVA *s, const char *kind, int64_t pasid, uint64_t iova,
                      const char *words);

/* sva_knows_pasid: query-viommu says that the device uses @pasid. */
bool sva_knows_pasid(SVA *s, uint32_t pasid);

uint32_t sva_get32(SVA *s, unsigned context, unsigned reg);
uint64_t sva_get(SVA *s, unsigned context, unsigned reg);
void sva_set32(SVA *s, unsigned context, unsigned reg, uint32_t value);
void sva_set(SVA *s, unsigned context, unsigned reg, uint64_t value);

/*
 * sva_start: @command with SVT_F_* @flags; with SVT_F_PASID, @pasid.
 * sva_finish: wait until it is not SVT_S_BUSY.  Returns: the status.
 */
void sva_start(SVA *s, unsigned context, uint32_t command, uint32_t flags,
               uint32_t pasid, uint64_t src, uint64_t dst, uint64_t len);
uint32_t sva_finish(SVA *s, unsigned context);
uint32_t sva_run(SVA *s, uint32_t command, uint32_t flags, uint32_t pasid,
                 uint64_t src, uint64_t dst, uint64_t len);
/* sva_fill: SVT_C_FILL of @len bytes at @dst with @byte, in context 0 */
uint32_t sva_fill(SVA *s, uint32_t flags, uint32_t pasid, uint64_t dst,
                  uint64_t len, uint8_t byte);

#endif
