/*
 * A vIOMMU outside the VMM: the connection
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A thread of its own reads what the server sends, so that an answer arrives
 * whatever the others wait for: it does not wait for the BQL, and takes no part
 * in any RCU grace period longer than one access to memory.  One of those who
 * wait for an answer reads in its place.  Whoever has something to say writes
 * it; what the socket does not take, that thread writes later.
 *
 * Nothing here blocks without a bound: an answer has its time, what is not read
 * and what is not answered have their limits, and who exceeds one, or says what
 * cannot be right, is hung up on.
 */
#ifndef HW_IOMMU_REMOTE_LINK_H
#define HW_IOMMU_REMOTE_LINK_H

#include "chardev/char-fe.h"
#include "remote-frame.h"

typedef struct RemoteLink RemoteLink;

/* What software finds in the server's region, as far as firmware can say it */
typedef enum RemoteUnitKind {
    REMOTE_UNIT_OTHER,           /* whatever; no table has words for it */
    REMOTE_UNIT_VTD,
} RemoteUnitKind;

/* What the server says of itself */
typedef struct RemoteUnit {
    RemoteUnitKind kind;
    unsigned address_bits;       /* VT-d: of the guest's memory; else 0 */
    uint32_t features;           /* VRPFeature: those in use */
} RemoteUnit;

/*
 * All but .late, .command, .commanded and .reset: the link's thread.  Those
 * three: it, or a thread that waits for an answer; with whatever locks it has
 * called remote_link_ask().  .command and .reset: one at a time.
 */
typedef struct RemoteLinkOps {
    /*
     * greet: the server has said that it is @unit, and its region is of
     * @region_size bytes: tell it what it has to know before anybody asks it
     * anything.
     * Returns: NULL, or why it will not do.
     */
    const char *(*greet)(void *opaque, uint64_t region_size,
                         const RemoteUnit *unit);
    /*
     * ready: may another server come up?  If not, remote_link_go_on() is called
     * when it may; until then it is not asked, or told, anything.
     */
    bool (*ready)(void *opaque);
    /* up: it is asked from now on. */
    void (*up)(void *opaque);
    /*
     * down: it has been up, and is no longer: @reason.  @connection: the number
     * that it had; those of the next are higher, and may have come up when this
     * is acted on elsewhere.
     */
    void (*down)(void *opaque, unsigned connection, const char *reason);
    /*
     * command: the server's, which has been checked; @message is the fixed
     * part.  Returns: NULL, or what is wrong with it after all.
     */
    const char *(*command)(void *opaque, const VRPHeader *h,
                           const void *message, const uint8_t *data,
                           size_t len);
    /*
     * commanded: that was all that there was to be read, for now, and there may
     * have been commands.  @free: the caller is the link's thread, has no lock,
     * and so may do what needs some; it must not ask, which is for others.
     */
    void (*commanded)(void *opaque, bool free);
    /* reset: a remote_link_reset() has been answered. */
    void (*reset)(void *opaque);
    /* stopped: a remote_link_stop() has. */
    void (*stopped)(void *opaque);
    /* late: the first answer that has not come in time.  Any thread. */
    void (*late)(void *opaque);
} RemoteLinkOps;

/* How long who asks may wait for the answer; see remote_link_ask() */
typedef enum RemoteWait {
    REMOTE_WAIT_USUAL,
    REMOTE_WAIT_PATIENT,
    REMOTE_WAIT_BRIEF,
} RemoteWait;

typedef struct RemoteLinkStats {
    uint64_t asked;              /* questions that were answered */
    uint64_t late;               /* those that were not, in time */
    uint64_t unanswered;         /* brief ones that were not */
    uint64_t connections;        /* how often it has been up */
} RemoteLinkStats;

/**
 * remote_hello: what we say of us, to be freed: that we have @features
 * (VRPFeature).  Any thread.
 */
char *remote_hello(uint32_t features);
/**
 * remote_hello_read: what the server says, JSON of @len bytes, to one who has
 * @features; fills @unit.
 * Returns: NULL, or what is wrong with it.  Any thread.
 */
const char *remote_hello_read(const uint8_t *data, size_t len,
                              uint32_t features, RemoteUnit *unit);

/**
 * remote_link_new: for the server at @chr, which is connected; nothing is said
 * before remote_link_wait().
 * @timeout_ms: how long an answer may take.  @features: VRPFeatures that we
 * have.
 * Returns: NULL with @errp set if there is no thread to be had.  BQL.
 */
RemoteLink *remote_link_new(CharBackend *chr, uint32_t timeout_ms,
                            uint32_t features, const RemoteLinkOps *ops,
                            void *opaque, Error **errp);

/**
 * remote_link_wait: begin, and wait until it is up, at most @ms milliseconds.
 * BQL, which is held all the time: nothing of the link needs it.
 * Returns: false with @errp set if it is not, or if the server will not do.
 */
bool remote_link_wait(RemoteLink *link, unsigned ms, Error **errp);

/** remote_link_free: hang up.  BQL. */
void remote_link_free(RemoteLink *link);

/**
 * remote_link_ask: send @command with @message and @len bytes of @data, and
 * wait for the answer: its fixed part is copied to @answer, what follows to
 * @more (which may be NULL: it is ignored).
 *
 * @wait: USUAL: as long as remote_link_new() was told.  Who holds the BQL keeps
 * all others waiting: so while the server is late with an answer, such a one
 * waits REMOTE_LATE_MS at most, and so does a thread that has waited in vain
 * since the server's last answer.  They do so a tenth of the time, and in the
 * rest a question is not asked; the answer that is late, if it comes, says that
 * the server is alive.  PATIENT: it waits like anybody: for a guest that stands
 * still (migration).  BRIEF: for whom no guest waits (a monitor):
 * REMOTE_BRIEF_MS, and REMOTE_LATE_MS while the server owes an answer; that is
 * nobody's fault, so .late is not told.  While it owes REMOTE_BRIEF_MAX to such
 * it is not even asked.
 *
 * Any thread but the link's own.
 * Returns: 0, or -ENOTCONN, -ETIMEDOUT, -EBUSY (it was not asked), or the
 * server's error, negative.
 */
int remote_link_ask(RemoteLink *link, VRPCommand command, const void *message,
                    const void *data, size_t len, void *answer,
                    GByteArray *more, RemoteWait wait);
#define REMOTE_LATE_MS   10
#define REMOTE_BRIEF_MS  250
#define REMOTE_BRIEF_MAX 16

/**
 * remote_link_reset: send a RESET; nobody waits for the answer, of which .reset
 * tells.  Any thread.  Returns: false if the link is not up.
 * remote_link_reset_first: the same in .greet, before anything else is sent.
 */
bool remote_link_reset(RemoteLink *link);
bool remote_link_reset_first(RemoteLink *link);

/**
 * remote_link_stop: the same of a RUN that says that the guest has stopped, and
 * of .stopped.
 */
bool remote_link_stop(RemoteLink *link);

/**
 * remote_link_post: the same without an answer.  @fd: goes along, and stays the
 * caller's; -1: none.  Lost if the link is not up or about to be.  Any thread.
 */
void remote_link_post(RemoteLink *link, VRPCommand command,
                      const void *message, const void *data, size_t len,
                      int fd);

/**
 * remote_link_reply: to the server's command @h.  @error: an errno, positive,
 * or 0 and @message, @data.  @connection: what remote_link_connection() said
 * when it came: if that is no more, nobody waits for it.  Any thread.
 */
void remote_link_reply(RemoteLink *link, unsigned connection,
                       const VRPHeader *h, int error, const void *message,
                       const void *data, size_t len);
unsigned remote_link_connection(RemoteLink *link);

/**
 * remote_link_hang_up: on a server that says what cannot be right.  @reason
 * lives for ever.  Any thread.
 */
void remote_link_hang_up(RemoteLink *link, const char *reason);

/** remote_link_go_on: .ready has something else to say now.  Any thread. */
void remote_link_go_on(RemoteLink *link);

bool remote_link_is_up(RemoteLink *link);
void remote_link_stats(RemoteLink *link, RemoteLinkStats *stats);
/** remote_link_backlog: bytes that wait to be written.  Any thread. */
size_t remote_link_backlog(RemoteLink *link);

#endif
