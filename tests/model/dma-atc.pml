/*
 * A device's address translation cache: its threads against invalidations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One IOVA, which leads to page n after n invalidations.  The device's threads
 * ask for its translation unless the device's cache has it, and access the
 * page by the answer, which the unit does not look at again.  The guest changes
 * the table, has the unit's cache invalidated and then the device's, and does
 * so again or waits; then it frees all pages but the one that the table leads
 * to.  Asserted: no access touches a page that is free.  A deadlock is a hold
 * that nobody releases.
 *
 * What the code does under the ATC's lock is one step.
 *
 *   here                 there
 *   atc, atc_seq, on,    hw/pci/atc.c; a use is listed before the unit is asked
 *   use_seq, stamp       and until the access has ended
 *   held, bh             hw/pci/pci-atc.c; released in the main loop
 *   cache, inv_seq       hw/iommu/iotlb.c
 *
 * tests/model/run checks it, and that each BROKEN_ variant is rejected.
 */

#ifndef THREADS
#define THREADS     2
#endif
#ifndef ROUNDS
#define ROUNDS      2       /* invalidations */
#endif

byte table;
bit freed[ROUNDS + 1];

byte cache;                 /* the unit's; 0: none, else the page + 1 */
byte inv_seq;

byte atc;                   /* the device's, likewise */
byte atc_seq;
bit on[THREADS];
byte use_seq[THREADS];
byte stamp[THREADS];        /* the invalidation that waits for it; 0: none */
bit held[ROUNDS + 1];
bit bh;

#define use(p) assert(!freed[p])

/* The unit's answer: from its cache, or from the table */
inline ask(page, count)
{
    if
    :: atomic { cache -> page = cache - 1 }
    :: true ->
        count = inv_seq;
        page = table;
        atomic {
            if
            :: count == inv_seq -> cache = page + 1
            :: else
            fi;
            count = 0
        }
    fi
}

inline use_begin(me)
{
    on[me] = 1;
    use_seq[me] = atc_seq;
    stamp[me] = 0
}

/* atc_fill() */
inline keep(me, page)
{
    atomic {
        if
#ifndef BROKEN_FILL_NO_SEQ
        :: use_seq[me] != atc_seq
#endif
        :: else -> atc = page + 1
        fi
    }
}

inline use_end(me, waited)
{
#ifdef BROKEN_WAKE_FIRST
    waited = stamp[me] != 0;
    if
    :: waited -> bh = 1
    :: else
    fi;
    atomic { on[me] = 0; stamp[me] = 0; use_seq[me] = 0; waited = 0 }
#else
    atomic {
        waited = stamp[me] != 0;
        on[me] = 0;
        stamp[me] = 0;
        use_seq[me] = 0
    };
    if
    :: waited -> atomic { bh = 1; waited = 0 }
    :: else
    fi
#endif
}

proctype Thread(byte me)
{
    byte page, count;
    bit waited;

end:
    do
    :: true ->
#ifdef BROKEN_LIST_LATE
        ask(page, count);
        atomic { use_begin(me) };
        keep(me, page);
#else
        atomic {
            use_begin(me);
            if
            :: atc -> page = atc - 1; goto found
            :: else
            fi
        };
        ask(page, count);
        keep(me, page);
found:
#endif
#ifdef BROKEN_END_EARLY
        use_end(me, waited);
        use(page);
#else
        use(page);
        use(page);
        use_end(me, waited);
#endif
        page = 0
    :: break
    od
}

/* atc_release_ready() */
inline release(i, oldest)
{
    atomic {
        oldest = ROUNDS + 1;
        i = 0;
        do
        :: i < THREADS ->
            if
            :: stamp[i] && stamp[i] < oldest -> oldest = stamp[i]
            :: else
            fi;
            i++
        :: else -> break
        od;
#ifdef BROKEN_RELEASE_ALL
        oldest = ROUNDS + 1;
#endif
        i = 1;
        do
        :: i < oldest -> held[i] = 0; i++
        :: else -> break
        od;
        i = 0;
        oldest = 0
    }
}

proctype MainLoop()
{
    byte i, oldest;

end:
    do
    :: bh -> bh = 0; release(i, oldest)
    od
}

inline invalidate_unit()
{
    atomic { inv_seq++; cache = 0 }
}

inline invalidate_device(i, n)
{
    atomic {
        atc_seq++;
        atc = 0;
        i = 0;
        do
        :: i < THREADS ->
            if
            :: on[i] && !stamp[i] ->
                stamp[i] = n;
#ifndef BROKEN_NO_HOLD
                held[n] = 1
#endif
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    }
}

proctype Guest()
{
    byte i, n;

    do
    :: n < ROUNDS ->
        n++;
        table = n;
#ifdef BROKEN_DEVICE_FIRST
        invalidate_device(i, n);
        invalidate_unit();
#else
        invalidate_unit();
        invalidate_device(i, n);
#endif
        if
        :: n < ROUNDS        /* the next one, before it waits */
        :: true ->
            i = 1;
            do
#ifdef BROKEN_OWN_HOLD
            :: i < n -> i++
            :: i == n -> !held[i]; i++
#else
            :: i <= n -> !held[i]; i++
#endif
            :: else -> break
            od;
            atomic {
                i = 0;
                do
                :: i < n -> freed[i] = 1; i++
                :: else -> break
                od;
                i = 0
            }
        fi
    :: else -> break
    od
}

init
{
    byte i;

    atomic {
        run Guest();
        run MainLoop();
        do
        :: i < THREADS -> run Thread(i); i++
        :: else -> break
        od
    }
}
