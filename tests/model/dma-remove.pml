/*
 * A range is removed from the IOTLB and from an endpoint's cache
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two domains, each with one page, whose table entry leads to one of two pages
 * of memory.  The invalidator changes an entry, runs the whole invalidation,
 * waits for who was under way, and frees the page that was left.  Asserted: no
 * access touches a page that is free.
 *
 * This is about what is counted before the one full barrier, and looked at
 * behind it.  So the invalidator's plain stores are late: each waits until the
 * process Late makes it, in any order, but a release comes after those before
 * it; a full barrier, and a read-modify-write, waits for all of them.  Users
 * pass a full barrier where they need one (tests/model/dma-drain.pml), and
 * their steps take effect in program order.
 *
 *   here                 there
 *   ranges, gen          DMACache.ranges; and what a generation counts
 *   tlb_seq              IOTLB.seq
 *   announce, remove     dma_cache_announce(), dma_cache_remove_range();
 *                        what might be announced need not be
 *   idle                 dma_epoch_idle(), and without it dma_epoch_passed()
 *
 * With WEAK the invalidator's loads overtake each other: the slots may be read
 * as soon as the IOTLB's barrier is passed.  With PRELOAD domain 0 has been used
 * before, so that one user hits what another displaces; with EVICT the IOTLB has
 * but one entry, and that is where it is.
 *
 * An insert is one step, check and all: how it is made of several is in
 * tests/model/dma-cache.pml.  tests/model/run checks it, and that each BROKEN_
 * variant is rejected.
 */

#ifndef USERS
#define USERS       2
#endif
#ifndef USES
#define USES        2       /* accesses of each */
#endif
#ifndef ROUNDS
#define ROUNDS      2       /* invalidations */
#endif

#define PAGE(t, p)  ((t) * 2 + (p))

bit table[2];               /* which of the two pages a domain's leads to */
bit freed[4];

/* The IOTLB */
#ifdef EVICT
bit tlb_any, tlb_domain, tlb_one;
#define HAS(t) (tlb_any && tlb_domain == (t))
#else
bit tlb_valid[2];
bit tlb_page[2];
#define HAS(t) (tlb_valid[t])
#endif
byte tlb_seq;
bit early, early_ok;        /* the slots have been read, and what they said */

bit tag;                    /* the endpoint's cache, of one domain at a time */
byte gen;
byte ranges;                /* odd: one is being removed */
bit c_valid;
bit c_domain, c_page;

byte epoch = 1;
byte slot[USERS];           /* 0: closed */
bit waiting;
bit woken;

/* The invalidator's stores that others have yet to see */
bit about;                  /* the domain whose page is removed */
bit late_announce, late_seq, late_tlb, late_cache, late_end;

#define BARRIER (!late_announce && !late_seq && !late_tlb && !late_cache && \
                 !late_end)
#define use(d, p) assert(!freed[PAGE(d, p)])

active proctype Late()
{
end:
    do
    :: atomic { late_announce -> ranges++; late_announce = 0 }
    :: atomic { late_seq -> tlb_seq++; late_seq = 0 }
#ifdef EVICT
    :: atomic {
            late_tlb ->
            if
            :: HAS(about) -> tlb_any = 0
            :: else
            fi;
            late_tlb = 0
        }
#else
    :: atomic { late_tlb -> tlb_valid[about] = 0; late_tlb = 0 }
#endif
    :: atomic { late_cache -> c_valid = 0; late_cache = 0 }
    :: atomic {
            late_end && !late_announce && !late_seq && !late_tlb &&
            !late_cache -> ranges++; late_end = 0
        }
    od
}

/* As viommu_lookup_iotlb(); or past it, as where the endpoint keeps it */
inline translate(t, p, s)
{
    s = tlb_seq;
    if
#ifdef EVICT
    :: atomic { HAS(t) -> p = tlb_one }
#else
    :: atomic { HAS(t) -> p = tlb_page[t] }
#endif
    :: p = table[t]
    :: p = table[t];
        atomic {
            if
#ifdef EVICT
            :: s == tlb_seq -> tlb_any = 1; tlb_domain = t; tlb_one = p
#else
            :: s == tlb_seq -> tlb_valid[t] = 1; tlb_page[t] = p
#endif
            :: else
            fi
        }
    fi;
    s = 0
}

/* As dma_cache_set_tag(): everything is dropped for another domain. */
inline set_tag(t, same)
{
    atomic {
        same = (tag == t);
        if
        :: !same -> tag = t; gen++; c_valid = 0
        :: else
        fi
    }
}

inline slot_close(i)
{
    slot[i] = 0;
    if
    :: waiting ->
        atomic {
            if
            :: waiting -> waiting = 0; woken = 1
            :: else
            fi
        }
    :: else
    fi
}

proctype User(byte me)
{
    byte n, e, s, r, g, tries;
    bit d, p, same;

    do
    :: n < USES ->
        n++;
        e = epoch;
        slot[me] = e;
        if
        :: atomic { c_valid -> d = c_domain; p = c_page }
        :: atomic { d = 0; tries = 2 }
        :: atomic { d = 1; tries = 2 }
        fi;
        do
        :: tries ->
            tries--;
            g = gen;
            r = ranges;
            translate(d, p, s);
            set_tag(d, same);
            if
            :: !same && tries
            :: else ->
                atomic {
                    if
                    :: g == gen && r == ranges && !(r & 1) ->
                        c_valid = 1; c_domain = d; c_page = p
                    :: else
                    fi;
                    tries = 0
                }
            fi;
            atomic { g = 0; r = 0; same = 0 }
        :: else -> break
        od;
        use(d, p);
        use(d, p);
        slot_close(me);
        atomic { d = 0; p = 0; e = 0 }
    :: else -> break
    od
}

/* Is each slot closed, or was opened in epoch @e or later? */
inline look_at_slots(ok, i, e)
{
    ok = 1;
    i = 0;
    do
    :: i < USERS ->
        if
        :: slot[i] && slot[i] < e -> ok = 0
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

inline announce(t, announced)
{
    if
    :: announced = (tag == t)
    :: announced = 0
    fi;
    if
    :: announced ->
        /* Stores to one place keep their order. */
        !late_end;
#ifdef BROKEN_COUNT_ONCE
        atomic { ranges = ranges + 2 }
#else
        late_announce = 1
#endif
    :: else
    fi
}

/* The slots may be read from a full barrier on, and have to be behind the last. */
inline slots_early(ok, i)
{
#ifdef WEAK
    early = 0;
    if
    :: look_at_slots(ok, i, 255);
       early_ok = ok;
       early = 1
    :: true
    fi
#else
    skip
#endif
}

inline slots_again()
{
#ifdef WEAK
    early = 0
#else
    skip
#endif
}

/* As iotlb_invalidate_range() */
inline remove_iotlb(t, ok, i)
{
#ifdef BROKEN_NO_BARRIER_COUNTED
    !late_seq;
    late_seq = 1;
#else
    atomic { BARRIER -> tlb_seq++ };
#endif
    slots_early(ok, i);
    if
    :: HAS(t) ->
        late_tlb = 1;
#ifndef BROKEN_NO_BARRIER_REMOVED
        BARRIER;
        slots_again()
#endif
    :: else
    fi
}

inline remove_cached(ok, i)
{
    if
    :: c_valid ->
#ifdef BROKEN_CACHE_LATE
        late_cache = 1
#else
        atomic { BARRIER -> c_valid = 0 };
        slots_again()
#endif
    :: else
    fi
}

/* As dma_cache_remove_range() */
inline remove(t, announced, ours, ok, i)
{
#ifdef BROKEN_TAG_ONCE
    ours = announced;
#else
    ours = (tag == t);
#endif
    if
    :: ours && !announced ->
        !late_end;
        late_announce = 1;
#ifndef BROKEN_NO_BARRIER_UNANNOUNCED
        BARRIER;
        slots_again();
#endif
        announced = 1
    :: else
    fi;
    if
    :: ours -> remove_cached(ok, i)
    :: else
    fi;
#ifndef BROKEN_COUNT_ONCE
    if
    :: announced -> !late_end; late_end = 1
    :: else
    fi
#endif
}

inline wait_slots(ok, i, e)
{
    atomic { BARRIER -> epoch++; e = epoch };
    do
    :: true ->
        woken = 0;
        look_at_slots(ok, i, e);
        if
        :: ok -> break
        :: else
        fi;
        waiting = 1;
        look_at_slots(ok, i, e);
        if
        :: ok -> break
        :: else -> woken
        fi
    od;
    e = 0
}

proctype Invalidator()
{
    byte n, i, e;
    bit t, old, announced, ours, ok;

    do
    :: n < ROUNDS ->
        n++;
#ifdef PRELOAD
        t = 0;
#else
        if
        :: t = 0
        :: t = 1
        fi;
#endif
        old = table[t];
        freed[PAGE(t, 1 - old)] = 0;
        table[t] = 1 - old;
        !late_tlb;
        about = t;
#ifdef BROKEN_IDLE_FIRST
        look_at_slots(ok, i, 255);
#endif
#ifdef BROKEN_ANNOUNCED_BEHIND
        remove_iotlb(t, ok, i);
        announce(t, announced);
#else
        announce(t, announced);
        remove_iotlb(t, ok, i);
#endif
        remove(t, announced, ours, ok, i);
#ifndef BROKEN_IDLE_FIRST
#ifndef BROKEN_SLOTS_EARLY
        slots_again();
#endif
        if
        :: early -> ok = early_ok
        :: else -> look_at_slots(ok, i, 255)
        fi;
        atomic { early = 0; early_ok = 0 };
#endif
        if
        :: ok
        :: else -> wait_slots(ok, i, e)
        fi;
        freed[PAGE(t, old)] = 1;
        atomic { t = 0; old = 0; announced = 0; ours = 0; ok = 0 }
    :: else -> break
    od
}

init
{
    byte i;

    atomic {
#ifdef PRELOAD
        /* used before: domain 0's page is in both */
#ifdef EVICT
        tlb_any = 1;
#else
        c_valid = 1;
#endif
#endif
        freed[PAGE(0, 1)] = 1;
        freed[PAGE(1, 1)] = 1;
        run Invalidator();
        do
        :: i < USERS -> run User(i); i++
        :: else -> break
        od
    }
}
