// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* Processes: fork, exec, failed exec, exit, and those that were there before us. */
#include "entry.h"
#include "late.h"
#include "named.h"

#define CLONE_VM 0x00000100
#define CLONE_FS 0x00000200
#define CLONE_FILES 0x00000400
#define CLONE_SIGHAND 0x00000800
#define CLONE_VFORK 0x00004000
#define CLONE_PARENT 0x00008000
#define CLONE_THREAD 0x00010000
#define CLONE_NEWNS 0x00020000
#define CLONE_NEWCGROUP 0x02000000
#define CLONE_NEWUTS 0x04000000
#define CLONE_NEWIPC 0x08000000
#define CLONE_NEWUSER 0x10000000
#define CLONE_NEWPID 0x20000000
#define CLONE_NEWNET 0x40000000
/* What can be seen in the two tasks, and so need not be believed. */
#define CLONE_SEEN                                                                                       \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PARENT | CLONE_THREAD | CLONE_NEWNS |  \
	 CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define NR_clone 56
#define NR_clone3 435
#define NR_vfork 58
#define NR32_clone 120
#define NR32_vfork 190
#define SIGNAL_GROUP_EXIT 4

/* The flags the caller asked for: an argument, or for clone3 a number in user memory. */
static __always_inline __u64 asked_flags(struct task_struct *parent)
{
	struct pt_regs *regs = CAST(struct pt_regs, bpf_task_pt_regs(parent));
	bool compat = parent->thread_info.status & TS_COMPAT;
	__u32 number = (__u32)LOAD(regs, orig_ax);
	__u64 flags = 0;

	if (parent->flags & PF_KTHREAD)
		return 0;
	if (number == NR_clone3)
		bpf_probe_read_user(&flags, sizeof(flags),
				    (const void *)(compat ? (__u32)LOAD(regs, bx) : LOAD(regs, di)));
	else if (!compat && (number & ~X32_BIT) == NR_clone)
		flags = (__u32)LOAD(regs, di);
	else if (compat && number == NR32_clone)
		flags = (__u32)LOAD(regs, bx);
	else if (number == (compat ? NR32_vfork : NR_vfork))
		flags = CLONE_VFORK;
	return flags & ~(__u64)0xff; /* the low byte is the signal at exit */
}

static __always_inline __u64 seen_flags(struct task_struct *parent, struct task_struct *child)
{
	struct nsproxy *a = parent->nsproxy, *b = child->nsproxy;
	__u64 flags = 0;

	if (parent->mm && parent->mm == child->mm)
		flags |= CLONE_VM;
	if (parent->fs == child->fs)
		flags |= CLONE_FS;
	if (parent->files == child->files)
		flags |= CLONE_FILES;
	if (parent->sighand == child->sighand)
		flags |= CLONE_SIGHAND;
	if (child->tgid == parent->tgid)
		flags |= CLONE_THREAD;
	else if (child->real_parent == parent->real_parent)
		flags |= CLONE_PARENT;
	if (a && b && a != b) {
		flags |= a->mnt_ns != b->mnt_ns ? CLONE_NEWNS : 0;
		flags |= a->cgroup_ns != b->cgroup_ns ? CLONE_NEWCGROUP : 0;
		flags |= a->uts_ns != b->uts_ns ? CLONE_NEWUTS : 0;
		flags |= a->ipc_ns != b->ipc_ns ? CLONE_NEWIPC : 0;
		flags |= a->net_ns != b->net_ns ? CLONE_NEWNET : 0;
	}
	if (child->thread_pid && parent->thread_pid && child->thread_pid->level != parent->thread_pid->level)
		flags |= CLONE_NEWPID;
	if (user_namespace_of(child) != user_namespace_of(parent))
		flags |= CLONE_NEWUSER;
	return flags;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct scratch *s;

	if (!kind_wanted(SHRIKE_FORK) || !reporting())
		return 0;
	count_run(SHRIKE_ON_FORK);
	s = record_begin(CONTEXT_TASK, SHRIKE_FORK);
	if (!s)
		return 0;
	record_task(&s->record, parent);
	s->record.arg[0] = (asked_flags(parent) & ~(__u64)CLONE_SEEN) | seen_flags(parent, child);
	s->record.arg[1] = child->tgid;
	s->record.arg[2] = child->pid;
	s->record.arg[3] = child->group_leader->start_boottime;
	s->record.arg[4] = child->thread_pid ? pid_in_own_namespace(child->thread_pid) : 0;
	if (child->tgid != child->pid)
		s->record.flags |= SHRIKE_F_THREAD;
	record_finish(s, SHRIKE_CLASS_LIFECYCLE, parent->tgid);
	return 0;
}

/* Is this inode of an overlay in its upper layer: changed or made since the image was? */
static __always_inline bool in_upper_layer(const struct shrike_object *o, __u64 inode)
{
	if (o->fs_magic != OVERLAYFS_MAGIC)
		return false;
	if (bpf_core_field_exists(struct ovl_inode, __upperdentry))
		return number_at(inode - bpf_core_field_offset(struct ovl_inode, vfs_inode) +
				 bpf_core_field_offset(struct ovl_inode, __upperdentry)) != 0;
	/* overlayfs is a module without type information: the pointer stands behind the inode */
	return number_at(inode + bpf_core_type_size(struct inode)) != 0;
}

static __always_inline bool is_memfd(__u64 address)
{
	struct dentry *dentry = CAST(struct dentry, address);

	if ((__u64)LOAD(dentry, d_parent) != address)
		return false;
	return (number_at((__u64)LOAD(dentry, d_name.name)) & 0xffffffffffff) == 0x3a64666d656dull; /* "memfd:" */
}

/* Object, REAL and the flags that go with an executable. */
static __always_inline void record_executable(struct scratch *s, struct file *executable, __u32 into)
{
	struct file *file = CAST(struct file, executable);
	__u64 inode = (__u64)LOAD(file, f_inode);
	struct walk walk = {};

	walk.from = place_of_file(file);
	record_object(&s->record, CAST(struct inode, inode));
	s->record.arg[5] = named_sets(file);
	if (in_upper_layer(&s->record.object, inode))
		s->record.flags |= SHRIKE_F_UPPER;
	if (is_memfd(walk.from.dentry))
		s->record.flags |= SHRIKE_F_MEMFD;
	walk_path(into, &walk);
	record_walk(SHRIKE_S_REAL, into, &walk);
}

static __always_inline void record_directory(struct scratch *s, struct task_struct *task, __s32 dirfd, __u32 into)
{
	struct walk walk = {};

	walk.from = place_of_directory(task, dirfd);
	walk_path(into, &walk);
	record_walk(SHRIKE_S_BASE, into, &walk);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct scratch *s;
	__u64 start, length;

	if (!kind_wanted(SHRIKE_EXEC) || !reporting())
		return 0;
	count_run(SHRIKE_ON_EXEC);
	s = record_begin(CONTEXT_TASK, SHRIKE_EXEC);
	if (!s)
		return 0;
	record_current();
	s->record.arg[0] = old_pid;
	s->record.arg[2] = bprm->argc;
	if (bprm->interp != bprm->filename)
		s->record.flags |= SHRIKE_F_INTERP;
	record_kernel_string(s, SHRIKE_S_PATH, bprm->filename, SHRIKE_PATH_MAX);
	record_executable(s, bprm->file, INTO_REAL);
	record_directory(s, task, AT_FDCWD, INTO_REAL);
	/* The kernel has just written the arguments into the new address space, where nothing has run yet. */
	start = task->mm->arg_start;
	length = task->mm->arg_end - start;
	record_user_bytes(s, SHRIKE_S_PATH2, start, length ? length - 1 : 0, SHRIKE_ARGV_MAX);
	record_finish(s, SHRIKE_CLASS_LIFECYCLE, s->record.task.tgid);
	return 0;
}

struct arguments {
	struct scratch *s;
	__u64 user; /* char *argv[] */
	__u32 begin, end;
	__u32 wide; /* 1: 64-bit pointers */
	__u32 count, more, fault;
};

static long add_argument(__u32 index, struct arguments *a)
{
	__u64 pointer = 0, end = at_most(a->end, SCRATCH_TEXT);
	long n;

	a->more = 1;
	n = a->wide ? bpf_probe_read_user(&pointer, 8, (const void *)(a->user + 8 * index))
		    : bpf_probe_read_user(&pointer, 4, (const void *)(a->user + 4 * index));
	if (n) { /* the list itself is not in memory: where it ends is not known */
		a->fault = 1;
		return 1;
	}
	if (!pointer) {
		a->more = 0;
		return 1;
	}
	if (end - a->begin >= SHRIKE_ARGV_MAX)
		return 1;
	n = read_user_string(a->s->text + end, SHRIKE_ARGV_MAX, pointer);
	if (n < 0) { /* not in memory: an exec that failed did not need it */
		a->fault = 1;
		return 1;
	}
	a->end = end + n;
	a->count = index + 1;
	a->more = 0;
	return 0;
}

/* argv of a call that failed: nothing but user memory has it. True: the record is put aside, and sent with it later. */
static __always_inline bool record_arguments(struct task_struct *task, struct scratch *s, __u64 user, bool wide)
{
	struct arguments a = {.s = s, .user = user, .wide = wide};

	a.begin = a.end = text_used(&s->record);
	if (user) /* a list that is NULL is an empty one */
		bpf_loop(FAILED_ARGS, add_argument, &a, 0);
	if (a.fault && calls_back && record_later(task, s, user, wide))
		return true;
	record_argument_span(&s->record, a.begin, a.end, a.count, a.more, a.fault);
	return false;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_exec, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 key = CONTEXT_TASK;
	struct entry *e;
	struct scratch *s;
	struct work *w;
	struct given g;
	struct call c;
	bool at;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, ret);
	e = kept(task, &c);
	if (ret >= 0 || !kind_wanted(SHRIKE_EXEC_FAILED))
		return 0;
	w = bpf_map_lookup_elem(&works, &key);
	if (!w)
		return 0;
	at = c.id == SHRIKE_CALL_execveat;
	read_given(0, at ? c.arg[1] : c.arg[0], &g);
	report_change(&c, ret, e, 0, &g);
	s = record_begin(CONTEXT_TASK, SHRIKE_EXEC_FAILED);
	if (!s)
		return 0;
	record_current();
	record_call(&s->record, &c, ret);
	record_given(SHRIKE_S_PATH, 0, &g);
	record_directory(s, task, at && !g.absolute ? (__s32)c.arg[0] : AT_FDCWD, INTO_REAL);
	if (record_arguments(task, s, at ? c.arg[2] : c.arg[1], !(c.flags & SHRIKE_F_COMPAT32)))
		return 0;
	record_finish(s, SHRIKE_CLASS_LIFECYCLE, s->record.task.tgid);
	return 0;
}

/* Was this the last thread of its process? */
static __always_inline bool group_dead(void *ctx, struct task_struct *task)
{
	__u64 *told;

	/* Since 6.16 an argument says so. */
	if (bpf_core_field_exists(struct trace_event_raw_sched_process_exit, group_dead))
		return ((__u64 *)ctx)[1] & 1;
	if (task->signal->live.counter)
		return false;
	if (task->signal->nr_threads <= 1)
		return true;
	/* Threads that end at once all find the count at zero: the first to come here ends the process. */
	told = bpf_task_storage_get(&ended, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return !told || !__sync_lock_test_and_set(told, 1);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_process, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct scratch *s;
	__u32 code;

	if (!kind_wanted(SHRIKE_EXIT) || !reporting())
		return 0;
	count_run(SHRIKE_ON_EXIT);
	s = record_begin(CONTEXT_TASK, SHRIKE_EXIT);
	if (!s)
		return 0;
	record_task(&s->record, task);
	if (group_dead(ctx, task)) {
		code = task->signal->flags & SIGNAL_GROUP_EXIT ? task->signal->group_exit_code : leader->exit_code;
		s->record.arg[0] = s->record.boot_ns - leader->start_boottime;
	} else {
		code = task->exit_code;
		s->record.flags |= SHRIKE_F_THREAD;
		s->record.arg[0] = s->record.boot_ns - task->start_boottime;
	}
	s->record.result = code;
	s->record.arg[1] = code >> 8 & 0xff;
	s->record.arg[2] = code & 0x7f;
	if (code & 0x80)
		s->record.flags |= SHRIKE_F_CORE;
	record_finish(s, SHRIKE_CLASS_LIFECYCLE, s->record.task.tgid);
	return 0;
}

/* One record for each process, read with a bpf_iter descriptor instead of a ring. Sleeps, to read their arguments. */
SEC("iter.s/task")
int on_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct mm_struct *mm;
	struct scratch *s;
	__u64 start, length, used;

	if (!task || task->pid != task->tgid)
		return 0;
	s = record_begin(CONTEXT_ITER, SHRIKE_TASK);
	if (!s)
		return 0;
	record_task(&s->record, task);
	mm = task->mm;
	if (mm) {
		struct file *exe = mm->exe_file;

		if (exe)
			record_executable(s, exe, INTO_ITER);
		record_directory(s, task, AT_FDCWD, INTO_ITER);
		start = mm->arg_start;
		length = mm->arg_end - start;
		used = text_used(&s->record);
		if (length > 1) {
			__u64 n = at_most(length - 1, SHRIKE_ARGV_MAX);

			if (!bpf_copy_from_user_task(s->text + used, n, (const void *)start, task, 0))
				record_span(&s->record, SHRIKE_S_PATH2, used, n,
					    SHRIKE_SPAN_USER | (n < length - 1 ? SHRIKE_SPAN_TRUNCATED : 0));
		}
	}
	bpf_seq_write(ctx->meta->seq, &s->record, at_most(s->record.size, SHRIKE_RECORD_MAX));
	return 0;
}
