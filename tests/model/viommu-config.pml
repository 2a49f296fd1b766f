/*
 * Configurations that are kept: two PASIDs that share a slot, and the guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each PASID has an entry, which holds a version.  The guest writes a newer one
 * and invalidates it, alone or with all others.  Asserted: what is found in the
 * slot belongs to the PASID that is asked for, and is not older than the last
 * invalidation that had returned when the look began.
 *
 *   here                 hw/iommu/viommu-config.c, viommu-inv.c
 *   entry                a PASID table entry in guest memory
 *   slot_pasid, _version VIOMMUEndpoint.pasid_configs[], one of them: a pointer
 *                        to what is not changed any more, so it is read at once
 *   seq                  VIOMMU.config_seq
 *   floor                not in the code: what invalidations have promised
 *
 * Each access to shared state is one step, in program order; a BROKEN_ variant
 * leaves out, or exchanges, what a missing check or barrier would.  Not here:
 * the memory of what was dropped, which RCU keeps for who has found it.
 *
 * tests/model/run checks it, and that each BROKEN_ variant is rejected.
 */

#define PASIDS      2
#define NOBODY      2
#ifndef USERS
#define USERS       2
#endif
#ifndef LOOKS
#define LOOKS       2       /* of each user */
#endif
#ifndef ROUNDS
#define ROUNDS      2       /* invalidations */
#endif

byte entry[PASIDS] = 1;
byte floor[PASIDS] = 1;
byte slot_pasid = NOBODY;
byte slot_version;
byte seq;
bit lock;

inline take_lock()
{
    atomic { !lock -> lock = 1 }
}

/* As viommu_config_install() */
inline install(p, v, s)
{
    take_lock();
    if
#ifndef BROKEN_NO_SEQ
    :: seq != s
#endif
    :: else -> atomic { slot_pasid = p; slot_version = v }
    fi;
    lock = 0
}

/* As viommu_config_get() */
proctype User()
{
    byte n, p, f, s, v, found;

    do
    :: n < LOOKS ->
        n++;
        if
        :: p = 0
        :: p = 1
        fi;
        f = floor[p];
        atomic { found = slot_pasid; v = slot_version };
        if
#ifdef BROKEN_ANYBODYS
        :: found != NOBODY ->
#else
        :: found == p ->
#endif
            assert(found == p);
            assert(v >= f)
        :: else ->
#ifdef BROKEN_SEQ_AFTER_ENTRY
            v = entry[p];
            s = seq;
#else
            s = seq;
            v = entry[p];
#endif
            install(p, v, s)
        fi;
        atomic { p = 0; f = 0; s = 0; v = 0; found = 0 }
    :: else -> break
    od
}

/* As viommu_config_drop(), or viommu_config_drop_pasid() of @p.  Lock held. */
inline drop(p)
{
    if
    :: slot_pasid = NOBODY
#ifdef BROKEN_DROP_OTHER
    :: slot_pasid != p && slot_pasid != NOBODY -> slot_pasid = NOBODY
    :: slot_pasid == p
#else
    :: slot_pasid == p -> slot_pasid = NOBODY
#endif
    :: slot_pasid != p
    fi
}

proctype Guest()
{
    byte n = 1, p;

    do
    :: n <= ROUNDS ->
        n++;
        if
        :: p = 0
        :: p = 1
        fi;
#ifdef BROKEN_INVALIDATE_FIRST
        take_lock();
        seq++;
        drop(p);
        lock = 0;
        entry[p] = n;
#else
        entry[p] = n;
        take_lock();
#ifndef BROKEN_NOT_COUNTED
        seq++;
#endif
        drop(p);
        lock = 0;
#endif
        floor[p] = n;
        p = 0
    :: else -> break
    od
}

init
{
    byte i;

    atomic {
        run Guest();
        do
        :: i < USERS -> run User(); i++
        :: else -> break
        od
    }
}
