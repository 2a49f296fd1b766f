/*
 * Feed files to a fuzz target, without a fuzzer: a regression test
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   replay FILE-OR-DIRECTORY...
 */
#include "fuzz.h"

static unsigned fed;

/* The same everywhere: no test depends on where its program lies. */
static const char anything[] = "What leads there, /if/anything/at/all: a-page.";

static void replay_path(const char *path)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *data = NULL;
    const char *name;
    gsize size;
    GDir *dir;

    dir = g_dir_open(path, 0, NULL);
    if (dir) {
        while ((name = g_dir_read_name(dir))) {
            g_autofree char *inner = g_build_filename(path, name, NULL);

            replay_path(inner);
        }
        g_dir_close(dir);
        return;
    }
    if (!g_file_get_contents(path, &data, &size, &err)) {
        fprintf(stderr, "%s\n", err->message);
        exit(2);
    }
    LLVMFuzzerTestOneInput((const uint8_t *)data, size);
    fed++;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        replay_path(argv[i]);
    }
    /* One that is empty, and some that are anything: they cost nothing. */
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (size_t i = 0; i < sizeof(anything); i++) {
        LLVMFuzzerTestOneInput((const uint8_t *)anything + i,
                               sizeof(anything) - i);
    }
    printf("ok 1 - %u inputs that once failed or reached far\n1..1\n", fed);
    return 0;
}
