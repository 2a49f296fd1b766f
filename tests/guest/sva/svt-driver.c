/*
 * The guest's driver of x-sva-test
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For tests/guest/sva.py.  It binds the address space of a process to the
 * device and lets the process give the device commands whose addresses are its
 * own: svt-ioctl.h.  What has to be enabled in the device (ATS, PASIDs, page
 * requests) the kernel's IOMMU driver enables by itself.
 */
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include "svt-ioctl.h"
#include "x-sva-test.h"

/* What a process may ask for; who asks for more gets EINVAL. */
#define SVT_USER_FLAGS (SVT_F_ATC | SVT_F_PAGES | SVT_F_MAP)

struct svt_open;

struct svt_device {
    struct pci_dev *pci;
    struct miscdevice misc;
    void __iomem *bar;
    wait_queue_head_t wait;
    spinlock_t lock;                        /* of the owners */
    struct svt_open *owners[SVT_CONTEXTS];
};

/* A descriptor */
struct svt_open {
    struct svt_device *dev;
    struct mutex lock;                      /* of binding */
    struct iommu_sva *sva;                  /* there from when mm is */
    struct mm_struct *mm;                   /* only to compare with */
    struct mmu_notifier notifier;           /* for the end of mm */
};

static void __iomem *svt_context(struct svt_device *dev, unsigned int context)
{
    return dev->bar + context * SVT_CONTEXT_SIZE;
}

static bool svt_has_ended(struct svt_device *dev, unsigned int context)
{
    u32 status = readl(svt_context(dev, context) + SVT_STATUS);

    return status != SVT_S_BUSY && status != SVT_S_HELD;
}

static irqreturn_t svt_interrupt(int irq, void *data)
{
    struct svt_device *dev = data;

    wake_up_all(&dev->wait);
    return IRQ_HANDLED;
}

/* Contexts */

/* A free one, or -EBUSY */
static int svt_take(struct svt_device *dev, struct svt_open *open)
{
    int i, found = -EBUSY;

    spin_lock(&dev->lock);
    for (i = 0; i < SVT_CONTEXTS && found < 0; i++) {
        if (!dev->owners[i]) {
            dev->owners[i] = open;
            found = i;
        }
    }
    spin_unlock(&dev->lock);
    return found;
}

static bool svt_owns(struct svt_open *open, unsigned int context)
{
    return context < SVT_CONTEXTS &&
           READ_ONCE(open->dev->owners[context]) == open;
}

/* False if it is somebody else's: another thread was faster. */
static bool svt_let_go(struct svt_open *open, unsigned int context)
{
    struct svt_device *dev = open->dev;
    bool owns;

    spin_lock(&dev->lock);
    owns = svt_owns(open, context);
    if (owns) {
        dev->owners[context] = NULL;
    }
    spin_unlock(&dev->lock);
    wake_up_all(&dev->wait);
    return owns;
}

/* The same: it is nobody else's command that ends. */
static bool svt_end(struct svt_open *open, unsigned int context)
{
    struct svt_device *dev = open->dev;
    bool owns;

    spin_lock(&dev->lock);
    owns = svt_owns(open, context);
    if (owns) {
        writel(SVT_C_STOP, svt_context(dev, context) + SVT_CMD);
    }
    spin_unlock(&dev->lock);
    return owns;
}

/* What a descriptor has running with one of @flags, and that has ended then */
static void svt_stop_with(struct svt_open *open, u32 flags)
{
    struct svt_device *dev = open->dev;
    unsigned int i;

    for (i = 0; i < SVT_CONTEXTS; i++) {
        if (readl(svt_context(dev, i) + SVT_FLAGS) & flags &&
            svt_end(open, i)) {
            wait_event(dev->wait, svt_has_ended(dev, i));
            svt_let_go(open, i);
        }
    }
}

/*
 * The process has ended; its PASID, which goes next, must have no page request
 * under way then.  Linux up to 7.3 (at least) does not wait for those itself,
 * whatever it has bound.  Commands that ask for no pages run on: DMA that meets
 * the end of its address space.
 */
static void svt_mm_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
    svt_stop_with(container_of(notifier, struct svt_open, notifier),
                  SVT_F_PAGES);
}

static const struct mmu_notifier_ops svt_mm_ops = {
    .release = svt_mm_release,
};

static void svt_write_command(struct svt_open *open, unsigned int context,
                              const struct svt_command *c)
{
    void __iomem *regs = svt_context(open->dev, context);

    writel(c->flags | SVT_F_PASID | SVT_F_IRQ, regs + SVT_FLAGS);
    writel(iommu_sva_get_pasid(open->sva), regs + SVT_PASID);
    writeq(c->src, regs + SVT_SRC);
    writeq(c->dst, regs + SVT_DST);
    writeq(c->len, regs + SVT_LEN);
    writeq(c->arg, regs + SVT_ARG);
    writel(c->command, regs + SVT_CMD);
}

static void svt_read_result(struct svt_device *dev, struct svt_command *c)
{
    void __iomem *regs = svt_context(dev, c->context);

    c->status = readl(regs + SVT_STATUS);
    c->pages = readl(regs + SVT_PAGES);
    c->done = readq(regs + SVT_DONE);
    c->last = readq(regs + SVT_LAST);
    c->fault = readq(regs + SVT_FAULT);
    c->unused = 0;
}

/* ioctls */

/*
 * The notifier comes after the IOMMU driver's own, so that it is called before
 * that.
 */
static long svt_bind_mm(struct svt_open *open)
{
    struct iommu_sva *sva;
    long ret;

    sva = iommu_sva_bind_device(&open->dev->pci->dev, current->mm);
    if (IS_ERR(sva)) {
        return PTR_ERR(sva);
    }
    open->notifier.ops = &svt_mm_ops;
    ret = mmu_notifier_register(&open->notifier, current->mm);
    if (ret) {
        iommu_sva_unbind_device(sva);
        return ret;
    }
    open->sva = sva;
    mmgrab(current->mm);
    smp_store_release(&open->mm, current->mm);
    return 0;
}

static long svt_bind(struct svt_open *open, void __user *arg)
{
    long ret = 0;
    u32 pasid;

    if (mutex_lock_killable(&open->lock)) {
        return -EINTR;
    }
    if (!open->mm) {
        ret = svt_bind_mm(open);
    }
    mutex_unlock(&open->lock);
    if (ret) {
        return ret;
    }
    pasid = iommu_sva_get_pasid(open->sva);
    return copy_to_user(arg, &pasid, sizeof(pasid)) ? -EFAULT : 0;
}

static long svt_submit(struct svt_open *open, void __user *arg)
{
    struct svt_device *dev = open->dev;
    struct svt_command c;
    int context;

    if (copy_from_user(&c, arg, sizeof(c))) {
        return -EFAULT;
    }
    if (!open->mm || c.command < SVT_C_COPY || c.command > SVT_C_LAST ||
        c.flags & ~SVT_USER_FLAGS || c.unused) {
        return -EINVAL;
    }
    if (wait_event_killable(dev->wait, (context = svt_take(dev, open)) >= 0)) {
        return -EINTR;
    }
    svt_write_command(open, context, &c);
    c.context = context;
    return copy_to_user(arg, &c, sizeof(c)) ? -EFAULT : 0;
}

static long svt_wait(struct svt_open *open, void __user *arg)
{
    struct svt_device *dev = open->dev;
    struct svt_command c;

    if (copy_from_user(&c, arg, sizeof(c))) {
        return -EFAULT;
    }
    if (!svt_owns(open, c.context)) {
        return -EINVAL;
    }
    if (wait_event_killable(dev->wait, svt_has_ended(dev, c.context))) {
        return -EINTR;
    }
    svt_read_result(dev, &c);
    if (!svt_let_go(open, c.context)) {
        return -EINVAL;
    }
    return copy_to_user(arg, &c, sizeof(c)) ? -EFAULT : 0;
}

static long svt_stop(struct svt_open *open, void __user *arg)
{
    u32 context;

    if (copy_from_user(&context, arg, sizeof(context))) {
        return -EFAULT;
    }
    return svt_end(open, context) ? 0 : -EINVAL;
}

/* The device copies from the first half of @buf to the second. */
static long svt_dma_run(struct svt_open *open, dma_addr_t buf, u32 len)
{
    struct svt_device *dev = open->dev;
    void __iomem *regs;
    int context;
    long status;

    wait_event(dev->wait, (context = svt_take(dev, open)) >= 0);
    regs = svt_context(dev, context);
    writel(SVT_F_IRQ, regs + SVT_FLAGS);
    writeq(buf, regs + SVT_SRC);
    writeq(buf + SVT_DMA_COPY_MAX, regs + SVT_DST);
    writeq(len, regs + SVT_LEN);
    writel(SVT_C_COPY, regs + SVT_CMD);
    wait_event(dev->wait, svt_has_ended(dev, context));
    status = readl(regs + SVT_STATUS);
    svt_let_go(open, context);
    return status;
}

static long svt_dma_copy(struct svt_open *open, void __user *arg)
{
    struct device *dev = &open->dev->pci->dev;
    struct svt_dma_copy c;
    dma_addr_t addr;
    void *buf;
    long ret = 0;

    if (copy_from_user(&c, arg, sizeof(c))) {
        return -EFAULT;
    }
    if (c.len > SVT_DMA_COPY_MAX) {
        return -EINVAL;
    }
    buf = dma_alloc_coherent(dev, 2 * SVT_DMA_COPY_MAX, &addr, GFP_KERNEL);
    if (!buf) {
        return -ENOMEM;
    }
    if (copy_from_user(buf, u64_to_user_ptr(c.src), c.len)) {
        ret = -EFAULT;
        goto out;
    }
    c.status = svt_dma_run(open, addr, c.len);
    if (copy_to_user(u64_to_user_ptr(c.dst), buf + SVT_DMA_COPY_MAX, c.len) ||
        copy_to_user(arg, &c, sizeof(c))) {
        ret = -EFAULT;
    }
out:
    dma_free_coherent(dev, 2 * SVT_DMA_COPY_MAX, buf, addr);
    return ret;
}

static long svt_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
    static const struct {
        unsigned int cmd;
        long (*run)(struct svt_open *open, void __user *arg);
    } calls[] = {
        { SVT_IOC_BIND, svt_bind },
        { SVT_IOC_SUBMIT, svt_submit },
        { SVT_IOC_WAIT, svt_wait },
        { SVT_IOC_STOP, svt_stop },
        { SVT_IOC_DMA_COPY, svt_dma_copy },
    };
    struct svt_open *open = file->private_data;
    struct mm_struct *mm = smp_load_acquire(&open->mm);
    unsigned int i;

    if (mm && mm != current->mm) {
        return -EPERM;
    }
    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        if (calls[i].cmd == cmd) {
            return calls[i].run(open, (void __user *)arg);
        }
    }
    return -ENOTTY;
}

/* Files */

static int svt_open_file(struct inode *inode, struct file *file)
{
    struct svt_device *dev = container_of(file->private_data,
                                          struct svt_device, misc);
    struct svt_open *open = kzalloc(sizeof(*open), GFP_KERNEL);

    if (!open) {
        return -ENOMEM;
    }
    open->dev = dev;
    mutex_init(&open->lock);
    file->private_data = open;
    return 0;
}

/* The last descriptor is closed; at a process's end its memory is gone. */
static int svt_release_file(struct inode *inode, struct file *file)
{
    struct svt_open *open = file->private_data;

    svt_stop_with(open, ~0u);
    if (open->mm) {
        mmu_notifier_unregister(&open->notifier, open->mm);
        iommu_sva_unbind_device(open->sva);
        mmdrop(open->mm);
    }
    kfree(open);
    return 0;
}

static const struct file_operations svt_files = {
    .owner = THIS_MODULE,
    .open = svt_open_file,
    .release = svt_release_file,
    .unlocked_ioctl = svt_ioctl,
};

/* The device */

static int svt_probe(struct pci_dev *pci, const struct pci_device_id *id)
{
    struct svt_device *dev;
    int ret;

    dev = devm_kzalloc(&pci->dev, sizeof(*dev), GFP_KERNEL);
    if (!dev) {
        return -ENOMEM;
    }
    dev->pci = pci;
    init_waitqueue_head(&dev->wait);
    spin_lock_init(&dev->lock);
    pci_set_drvdata(pci, dev);
    ret = pcim_enable_device(pci);
    if (ret) {
        return ret;
    }
    dev->bar = pcim_iomap_region(pci, 0, "sva-test");
    if (IS_ERR(dev->bar)) {
        return PTR_ERR(dev->bar);
    }
    if (readl(dev->bar + SVT_MAGIC) != SVT_MAGIC_VALUE) {
        return -ENODEV;
    }
    ret = dma_set_mask_and_coherent(&pci->dev, DMA_BIT_MASK(64));
    if (ret) {
        return ret;
    }
    pci_set_master(pci);
    ret = pci_alloc_irq_vectors(pci, 1, 1, PCI_IRQ_MSI);
    if (ret < 0) {
        return ret;
    }
    ret = request_irq(pci_irq_vector(pci, 0), svt_interrupt, 0, "sva-test",
                      dev);
    if (ret) {
        goto no_irq;
    }
    dev->misc.minor = MISC_DYNAMIC_MINOR;
    dev->misc.name = "sva-test";
    dev->misc.fops = &svt_files;
    dev->misc.parent = &pci->dev;
    ret = misc_register(&dev->misc);
    if (!ret) {
        return 0;
    }
    free_irq(pci_irq_vector(pci, 0), dev);
no_irq:
    pci_free_irq_vectors(pci);
    return ret;
}

/* Open descriptors hold the module, so there are none unless it is unbound. */
static void svt_remove(struct pci_dev *pci)
{
    struct svt_device *dev = pci_get_drvdata(pci);

    misc_deregister(&dev->misc);
    free_irq(pci_irq_vector(pci, 0), dev);
    pci_free_irq_vectors(pci);
    pci_clear_master(pci);
}

static const struct pci_device_id svt_ids[] = {
    { PCI_DEVICE(SVT_VENDOR_ID, SVT_DEVICE_ID) },
    { }
};
MODULE_DEVICE_TABLE(pci, svt_ids);

static struct pci_driver svt_driver = {
    .name = "sva-test",
    .id_table = svt_ids,
    .probe = svt_probe,
    .remove = svt_remove,
    /* No way to take it away from under a process */
    .driver = { .suppress_bind_attrs = true },
};
module_pci_driver(svt_driver);

MODULE_DESCRIPTION("Driver of the emulated device x-sva-test");
MODULE_LICENSE("GPL");
