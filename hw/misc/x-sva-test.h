/*
 * x-sva-test: a PCI Express endpoint with PASIDs, ATS and page requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For test builds only.  An accelerator that works on a process's memory: it
 * copies, compares, fills and follows pointers, through the process's PASID.
 * This header is also for the guest's driver: plain C, no types.
 *
 * BAR 0: SVT_CONTEXTS pages of 4 KiB, one for each context; a context runs one
 * command at a time, beside the others.  Little endian; 32-bit accesses, and
 * 64-bit ones where aligned.  A write to SVT_CMD starts a command, which runs
 * in the background; while it does, the other registers of the context are
 * read-only.  When it ends, STATUS says how, and an MSI is sent if SVT_F_IRQ
 * was set (the message is the same for all contexts).
 *
 * With SVT_F_ATC addresses are translated by ATS and kept; without, requests
 * are untranslated.  With SVT_F_PAGES, too, a page that is not there, or not
 * with the right that it takes, is asked for by a page request, and the command
 * goes on when it has been answered.  The group's index is the context's
 * number.  All commands are also stopped by reset (of the function, too).
 */
#ifndef HW_MISC_X_SVA_TEST_H
#define HW_MISC_X_SVA_TEST_H

#define TYPE_X_SVA_TEST     "x-sva-test"

#define SVT_VENDOR_ID       0x1234
#define SVT_DEVICE_ID       0x11eb
#define SVT_MAGIC_VALUE     0x31415653u     /* "SVA1" */

#define SVT_CONTEXTS        16
#define SVT_CONTEXT_SIZE    0x1000
#define SVT_SIZE            (SVT_CONTEXTS * SVT_CONTEXT_SIZE)

/* Registers of a context */
enum {
    SVT_MAGIC   = 0x00,  /* 32, RO: SVT_MAGIC_VALUE */
    SVT_CMD     = 0x04,  /* 32, WO: SVT_C_* */
    SVT_STATUS  = 0x08,  /* 32, RO: SVT_S_* */
    SVT_FLAGS   = 0x0c,  /* 32: SVT_F_* */
    SVT_PASID   = 0x10,  /* 32: with SVT_F_PASID */
    SVT_PAGES   = 0x14,  /* 32, RO: page requests of this command so far */
    SVT_SRC     = 0x18,  /* 64: virtual address; see the commands */
    SVT_DST     = 0x20,  /* 64 */
    SVT_LEN     = 0x28,  /* 64: bytes; of CHASE: pointers; of ASK: pages */
    SVT_ARG     = 0x30,  /* 64 */
    SVT_DONE    = 0x38,  /* 64, RO: bytes, or what LEN counts, so far */
    SVT_LAST    = 0x40,  /* 64, RO: of SVT_C_CHASE: the last pointer read */
    SVT_FAULT   = 0x48,  /* 64, RO: the address that ended the command */
    SVT_KEPT    = 0x50,  /* 32, RO: translations in the device's cache */
};

/* SVT_CMD */
enum {
    SVT_C_COPY    = 1,   /* LEN bytes from SRC to DST */
    SVT_C_COMPARE = 2,   /* at SRC and DST; DONE: bytes that are the same */
    SVT_C_FILL    = 3,   /* DST, with ARG's lowest byte */
    /* LEN times: read the 64-bit pointer at SRC, then at that + ARG; until 0 */
    SVT_C_CHASE   = 4,
    /*
     * Ask for LEN pages, the first of which has DST: to read, if ARG is 0, else
     * to write; all in one group, which has one answer.  With SVT_F_PAGES only.
     */
    SVT_C_ASK     = 5,
    SVT_C_LAST    = SVT_C_ASK,  /* of those that need no other */
    SVT_C_RELEASE = 16,  /* a command that is SVT_S_HELD goes on */
    /* End what runs now; what waits for a page, when that is answered for */
    SVT_C_STOP    = 17,
    /* Nothing runs: a stop marker for PASID goes to the page request queue */
    SVT_C_MARKER  = 18,
};

/* SVT_FLAGS */
#define SVT_F_PASID     (1u << 0)   /* requests have PASID */
#define SVT_F_ATC       (1u << 1)   /* translate and keep */
#define SVT_F_PAGES     (1u << 2)   /* ask for pages */
#define SVT_F_EXEC      (1u << 3)   /* reads say Execute Requested */
#define SVT_F_PRIV      (1u << 4)   /* requests say Privileged Mode Requested */
#define SVT_F_IRQ       (1u << 5)   /* an MSI at the end */
/*
 * With SVT_F_ATC: before its first write (or read, if it has none) the command
 * has the translation, and has said so, but stays there until SVT_C_RELEASE.
 */
#define SVT_F_HOLD      (1u << 6)
#define SVT_F_MAP       (1u << 7)   /* with SVT_F_ATC: access through a map */

/* SVT_STATUS */
enum {
    SVT_S_IDLE    = 0,   /* since reset */
    SVT_S_BUSY    = 1,
    SVT_S_HELD    = 2,
    SVT_S_OK      = 3,   /* done; of SVT_C_COMPARE: maybe they differ */
    SVT_S_FAULT   = 4,   /* no page, or not with this right */
    SVT_S_DENIED  = 5,   /* software has not enabled it, here or in the unit */
    SVT_S_ERROR   = 6,   /* an access failed, or the tables are in error */
    SVT_S_STOPPED = 7,
    SVT_S_COMMAND = 8,   /* no such command, or it has too much to do */
};

#define SVT_MAX_LEN     (1ull << 30)
/* A page that is said to be there this often, and is not: SVT_S_FAULT */
#define SVT_MAX_TRIES   64

#endif
