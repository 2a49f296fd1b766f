/*
 * A disk behind a vIOMMU whose requests stay in flight until told otherwise
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One request per virtual second is let through to the image, and the qtest
 * clock stands still: the first request uses up the allowance, every later one
 * is in flight until the test steps the clock.
 */
#ifndef VIOMMU_RIG_H
#define VIOMMU_RIG_H

#include "viommu-vblk.h"

#define RIG_RING_IOVA   0x10000000ULL
#define RIG_SPARE_IOVA  0x10001000ULL   /* mapped, for unrelated requests */
#define RIG_USED_IOVA   0x10002000ULL   /* the used ring, if apart */
#define RIG_DATA_IOVA   0x20000000ULL
#define RIG_LEN         4096
#define RIG_SECTOR      8               /* of the request under test */

/* What is where */
#define RIG_ON_DISK     0xd1            /* the image, everywhere */
#define RIG_BEFORE      0x3c            /* the page, before the request */
#define RIG_REUSED      0xa5            /* the page, in other hands */

#define RIG_SHORT_NS    (100 * 1000 * 1000LL)     /* releases nothing */
#define RIG_RELEASE_NS  (1100 * 1000 * 1000LL)    /* releases one request */

typedef struct RigOptions {
    unsigned form;           /* of unit_ops()->forms */
    bool iothread;
    bool untranslated;       /* leave translation off; IOVAs are GPAs */
    bool behind_port;        /* hot-pluggable, on bus 1 */
    bool fast;               /* hold nothing up for long */
    uint64_t image_size;     /* bytes, a hole at its end; 0: a small one */
    bool used_apart;         /* nothing but the used ring is in its page */
    const char *props;       /* properties of the vIOMMU; NULL: none */
    const char *args;        /* more arguments; NULL: none */
} RigOptions;

typedef struct Rig {
    RigOptions opt;
    Unit *unit;
    UnitSpace *space;
    UnitSpace *other;        /* the device is not attached to it */
    VBlk *blk;
    uint16_t sid;
    char *image;
    uint64_t ring, spare, page;   /* guest memory */
    uint64_t data_iova;
    QPCIDevice *port;
} Rig;

/*
 * rig_backend: arguments for the node "slow" in front of @image.  @fast: it is
 * slow enough, by the host's clock, for races to happen.
 */
char *rig_backend(const char *image, bool fast);
/* rig_throttle: make it slow.  Before the first request. */
void rig_throttle(QTestState *qts);
/* rig_make_image: a temporary file full of RIG_ON_DISK. */
char *rig_make_image(void);
bool rig_image_is(const char *image, uint8_t byte);

Rig *rig_new(const RigOptions *opt);
void rig_free(Rig *rig);
/* rig_args: the arguments of its devices. */
char *rig_args(const RigOptions *opt, const char *image);
/* rig_target: another process with the same machine, waiting for its state. */
QTestState *rig_target(Rig *rig);
/* rig_peer: of the emulator that VIOMMU_DRAIN_PEER names, if it is set */
QTestState *rig_peer(Rig *rig);

/*
 * rig_adopt: the rig goes on in @to, which has its state, and this process of
 * it ends.  Requests are not held there before rig_throttle().
 */
void rig_adopt(Rig *rig, QTestState *to);

/*
 * rig_unmap: take the page under test away from the device and start the
 * invalidation that the unit was set up for.
 */
void rig_unmap(Rig *rig, UnitScope scope);
/* rig_inv: start one of @space; of UNIT_RANGE, 2^@order pages at @iova. */
void rig_inv(Rig *rig, UnitScope scope, const UnitSpace *space, uint64_t iova,
             unsigned order);
void rig_inv_wait(Rig *rig);
bool rig_inv_done(Rig *rig);
/* rig_restart: set everything up again after a reset. */
void rig_restart(Rig *rig);
/*
 * rig_again: before what has been done is done once more, nobody knows how many
 * times.  A release, and a step before it, are a little longer than what a
 * request costs: in the end nothing would be held.
 */
void rig_again(Rig *rig);
/* rig_hold: start a request at @iova and see it in flight. */
unsigned rig_hold(Rig *rig, bool is_write, uint64_t iova);
void rig_step(Rig *rig, int64_t ns);
/* rig_release: let the one request in flight go on, and see it complete. */
void rig_release(Rig *rig);
/* rig_disk_is: does the image hold @byte where the request under test went? */
bool rig_disk_is(Rig *rig, uint8_t byte);

/*
 * rig_assert_pending: the invalidation is not complete, and neither round
 * trips nor time that releases no request change that.
 */
void rig_assert_pending(Rig *rig);
/* rig_assert_done: it is complete while the request is still in flight. */
void rig_assert_done(Rig *rig);

/*
 * The same tests run against the untouched base, where they must see the
 * corruption that the drain prevents: proof that they can fail.
 */
bool expect_corruption(void);

/*
 * rig_add: the test function @fn for each form and whatever else @add says;
 * the path is /viommu/@group/FORM/@name.
 */
void rig_add(const char *group, const char *name, bool iothread,
             void (*fn)(const void *opaque));

#endif
