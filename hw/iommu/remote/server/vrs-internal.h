/*
 * The server's library: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vrs-link.c      bytes, messages, and questions to the client
 * vrs-serve.c     what the client asks for
 * vrs-drain.c     invalidations that have not drained
 * vrs-memory.c    the guest's memory
 * vrs-hello.c     the JSON of the handshake
 */
#ifndef HW_IOMMU_REMOTE_VRS_INTERNAL_H
#define HW_IOMMU_REMOTE_VRS_INTERNAL_H

#include "hw/iommu/viommu-server.h"
#include "../remote-frame.h"

/* Commands that are put off while an answer is waited for */
#define VRS_DEFERRED_MAX 4096

/* A message that has come, and its descriptor; -1: it has none */
typedef struct VRSMessage {
    VRPHeader h;
    int fd;
    uint8_t body[];
} VRSMessage;

/* An invalidation that is unanswered, or waits for one before it */
typedef struct VRSPending {
    uint64_t seq;
    uint16_t id;
    bool drained;
} VRSPending;

struct VRSServer {
    int fd;
    const VRSOps *ops;
    void *opaque;
    bool greeted;            /* VERSION has been answered */
    bool up;                 /* the handshake is over */
    uint32_t features;       /* VRPFeature: those in use */
    bool gone;
    const char *why;

    GByteArray *out;
    GQueue deferred;         /* VRSMessage */
    uint16_t next_id;

    GArray *maps;            /* VRSMap, by address */

    GQueue pending;          /* VRSPending, by .seq */
    GHashTable *pending_ids; /* the same, by .id */
    uint64_t seq;            /* the last one that has been given away */
    uint64_t merged;         /* the last one that is not sent yet; 0: none */
    uint64_t told;           /* that VRSOps.drained was told */
};

/* vrs-link.c */

/* It is over: @why, which lives for ever; NULL: the client has hung up. */
void vrs_end(VRSServer *s, const char *why);
/* The next one.  @wait: for its beginning, too.  NULL: none, or it is over */
VRSMessage *vrs_receive(VRSServer *s, bool wait);
void vrs_message_free(VRSMessage *m);
void vrs_send(VRSServer *s, const VRPHeader *h, const char *fields,
              const void *message, const void *data, size_t len);
void vrs_reply(VRSServer *s, const VRPHeader *to, int error,
               const void *message, const void *data, size_t len);
/* A command with an id of its own, which is returned */
uint16_t vrs_order(VRSServer *s, VRPCommand command, uint32_t flags,
                   const void *message, const void *data, size_t len);
/*
 * Waits for the answer to it: @answer is its fixed part, @more (so many bytes
 * as @more_len) what follows.  What else comes is put off.
 */
bool vrs_ask(VRSServer *s, VRPCommand command, const void *message,
             const void *data, size_t len, void *answer, void *more,
             size_t more_len);

/* vrs-serve.c */

/* Carry it out. */
void vrs_serve(VRSServer *s, VRSMessage *m);

/* vrs-drain.c */

/* The reply to an invalidation.  Returns: NULL, or what is wrong with it. */
const char *vrs_drain_replied(VRSServer *s, const VRPHeader *h,
                              const VRPDrained *drained);
bool vrs_drain_is_pending(const VRSServer *s, uint16_t id);
/* Tell the unit what has drained. */
void vrs_drain_tell(VRSServer *s);
void vrs_drain_init(VRSServer *s);
void vrs_drain_free(VRSServer *s);

/* vrs-memory.c */

/* Takes over @fd.  Returns: NULL, or what is wrong with it. */
const char *vrs_memory_map(VRSServer *s, const VRPDMAMap *map, int fd);
void vrs_memory_unmap(VRSServer *s, const VRPDMAUnmap *unmap);
void vrs_memory_init(VRSServer *s);
void vrs_memory_free(VRSServer *s);

/* vrs-hello.c */

/*
 * Does the JSON text say that the client has capabilities.viommu.version
 * VRP_VIOMMU_VERSION?  @text: @len bytes.  @features is set to the VRPFeatures
 * that it has, of those that are known.
 */
bool vrs_hello_speaks(const uint8_t *text, size_t len, uint32_t *features);

#endif
