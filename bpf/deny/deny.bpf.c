// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * LSM hooks that refuse, with EPERM, what the operator's deny list names: an access to a file of a set of objects, or the
 * execution of a program of one, by whichever name, link, mount, handle or io_uring. Each hook asks for the sets of the
 * object that the kernel has found, then for those of the executable that asks. Nothing is refused to pid 1, kernel threads,
 * the agent, its ancestors and the programs that are never touched, nor in doubt.
 *
 * An object of its own, loaded only where something is to be refused. One word (SHRIKE_ACTIVE_DENY) switches it all off.
 */
#define SHRIKE_DENYING
#include "filter.h"
#include "named.h"
#include "ring.h"

char dual_license[] SEC("license") = "Dual BSD/GPL";

/* The same as in the object this one is loaded beside. */
const volatile struct shrike_filter filter = {};
const volatile struct shrike_call_tables calls = {};
const volatile __u64 generation = 0;
const volatile struct shrike_denials denials = {};

#define EPERM 1
#define O_ACCMODE 3
#define O_WRONLY 1
#define O_CREAT 0100
#define FMODE_EXEC 0x20 /* in the flags of a file that is opened to be executed */
#define PROT_EXEC 4
#define PR_SET_MM 35
#define PR_SET_MM_EXE_FILE 13
#define PR_SET_MM_MAP 14

/* What is tried, and on what. */
struct attempt {
	struct named found; /* its object */
	__u32 tried;        /* enum shrike_access, SHRIKE_TRIED_OPEN, SHRIKE_TRIED_EXEC */
	__u32 flags;        /* of an open */
	__u64 mount;        /* struct vfsmount; 0: not known, and no path can be found */
};

static __always_inline __u64 deny_mode(void)
{
	__u32 key = SHRIKE_ACTIVE_DENY;
	const __u64 *mode = bpf_map_lookup_elem(&active, &key);

	return mode && reporting() ? *(const volatile __u64 *)mode : SHRIKE_DENY_OFF;
}

static __always_inline bool is(const struct owner *o, struct task_struct *task)
{
	return o->tgid == task->tgid && o->start_ns == task->group_leader->start_boottime;
}

/* Whether it is the agent, or whoever started it. */
__weak __noinline int is_related(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 key = 0;
	const struct owner *agent = bpf_map_lookup_elem(&owner, &key);
	const struct ancestors *a = bpf_map_lookup_elem(&ancestors, &key);

	if (!agent || !a || is(agent, task))
		return 1;
	for (int i = 0; i < ANCESTORS_MAX && a->of[i].start_ns; i++)
		if (is(&a->of[i], task))
			return 1;
	return 0;
}

/*
 * The sets of the executable that the current process runs, SHRIKE_NEVER_SET where nothing may be refused to it. What is
 * never touched is that only as root runs it: anybody can start these programs and preload into them what he likes.
 */
__weak __noinline __u32 sets_of_process(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct named program = {};

	if (task->flags & PF_KTHREAD || task->tgid <= 1 || !mm || is_related())
		return SHRIKE_NEVER_SET;
	program.file = (__u64)mm->exe_file;
	if (!program.file)
		return SHRIKE_NEVER_SET;
	named_file(&program);
	if (task->real_cred->uid.val)
		program.sets &= ~SHRIKE_NEVER_SET;
	return program.sets;
}

static __always_inline bool covers(const volatile struct shrike_denial *d, const struct attempt *a)
{
	if (!(d->sets & a->found.sets))
		return false;
	if (a->tried == SHRIKE_TRIED_OPEN)
		return d->opens >> (a->flags & O_ACCMODE) & 1;
	return d->access & a->tried;
}

/* The record. Global, as the next: the verifier looks at it once, not at every call. */
__weak __noinline int tell(struct attempt *a, __u64 rule, __u32 refused_now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct walk walk = {};
	struct placed *p;
	char *text;

	if (!a)
		return 0;
	if (!within_budget(PRIVILEGE_ACCOUNT)) {
		count_lost(SHRIKE_CLASS_PRIVILEGE, SHRIKE_LOST_BUDGET);
		return 0;
	}
	text = bpf_task_storage_get(&refused, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	walk.start = PATH_END;
	if (text && a->mount) {
		walk.from.vfs = a->mount;
		walk.from.dentry = a->found.dentry;
		walk_path(0, &walk);
	}
	p = placed_begin(SHRIKE_DENIED);
	if (!p)
		return 0;
	record_task(&p->record, task);
	p->record.syscall = (__s32)((__u32)regs->orig_ax & ~X32_BIT);
	if (task->thread_info.status & TS_COMPAT)
		p->record.flags |= SHRIKE_F_COMPAT32;
	p->record.result = refused_now ? -EPERM : 0;
	p->record.arg[0] = rule;
	p->record.arg[1] = a->tried;
	p->record.arg[2] = refused_now;
	p->record.arg[3] = a->flags;
	p->record.arg[5] = a->found.sets;
	if (a->found.inode)
		record_object(&p->record, CAST(struct inode, a->found.inode));
	/* All of the buffer, of a constant size: the path is where the walk has left it. */
	if (text)
		bpf_probe_read_kernel(p->text, PATH_END, text);
	else
		bpf_probe_read_kernel(p->text, PATH_END, NULL);
	if (walk.start < PATH_END) {
		p->record.span[SHRIKE_S_REAL].offset = sizeof(p->record) + walk.start;
		p->record.span[SHRIKE_S_REAL].length = PATH_END - walk.start;
		p->record.span[SHRIKE_S_REAL].flags = walk.cut ? SHRIKE_SPAN_TRUNCATED : 0;
	}
	placed_finish(p);
	return 0;
}

struct judgement {
	struct attempt *attempt;
	__u64 rule;
	__u32 process; /* the sets of its executable, once they are asked for */
	__u32 asked;
	__u32 found;
};

static long judge_step(__u32 i, struct judgement *j)
{
	const volatile struct shrike_denial *d = &denials.of[at_most(i, SHRIKE_DENIALS_MAX - 1)];

	if (!covers(d, j->attempt))
		return 0;
	if (!j->asked) {
		j->process = sets_of_process();
		j->asked = 1;
	}
	if (j->process & SHRIKE_NEVER_SET)
		return 1;
	if (j->process & d->exempt || (d->only && !(j->process & d->only)))
		return 0;
	j->rule = d->rule;
	j->found = 1;
	return 1;
}

/* The objects are found: is it to be refused, to this process? */
__weak __noinline int judge(struct attempt *a, __u64 mode)
{
	struct judgement j = {.attempt = a};

	if (!a || !(a->found.sets & denials.sets))
		return 0;
	bpf_loop(denials.count, judge_step, &j, 0);
	if (!j.found)
		return 0;
	tell(a, j.rule, mode == SHRIKE_DENY_REFUSE);
	return mode == SHRIKE_DENY_REFUSE ? 1 : 0;
}

/* Can anything be said of this inode at all? Nearly free where it is none of ours. */
static __always_inline bool likely_named(struct inode *inode)
{
	const struct shrike_objects *o = named_objects();

	return o && (o->folders || inode_likely(o, LOAD(inode, i_ino)) || on_overlay(inode));
}

static __always_inline void count_denying(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct shrike_counters *count = bpf_map_lookup_elem(&counters, &cpu);

	if (count)
		__sync_fetch_and_add(&count->runs[SHRIKE_ON_DENY], 1);
}

/* An open file. */
static __always_inline int try_file(struct file *file, __u32 tried, __u32 flags)
{
	__u64 mode = deny_mode();
	struct attempt a = {.tried = tried, .flags = flags};

	if (!mode)
		return 0;
	count_denying();
	if (!likely_named(file->f_inode))
		return 0;
	a.found.file = (__u64)file;
	named_file(&a.found);
	/* named_file goes on to the file below an overlay: what is told of is the one that was asked for. */
	a.found.inode = (__u64)file->f_inode;
	a.found.dentry = (__u64)file->f_path.dentry;
	a.mount = (__u64)file->f_path.mnt;
	return judge(&a, mode) ? -EPERM : 0;
}

/* One or two names, the second for where the first is to be; `mount` may be 0. */
static __always_inline int try_names(__u32 tried, __u32 flags, __u64 mount, struct dentry *first, struct dentry *second)
{
	__u64 mode = deny_mode();
	struct attempt a = {.tried = tried, .flags = flags, .mount = mount};
	struct named other = {};

	if (!mode)
		return 0;
	count_denying();
	a.found.inode = (__u64)first->d_inode;
	a.found.dentry = (__u64)first;
	named_at(&a.found);
	if (second) {
		other.inode = (__u64)second->d_inode;
		other.dentry = (__u64)second;
		named_at(&other);
		a.found.sets |= other.sets;
	}
	return judge(&a, mode) ? -EPERM : 0;
}

/* The number of the call the task is in, as the 64-bit ABI has it; -1: another ABI's, or io_uring's. */
static __always_inline long native_call(struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->thread_info.status & TS_COMPAT ? -1 : (long)((__u32)regs->orig_ax & ~X32_BIT);
}

SEC("lsm/file_open")
int BPF_PROG(deny_open, struct file *file)
{
	__u32 flags = file->f_flags;

	/* To be executed: asked by deny_exec. */
	return flags & FMODE_EXEC ? 0 : try_file(file, SHRIKE_TRIED_OPEN, flags);
}

/* An open that makes its file, asked before it does: refused only afterwards, it would leave an empty one. */
SEC("lsm/path_mknod")
int BPF_PROG(deny_create, const struct path *directory, struct dentry *dentry)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	long call = native_call(regs);
	__u32 flags;

	if (call == 2 /* open */)
		flags = regs->si;
	else if (call == 85 /* creat */)
		flags = O_WRONLY | O_CREAT;
	else if (call == 257 /* openat */)
		flags = regs->dx;
	else
		return 0; /* mknod; or an open whose flags are not at hand */
	return try_names(SHRIKE_TRIED_OPEN, flags, (__u64)directory->mnt, dentry, NULL);
}

/* Of a script, the program is its interpreter, which is asked about in its turn. */
SEC("lsm/bprm_check_security")
int BPF_PROG(deny_exec, struct linux_binprm *bprm)
{
	if (bprm->buf[0] == '#' && bprm->buf[1] == '!')
		return 0;
	return try_file(bprm->file, SHRIKE_TRIED_EXEC, 0);
}

/* A program can be run without exec: a loader maps it as code. */
SEC("lsm/mmap_file")
int BPF_PROG(deny_map, struct file *file, unsigned long asked, unsigned long protection)
{
	return file && protection & PROT_EXEC ? try_file(file, SHRIKE_TRIED_EXEC, 0) : 0;
}

SEC("lsm/file_mprotect")
int BPF_PROG(deny_protect, struct vm_area_struct *area, unsigned long asked, unsigned long protection)
{
	struct file *file = area->vm_file;

	return file && protection & PROT_EXEC ? try_file(file, SHRIKE_TRIED_EXEC, 0) : 0;
}

SEC("lsm/path_unlink")
int BPF_PROG(deny_unlink, const struct path *directory, struct dentry *dentry)
{
	return try_names(SHRIKE_A_UNLINK, 0, (__u64)directory->mnt, dentry, NULL);
}

SEC("lsm/path_rmdir")
int BPF_PROG(deny_rmdir, const struct path *directory, struct dentry *dentry)
{
	return try_names(SHRIKE_A_RMDIR, 0, (__u64)directory->mnt, dentry, NULL);
}

SEC("lsm/path_mkdir")
int BPF_PROG(deny_mkdir, const struct path *directory, struct dentry *dentry)
{
	return try_names(SHRIKE_A_MKDIR, 0, (__u64)directory->mnt, dentry, NULL);
}

SEC("lsm/path_symlink")
int BPF_PROG(deny_symlink, const struct path *directory, struct dentry *dentry)
{
	return try_names(SHRIKE_A_SYMLINK, 0, (__u64)directory->mnt, dentry, NULL);
}

SEC("lsm/path_link")
int BPF_PROG(deny_link, struct dentry *old, const struct path *directory, struct dentry *dentry)
{
	return try_names(SHRIKE_A_LINK, 0, (__u64)directory->mnt, old, dentry);
}

SEC("lsm/path_rename")
int BPF_PROG(deny_rename, const struct path *old_directory, struct dentry *old, const struct path *directory,
	     struct dentry *dentry)
{
	return try_names(SHRIKE_A_RENAME, 0, (__u64)old_directory->mnt, old, dentry);
}

SEC("lsm/path_chmod")
int BPF_PROG(deny_chmod, const struct path *path)
{
	return try_names(SHRIKE_A_CHMOD, 0, (__u64)path->mnt, path->dentry, NULL);
}

SEC("lsm/path_chown")
int BPF_PROG(deny_chown, const struct path *path)
{
	return try_names(SHRIKE_A_CHOWN, 0, (__u64)path->mnt, path->dentry, NULL);
}

/* Is it a call to truncate? An open with O_TRUNC comes by here too, and is an open. */
static __always_inline bool truncates(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u32 call = (__u32)regs->orig_ax & ~X32_BIT;

	if (task->thread_info.status & TS_COMPAT)
		return call == 92 || call == 93 || call == 193 || call == 194;
	return call == 76 || call == 77;
}

SEC("lsm/path_truncate")
int BPF_PROG(deny_truncate, const struct path *path)
{
	return truncates() ? try_names(SHRIKE_A_TRUNCATE, 0, (__u64)path->mnt, path->dentry, NULL) : 0;
}

/* Of a descriptor, since 6.2. */
SEC("lsm/file_truncate")
int BPF_PROG(deny_file_truncate, struct file *file)
{
	return truncates() ? try_file(file, SHRIKE_A_TRUNCATE, 0) : 0;
}

/*
 * prctl(PR_SET_MM) gives an address space another executable, by which this object would take its processes for an exempt
 * program's. It asks for a capability in the caller's own user namespace only: any user has that in one that he has made,
 * also over memory that he shares with his process outside of it. So it is refused there, while calls are refused at all.
 */
SEC("lsm/task_prctl")
int BPF_PROG(deny_prctl, int option, unsigned long what)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct user_namespace *user = CAST(struct user_namespace, user_namespace_of(task));

	if (option != PR_SET_MM || (what != PR_SET_MM_EXE_FILE && what != PR_SET_MM_MAP) ||
	    deny_mode() != SHRIKE_DENY_REFUSE)
		return 0;
	count_denying();
	return user && LOAD(user, level) > 0 ? -EPERM : 0;
}

/* The type of its first argument changed in 6.3; it is not looked at. */
SEC("lsm/inode_setxattr")
int BPF_PROG(deny_setxattr, void *mapping, struct dentry *dentry)
{
	return try_names(SHRIKE_A_SETXATTR, 0, 0, dentry, NULL);
}

/* Attributes that are access control lists, since 6.2. */
SEC("lsm/inode_set_acl")
int BPF_PROG(deny_set_acl, void *mapping, struct dentry *dentry)
{
	return try_names(SHRIKE_A_SETXATTR, 0, 0, dentry, NULL);
}
