// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * LSM hooks, where BPF LSM is active: which objects do the calls mean that are given paths, behind every link on the
 * way? What they find waits in the task's note for the exit of the call, because only there the result is known. They
 * observe, and always return 0. Attributes have hooks without a mount (inode_setxattr), from which no path can be found:
 * not hooked.
 *
 * An object of its own, so that a kernel without BPF LSM, or one that refuses this, loses nothing else.
 */
#define SHRIKE_LSM
#include "filter.h"
#include "named.h"

char dual_license[] SEC("license") = "Dual BSD/GPL";

/* The same as in the object this one is loaded beside. */
const volatile struct shrike_filter filter = {};
const volatile struct shrike_call_tables calls = {};
const volatile __u64 generation = 0;

/* A fresh note for the current call; NULL when nobody wants what it does, or it is at no path as given. */
static __always_inline struct note *note_begin(enum shrike_kind kind, __u32 access)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 cpu = bpf_get_smp_processor_id(), call;
	struct shrike_counters *count;
	struct pt_regs *regs;
	struct note *n;
	__u16 flags = 0;
	__u64 number;

	if (!kind_wanted(kind) ||
	    !((filter.any_path | filter.prefix_access | filter.name_access | named_asked(access)) & access) || !reporting())
		return NULL;
	/* Unlike on a tracepoint another task may run on this core in between. */
	count = bpf_map_lookup_elem(&counters, &cpu);
	if (count)
		__sync_fetch_and_add(&count->runs[SHRIKE_ON_LSM], 1);
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	number = (__u32)regs->orig_ax;
	call = find_call(task, &number, true, &flags);
	switch (call) {
	case SHRIKE_CALL_none: /* io_uring, and what the kernel does by itself */
	case SHRIKE_CALL_open:
	case SHRIKE_CALL_openat:
	case SHRIKE_CALL_openat2:
	case SHRIKE_CALL_creat:
	case SHRIKE_CALL_fchmod:
	case SHRIKE_CALL_fchown:
	case SHRIKE_CALL_fchown16:
	case SHRIKE_CALL_ftruncate:
	case SHRIKE_CALL_ftruncate64:
		return NULL;
	}
	if (own())
		return NULL;
	n = bpf_task_storage_get(&notes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!n)
		return NULL;
	n->call = call;
	n->path[0].start = n->path[1].start = PATH_END;
	n->path[0].access = n->path[1].access = 0;
	n->sets = 0;
	__builtin_memset(&n->object, 0, sizeof(n->object));
	return n;
}

/* The path of a dentry below a mount, and what of `asked` it is wanted for. */
static __always_inline void note_path(struct note *n, __u32 which, __u32 asked, struct vfsmount *mount,
					       struct dentry *dentry)
{
	struct noted_path *p = &n->path[which];
	struct walk walk = {.asked = asked};

	walk.from.vfs = (__u64)mount;
	walk.from.dentry = (__u64)dentry;
	walk_path(which, &walk);
	p->start = walk.start;
	p->cut = walk.cut;
	p->access = walk.name_access | (walk.cut ? ~0u : 0);
	if (filter.prefix_access)
		p->access |= prefix_access(p->walked.text, walk.start, walk_length(&walk), walk.first, asked);
}

/* The inode behind a dentry; nothing where it is about to be made. */
static __always_inline void note_object(struct note *n, struct dentry *dentry)
{
	struct inode *inode = dentry->d_inode;

	if (inode)
		fill_object(&n->object, inode);
}

/* Whether rules name it, or a folder it is in, as an object. */
static __always_inline void note_named(struct note *n, __u32 which, __u32 asked, struct dentry *dentry)
{
	struct named found = {.inode = (__u64)dentry->d_inode, .dentry = (__u64)dentry};

	if (!named_asked(asked))
		return;
	named_at(&found);
	n->path[which].access |= found.access;
	n->sets |= found.sets;
}

static __always_inline int note_one(enum shrike_kind kind, __u32 access, struct vfsmount *mount, struct dentry *dentry)
{
	struct note *n = note_begin(kind, access);

	if (n) {
		note_path(n, 0, access, mount, dentry);
		note_object(n, dentry);
		note_named(n, 0, access, dentry);
	}
	return 0;
}

#define NOTE(what, mount, dentry) note_one(SHRIKE_##what, SHRIKE_A_##what, mount, dentry)

SEC("lsm/path_unlink")
int BPF_PROG(lsm_unlink, const struct path *directory, struct dentry *dentry)
{
	return NOTE(UNLINK, directory->mnt, dentry);
}

SEC("lsm/path_rmdir")
int BPF_PROG(lsm_rmdir, const struct path *directory, struct dentry *dentry)
{
	return NOTE(RMDIR, directory->mnt, dentry);
}

SEC("lsm/path_mkdir")
int BPF_PROG(lsm_mkdir, const struct path *directory, struct dentry *dentry)
{
	return NOTE(MKDIR, directory->mnt, dentry);
}

SEC("lsm/path_symlink")
int BPF_PROG(lsm_symlink, const struct path *directory, struct dentry *dentry)
{
	return NOTE(SYMLINK, directory->mnt, dentry);
}

SEC("lsm/path_chmod")
int BPF_PROG(lsm_chmod, const struct path *path)
{
	return NOTE(CHMOD, path->mnt, path->dentry);
}

SEC("lsm/path_chown")
int BPF_PROG(lsm_chown, const struct path *path)
{
	return NOTE(CHOWN, path->mnt, path->dentry);
}

SEC("lsm/path_truncate")
int BPF_PROG(lsm_truncate, const struct path *path)
{
	return NOTE(TRUNCATE, path->mnt, path->dentry);
}

/* Both ends of a link or a rename are on one mount, or the kernel refuses it before it asks. */
SEC("lsm/path_link")
int BPF_PROG(lsm_link, struct dentry *old, const struct path *directory, struct dentry *dentry)
{
	struct note *n = note_begin(SHRIKE_LINK, SHRIKE_A_LINK);

	if (n) {
		note_path(n, 0, SHRIKE_A_LINK, directory->mnt, old);
		note_path(n, 1, SHRIKE_A_LINK, directory->mnt, dentry);
		note_object(n, old);
		note_named(n, 0, SHRIKE_A_LINK, old);
		note_named(n, 1, SHRIKE_A_LINK, dentry);
	}
	return 0;
}

SEC("lsm/path_rename")
int BPF_PROG(lsm_rename, const struct path *old_directory, struct dentry *old, const struct path *directory,
	     struct dentry *dentry)
{
	struct note *n = note_begin(SHRIKE_RENAME, SHRIKE_A_RENAME);

	if (n) {
		note_path(n, 0, SHRIKE_A_RENAME, old_directory->mnt, old);
		note_path(n, 1, SHRIKE_A_RENAME, directory->mnt, dentry);
		note_object(n, old);
		note_named(n, 0, SHRIKE_A_RENAME, old);
		note_named(n, 1, SHRIKE_A_RENAME, dentry);
	}
	return 0;
}
