/*
 * Fuzz target: what a vhost-user backend answers to IOTLB messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input: how many messages have been sent, and which of them were
 * invalidations; then what arrives, in pieces, each after its length.  And
 * ranges, which are merged.
 */
#include "fuzz.h"
#include "../../hw/virtio/vhost-user-ack.h"

#define SENT_MAX 8

/* As iotlb_read(): what is taken for an answer is one, byte by byte. */
static void fuzz_replies(FuzzInput *in)
{
    unsigned sent = fuzz_take(in, 1) % (SENT_MAX + 1), removes;
    VhostUserAck ack = { 0 };
    size_t len = 0;

    removes = fuzz_take(in, 1);
    while (fuzz_more(in)) {
        size_t n = 1 + fuzz_take(in, 1) % sizeof(ack);
        bool removal = removes & 1;
        const char *lie;

        n = MIN(MIN(n, sizeof(ack) - len), (size_t)(in->end - in->next));
        memcpy((uint8_t *)&ack + len, in->next, n);
        in->next += n;
        len += n;
        lie = vhost_user_ack_check(&ack, len, sent, sent && removal);
        if (lie) {
            FUZZ_RULE(*lie);
            return;
        }
        FUZZ_RULE(sent);
        if (len == sizeof(ack)) {
            FUZZ_RULE(ack.request == 22 && ack.flags == 5 && ack.size == 8);
            FUZZ_RULE(!removal || !ack.payload);
            sent--;
            removes >>= 1;
            len = 0;
        }
    }
}

static void fuzz_spans(FuzzInput *in)
{
    uint64_t first = fuzz_take(in, 8), last = first, a, b, old_first, old_last;

    last += fuzz_take(in, 2) % (UINT64_MAX - first + (first == 0 ? 0 : 1));
    while (fuzz_more(in)) {
        bool anyway = fuzz_take(in, 1) == 0, merged;

        a = first + (int16_t)fuzz_take(in, 2);
        b = a + fuzz_take(in, 2);
        if (b < a) {
            return;
        }
        old_first = first;
        old_last = last;
        merged = vhost_user_span_merge(&first, &last, a, b, anyway);
        if (!merged) {
            /* There is a byte between the two that neither has. */
            FUZZ_RULE(!anyway && first == old_first && last == old_last);
            FUZZ_RULE(a > last ? a - last > 1 : first - b > 1 && first > b);
        } else {
            FUZZ_RULE(first == MIN(a, old_first) && last == MAX(b, old_last));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = fuzz_input(data, size);

    if (fuzz_take(&in, 1) & 1) {
        fuzz_spans(&in);
    } else {
        fuzz_replies(&in);
    }
    return 0;
}
