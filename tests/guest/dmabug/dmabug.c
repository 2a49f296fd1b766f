// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver of QEMU's educational device, edu, that is wrong on purpose
 *
 * What it does is written to the attribute "run" of the device, a name of the
 * table at the end; reading that says what came of it.  Each of the mistakes
 * is one that drivers really make.  docs/system/find-your-dma-bug.rst shows
 * what the vIOMMU says about it, and tests/guest/dmabug.py that it does.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#define EDU_VENDOR_ID   0x1234
#define EDU_DEVICE_ID   0x11e8

/* Registers of BAR 0; a transfer begins a while after the write to CMD. */
#define EDU_ID          0x00
#define EDU_ID_VALUE    0x010000ed
#define EDU_DMA_SRC     0x80
#define EDU_DMA_DST     0x88
#define EDU_DMA_COUNT   0x90
#define EDU_DMA_CMD     0x98
#define EDU_CMD_RUN     1
#define EDU_CMD_TO_RAM  2

/* The device's own memory, in its own address space */
#define EDU_BUF         0x40000
#define EDU_BUF_SIZE    4096
#define EDU_DMA_BITS    28

/* A transfer ends within that, whatever the host is busy with. */
#define DMABUG_LIMIT_US (60 * USEC_PER_SEC)
#define DMABUG_LEAKS    8
#define DMABUG_POISON   0xa5

struct dmabug {
    struct device *dev;
    void __iomem *bar;
    struct mutex lock;
    void *buf;                      /* a page */
    dma_addr_t addr;                /* that the device was told last */
    const char *name;               /* of what was run last, and its result */
    int result;
};

/* The device */

/* It begins to write @len bytes to @addr. */
static void edu_write_begin(struct dmabug *d, dma_addr_t addr, u32 len)
{
    d->addr = addr;
    writeq(EDU_BUF, d->bar + EDU_DMA_SRC);
    writeq(addr, d->bar + EDU_DMA_DST);
    writeq(len, d->bar + EDU_DMA_COUNT);
    writeq(EDU_CMD_RUN | EDU_CMD_TO_RAM, d->bar + EDU_DMA_CMD);
}

/* It begins to read @len bytes at @addr. */
static void edu_read_begin(struct dmabug *d, dma_addr_t addr, u32 len)
{
    d->addr = addr;
    writeq(addr, d->bar + EDU_DMA_SRC);
    writeq(EDU_BUF, d->bar + EDU_DMA_DST);
    writeq(len, d->bar + EDU_DMA_COUNT);
    writeq(EDU_CMD_RUN, d->bar + EDU_DMA_CMD);
}

/* It has ended; the device does not say whether it could. */
static int edu_wait(struct dmabug *d)
{
    u64 cmd;

    return readq_poll_timeout(d->bar + EDU_DMA_CMD, cmd, !(cmd & EDU_CMD_RUN),
                              1000, DMABUG_LIMIT_US);
}

static int edu_write(struct dmabug *d, dma_addr_t addr, u32 len)
{
    edu_write_begin(d, addr, len);
    return edu_wait(d);
}

static int edu_read(struct dmabug *d, dma_addr_t addr, u32 len)
{
    edu_read_begin(d, addr, len);
    return edu_wait(d);
}

/* How it is done */

static int dmabug_right(struct dmabug *d)
{
    dma_addr_t addr, ring_addr;
    void *ring;
    int ret;

    memset(d->buf, DMABUG_POISON, PAGE_SIZE);
    addr = dma_map_single(d->dev, d->buf, PAGE_SIZE, DMA_TO_DEVICE);
    if (dma_mapping_error(d->dev, addr)) {
        return -ENOMEM;
    }
    ret = edu_read(d, addr, PAGE_SIZE);
    dma_unmap_single(d->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
    if (ret) {
        return ret;
    }

    memset(d->buf, 0, PAGE_SIZE);
    addr = dma_map_single(d->dev, d->buf, PAGE_SIZE, DMA_FROM_DEVICE);
    if (dma_mapping_error(d->dev, addr)) {
        return -ENOMEM;
    }
    ret = edu_write(d, addr, PAGE_SIZE);
    dma_unmap_single(d->dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
    if (ret) {
        return ret;
    }
    /* What the device has read before came back. */
    if (memchr_inv(d->buf, DMABUG_POISON, PAGE_SIZE)) {
        return -EIO;
    }

    ring = dma_alloc_coherent(d->dev, PAGE_SIZE, &ring_addr, GFP_KERNEL);
    if (!ring) {
        return -ENOMEM;
    }
    ret = edu_read(d, ring_addr, 64);
    dma_free_coherent(d->dev, PAGE_SIZE, ring, ring_addr);
    return ret;
}

/* And six ways how it is not */

static int dmabug_wrong_direction(struct dmabug *d)
{
    dma_addr_t addr;
    int ret;

    addr = dma_map_single(d->dev, d->buf, PAGE_SIZE, DMA_TO_DEVICE);
    if (dma_mapping_error(d->dev, addr)) {
        return -ENOMEM;
    }
    ret = edu_write(d, addr, PAGE_SIZE);    /* which is from the device */
    dma_unmap_single(d->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
    return ret;
}

static int dmabug_too_short(struct dmabug *d)
{
    void *half = d->buf + PAGE_SIZE / 2;
    dma_addr_t addr;
    int ret;

    addr = dma_map_single(d->dev, half, PAGE_SIZE / 2, DMA_FROM_DEVICE);
    if (dma_mapping_error(d->dev, addr)) {
        return -ENOMEM;
    }
    ret = edu_write(d, addr, PAGE_SIZE);    /* twice what it has */
    dma_unmap_single(d->dev, addr, PAGE_SIZE / 2, DMA_FROM_DEVICE);
    return ret;
}

static int dmabug_unmap_too_early(struct dmabug *d)
{
    dma_addr_t addr;

    addr = dma_map_single(d->dev, d->buf, PAGE_SIZE, DMA_FROM_DEVICE);
    if (dma_mapping_error(d->dev, addr)) {
        return -ENOMEM;
    }
    edu_write_begin(d, addr, PAGE_SIZE);
    /* It has begun, and has not ended. */
    dma_unmap_single(d->dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
    return edu_wait(d);
}

static int dmabug_use_after_free(struct dmabug *d)
{
    dma_addr_t addr;
    void *ring;
    int ret;

    ring = dma_alloc_coherent(d->dev, PAGE_SIZE, &addr, GFP_KERNEL);
    if (!ring) {
        return -ENOMEM;
    }
    ret = edu_read(d, addr, 64);
    dma_free_coherent(d->dev, PAGE_SIZE, ring, addr);
    /* Nobody has told the device. */
    return ret ?: edu_read(d, addr, 64);
}

static int dmabug_unmap_twice(struct dmabug *d)
{
    size_t size = 2 * PAGE_SIZE;
    dma_addr_t addr, next;
    void *first, *second;
    int ret;

    first = (void *)__get_free_pages(GFP_KERNEL, 1);
    second = (void *)__get_free_pages(GFP_KERNEL, 1);
    if (!first || !second) {
        return -ENOMEM;
    }
    addr = dma_map_single(d->dev, first, size, DMA_FROM_DEVICE);
    if (dma_mapping_error(d->dev, addr)) {
        return -ENOMEM;
    }
    ret = edu_write(d, addr, PAGE_SIZE);
    dma_unmap_single(d->dev, addr, size, DMA_FROM_DEVICE);

    next = dma_map_single(d->dev, second, size, DMA_FROM_DEVICE);
    if (dma_mapping_error(d->dev, next)) {
        return -ENOMEM;
    }
    /* Once more, in a path for errors: by now it is the second buffer's. */
    dma_unmap_single(d->dev, addr, size, DMA_FROM_DEVICE);
    ret = ret ?: edu_write(d, next, PAGE_SIZE);
    /* To unmap that one would be once too often again. */
    free_pages((unsigned long)first, 1);
    free_pages((unsigned long)second, 1);
    return ret;
}

static int dmabug_forget_to_unmap(struct dmabug *d)
{
    int i, ret = 0;

    for (i = 0; i < DMABUG_LEAKS && !ret; i++) {
        dma_addr_t addr;

        void *page = (void *)get_zeroed_page(GFP_KERNEL);

        if (!page) {
            return -ENOMEM;
        }
        addr = dma_map_single(d->dev, page, PAGE_SIZE, DMA_FROM_DEVICE);
        if (dma_mapping_error(d->dev, addr)) {
            return -ENOMEM;
        }
        ret = edu_write(d, addr, PAGE_SIZE);
        /* And that was it.  The page is lost, too, so that nobody has it. */
    }
    return ret;
}

static const struct {
    const char *name;
    int (*run)(struct dmabug *d);
} dmabug_runs[] = {
    { "right", dmabug_right },
    { "wrong-direction", dmabug_wrong_direction },
    { "too-short", dmabug_too_short },
    { "unmap-too-early", dmabug_unmap_too_early },
    { "use-after-free", dmabug_use_after_free },
    { "unmap-twice", dmabug_unmap_twice },
    { "forget-to-unmap", dmabug_forget_to_unmap },
};

static ssize_t run_store(struct device *dev, struct device_attribute *attr,
                         const char *text, size_t count)
{
    struct dmabug *d = dev_get_drvdata(dev);
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(dmabug_runs); i++) {
        if (sysfs_streq(text, dmabug_runs[i].name)) {
            mutex_lock(&d->lock);
            d->result = dmabug_runs[i].run(d);
            d->name = dmabug_runs[i].name;
            mutex_unlock(&d->lock);
            return count;
        }
    }
    return -EINVAL;
}

static ssize_t run_show(struct device *dev, struct device_attribute *attr,
                        char *text)
{
    struct dmabug *d = dev_get_drvdata(dev);
    ssize_t len;

    mutex_lock(&d->lock);
    if (!d->name) {
        len = sysfs_emit(text, "nothing yet\n");
    } else if (d->result) {
        len = sysfs_emit(text, "%s: error %d\n", d->name, d->result);
    } else {
        len = sysfs_emit(text, "%s: done, last at %pad\n", d->name, &d->addr);
    }
    mutex_unlock(&d->lock);
    return len;
}
static DEVICE_ATTR_RW(run);

static struct attribute *dmabug_attrs[] = {
    &dev_attr_run.attr,
    NULL
};
ATTRIBUTE_GROUPS(dmabug);

static int dmabug_probe(struct pci_dev *pci, const struct pci_device_id *id)
{
    struct dmabug *d;
    int ret;

    d = devm_kzalloc(&pci->dev, sizeof(*d), GFP_KERNEL);
    if (!d) {
        return -ENOMEM;
    }
    d->buf = (void *)devm_get_free_pages(&pci->dev, GFP_KERNEL, 0);
    if (!d->buf) {
        return -ENOMEM;
    }
    d->dev = &pci->dev;
    mutex_init(&d->lock);
    pci_set_drvdata(pci, d);
    ret = pcim_enable_device(pci);
    if (ret) {
        return ret;
    }
    d->bar = pcim_iomap_region(pci, 0, "dmabug");
    if (IS_ERR(d->bar)) {
        return PTR_ERR(d->bar);
    }
    if (readl(d->bar + EDU_ID) != EDU_ID_VALUE) {
        return -ENODEV;
    }
    ret = dma_set_mask_and_coherent(&pci->dev, DMA_BIT_MASK(EDU_DMA_BITS));
    if (ret) {
        return ret;
    }
    pci_set_master(pci);
    return 0;
}

/* What was not unmapped stays so, and its pages are not given back. */
static void dmabug_remove(struct pci_dev *pci)
{
    pci_clear_master(pci);
}

static const struct pci_device_id dmabug_ids[] = {
    { PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
    { }
};
MODULE_DEVICE_TABLE(pci, dmabug_ids);

static struct pci_driver dmabug_driver = {
    .name = "dmabug",
    .id_table = dmabug_ids,
    .probe = dmabug_probe,
    .remove = dmabug_remove,
    .dev_groups = dmabug_groups,
};
module_pci_driver(dmabug_driver);

MODULE_DESCRIPTION("A driver of edu with mistakes");
MODULE_LICENSE("GPL");
