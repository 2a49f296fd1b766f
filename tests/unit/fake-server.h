/*
 * A remote unit's server at the other end of a socket, in a thread
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It does everything that the protocol allows: it answers out of order, reads
 * the table through the client, keeps what it has read until it invalidates,
 * sends answers that nobody asked for, interrupts and updates of memory; and
 * now and then it says what cannot be right.
 *
 * There is one domain, and one table, of IOVAS pages.  Software writes a ticket
 * to its register with what is to be invalidated (REG_INV), and finds in it, or
 * at MEM_STATUS, which ticket is complete.
 *
 * Who is asked about with VRP_RESOLVE is written to MEM_STATUS, behind the
 * answer; if that is odd, only some time later.
 */
#ifndef UNIT_FAKE_SERVER_H
#define UNIT_FAKE_SERVER_H

#include "hw/iommu/remote/remote-frame.h"
#include "test-common.h"

#define IOVAS           8
#define DOMAIN          7

/* Guest memory, in words */
enum {
    MEM_TABLE,                           /* page number + 1; 0: not mapped */
    MEM_FLAGS = MEM_TABLE + IOVAS,       /* the server counts in them */
    MEM_STATUS = MEM_FLAGS + IOVAS,      /* the last ticket that is complete */
    MEM_WORDS
};

/* Its only register has the last ticket, and the last that is complete. */

#define REG_VALUE(ticket, complete)     ((uint64_t)(ticket) << 32 | (complete))
#define REG_TICKET(value)               ((uint32_t)((value) >> 32))
#define REG_COMPLETE(value)             ((uint32_t)(value))
/* What is written there */
#define REG_INV(ticket, kind, iova) \
    ((uint64_t)(ticket) << 16 | (kind) << 8 | (iova))

typedef enum ServerInv {
    SERVER_RANGE,
    SERVER_DOMAIN,
    SERVER_ALL,
    SERVER_CONFIG,           /* and a range */
    SERVER_NOTHING,          /* after a range */
    SERVER_INVS
} ServerInv;

typedef struct Server {
    int fd;
    pthread_t thread;
    unsigned questions;      /* VRP_TRANSLATE that came; atomic */
    unsigned resolved;       /* VRP_RESOLVE that were answered; atomic */
    /* The thread's */
    Rand rand;
    uint64_t *memory;        /* its words are atomic */
    bool late;
    bool over;
    bool gathers;            /* what it sends it sends later */
    GByteArray *out;
    uint16_t next_id;
    uint64_t seq;
    uint32_t ticket, complete;
    uint64_t kept[IOVAS];    /* entries; UINT64_MAX: none */
    GArray *sent;            /* what it has asked, and has no answer to */
    GArray *held;            /* questions that wait */
} Server;

/** server_lies: how often one has said what cannot be right.  Atomic */
extern int server_lies;

/**
 * server_new: at @fd, which it takes over.  @memory: the guest's, MEM_WORDS
 * words.  @late: some of its answers come after some ms, and it does not lie.
 * server_end: it goes away.  server_free: and has gone, or its client has.
 */
Server *server_new(int fd, uint64_t *memory, bool late, uint64_t seed);
void server_end(Server *srv);
void server_free(Server *srv);

#endif
