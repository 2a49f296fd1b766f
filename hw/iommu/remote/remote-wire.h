/*
 * A vIOMMU outside the VMM: the socket of a connection, and who reads it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The link's thread polls remote_wire_fd() among other things, and reads when
 * it is told that there is something.  Whoever waits for an answer can do that
 * itself: between remote_wire_lead() and remote_wire_follow() the link's thread
 * is not woken by what comes.  So an answer costs no thread in between.
 */
#ifndef HW_IOMMU_REMOTE_WIRE_H
#define HW_IOMMU_REMOTE_WIRE_H

#include "qemu/thread.h"

/* Not more than that is read at once, bytes */
#define REMOTE_WIRE_READ (1u << 16)

typedef struct RemoteWire {
    int fd;                  /* the socket */
    int out_fd;              /* the same, to be told when it is writable */
    int idle_fd;             /* epoll, of the link's thread: both */
    int kick_fd;             /* who leads is to look up */
    unsigned refs;           /* atomic */
    QemuMutex lock;          /* of what follows; held while it is carried out */
    bool over;               /* nothing is read any more */
    GByteArray *in;          /* what has been read of it, and not carried out */
} RemoteWire;

/**
 * remote_wire_new: of the stream socket @fd, which stays the caller's.  Any
 * thread.  Returns: NULL if there are no descriptors to be had.
 */
RemoteWire *remote_wire_new(int fd);
RemoteWire *remote_wire_ref(RemoteWire *wire);
void remote_wire_unref(RemoteWire *wire);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteWire, remote_wire_unref)

/** remote_wire_close: nothing is read or written any more.  Any thread. */
void remote_wire_close(RemoteWire *wire);

/* What remote_wire_events() finds */
#define REMOTE_WIRE_IN  1
#define REMOTE_WIRE_OUT 2

/**
 * remote_wire_fd: readable if remote_wire_events() is not 0.
 * remote_wire_events: what there is for the link's thread; does not wait.
 */
int remote_wire_fd(const RemoteWire *wire);
unsigned remote_wire_events(RemoteWire *wire);

/**
 * remote_wire_lead: the caller waits with remote_wire_await(), and reads.  One
 * thread at a time.  remote_wire_follow: no longer; the link's thread reads
 * what it has left, and is woken if there is something.
 */
void remote_wire_lead(RemoteWire *wire);
void remote_wire_follow(RemoteWire *wire);
/**
 * remote_wire_await: until there is something to be read, or a
 * remote_wire_kick() since the last time, at most @ms.  For who leads.
 */
void remote_wire_await(RemoteWire *wire, int ms);
/** remote_wire_kick: have remote_wire_await() return.  Any thread. */
void remote_wire_kick(RemoteWire *wire);

/**
 * remote_wire_read: append what is there to .in; does not wait.  .lock held.
 * Returns: how much; 0: it has ended; -EAGAIN: there is nothing.
 */
ssize_t remote_wire_read(RemoteWire *wire);

/**
 * remote_wire_write: as much as there is room for of @iov; does not wait.
 * @fd: goes along with the first byte; -1: none.
 * Returns: how much, or -EAGAIN, or another errno: it is broken.
 */
ssize_t remote_wire_write(RemoteWire *wire, struct iovec *iov, unsigned n,
                          int fd);
/**
 * remote_wire_want_out: does the link's thread want to know when there is room?
 * One thread at a time.
 */
void remote_wire_want_out(RemoteWire *wire, bool want);

#endif
