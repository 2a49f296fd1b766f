/*
 * Who reads an answer from a unit in another process: askers, the link's thread
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whoever asks reads the socket itself, if no other asker does, and then leads;
 * the link's thread is not woken meanwhile.  Asserted: what the server sends is
 * carried out in the order in which it was sent, and once; nothing is left
 * unread.  A deadlock is an error, too: somebody waits for what somebody else
 * has read, or for what nobody reads.
 *
 *   here                 there
 *   Asker                remote_link_ask(), ask_lead(): remote-ask.c
 *   Link                 link_wire_ready(), link_rest_bh(), link_down()
 *   receive, carry_out   remote_read(), read_carry_out()
 *   idle_on              the epoll's entry: remote-wire.c
 *
 * tests/model/run checks it, and that each BROKEN_ variant is rejected.
 */

#ifndef ASKERS
#define ASKERS      2
#endif
#ifndef ROUNDS
#define ROUNDS      1       /* questions of each */
#endif
#ifndef COMMANDS
#define COMMANDS    1       /* that the server sends of itself */
#endif

#define NOBODY      ASKERS
#define MESSAGES    (ASKERS * ROUNDS + COMMANDS)

/* Each has a number, that of its place in the stream; and whose answer it is */
chan to_server = [ASKERS] of { byte };
chan sock = [MESSAGES] of { byte, byte };
/* .in: what has been read and not carried out; .lock held */
chan in = [MESSAGES] of { byte, byte };
bit wire_lock, over;

/* Under the link's lock */
bit up = 1, led;
bit waits[ASKERS], done[ASKERS], leads[ASKERS];

bit idle_on = 1;            /* the link's thread is told that there is something */
bit kick, rest;
byte next;                  /* the number of what is carried out next */
byte answered, asked;

inline take()
{
#ifdef BROKEN_NO_LOCK
    skip
#else
    atomic { !wire_lock -> wire_lock = 1 }
#endif
}

inline give()
{
#ifndef BROKEN_NO_LOCK
    wire_lock = 0
#else
    skip
#endif
}

/* Of what has come all, or until the answer to @mine */
inline carry_out(mine, number, who, stop)
{
    stop = 0;
    do
    :: !stop && len(in) > 0 ->
        in?number, who;
        assert(number == next);
        next++;
        if
        :: who == NOBODY
        :: else ->
            atomic {
                done[who] = 1;
                answered++;
                if
                :: leads[who] && who != mine ->
#ifndef BROKEN_NO_KICK
                    kick = 1
#else
                    skip
#endif
                :: else -> stop = (who == mine)
                fi
            }
        fi
    :: else -> break
    od;
    number = 0;
    who = 0
}

inline receive(mine, number, who, stop)
{
    take();
    if
    :: over
    :: else ->
        /* One call: it takes what is there at that moment. */
        atomic {
            do
            :: len(sock) > 0 -> sock?number, who; in!number, who
            :: else -> break
            od;
            number = 0;
            who = 0
        };
        carry_out(mine, number, who, stop)
    fi;
#ifndef BROKEN_NO_REST
    if
    :: mine != NOBODY && len(in) > 0 && !over -> rest = 1
    :: else
    fi;
#endif
    give()
}

proctype Asker(byte me)
{
    byte n, number, who;
    bit lead, stop, seen;

    do
    :: n < ROUNDS ->
        n++;
        atomic {
            if
            :: up ->
                asked++;
                waits[me] = 1;
                lead = !led;
                leads[me] = lead;
                led = 1
            :: else -> break
            fi
        };
        if
        :: lead -> idle_on = 0
        :: else
        fi;
        to_server!me;
        do
        :: lead ->
            atomic { seen = done[me] };
            if
            :: seen -> break
            :: else
            fi;
            /* A socket that has been shut down is to be read, too. */
#ifdef BROKEN_KICK_LOST
            kick = 0;
            len(sock) > 0 || kick || over;
#elif defined(BROKEN_END_UNSEEN)
            atomic { len(sock) > 0 || kick -> kick = 0 };
#else
            atomic { len(sock) > 0 || kick || over -> kick = 0 };
#endif
            receive(me, number, who, stop);
            if
            :: over || len(in) > 0 -> break
            :: else
            fi
        :: else -> break
        od;
        if
        :: lead ->
            atomic { leads[me] = 0; led = 0 };
#ifndef BROKEN_NOT_TURNED_ON
            idle_on = 1
#else
            skip
#endif
        :: else
        fi;
        atomic {
            done[me] ->
            done[me] = 0;
            waits[me] = 0;
            lead = 0;
            stop = 0;
            seen = 0
        }
    :: else -> break
    od
}

/* A connection ends whenever it likes; the link's thread acts on it. */
inline down(i)
{
    take();
    over = 1;
    give();
    atomic {
        up = 0;
        i = 0;
        do
        :: i < ASKERS ->
            if
            :: waits[i] && !done[i] ->
                done[i] = 1;
#ifndef BROKEN_END_UNSEEN
                if
                :: leads[i] -> kick = 1
                :: else
                fi
#endif
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    }
}

proctype Link()
{
    byte number, who, i;
    bit stop;

end:
    do
    :: atomic { (idle_on && len(sock) > 0 && !over) || rest -> rest = 0 };
        receive(NOBODY, number, who, stop)
#ifdef ENDS
    :: !over -> down(i)
#endif
    od
}

proctype Server()
{
    byte who, sent, commands;

end:
    do
    :: to_server?who -> atomic { sock!sent, who; sent++; who = 0 }
    :: atomic { commands < COMMANDS ->
        commands++; sock!sent, NOBODY; sent++ }
#ifdef ENDS
    :: break
#endif
    od
}

/* Nobody does anything any more: is there something to be done? */
active proctype Watch()
{
    timeout;
    assert(over || (len(sock) == 0 && len(in) == 0 && answered == asked))
}

init
{
    byte i;

    atomic {
        run Link();
        run Server();
        do
        :: i < ASKERS -> run Asker(i); i++
        :: else -> break
        od
    }
}
