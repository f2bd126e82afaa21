/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Files that rules name as objects (shrike_filter.h): found by device and inode, so that links, mounts, handles, other
 * mount namespaces and io_uring lead to the same answer. A folder stands for what is below it in its own file system,
 * under whatever mount. A file seen through an overlay is also the file below it.
 */
#ifndef SHRIKE_NAMED_H
#define SHRIKE_NAMED_H

#include "kernel.h"
#include "load.h"
#include "maps.h"

#define CLIMB_MAX 40 /* folders above a file that are looked at */

/* The table that counts now. */
static __always_inline const struct shrike_objects *named_objects(void)
{
	__u32 key = 0;
	const struct shrike_objects *o = bpf_map_lookup_elem(&objects, &key);

	if (o && *(const volatile __u32 *)&o->current) {
		key = 1;
		o = bpf_map_lookup_elem(&objects, &key);
	}
	return o;
}

static __always_inline bool inode_likely(const struct shrike_objects *o, __u64 inode)
{
	__u32 bit = shrike_inode_hash(inode);

	return o->likely[bit / 64 % SHRIKE_OBJECT_LIKELY] >> (bit % 64) & 1;
}

/* What is asked about, and what is known of it. Addresses by struct: see struct place. */
struct named {
	__u64 file;   /* in: struct file, or */
	__u64 inode;  /* in: struct inode (0: none yet) and */
	__u64 dentry; /* in: struct dentry */
	__u32 access; /* what is wanted of it */
	__u32 sets;
};

struct climb { /* small: see struct walk */
	struct named *found;
	__u64 at; /* struct dentry */
	__u32 device;
	__u32 pad;
};

/* Adds what the table says of one inode; `above`: as of a folder above the file in question. */
__weak __noinline int named_inode(__u64 inode, __u32 device, __u32 above, struct named *found)
{
	const struct shrike_objects *o = named_objects();
	__u32 at = shrike_object_hash(inode, device);

	if (!o || !found)
		return 0;
	for (__u32 i = 0; i < SHRIKE_OBJECT_PROBES; i++) {
		const struct shrike_object_slot *slot = &o->slots[(at + i) % SHRIKE_OBJECT_SLOTS];

		if (slot->inode != inode || slot->device != device)
			continue;
		if (!above || slot->below) {
			found->access |= above ? slot->below : slot->access;
			found->sets |= slot->sets;
		}
		break;
	}
	return 0;
}

static long climb_step(__u32 index, struct climb *c)
{
	const struct shrike_objects *o = named_objects();
	struct dentry *dentry = CAST(struct dentry, c->at);
	__u64 up = (__u64)LOAD(dentry, d_parent);
	struct inode *inode;
	__u64 number;

	if (!o || up == c->at)
		return 1;
	dentry = CAST(struct dentry, up);
	inode = CAST(struct inode, (__u64)LOAD(dentry, d_inode));
	number = LOAD(inode, i_ino);
	if (inode_likely(o, number))
		named_inode(number, c->device, 1, c->found);
	c->at = up;
	return 0;
}

/* One inode (0: none yet), and the folders above its name. Global for the verifier's sake, as walk_path. */
__weak __noinline int named_at(struct named *found)
{
	const struct shrike_objects *o = named_objects();
	struct climb c = {.found = found};
	struct super_block *sb;
	struct dentry *dentry;

	if (!o || !found)
		return 0;
	c.at = found->dentry;
	dentry = CAST(struct dentry, c.at);
	sb = CAST(struct super_block, (__u64)LOAD(dentry, d_sb));
	c.device = LOAD(sb, s_dev);
	if (found->inode) {
		struct inode *inode = CAST(struct inode, found->inode);
		__u64 number = LOAD(inode, i_ino);

		if (inode_likely(o, number))
			named_inode(number, c.device, 0, found);
	}
	if (o->folders)
		bpf_loop(CLIMB_MAX, climb_step, &c, 0);
	return 0;
}

static __always_inline bool on_overlay(struct inode *inode)
{
	struct super_block *sb = CAST(struct super_block, (__u64)LOAD(inode, i_sb));

	return LOAD(sb, s_magic) == OVERLAYFS_MAGIC;
}

/* A file at this address, if it is one. */
static __always_inline void named_real(__u64 at, struct named *found)
{
	struct file *file = CAST(struct file, at);

	found->inode = (__u64)LOAD(file, f_inode);
	found->dentry = (__u64)LOAD(file, f_path.dentry);
	if (found->inode && found->dentry)
		named_at(found);
}

/*
 * An open file, and where it is one of an overlay the file below. Since 6.13 overlayfs keeps a structure of its own that
 * begins with the file below; before, just that file. A kernel with overlayfs as a module does not say which: what it is
 * not has no device and inode that anything is named by.
 */
__weak __noinline int named_file(struct named *found)
{
	struct file *file;
	__u64 data;

	if (!found)
		return 0;
	file = CAST(struct file, found->file);
	named_real(found->file, found);
	if (!on_overlay(CAST(struct inode, (__u64)LOAD(file, f_inode))))
		return 0;
	data = (__u64)LOAD(file, private_data);
	if (!data)
		return 0;
	named_real(number_at(data), found);
	if (!bpf_core_type_exists(struct ovl_file))
		named_real(data, found);
	return 0;
}

/* What of `asked` an open file is wanted for, whatever its path. Nearly free where it is none of them. */
static __always_inline __u32 named_access(struct file *file, __u32 asked)
{
	const struct shrike_objects *o = named_objects();
	struct named found = {.file = (__u64)file};
	struct inode *inode;

	if (!o || !(o->access & asked))
		return 0;
	inode = CAST(struct inode, (__u64)LOAD(file, f_inode));
	if (!inode_likely(o, LOAD(inode, i_ino)) && !(o->below & asked) && !on_overlay(inode))
		return 0;
	named_file(&found);
	return found.access & asked;
}

/* Which of `asked` is wanted of some object. */
static __always_inline __u32 named_asked(__u32 asked)
{
	const struct shrike_objects *o = named_objects();

	return o ? o->access & asked : 0;
}

/* The sets that an open file is in, for its record. */
static __always_inline __u64 named_sets(struct file *file)
{
	struct named found = {.file = (__u64)file};

	named_file(&found);
	return found.sets;
}

#endif
