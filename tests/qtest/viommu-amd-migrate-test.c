/*
 * AMD-Vi's migration stream: every register arrives, and all goes on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The base cannot be migrated, so both ends are ours.  A drain that is pending
 * when the machine is saved is viommu-drain-life-test's.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "viommu-amd.h"

static const unsigned regs[] = {
    AMD_DEVTAB, AMD_CMD_BASE, AMD_EVENT_BASE, AMD_CONTROL, AMD_EXCL_BASE,
    AMD_EXCL_LIMIT, AMD_EFR, AMD_XT_INT, AMD_CMD_HEAD, AMD_CMD_TAIL,
    AMD_EVENT_HEAD, AMD_EVENT_TAIL, AMD_STATUS,
};

/* Some value of its own in each of them, an error pending, an event unread */
static AMD *migrate_source(const char *props)
{
    AMD *amd = amd_start(props, " ");

    amd_enable(amd);
    amd_write(amd, AMD_EXCL_BASE, 0x123000);
    amd_write(amd, AMD_EXCL_LIMIT, 0x456000);
    amd_write(amd, AMD_XT_INT, 0x3300000100);
    amd_cmd(amd, AMD_CMD_ALL, 0);
    amd_cmd_put(amd, 0, 0);
    amd_cmd_wait_put(amd);
    amd_cmd_kick(amd);
    g_assert_cmphex(amd_read(amd, AMD_STATUS) & AMD_S_CMD_RUN, ==, 0);
    g_assert_cmphex(amd_read(amd, AMD_EVENT_TAIL), ==, 16);
    return amd;
}

static void test_registers(void)
{
    AMD *from = migrate_source("xtsup=on,gtsup=on"), *to;
    g_autofree char *machine = amd_machine("xtsup=on,gtsup=on");
    uint64_t bad = amd_read(from, AMD_CMD_HEAD);
    QTestState *qts = qtest_initf("%s -incoming defer", machine);
    unsigned i;

    unit_load(qts, unit_save(from->qts));
    to = amd_adopt(from, qts);
    for (i = 0; i < G_N_ELEMENTS(regs); i++) {
        g_test_message("register 0x%x", regs[i]);
        g_assert_cmphex(amd_read(from, regs[i]), ==, amd_read(to, regs[i]));
    }
    amd_stop(from);

    /* It goes on where software says. */
    amd_assert_event(to, AMD_EV_ILLEGAL_CMD, 0, 0, to->cmd + bad);
    qtest_writeq(to->qts, to->cmd + bad, AMD_CMD_ALL);
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    amd_write(to, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG);
    amd_write(to, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG | AMD_C_CMD_BUF);
    viommu_until(to, amd_cmd_done(to));
    amd_stop(to);
}

/* In the stream, behind the base of the command buffer: the four pointers */
#define POINTERS_OFF    (5 * 8)

static void break_pointers(AMD *amd, const char *file)
{
    uint64_t base = cpu_to_be64(amd_read(amd, AMD_CMD_BASE));
    g_autofree char *data = NULL;
    char *at, *end;
    gsize len;

    g_assert_true(g_file_get_contents(file, &data, &len, NULL));
    end = data + len;
    at = memmem(data, len, &base, sizeof(base));
    g_assert_nonnull(at);
    g_assert_null(memmem(at + 1, end - (at + 1), &base, sizeof(base)));
    for (unsigned i = 0; i < 4; i++) {
        stl_be_p(at + POINTERS_OFF + i * 4, 0xfff0007 + i * 0x1010);
    }
    g_assert_true(g_file_set_contents(file, data, len, NULL));
}

/* Pointers that no software can have written lead into the rings, of 4 KiB. */
static void test_pointers(void)
{
    AMD *from = migrate_source(""), *to;
    g_autofree char *machine = amd_machine("");
    QTestState *qts = qtest_initf("%s -incoming defer", machine);
    char *file = unit_save(from->qts);

    break_pointers(from, file);
    unit_load(qts, file);
    to = amd_adopt(from, qts);
    amd_stop(from);
    g_assert_cmphex(amd_read(to, AMD_CMD_HEAD), ==, 0);
    g_assert_cmphex(amd_read(to, AMD_CMD_TAIL), ==, 0x010);
    g_assert_cmphex(amd_read(to, AMD_EVENT_HEAD), ==, 0x020);
    g_assert_cmphex(amd_read(to, AMD_EVENT_TAIL), ==, 0x030);
    amd_stop(to);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/amd/migrate/registers", test_registers);
    qtest_add_func("/viommu/amd/migrate/pointers", test_pointers);
    return g_test_run();
}
