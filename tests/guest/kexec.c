/*
 * Has another kernel take over, for tests/guest/kexec.py
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   kexec load KERNEL INITRD COMMAND-LINE     to be started by "kexec go"
 *   kexec crash KERNEL INITRD COMMAND-LINE    when this one panics
 *   kexec go
 *
 * The kernel itself takes the files apart, so there is not much to do here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "kexec: %s: %s\n", what, strerror(errno));
    return 1;
}

static int load(char **file, unsigned long flags)
{
    int kernel = open(file[0], O_RDONLY);
    int initrd = open(file[1], O_RDONLY);
    const char *words = file[2];

    if (kernel < 0 || initrd < 0) {
        return fail("open");
    }
    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(words) + 1, words,
                flags)) {
        return fail("kexec_file_load");
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "load")) {
        return load(argv + 2, 0);
    }
    if (argc == 5 && !strcmp(argv[1], "crash")) {
        return load(argv + 2, KEXEC_FILE_ON_CRASH);
    }
    if (argc == 2 && !strcmp(argv[1], "go")) {
        reboot(RB_KEXEC);
        return fail("reboot");
    }
    fprintf(stderr, "usage: kexec load|crash KERNEL INITRD COMMAND-LINE\n"
                    "       kexec go\n");
    return 2;
}
