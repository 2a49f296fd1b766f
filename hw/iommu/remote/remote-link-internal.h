/*
 * A vIOMMU outside the VMM: what the connection's files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * remote-link.c  the connection: how it begins, ends and greets
 * remote-out.c   what is written
 * remote-read.c  what is read
 * remote-ask.c   who waits for an answer
 * remote-wire.c  the socket, if it is nothing but that
 *
 * Two locks, of which no thread holds both: @lock has who waits for what, and
 * whether the link is up; @out_lock what is to be written.  The character
 * device may tell of a connection's end in the middle of a write, under
 * @out_lock: so what it tells is only noted, and the link's thread acts on it.
 *
 * A connection has a number, and so have those who write: what was meant for
 * one never reaches the next.  Who asks has that of the connection that is up,
 * under @lock (.acted_on).  That of the one that is written to (.connection) is
 * 0, which would mean any, before others know that there is none.
 *
 * Who asks reads the answer itself, if nobody else who asks is reading: such a
 * one leads.  What comes before that answer it carries out, as the link's
 * thread does; that one gets the rest, and is told of the connection's end.
 * So bytes are read and carried out under the wire's lock, before the other
 * two: in the order in which they have come.  What is not a plain socket (TLS)
 * the character device carries, and the link's thread alone reads.
 */
#ifndef HW_IOMMU_REMOTE_LINK_INTERNAL_H
#define HW_IOMMU_REMOTE_LINK_INTERNAL_H

#include "qemu/thread.h"
#include "system/iothread.h"
#include "remote-link.h"
#include "remote-wire.h"

typedef enum RemoteLinkState {
    LINK_DOWN,               /* nobody is there */
    LINK_GREETING,           /* the handshake is under way */
    LINK_UP,
} RemoteLinkState;

/* Somebody waits for an answer, or has given up. */
typedef struct RemoteAsk {
    uint16_t command;
    bool done, abandoned, brief;
    bool leads;              /* it is not .answered that it waits for */
    int error;
    QemuCond answered;
    void *answer;            /* the waiter's; and .more; NULL: not wanted */
    GByteArray *more;
    /* Nobody waits: called in place of all that.  The link's thread */
    void (*then)(RemoteLink *link, const void *message, const uint8_t *data,
                 size_t len);
} RemoteAsk;

/* Who reads, and is not the link's thread */
typedef struct RemoteReader {
    const RemoteAsk *mine;   /* what it waits for */
    bool done;               /* that is answered */
    unsigned budget;         /* messages that it carries out yet */
} RemoteReader;

typedef struct RemoteOut RemoteOut;

struct RemoteLink {
    CharBackend *chr;
    IOThread *iothread;
    QEMUBH *event_bh;
    QEMUBH *rest_bh;         /* who led has left something */
    const RemoteLinkOps *ops;
    void *opaque;
    uint32_t timeout_ms;
    uint32_t features;       /* that we have */
    /* Noted by whoever is told; atomic */
    bool opened;
    unsigned openings;
    const char *wrong;       /* why it is to be hung up on */

    QemuMutex lock;
    QemuCond changed;        /* .state or .reason */
    RemoteLinkState state;
    RemoteWire *wire;        /* NULL: the character device carries it */
    bool led;                /* somebody leads */
    unsigned spin;           /* us that it looks before it sleeps */
    char *reason;            /* why it is not up */
    GHashTable *asks;        /* RemoteAsk by .id */
    uint16_t next_id;
    bool late;
    uint64_t silence;        /* a number of its own for each time that it is */
    int64_t rest_until;      /* until then nobody is brief; us */
    unsigned owed;           /* answers to brief questions */
    RemoteLinkStats stats;

    QemuMutex out_lock;
    GQueue out;              /* RemoteOut */
    size_t out_bytes;
    RemoteWire *out_wire;    /* .wire */
    bool watching;
    bool greeted;            /* others than the handshake may write */
    unsigned connection;     /* 0: none; written with the lock; atomic */

    /* The link's thread's */
    GSource *wire_source;
    GByteArray *in;          /* without a wire */
    RemoteUnit unit;         /* others' who lead, to be read */
    bool held;               /* the handshake, until .ready */
    unsigned acted_on;       /* the connection's number; written with lock */
};

/* remote-out.c: any thread; takes out_lock */

/* What may wait to be written, bytes.  A guest can cause it. */
#define REMOTE_OUT_MAX (4u << 20)

/*
 * A message: @h, whose size is set here, @message with these @fields (NULL:
 * none), and @len bytes of @data.  For remote_out_write(), which takes it over.
 * @connection: 0 for whichever there is, once it has been greeted.
 */
RemoteOut *remote_out_new(VRPHeader *h, const char *fields,
                          const void *message, const void *data, size_t len);
void remote_out_write(RemoteLink *link, unsigned connection, RemoteOut *m);
/* There is room: write on.  The link's thread */
void remote_out_go_on(RemoteLink *link);
/* A new connection has begun, or there is none any more: @number 0. */
void remote_out_restart(RemoteLink *link, unsigned number, RemoteWire *wire);

/* remote-ask.c: lock held */

/*
 * NULL: so many are waiting that the server cannot be alive.  *@id: what the
 * answer will have.
 */
RemoteAsk *remote_ask_new(RemoteLink *link, VRPCommand command, uint16_t *id);
void remote_ask_free(RemoteAsk *ask);
/* @ask is over; @mine: the caller's, if it leads. */
void remote_ask_done(RemoteAsk *ask, const RemoteWire *wire,
                     const RemoteAsk *mine);

/* remote-read.c: the link's thread, or who leads */

/*
 * What has come, without waiting.  @reader: who leads; NULL: the link's thread.
 * Returns: how many bytes that was; -EAGAIN: none; 0: there is nothing to be
 * read any more, or not by @reader.
 */
ssize_t remote_read(RemoteLink *link, RemoteWire *wire, RemoteReader *reader);
/* The same of what the character device has read, without a wire */
void remote_read_bytes(RemoteLink *link, const uint8_t *buf, size_t size);

#endif
