/*
 * A pinned ring: threads that read its address, invalidations, and the drain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One IOVA, which leads to page n after n invalidations.  Readers access it in
 * an RCU read section, by the address that was kept, or, if that has been
 * cleared, through the tables with an epoch slot.  The guest changes the table,
 * has it invalidated, and does so again or waits; then it frees all pages but
 * the one that the table leads to.  The device sets its ring up anew at any
 * time: a new address is kept, and the old one until nobody can have read it.  Asserted: no access touches a page that is free.
 *
 *   here                 there
 *   ring                 the device's MemoryRegionCache of now
 *   ptr                  its host address; 0: NULL, else the page + 1
 *   listed               its record in system/dma-maps.c
 *   section, period      an RCU read section, and system/dma-grace.c
 *   slot, epoch          system/dma-epoch.c (its wake-up: dma-drain.pml)
 *   asked, scanned,      system/dma-scan.c; scans are done in order, some time
 *   readers              after the guest asked
 *   bql                  who changes what others of its holders look at.  The
 *                        guest's stores to its tables do not need it
 *
 * tests/model/run checks it, and that each BROKEN_ variant is rejected.
 */

#ifndef READERS
#define READERS     2
#endif
#ifndef ROUNDS
#define ROUNDS      2       /* invalidations */
#endif
#ifndef PINS
#define PINS        2       /* rings, one after the other */
#endif

byte table;
bit freed[ROUNDS + 1];

byte ring;
byte ptr[PINS];
bit listed[PINS];
bit bql;

byte epoch = 1;
byte slot[READERS];         /* 0: closed */
byte period = 1;
byte section[READERS];      /* 0: none */

byte asked;                 /* invalidations so far */
byte since[ROUNDS + 1];     /* the epoch that a scan waits for */
byte scanned;               /* scans that are done */
byte readers[ROUNDS + 1];   /* the period that a scan waits for; 0: none */

#define use(p) assert(!freed[p])

#define lock()   atomic { !bql -> bql = 1 }
#define unlock() bql = 0

inline access_slowly(me, page)
{
    slot[me] = epoch;
    page = table;
    use(page);
    use(page);
    slot[me] = 0
}

proctype Reader(byte me)
{
    byte p, r;

end:
    do
    :: true ->
#ifdef BROKEN_READ_OUTSIDE
        r = ring;
        p = ptr[r];
        section[me] = period;
#else
        section[me] = period;
        r = ring;
        p = ptr[r];
#endif
        if
        :: p -> use(p - 1); use(p - 1)
        :: else -> access_slowly(me, p)
        fi;
        section[me] = 0;
        atomic { p = 0; r = 0 }
    :: break
    od
}

inline slots_passed(ok, i, since_when)
{
    atomic {
        ok = 1;
        i = 0;
        do
        :: i < READERS ->
            if
            :: slot[i] && slot[i] < since_when -> ok = 0
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    }
}

inline readers_passed(ok, i, since_when)
{
    atomic {
        ok = 1;
        i = 0;
        do
        :: i < READERS ->
            if
            :: section[i] && section[i] < since_when -> ok = 0
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    }
}

/* A new ring, address_space_cache_pin(), and the end of the old one */
proctype Device()
{
    byte i, n, page, since_when;
    bit ok;

    do
    :: n + 1 < PINS ->
        n++;
#ifndef BROKEN_PIN_WITHOUT_BQL
        lock();
#endif
        page = table;
        atomic { ptr[n] = page + 1; listed[n] = 1 };
        ring = n;
#ifndef BROKEN_PIN_WITHOUT_BQL
        unlock();
#endif
#ifndef BROKEN_UNLIST_AT_ONCE
        atomic { period++; since_when = period };
        do
        :: true ->
            readers_passed(ok, i, since_when);
            if
            :: ok -> break
            :: else
            fi
        od;
#endif
        lock();
        listed[n - 1] = 0;
        unlock();
        atomic { page = 0; since_when = 0; ok = 0 }
    :: break
    od
}

/* The main loop: scans, in the order in which they were asked for */
proctype Scanner()
{
    byte i, k;
    bit ok;

    do
    :: scanned < ROUNDS ->
        asked > scanned;
#ifndef BROKEN_NO_SLOTS
        do
        :: true ->
            slots_passed(ok, i, since[scanned + 1]);
            if
            :: ok -> break
            :: else
            fi
        od;
#endif
        lock();
#ifdef BROKEN_GRACE_FIRST
        atomic { period++; readers[scanned + 1] = period };
#endif
        k = 0;
        do
        :: k < PINS ->
            if
            :: listed[k] && ptr[k] && ptr[k] - 1 != table ->
                ptr[k] = 0;
#if !defined(BROKEN_NO_GRACE) && !defined(BROKEN_GRACE_FIRST)
                atomic { period++; readers[scanned + 1] = period }
#endif
            :: else
            fi;
            k++
        :: else -> break
        od;
        atomic { scanned++; ok = 0; k = 0 };
        unlock()
    :: else -> break
    od
}

inline wait_readers(ok, i, n)
{
    do
    :: readers[n] ->
        readers_passed(ok, i, readers[n]);
        if
        :: ok -> readers[n] = 0
        :: else
        fi
    :: else -> break
    od;
    ok = 0
}

/* All that was asked for: also the scans whose readers are still there */
inline fence(ok, i, n)
{
    scanned == asked;
#ifdef BROKEN_OWN_READERS
    wait_readers(ok, i, asked);
#else
    n = 1;
    do
    :: n <= asked -> wait_readers(ok, i, n); n++
    :: else -> break
    od;
#endif
    n = 0
}

proctype Guest()
{
    byte i, n;
    bit ok;

    do
    :: asked < ROUNDS ->
        table = asked + 1;
        lock();
        atomic { epoch++; since[asked + 1] = epoch; asked++ };
        unlock();
        if
        :: asked < ROUNDS    /* the next one, before it waits */
        :: true ->
            fence(ok, i, n);
            atomic {
                do
                :: i < table -> freed[i] = 1; i++
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
        ptr[0] = 1;
        listed[0] = 1;
        run Guest();
        run Scanner();
        run Device();
        do
        :: i < READERS -> run Reader(i); i++
        :: else -> break
        od
    }
}
