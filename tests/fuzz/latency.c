/*
 * How long the emulator is busy with a guest's step, whatever that does
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   latency --fuzz-target=viommu-MODEL SECONDS SEED [DIRECTORY...]
 *
 * Feeds a fuzz target the inputs in the directories, then random ones and parts
 * of those.  The guest is in the main thread, which has the BQL: what a step
 * takes is what our code has it for.  Prints "STEP NS", the longest of each.
 */
#include "qemu/osdep.h"
#include "tests/qtest/fuzz/fuzz.h"
#include "emulator.h"

#define INPUT_MAX 1000

static GPtrArray *kept;

static void take_directory(const char *where)
{
    GDir *dir = g_dir_open(where, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(where, name, NULL);
        char *data;
        gsize size;

        if (g_file_get_contents(file, &data, &size, NULL)) {
            g_ptr_array_add(kept, g_bytes_new_take(data, size));
        }
    }
    if (dir) {
        g_dir_close(dir);
    }
}

/* A part of one that is kept, if there is any, and random bytes */
static size_t make_input(GRand *rand, uint8_t *data)
{
    size_t size = 1 + g_rand_int_range(rand, 0, INPUT_MAX - 1), n = 0, i;

    if (kept->len && g_rand_boolean(rand)) {
        GBytes *bytes = kept->pdata[g_rand_int_range(rand, 0, kept->len)];
        gsize all;
        const void *old = g_bytes_get_data(bytes, &all);

        n = MIN(all, size);
        memcpy(data, old, n);
        n -= n / 4;
    }
    for (i = n; i < size; i++) {
        data[i] = g_rand_int(rand);
    }
    return size;
}

static void print_longest(void)
{
    GHashTable *longest = emulator_longest();
    GHashTableIter iter;
    gpointer step, ns;

    if (longest) {
        g_hash_table_iter_init(&iter, longest);
        while (g_hash_table_iter_next(&iter, &step, &ns)) {
            printf("%s %" PRId64 "\n", (char *)step, *(int64_t *)ns);
        }
    }
}

int main(int argc, char **argv)
{
    uint8_t data[INPUT_MAX];
    unsigned inputs = 0, i;
    gint64 end;
    GRand *rand;

    if (argc < 4) {
        fprintf(stderr, "usage: %s --fuzz-target=TARGET SECONDS SEED "
                "[DIRECTORY...]\n", argv[0]);
        return 2;
    }
    kept = g_ptr_array_new();
    for (i = 4; i < argc; i++) {
        take_directory(argv[i]);
    }
    LLVMFuzzerInitialize(&argc, &argv, NULL);
    rand = g_rand_new_with_seed(atoi(argv[3]));
    for (i = 0; i < kept->len; i++) {
        gsize size;
        const void *old = g_bytes_get_data(kept->pdata[i], &size);

        LLVMFuzzerTestOneInput(old, size);
        inputs++;
    }
    end = g_get_monotonic_time() + atoi(argv[2]) * 1000000LL;
    while (g_get_monotonic_time() < end) {
        LLVMFuzzerTestOneInput(data, make_input(rand, data));
        inputs++;
    }
    print_longest();
    printf("inputs %u\n", inputs);
    fflush(stdout);
    _exit(0);
}
