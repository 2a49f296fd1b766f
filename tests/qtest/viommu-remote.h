/*
 * A machine with viommu-remote, and the toy server (tests/remote/toy.py)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_REMOTE_TEST_H
#define VIOMMU_REMOTE_TEST_H

#include "viommu-unit.h"

#define RMT_BASE        0xfed91000ull

/* The toy's registers, and its quirks: toy.py says what they are. */
enum {
    RMT_CTRL        = 0x00,
    RMT_STATUS      = 0x08,
    RMT_DIR         = 0x10,
    RMT_FIRST       = 0x18,
    RMT_LAST        = 0x20,
    RMT_INV         = 0x28,
    RMT_FAULT       = 0x30,
    RMT_FAULT_IOVA  = 0x38,
    RMT_QUIRKS      = 0x40,
    RMT_ASKED       = 0x48,
    RMT_RESOLVED    = 0x50,
    RMT_MSI_ADDR    = 0x58,
    RMT_MSI_DATA    = 0x60,
    RMT_MAPPED      = 0x68,
    RMT_PRESENT     = 0x70,
    RMT_PAGE        = 0x78,
    RMT_PAGE_IOVA   = 0x80,
    RMT_MESSAGES    = 0x88,
    RMT_REMAPPED    = 0x90,
};

#define RMT_EVERYBODY   0xffffffffu

typedef enum RMTInv {
    RMT_INV_NOTHING,
    RMT_INV_CONFIG,
    RMT_INV_DOMAIN,
    RMT_INV_RANGE,
    RMT_INV_RID,
    RMT_INV_ALL,
    RMT_INV_DEVICE,
    RMT_INV_MESSAGE,
} RMTInv;

#define RMT_ONCE        (1u << 0)
#define RMT_FORGETFUL   (1u << 1)
#define RMT_PREFETCH    (1u << 2)
#define RMT_MUTE        (1u << 3)
#define RMT_LIE_ID      (1u << 4)
#define RMT_LIE_PAGE    (1u << 5)
#define RMT_LIE_SEQ     (1u << 6)
#define RMT_SULK        (1u << 7)
#define RMT_NO_STATE    (1u << 8)
#define RMT_ACCESSED    (1u << 9)
#define RMT_LAST_WORDS  (1u << 16)
#define RMT_LAST_LINES  (1u << 17)

#define RMT_PAGE_VALID      (1ull << 63)
#define RMT_PAGE_RID(page)      ((unsigned)((page) >> 32 & 0xffff))
#define RMT_PAGE_GROUP(page)    ((unsigned)((page) >> 16 & 0x1ff))
#define RMT_PAGE_FLAGS(page)    ((unsigned)((page) & 0x3ff))

#define RMT_FAULT_VALID     (1ull << 63)
#define RMT_FAULT_WRITE     (1ull << 61)
#define RMT_FAULT_VERDICT(fault)    ((unsigned)((fault) >> 32 & 0xff))
#define RMT_FAULT_REASON(fault)     ((unsigned)((fault) >> 16 & 0xffff))
#define RMT_FAULT_RID(fault)        ((unsigned)((fault) & 0xffff))

typedef struct RMT {
    union {
        Unit unit;
        struct {
            UNIT_FIELDS;
        };
    };
    uint64_t dir;            /* in guest memory */
    GArray *servers;         /* GPid */
} RMT;

struct UnitSpace {
    uint64_t root;
    unsigned domain;
    bool ats;                /* who is attached may keep translations */
};

/**
 * rmt_args: the command line of a machine whose server has been started: with
 * @props ("" for none) of viommu-remote.  @server: its process.
 */
char *rmt_args(const char *props, GPid *server);
/*
 * rmt_listen: a socket that listens at *@path, for rmt_serve(); NULL becomes an
 * unused name.
 * rmt_serve: a toy on @listener, of @options, one after another; closes it.
 */
int rmt_listen(char **path);
GPid rmt_serve(int listener, const char *option);
void rmt_end_server(GPid server);

/* rmt_says: the register @name of query-viommu, of the only unit */
uint64_t rmt_says(QTestState *qts, const char *name);

RMT *rmt_start(const char *props, const char *args);
/* rmt_is_present: was the server told of @rid? */
bool rmt_is_present(RMT *rmt, uint16_t rid);
/* rmt_present: of how many requesters it was told */
unsigned rmt_present(RMT *rmt);
RMT *rmt_adopt(const RMT *from, QTestState *qts);
void rmt_stop(RMT *rmt);

uint64_t rmt_read(RMT *rmt, unsigned reg);
void rmt_write(RMT *rmt, unsigned reg, uint64_t value);
/* @operand: a domain or requester ID */
void rmt_inv(RMT *rmt, RMTInv what, unsigned operand);
bool rmt_drained(RMT *rmt);

void rmt_attach(RMT *rmt, uint16_t sid, const UnitSpace *space);
UnitSpace *rmt_space(RMT *rmt, unsigned domain);
void rmt_map(RMT *rmt, const UnitSpace *space, uint64_t iova, uint64_t gpa,
             uint64_t size, unsigned perms);
/* rmt_enable: translate by the directory, and see that through. */
void rmt_enable(RMT *rmt);

#endif
