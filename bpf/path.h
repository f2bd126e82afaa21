/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Paths from kernel objects: from a dentry up over mounts to the root of its mount namespace, whatever a process has
 * chrooted to. Written from the end of a buffer towards its beginning, so that a path as given can stand behind the
 * path it is relative to without copying.
 *
 * No lock is held: a rename on the way can tear a path, as it can between any two calls.
 */
#ifndef SHRIKE_PATH_H
#define SHRIKE_PATH_H

#include "kernel.h"
#include "call.h"
#include "load.h"
#include "maps.h"
#include "shrike_event.h"

#define PATH_STEPS 72 /* components and mounts together; deeper paths are cut at the root's side */

/* The buffers a walk can write: offsets in struct work. */
#define INTO_REAL offsetof(struct work, real)
#define INTO_FIRST offsetof(struct work, path[0])
#define INTO_SECOND offsetof(struct work, path[1])
#define INTO_ITER ((1u << 31) | INTO_REAL) /* the task iterator's own */

#ifdef SHRIKE_LSM
/* A hook of the LSM can be preempted: it writes into its task's note, `into` 0 or 1. */
static __always_inline char *walk_text(__u32 into)
{
	struct note *n = bpf_task_storage_get(&notes, bpf_get_current_task_btf(), 0, 0);

	if (!n)
		return NULL;
	return into ? n->path[1].walked.text : n->path[0].walked.text;
}
#elif defined(SHRIKE_DENYING)
/* So can these: into the task's own buffer. */
static __always_inline char *walk_text(__u32 into)
{
	return bpf_task_storage_get(&refused, bpf_get_current_task_btf(), 0, 0);
}
#else
static __always_inline char *walk_text(__u32 into)
{
	__u32 key = into & (1u << 31) ? CONTEXT_ITER : CONTEXT_TASK;
	struct work *w = bpf_map_lookup_elem(&works, &key);

	return w ? (char *)w + at_most(into & ~(1u << 31), sizeof(*w) - sizeof(struct walk_buffer)) : NULL;
}
#endif

/* What a component's name, text[at .. at + length) of `into`, is wanted for. Defined in filter.h. */
__u32 name_access(__u32 into, __u32 at, __u32 length, __u32 last);
static __always_inline bool name_likely(__u64 first, __u32 length, __u32 asked);

/* One step of a walk. In bpf_loop, because the verifier would follow a loop's every turn. */
struct step {
	struct walk *w;
	char *text;
	__u64 dentry, mount, root, stop_mount;
	__u64 head; /* text[at .. at + 8), not loaded from there: the processor would wait for its own narrower stores */
	__u32 into;
	__u16 at;
	__u8 whole, tree;
};

/*
 * Writes '/' and a name of `length` bytes before text[at .. PATH_END), and nothing behind it. Names up to 32 bytes by
 * plain loads, which is several times as fast as the helper; what lies behind a name may be read, never kept. struct
 * timespec64 because it is two numbers on every kernel. The name's first eight bytes (more than it has, perhaps) become
 * `first`.
 */
static __always_inline long prepend_name(struct step *s, __u64 name, __u32 length, __u64 *first)
{
	struct timespec64 *from = CAST(struct timespec64, name), *tail;
	__u32 at = (s->at - length) & (PATH_END - 1);
	char *text = s->text;

	if (!can_cast() || length > 32) {
		if (bpf_probe_read_kernel(text + at, length, (const void *)name))
			return 1;
		*first = *(__u64 *)(text + at);
	} else if (length < 8) {
		__u64 shift = 8 * (length & 7);

		*first = shift ? (from->tv_sec & ((1ull << shift) - 1)) | s->head << shift : s->head;
	} else {
		*first = from->tv_sec;
		*(__u64 *)(text + at) = *first;
		if (length > 16) {
			*(__u64 *)(text + at + 8) = from->tv_nsec;
			tail = CAST(struct timespec64, name + length - 16);
			*(__u64 *)(text + at + length - 16) = tail->tv_sec;
			*(__u64 *)(text + at + length - 8) = tail->tv_nsec;
		} else {
			tail = CAST(struct timespec64, name + length - 8);
			*(__u64 *)(text + at + length - 8) = tail->tv_sec;
		}
	}
	s->head = *first << 8 | '/';
	at = (at - 1) & (PATH_END - 1);
	*(__u64 *)(text + at) = s->head; /* all of a name of up to seven bytes */
	s->at = at;
	return 0;
}

static long walk_step(__u32 index, struct step *s)
{
	struct dentry *dentry = CAST(struct dentry, s->dentry);
	__u32 at = s->at, length;
	__u64 up, first;

	if (s->dentry == s->w->stop.dentry && s->mount == s->stop_mount)
		s->w->at_stop = at;
	if (s->dentry == s->root) {
		struct mount *mount = CAST(struct mount, s->mount);
		struct mount *above = LOAD(mount, mnt_parent);

		if ((__u64)above == s->mount) {
			s->whole = 1;
			return 1;
		}
		s->dentry = (__u64)LOAD(mount, mnt_mountpoint);
		s->mount = (__u64)above;
		above = CAST(struct mount, above);
		s->root = (__u64)LOAD(above, mnt.mnt_root);
		return 0;
	}
	up = (__u64)LOAD(dentry, d_parent);
	length = LOAD(dentry, d_name.len) & 0xff;
	/* Its own parent, yet no mount's root: a memfd (one name, shown as the kernel shows it), a pipe or a socket
	 * (none), or the top of a tree that is no longer mounted. */
	s->tree = up != s->dentry;
	if (!s->tree && (at != PATH_END || length < 2)) {
		s->whole = 1;
		return 1;
	}
	if (at < PATH_FIRST + 256)
		return 1;
	if (prepend_name(s, (__u64)LOAD(dentry, d_name.name), length, &first))
		return 1;
	if (filter.name_access && name_likely(first, length, s->w->asked))
		s->w->name_access |= name_access(s->into, s->at + 1, length, at == PATH_END);
	if (!s->tree) {
		s->whole = 1;
		return 1;
	}
	s->dentry = up;
	return 0;
}

/*
 * Writes the path of w->from into a buffer, and asks the filter about each name on the way.
 * A global function: the verifier looks at it once, not at every call.
 */
__weak __noinline int walk_path(__u32 into, struct walk *w)
{
	struct step s = {.w = w, .text = walk_text(into), .into = into, .at = PATH_END, .tree = 1};
	struct mount *mount;

	if (!w || !s.text)
		return 0;
	w->start = PATH_END;
	w->at_stop = 0;
	w->name_access = 0;
	w->cut = 0;
	if (!w->from.dentry)
		return 0;
	s.dentry = w->from.dentry;
	s.mount = w->from.vfs - bpf_core_field_offset(struct mount, mnt);
	s.stop_mount = w->stop.vfs - bpf_core_field_offset(struct mount, mnt);
	mount = CAST(struct mount, s.mount);
	s.root = (__u64)LOAD(mount, mnt.mnt_root);
	if (into == INTO_REAL) /* for same_text; behind a base stands a path as given */
		*(__u64 *)(s.text + PATH_END) = 0;
	s.head = *(__u64 *)(s.text + PATH_END);
	bpf_loop(PATH_STEPS, walk_step, &s, 0);
	if (s.at == PATH_END && s.whole && s.tree) {
		s.text[--s.at] = '/';
		s.head = '/';
	}
	w->start = s.at;
	w->first = s.head;
	w->cut = !s.whole;
	return 0;
}

static __always_inline __u32 walk_length(const struct walk *w)
{
	return PATH_END - w->start;
}

/* The open file behind a descriptor of the current task, or NULL. */
static __always_inline struct file *file_of(struct task_struct *task, __s32 fd)
{
	struct files_struct *files = task->files;
	struct file *file;
	struct fdtable *table;

	if (!files || fd < 0)
		return NULL;
	table = files->fdt;
	if ((__u32)fd >= table->max_fds)
		return NULL;
	file = (void *)number_at((__u64)table->fd + 8 * (__u64)(__u32)fd);
	return file ? CAST(struct file, file) : NULL;
}

static __always_inline struct place place_of_file(struct file *file)
{
	struct place p = {(__u64)LOAD(file, f_path.mnt), (__u64)LOAD(file, f_path.dentry)};

	return p;
}

/* What a relative path is relative to; nowhere for a bad descriptor, or in a task that has no file system any more. */
static __always_inline struct place place_of_directory(struct task_struct *task, __s32 dirfd)
{
	struct place p = {};

	if (dirfd == AT_FDCWD) {
		struct fs_struct *fs = task->fs;

		if (fs) {
			p.vfs = (__u64)fs->pwd.mnt;
			p.dentry = (__u64)fs->pwd.dentry;
		}
	} else {
		struct file *file = file_of(task, dirfd);

		if (file)
			p = place_of_file(file);
	}
	return p;
}

static __always_inline __u64 time_ns(__s64 seconds, __s64 ns)
{
	return seconds * 1000000000ull + (ns & 0x7fffffff); /* i_ctime_nsec has a flag in its highest bit since 6.13 */
}

static __always_inline void fill_object(struct shrike_object *o, struct inode *inode)
{
	struct super_block *sb = LOAD(inode, i_sb);

	o->inode = LOAD(inode, i_ino);
	o->mode = LOAD(inode, i_mode);
	o->uid = LOAD(inode, i_uid.val);
	o->gid = LOAD(inode, i_gid.val);
	o->links = LOAD(inode, i_nlink);
	o->device = LOAD(sb, s_dev);
	o->fs_magic = LOAD(sb, s_magic);
	if (bpf_core_field_exists(inode->i_mtime_sec)) {
		o->mtime_ns = time_ns(LOAD(inode, i_mtime_sec), LOAD(inode, i_mtime_nsec));
		o->ctime_ns = time_ns(LOAD(inode, i_ctime_sec), LOAD(inode, i_ctime_nsec));
	} else if (bpf_core_field_exists(struct inode___ctime66, __i_mtime)) {
		struct inode___ctime66 *old = (void *)inode;

		o->mtime_ns = time_ns(BPF_CORE_READ(old, __i_mtime.tv_sec), BPF_CORE_READ(old, __i_mtime.tv_nsec));
		o->ctime_ns = time_ns(BPF_CORE_READ(old, __i_ctime.tv_sec), BPF_CORE_READ(old, __i_ctime.tv_nsec));
	} else {
		struct inode___timespec *old = (void *)inode;

		o->mtime_ns = time_ns(BPF_CORE_READ(old, i_mtime.tv_sec), BPF_CORE_READ(old, i_mtime.tv_nsec));
		if (bpf_core_field_exists(old->i_ctime))
			o->ctime_ns = time_ns(BPF_CORE_READ(old, i_ctime.tv_sec), BPF_CORE_READ(old, i_ctime.tv_nsec));
		else
			o->ctime_ns = time_ns(BPF_CORE_READ((struct inode___ctime66 *)inode, __i_ctime.tv_sec),
					      BPF_CORE_READ((struct inode___ctime66 *)inode, __i_ctime.tv_nsec));
	}
}

static __always_inline void record_object(struct shrike_record *r, struct inode *inode)
{
	fill_object(&r->object, inode);
	if (!r->object.links)
		r->flags |= SHRIKE_F_DELETED;
}

#endif
