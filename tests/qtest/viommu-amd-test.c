/*
 * AMD-Vi: registers, commands, the device table, page tables, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "libqos/fw_cfg.h"
#include "libqos/pci-pc.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-amd.h"
#include "viommu-edu.h"
#include "viommu-flood.h"

#define DOMAIN      0x123
#define IOVA        0x40200000ULL
#define MARK        0xc7
#define BLANK       0x11
#define LEN         4
#define BEYOND_RAM  0x7f0000000000ULL
/* Without a device more than the base has: IVRS lists devices. */
#define OURS        "-device amd-iommu,southbridge=off"

typedef struct Bench {
    AMD *amd;
    Edu *edu;
    AMDDomain dom;
    uint64_t page;               /* mapped at IOVA */
} Bench;

static void bench_map(Bench *b, uint64_t iova, uint64_t entry, int level)
{
    qtest_writeq(b->amd->qts, amd_pte(b->amd, &b->dom, iova, level), entry);
}

static void bench_start(Bench *b, const char *props)
{
    b->amd = amd_start(props, EDU_DEVICE);
    b->edu = edu_new(&b->amd->unit, EDU_SID);
    amd_domain_init(b->amd, &b->dom, DOMAIN);
    b->page = unit_alloc(&b->amd->unit, 1);
    bench_map(b, IOVA, b->page | AMD_PR | AMD_RW, 1);
    amd_attach(b->amd, EDU_SID, &b->dom);
    amd_enable(b->amd);
}

static void bench_stop(Bench *b)
{
    edu_free(b->edu);
    amd_stop(b->amd);
}

/* Does a write at @iova reach @gpa?  What the device writes is @mark. */
static bool bench_writes(Bench *b, uint64_t iova, uint64_t gpa)
{
    viommu_fill(b->amd, b->page, MARK, LEN);
    edu_load(b->edu, IOVA, LEN);
    viommu_fill(b->amd, gpa, BLANK, LEN);
    edu_store(b->edu, iova, LEN);
    return viommu_is_filled(b->amd, gpa, MARK, LEN);
}

static void bench_works(Bench *b, uint64_t iova, uint64_t gpa)
{
    g_assert_true(bench_writes(b, iova, gpa));
    amd_assert_no_event(b->amd);
}

/* A write at @iova is refused, and logged like this. */
static void bench_fails(Bench *b, uint64_t iova, unsigned code, unsigned flags,
                        uint64_t addr)
{
    edu_store(b->edu, iova, LEN);
    amd_assert_event(b->amd, code, EDU_SID, flags, addr);
    amd_assert_no_event(b->amd);
}

/* Registers */

static void test_registers(void)
{
    static const struct {
        unsigned reg;
        uint64_t kept;
    } rows[] = {
        { AMD_DEVTAB, 0x000ffffffffff1ff },
        { AMD_CMD_BASE, 0x0f0ffffffffff000 },
        { AMD_EVENT_BASE, 0x0f0ffffffffff000 },
        { AMD_EXCL_BASE, 0x000ffffffffff003 },
        { AMD_EXCL_LIMIT, 0x000ffffffffff000 },
        /* All but IommuEn; XT and its interrupts without xtsup */
        { AMD_CONTROL, 0x21ffe },
        { AMD_XT_INT, 0 },
        { AMD_EFR, 0 },
        { AMD_STATUS, 0 },
    };
    AMD *amd = amd_start("", " ");
    unsigned i;

    g_assert_cmphex(amd_read(amd, AMD_EFR), ==, 0x8c0);
    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t was = amd_read(amd, rows[i].reg);

        amd_write(amd, rows[i].reg,
                  rows[i].reg == AMD_CONTROL ? ~1ULL : ~0ULL);
        g_assert_cmphex(amd_read(amd, rows[i].reg), ==,
                        rows[i].kept ?: was);
        /* The halves alone */
        qtest_writel(amd->qts, AMD_BASE + rows[i].reg, 0);
        g_assert_cmphex(amd_read(amd, rows[i].reg), ==, rows[i].kept ?
                        rows[i].kept & 0xffffffff00000000 : was);
        g_assert_cmphex(qtest_readl(amd->qts, AMD_BASE + rows[i].reg + 4), ==,
                        amd_read(amd, rows[i].reg) >> 32);
        qtest_writel(amd->qts, AMD_BASE + rows[i].reg + 4, 0);
        g_assert_cmphex(amd_read(amd, rows[i].reg), ==,
                        rows[i].kept ? 0 : was);
    }
    amd_stop(amd);

    amd = amd_start("xtsup=on", " ");
    g_assert_cmphex(amd_read(amd, AMD_EFR), ==, 0x8c4);
    amd_write(amd, AMD_CONTROL, ~1ULL);
    g_assert_cmphex(amd_read(amd, AMD_CONTROL), ==, 0xc000000021ffe);
    amd_write(amd, AMD_XT_INT, ~0ULL);
    g_assert_cmphex(amd_read(amd, AMD_XT_INT), ==, 0xff0001ffffffff04);
    amd_stop(amd);
}

static void test_properties(void)
{
    static const struct {
        const char *args, *says;
    } refused[] = {
        { "-device amd-iommu,dma-remap=off", "dma-remap=off" },
        { "-device amd-iommu,iotlb-size=1", "iotlb-size is 1" },
        { "-device intel-iommu -device amd-iommu", "amd-iommu" },
        { "-device amd-iommu,virtio=require "
          "-device virtio-rng-pci,disable-legacy=on,iommu_platform=off",
          "would bypass amd-iommu" },
        { "-device edu,id=unit -device amd-iommu,pci-id=unit",
          "pci-id is 'unit', but there is no device AMDVI-PCI" },
        { "-device amd-iommu,pci-id=unit -device AMDVI-PCI,id=unit",
          "pci-id is 'unit', but there is no device AMDVI-PCI" },
        { "-device pcie-root-port,id=rp "
          "-device AMDVI-PCI,id=unit,bus=rp "
          "-device amd-iommu,pci-id=unit", "not on bus 'pcie.0'" },
        { "-device edu,addr=14.0 -device amd-iommu,southbridge=on",
          "southbridge is 'on'" },
    };
    unsigned i;

    unit_assert_help("amd-iommu", 13);
    for (i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *args = g_strdup_printf("-machine q35 -nodefaults %s",
                                                refused[i].args);
        g_autofree char *said = unit_refused(args);

        g_test_message("%s", said);
        g_assert_nonnull(strstr(said, refused[i].says));
    }
}

/* What software must not do, and no event says: -d guest_errors */
static void test_mistakes(void)
{
    static const char *const says[] = {
        "some bits are reserved, or EFR", "turned on with a length below 8",
        "it runs; its pointers begin anew", "beyond the end",
    };
    UnitLog *log = unit_log_new();
    AMD *amd = amd_start("", "-d guest_errors");

    amd_write(amd, AMD_CONTROL, 1u << 16);      /* GTEn without GTSup */
    amd_write(amd, AMD_CMD_BASE, 0x100000);
    amd_write(amd, AMD_CONTROL, 1 | 1u << 12);  /* CmdBufEn */
    amd_write(amd, AMD_CMD_BASE, 0x200000 | 8ull << 56);
    amd_write(amd, AMD_CMD_TAIL, 0x1010);
    /* What is right */
    amd_write(amd, AMD_CONTROL, 0);
    amd_write(amd, AMD_CMD_BASE, 0x100000 | 8ull << 56);
    amd_write(amd, AMD_CONTROL, 1 | 1u << 12);
    amd_stop(amd);
    unit_log_rest(log);
    for (unsigned i = 0; i < G_N_ELEMENTS(says); i++) {
        g_test_message("%s", says[i]);
        g_assert_cmpuint(unit_log_count(log, says[i]), ==, 1);
    }
    unit_log_free(log);
}

/* The capability block, and where MSI is */
static void test_pci(void)
{
    AMD *amd = amd_start("", " ");
    QPCIDevice *pci = NULL;
    unsigned slot;
    uint8_t cap;

    for (slot = 0; slot < 32 && !pci; slot++) {
        QPCIDevice *dev = qpci_device_find(amd->bus, QPCI_DEVFN(slot, 0));

        if (dev && qpci_config_readl(dev, 0) == 0x14191022) {
            pci = dev;
        } else {
            g_free(dev);
        }
    }
    g_assert_nonnull(pci);
    g_assert_cmphex(qpci_config_readw(pci, PCI_CLASS_DEVICE), ==, 0x0806);
    cap = qpci_find_capability(pci, 0xf, 0);
    g_assert_cmphex(cap, ==, 0x40);
    g_assert_cmphex(qpci_config_readl(pci, cap) >> 16, ==, 0x1f03);
    g_assert_cmphex(qpci_config_readl(pci, cap + 4), ==, 0xfed80000);
    g_assert_cmphex(qpci_config_readl(pci, cap + 16), ==, 0x182840);
    g_assert_cmphex(qpci_find_capability(pci, PCI_CAP_ID_MSI, 0), ==, 0x60);
    g_free(pci);
    amd_stop(amd);
}

/* The class of what IVRS's special entry names; 0: there is none */
static uint16_t southbridge_class(const char *args)
{
    QTestState *qts = qtest_initf("-nodefaults %s", args);
    QPCIBus *bus = qpci_new_pc(qts, NULL);
    QPCIDevice *pci = qpci_device_find(bus, QPCI_DEVFN(0x14, 0));
    uint16_t class = pci ? qpci_config_readw(pci, PCI_CLASS_DEVICE) : 0;

    g_free(pci);
    qpci_free_pc(bus);
    qtest_quit(qts);
    return class;
}

static void test_southbridge(void)
{
    static const struct {
        const char *args;
        uint16_t class;
    } rows[] = {
        { "-machine q35 -device amd-iommu", 0x0c05 },
        { "-machine q35 -device amd-iommu,intremap=off", 0 },
        { "-machine q35 -device amd-iommu,intremap=off,southbridge=on",
          0x0c05 },
        { "-machine q35 -device amd-iommu,southbridge=off", 0 },
        { "-machine pc-q35-9.2 -device amd-iommu", 0 },
        /* It gives way to what the operator puts there. */
        { "-machine q35 -device amd-iommu -device edu,addr=14.0", 0x00ff },
        { "-machine q35 -device edu,addr=14.0 -device amd-iommu", 0x00ff },
    };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].args);
        g_assert_cmphex(southbridge_class(rows[i].args), ==, rows[i].class);
    }
}

/* IVRS: the base's bytes, but for what is not there, and one more block */

static uint8_t *read_ivrs(const char *env, const char *devices, uint32_t *len)
{
    g_autofree char *args = g_strdup_printf("-machine q35 -m 256M -nodefaults "
                                            "%s", devices);
    QTestState *qts = qtest_init_with_env(env, args, true);
    size_t size = 64 * 1024, at = 0;
    g_autofree uint8_t *file = g_malloc0(size);
    QFWCFG *fw_cfg = pc_fw_cfg_init(qts);

    qfw_cfg_get_file(fw_cfg, "etc/acpi/tables", file, size);
    while (at + 8 < size && memcmp(file + at, "IVRS", 4) != 0) {
        at++;
    }
    *len = ldl_le_p(file + at + 4);
    g_assert_cmpuint(at + *len, <, size);
    pc_fw_cfg_uninit(fw_cfg);
    qtest_quit(qts);
    return g_memdup2(file + at, *len);
}

/* Where the second IVHD is, of type 11h */
static uint32_t second_ivhd(const uint8_t *ivrs, uint32_t len)
{
    uint32_t at = 48 + lduw_le_p(ivrs + 50);

    g_assert_cmphex(ivrs[48], ==, 0x10);
    g_assert_cmpuint(at + 40, <, len);
    g_assert_cmphex(ivrs[at], ==, 0x11);
    return at;
}

/* The block after the second one, of type 40h, says the same: its length */
static uint32_t check_third_ivhd(const uint8_t *ivrs, uint32_t len)
{
    uint32_t second = second_ivhd(ivrs, len);
    uint32_t size = lduw_le_p(ivrs + second + 2), at = second + size;

    g_assert_cmpuint(at + size, <=, len);
    g_assert_cmphex(ivrs[at], ==, 0x40);
    g_assert_cmpmem(ivrs + at + 1, size - 1, ivrs + second + 1, size - 1);
    return size;
}

/* All blocks name the function that pci-id does, and its capability block. */
static void check_pci_id(const char *args)
{
    uint32_t len, at;
    g_autofree uint8_t *ivrs = read_ivrs(NULL, args, &len);

    at = second_ivhd(ivrs, len);
    g_assert_cmphex(lduw_le_p(ivrs + 52), ==, 0xf0);
    g_assert_cmphex(lduw_le_p(ivrs + 54), ==, 0x40);
    g_assert_cmphex(lduw_le_p(ivrs + at + 4), ==, 0xf0);
    g_assert_cmphex(lduw_le_p(ivrs + at + 6), ==, 0x40);
    check_third_ivhd(ivrs, len);
}

/* By hand, and with all that libvirt may say of model='amd', in its words */
static void test_pci_id(void)
{
    check_pci_id("-device AMDVI-PCI,id=unit,addr=1e.0 "
                 "-device amd-iommu,pci-id=unit");
    check_pci_id("-device '{\"driver\":\"AMDVI-PCI\",\"id\":\"iommu0\","
                 "\"bus\":\"pcie.0\",\"addr\":\"0x1e\"}' "
                 "-device '{\"driver\":\"amd-iommu\",\"pci-id\":\"iommu0\","
                 "\"intremap\":\"on\",\"pt\":true,\"xtsup\":true,"
                 "\"device-iotlb\":true,\"dma-remap\":true}'");
}

/* Guest translations, in all blocks */
static void test_ivrs_guest(void)
{
    uint32_t len, at;
    g_autofree uint8_t *ivrs =
        read_ivrs(NULL, "-device amd-iommu,gtsup=on", &len);

    at = second_ivhd(ivrs, len);
    g_assert_cmphex(ldl_le_p(ivrs + 68), ==, 0x10000f4c);
    g_assert_cmphex(ldq_le_p(ivrs + at + 24), ==, 0x0001000f000058d0);
    check_third_ivhd(ivrs, len);
}

static void test_ivrs(void)
{
    uint32_t len, base_len, at, i;
    g_autofree uint8_t *ours = read_ivrs(NULL, OURS, &len), *base = NULL;

    at = second_ivhd(ours, len);
    /* Revision: blocks of type 40h are of the second one. */
    g_assert_cmphex(ours[8], ==, 2);
    /* HtTunEn, IotlbSup; GASup; the EFR image */
    g_assert_cmphex(ours[49], ==, 0x11);
    g_assert_cmphex(ldl_le_p(ours + 68), ==, 0x40);
    g_assert_cmphex(ours[at + 1], ==, 0x11);
    g_assert_cmphex(ldq_le_p(ours + at + 24), ==, 0x8c0);
    if (!g_getenv("VIOMMU_PEER")) {
        g_test_skip("VIOMMU_PEER is not set");
        return;
    }
    base = read_ivrs("VIOMMU_PEER", "-device amd-iommu", &base_len);
    g_assert_cmpuint(len, ==, base_len + check_third_ivhd(ours, len));
    for (i = 0; i < base_len; i++) {
        /* Length, revision, checksum, what is advertised */
        bool ours_alone = i == 4 || i == 5 || i == 8 || i == 9 || i == 49 ||
                          (i >= 68 && i < 72) || (i >= at + 24 && i < at + 32);

        g_test_message("byte %u", i);
        g_assert_true(ours_alone || ours[i] == base[i]);
    }
}

/* Commands */

static void test_wait(void)
{
    AMD *amd = amd_start("", " ");
    unsigned i;

    amd_enable(amd);
    g_assert_cmphex(amd_read(amd, AMD_STATUS), ==,
                    AMD_S_CMD_RUN | AMD_S_EVENT_RUN);
    /* Round the ring more than once, in order */
    for (i = 0; i < 600; i++) {
        amd_cmd(amd, AMD_CMD_PAGES | AMD_PAGES_DOMAIN(i), AMD_PAGES_ALL);
    }
    g_assert_cmphex(amd_read(amd, AMD_CMD_HEAD), ==, amd->cmd_tail * 16);
    /* The interrupt's bit, whether there is an interrupt or not */
    amd_cmd(amd, AMD_CMD_WAIT | AMD_WAIT_INT, 0);
    g_assert_cmphex(amd_read(amd, AMD_STATUS), ==,
                    AMD_S_CMD_RUN | AMD_S_EVENT_RUN | AMD_S_WAIT_INT);
    amd_write(amd, AMD_STATUS, AMD_S_EVENT_INT | AMD_S_CMD_RUN);
    g_assert_cmphex(amd_read(amd, AMD_STATUS), ==,
                    AMD_S_CMD_RUN | AMD_S_EVENT_RUN | AMD_S_WAIT_INT);
    amd_write(amd, AMD_STATUS, AMD_S_WAIT_INT);
    g_assert_cmphex(amd_read(amd, AMD_STATUS), ==,
                    AMD_S_CMD_RUN | AMD_S_EVENT_RUN);
    amd_assert_no_event(amd);
    amd_stop(amd);
}

/* Stop at a command that is none, and go on where software says. */
static void check_stop(AMD *amd, uint64_t w0, uint64_t w1, unsigned code,
                       uint64_t addr)
{
    uint64_t at = amd->cmd_tail * 16;
    AMDEvent event;

    amd_cmd_put(amd, w0, w1);
    amd_cmd_wait_put(amd);
    amd_cmd_kick(amd);
    viommu_turns(amd);
    g_assert_false(amd_cmd_done(amd));
    g_assert_cmphex(amd_read(amd, AMD_CMD_HEAD), ==, at);
    g_assert_cmphex(amd_read(amd, AMD_STATUS) & AMD_S_CMD_RUN, ==, 0);
    g_assert_true(amd_event_take(amd, &event));
    g_assert_cmpuint(event.code, ==, code);
    g_assert_cmphex(event.addr, ==, addr ?: amd->cmd + at);

    /* Another one in its place, and the buffer off and on */
    qtest_writeq(amd->qts, amd->cmd + at, AMD_CMD_ALL);
    qtest_writeq(amd->qts, amd->cmd + at + 8, 0);
    amd_cmd_kick(amd);
    g_assert_false(amd_cmd_done(amd));
    amd_write(amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG);
    amd_write(amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG | AMD_C_CMD_BUF);
    viommu_until(amd, amd_cmd_done(amd));
}

static void test_illegal(void)
{
    AMD *amd = amd_start("", " ");
    unsigned op;

    amd_enable(amd);
    for (op = 0; op < 16; op++) {
        if (op == 0 || op == 6 || op == 7 || op > 8) {
            check_stop(amd, AMD_CMD(op), 0, AMD_EV_ILLEGAL_CMD, 0);
        }
    }
    check_stop(amd, AMD_CMD_DEVTAB | 1 << 16, 0, AMD_EV_ILLEGAL_CMD, 0);
    check_stop(amd, AMD_CMD_ALL, 1, AMD_EV_ILLEGAL_CMD, 0);
    /* A store to where there is no memory */
    check_stop(amd, AMD_CMD_WAIT | AMD_WAIT_STORE | BEYOND_RAM, 0,
               AMD_EV_CMD_ERROR, BEYOND_RAM);
    amd_assert_no_event(amd);
    amd_stop(amd);
}

/* Commands that cannot be read */
static void test_unreadable(void)
{
    AMD *amd = amd_start("", " ");

    amd_setup(amd);
    amd_write(amd, AMD_CMD_BASE, BEYOND_RAM | (uint64_t)AMD_RING_LOG2 << 56);
    amd_write(amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG | AMD_C_CMD_BUF);
    amd_write(amd, AMD_CMD_TAIL, 16);
    amd_assert_event(amd, AMD_EV_CMD_ERROR, 0, 1 << 9, BEYOND_RAM);
    g_assert_cmphex(amd_read(amd, AMD_CMD_HEAD), ==, 0);
    g_assert_cmphex(amd_read(amd, AMD_STATUS) & AMD_S_CMD_RUN, ==, 0);
    amd_stop(amd);
}

/* The device table */

static void test_dte(void)
{
    Bench b;
    uint64_t translate;

    bench_start(&b, "");
    translate = AMD_DTE_V | AMD_DTE_TV | AMD_MODE(4) | b.dom.table | AMD_RW;
    bench_works(&b, IOVA, b.page);

    /* V clear: it passes; nothing else in the entry matters. */
    amd_set_dte(b.amd, EDU_SID, 0, ~1ULL, ~0ULL);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    viommu_fill(b.amd, b.page, MARK, LEN);
    edu_load(b.edu, b.page, LEN);
    edu_store(b.edu, b.page + 0x100, LEN);
    g_assert_true(viommu_is_filled(b.amd, b.page + 0x100, MARK, LEN));

    /* Mode 0: likewise, if IR and IW are set */
    amd_set_dte(b.amd, EDU_SID, 0, AMD_DTE_V | AMD_DTE_TV | AMD_RW, DOMAIN);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    edu_store(b.edu, b.page + 0x200, LEN);
    g_assert_true(viommu_is_filled(b.amd, b.page + 0x200, MARK, LEN));
    amd_assert_no_event(b.amd);
    amd_set_dte(b.amd, EDU_SID, 0, AMD_DTE_V | AMD_DTE_TV, DOMAIN);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    bench_fails(&b, b.page, AMD_EV_PAGE_FAULT, AMD_F_RW | AMD_F_PR | AMD_F_PE,
                b.page);

    /* With one of them: that, and untranslated */
    amd_set_dte(b.amd, EDU_SID, 0, AMD_DTE_V | AMD_DTE_TV | AMD_IW, DOMAIN);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    edu_store(b.edu, b.page + 0x300, LEN);
    g_assert_true(viommu_is_filled(b.amd, b.page + 0x300, MARK, LEN));
    edu_load(b.edu, b.page, LEN);
    amd_assert_event(b.amd, AMD_EV_PAGE_FAULT, EDU_SID, AMD_F_PR | AMD_F_PE,
                     b.page);

    /* TV clear; SA */
    amd_set_dte(b.amd, EDU_SID, 0, AMD_DTE_V | AMD_RW, DOMAIN);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    bench_fails(&b, IOVA, AMD_EV_PAGE_FAULT, AMD_F_RW, IOVA);
    amd_set_dte(b.amd, EDU_SID, 0, AMD_DTE_V | AMD_RW, DOMAIN | AMD_DTE1_SA);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    edu_store(b.edu, IOVA, LEN);
    amd_assert_no_event(b.amd);

    /* Illegal ones: a reserved bit; a mode; an entry that is not there */
    amd_set_dte(b.amd, EDU_SID, 0, translate | 1 << 3, DOMAIN);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    bench_fails(&b, IOVA, AMD_EV_ILLEGAL_DTE, AMD_F_RW | AMD_F_RZ, IOVA);
    amd_set_dte(b.amd, EDU_SID, 0, translate | AMD_MODE(7), DOMAIN);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    bench_fails(&b, IOVA, AMD_EV_ILLEGAL_DTE, AMD_F_RW, IOVA);
    amd_write(b.amd, AMD_DEVTAB, BEYOND_RAM);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    bench_fails(&b, IOVA, AMD_EV_DEVTAB_ERROR, AMD_F_RW | 1 << 9,
                BEYOND_RAM + 32 * EDU_SID);

    /* IR and IW of the entry are those of all its pages. */
    amd_setup(b.amd);
    amd_set_dte(b.amd, EDU_SID, 0, translate & ~AMD_IW, DOMAIN);
    amd_cmd(b.amd, AMD_CMD_ALL, 0);
    bench_fails(&b, IOVA, AMD_EV_PAGE_FAULT, AMD_F_RW | AMD_F_PR | AMD_F_PE,
                IOVA);
    edu_load(b.edu, IOVA, LEN);
    amd_assert_no_event(b.amd);
    bench_stop(&b);
}

/* Page tables */

static void test_faults(void)
{
    Bench b;

    bench_start(&b, "");
    bench_fails(&b, IOVA + UNIT_PAGE, AMD_EV_PAGE_FAULT, AMD_F_RW,
                IOVA + UNIT_PAGE);
    bench_map(&b, IOVA + UNIT_PAGE, b.page | AMD_PR | AMD_IR, 1);
    bench_fails(&b, IOVA + UNIT_PAGE, AMD_EV_PAGE_FAULT,
                AMD_F_RW | AMD_F_PR | AMD_F_PE, IOVA + UNIT_PAGE);
    bench_map(&b, IOVA + UNIT_PAGE, b.page | AMD_PR | AMD_RW | 1ULL << 52, 1);
    bench_fails(&b, IOVA + UNIT_PAGE, AMD_EV_PAGE_FAULT,
                AMD_F_RW | AMD_F_PR | AMD_F_RZ, IOVA + UNIT_PAGE);
    bench_map(&b, IOVA + UNIT_PAGE, b.page | AMD_PR | AMD_RW | AMD_MODE(1), 1);
    bench_fails(&b, IOVA + UNIT_PAGE, AMD_EV_PAGE_FAULT, AMD_F_RW | AMD_F_PR,
                IOVA + UNIT_PAGE);
    /* Beyond 48 bits */
    bench_fails(&b, 1ULL << 48, AMD_EV_PAGE_FAULT, AMD_F_RW, 1ULL << 48);
    /* A table that is not there */
    bench_map(&b, 2 * UNIT_LARGE, BEYOND_RAM | AMD_PR | AMD_RW | AMD_MODE(1),
              2);
    bench_fails(&b, 2 * UNIT_LARGE, AMD_EV_PAGE_ERROR, AMD_F_RW | 1 << 9,
                BEYOND_RAM);
    /* A page that leads to interrupts */
    bench_map(&b, IOVA + UNIT_PAGE, 0xfee00000 | AMD_PR | AMD_RW, 1);
    bench_fails(&b, IOVA + UNIT_PAGE, AMD_EV_PAGE_FAULT,
                AMD_F_RW | AMD_F_PR | AMD_F_PE, IOVA + UNIT_PAGE);
    bench_works(&b, IOVA, b.page);
    bench_stop(&b);
}

/* 64 KiB in one, with all of its 16 entries, and a level that is skipped */
static void test_sizes(void)
{
    uint64_t memory, table;
    unsigned i;
    Bench b;

    bench_start(&b, "");
    memory = unit_alloc_aligned(&b.amd->unit, 0x10000);
    for (i = 0; i < 16; i++) {
        bench_map(&b, IOVA + 0x10000 + i * UNIT_PAGE,
                  memory | 0x7000 | AMD_MODE(7) | AMD_PR | AMD_RW, 1);
    }
    for (i = 0; i < 16; i++) {
        bench_works(&b, IOVA + 0x10000 + i * UNIT_PAGE + 8,
                    memory + i * UNIT_PAGE + 8);
    }

    table = unit_alloc(&b.amd->unit, 1);
    qtest_writeq(b.amd->qts, table + 8, memory | AMD_PR | AMD_RW);
    bench_map(&b, 1ULL << 39, table | AMD_MODE(1) | AMD_PR | AMD_RW, 4);
    bench_works(&b, (1ULL << 39) | UNIT_PAGE, memory);
    bench_fails(&b, (1ULL << 39) | (1ULL << 30) | UNIT_PAGE,
                AMD_EV_PAGE_FAULT, AMD_F_RW,
                (1ULL << 39) | (1ULL << 30) | UNIT_PAGE);
    bench_stop(&b);
}

/* The root grows to five levels while the device is at work. */
static void test_grow(void)
{
    uint64_t root;
    Bench b;

    bench_start(&b, "");
    bench_works(&b, IOVA, b.page);
    root = unit_alloc(&b.amd->unit, 1);
    qtest_writeq(b.amd->qts, root, b.dom.table | AMD_MODE(4) | AMD_PR | AMD_RW);
    amd_set_dte(b.amd, EDU_SID, 0, AMD_DTE_V | AMD_DTE_TV | AMD_MODE(5) |
                root | AMD_RW, DOMAIN);
    bench_works(&b, IOVA, b.page);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    bench_works(&b, IOVA, b.page);
    bench_stop(&b);
}

/* The exclusion range: with EX, with Allow, and with neither */
static void test_exclusion(void)
{
    uint64_t first, dte;
    Bench b;

    bench_start(&b, "");
    dte = AMD_DTE_V | AMD_DTE_TV | AMD_MODE(4) | b.dom.table | AMD_RW;
    first = unit_alloc(&b.amd->unit, 2);
    bench_fails(&b, first, AMD_EV_PAGE_FAULT, AMD_F_RW, first);
    amd_write(b.amd, AMD_EXCL_LIMIT, first + UNIT_PAGE);
    amd_write(b.amd, AMD_EXCL_BASE, first | 1);
    bench_fails(&b, first, AMD_EV_PAGE_FAULT, AMD_F_RW, first);
    amd_write(b.amd, AMD_EXCL_BASE, first | 3);
    bench_works(&b, first, first);
    bench_works(&b, first + UNIT_PAGE + 0x80, first + UNIT_PAGE + 0x80);
    bench_fails(&b, first + 2 * UNIT_PAGE, AMD_EV_PAGE_FAULT, AMD_F_RW,
                first + 2 * UNIT_PAGE);
    bench_fails(&b, first - UNIT_PAGE, AMD_EV_PAGE_FAULT, AMD_F_RW,
                first - UNIT_PAGE);
    bench_works(&b, IOVA, b.page);
    /* No longer, as soon as the register says so */
    amd_write(b.amd, AMD_EXCL_BASE, first | 1);
    bench_fails(&b, first, AMD_EV_PAGE_FAULT, AMD_F_RW, first);
    amd_set_dte(b.amd, EDU_SID, 0, dte, DOMAIN | 1ULL << 39);
    amd_cmd(b.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
    bench_works(&b, first, first);
    amd_write(b.amd, AMD_EXCL_BASE, first);
    bench_fails(&b, first, AMD_EV_PAGE_FAULT, AMD_F_RW, first);
    bench_stop(&b);
}

/* What is cached is there until it is invalidated, and no longer. */
static void test_invalidation(void)
{
    uint64_t other, kinds[][2] = {
        { AMD_CMD_PAGES | AMD_PAGES_DOMAIN(DOMAIN), IOVA },
        { AMD_CMD_PAGES | AMD_PAGES_DOMAIN(DOMAIN), (IOVA & ~0xffffULL) |
          0x7001 },
        { AMD_CMD_PAGES | AMD_PAGES_DOMAIN(DOMAIN), AMD_PAGES_ALL },
        { AMD_CMD_ALL, 0 },
    };
    unsigned i;
    Bench b;

    bench_start(&b, "");
    other = unit_alloc(&b.amd->unit, 1);
    for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
        uint64_t to = i % 2 ? b.page : other;
        uint64_t from = i % 2 ? other : b.page;

        viommu_fill(b.amd, from, MARK, LEN);
        edu_load(b.edu, IOVA, LEN);
        bench_map(&b, IOVA, to | AMD_PR | AMD_RW, 1);
        amd_cmd(b.amd, kinds[i][0], kinds[i][1]);
        viommu_fill(b.amd, to, BLANK, LEN);
        edu_store(b.edu, IOVA, LEN);
        g_assert_true(viommu_is_filled(b.amd, to, MARK, LEN));
    }
    amd_assert_no_event(b.amd);
    bench_stop(&b);
}

/* Events: the log is full, and begins anew when software says so. */
static void test_overflow(void)
{
    unsigned i;
    Bench b;

    bench_start(&b, "");
    for (i = 0; i < AMD_RING_ENTRIES - 1; i++) {
        edu_store(b.edu, IOVA + UNIT_PAGE * (i + 1), LEN);
    }
    g_assert_cmphex(amd_read(b.amd, AMD_STATUS) & AMD_S_OVERFLOW, ==, 0);
    edu_store(b.edu, 8, LEN);
    g_assert_cmphex(amd_read(b.amd, AMD_STATUS) &
                    (AMD_S_OVERFLOW | AMD_S_EVENT_RUN), ==, AMD_S_OVERFLOW);
    for (i = 0; i < AMD_RING_ENTRIES - 1; i++) {
        amd_assert_event(b.amd, AMD_EV_PAGE_FAULT, EDU_SID, AMD_F_RW,
                         IOVA + UNIT_PAGE * (i + 1));
    }
    /* It stands still until it is turned off and on. */
    edu_store(b.edu, 8, LEN);
    amd_assert_no_event(b.amd);
    amd_write(b.amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_CMD_BUF);
    amd_write(b.amd, AMD_STATUS, AMD_S_OVERFLOW);
    amd_write(b.amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_CMD_BUF |
              AMD_C_EVENT_LOG);
    g_assert_cmphex(amd_read(b.amd, AMD_STATUS) &
                    (AMD_S_OVERFLOW | AMD_S_EVENT_RUN), ==, AMD_S_EVENT_RUN);
    bench_fails(&b, 8, AMD_EV_PAGE_FAULT, AMD_F_RW, 8);
    bench_stop(&b);
}

#define LONG_LOG2       15
#define FLOOD_THREADS   2
#define FLOOD_EACH      16000

/* A longer log than the others' */
static void long_log(AMD *amd)
{
    uint64_t log = unit_alloc(&amd->unit, (16 << LONG_LOG2) / UNIT_PAGE);

    amd_write(amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_CMD_BUF);
    amd_write(amd, AMD_EVENT_BASE, log | (uint64_t)LONG_LOG2 << 56);
    amd_write(amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_CMD_BUF | AMD_C_EVENT_LOG);
}

/*
 * More events than are written in one go: the COMPLETION_WAIT stores when all
 * those before it are in the log (2.4.1).
 */
static void test_wait_behind(void)
{
    AMD *amd = amd_start("", FLOOD_DEVICE);
    uint64_t before;
    AMDDomain dom;
    Flood f;

    flood_open(&f, amd->bus);
    amd_domain_init(amd, &dom, DOMAIN);
    amd_attach(amd, FLOOD_SID, &dom);
    amd_enable(amd);
    for (unsigned i = 0; i < 3; i++) {
        long_log(amd);
        flood_run(&f, FLOOD_THREADS, IOVA, FLOOD_EACH);
        amd_cmd_wait_put(amd);
        amd_cmd_kick(amd);
        before = amd_read(amd, AMD_EVENT_TAIL) / 16;
        viommu_until(amd, amd_cmd_done(amd));
        /* Nothing but the number of turns says how many there were before. */
        g_test_message("%" PRIu64 " of %u events were there before it", before,
                       FLOOD_THREADS * FLOOD_EACH);
        g_assert_cmpuint(amd_read(amd, AMD_EVENT_TAIL), ==,
                         16 * FLOOD_THREADS * FLOOD_EACH);
        g_assert_cmphex(amd_read(amd, AMD_STATUS) & AMD_S_OVERFLOW, ==, 0);
    }
    flood_close(&f);
    amd_stop(amd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/amd/registers", test_registers);
    qtest_add_func("/viommu/amd/properties", test_properties);
    qtest_add_func("/viommu/amd/mistakes", test_mistakes);
    qtest_add_func("/viommu/amd/pci", test_pci);
    qtest_add_func("/viommu/amd/southbridge", test_southbridge);
    qtest_add_func("/viommu/amd/pci-id", test_pci_id);
    qtest_add_func("/viommu/amd/ivrs", test_ivrs);
    qtest_add_func("/viommu/amd/ivrs-guest", test_ivrs_guest);
    qtest_add_func("/viommu/amd/cmd/wait", test_wait);
    qtest_add_func("/viommu/amd/cmd/illegal", test_illegal);
    qtest_add_func("/viommu/amd/cmd/unreadable", test_unreadable);
    qtest_add_func("/viommu/amd/dte", test_dte);
    qtest_add_func("/viommu/amd/faults", test_faults);
    qtest_add_func("/viommu/amd/sizes", test_sizes);
    qtest_add_func("/viommu/amd/grow", test_grow);
    qtest_add_func("/viommu/amd/invalidation", test_invalidation);
    qtest_add_func("/viommu/amd/exclusion", test_exclusion);
    qtest_add_func("/viommu/amd/overflow", test_overflow);
    qtest_add_func("/viommu/amd/cmd/wait-behind", test_wait_behind);
    return g_test_run();
}
