/*
 * Bottom halves and the big lock, for the standalone build: the test runs the
 * ones, and says who has the other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_MAIN_LOOP_H
#define QEMU_MAIN_LOOP_H

typedef struct QEMUBH QEMUBH;
typedef struct AioContext AioContext;

AioContext *iohandler_get_aio_context(void);
QEMUBH *aio_bh_new(AioContext *ctx, void (*cb)(void *opaque), void *opaque);
void qemu_bh_schedule(QEMUBH *bh);
void qemu_bh_cancel(QEMUBH *bh);
bool bql_locked(void);

#endif
