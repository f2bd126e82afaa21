// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * Tells every system call of a sandbox. A thread is in a sandbox when whoever forked it was, and the first one when its
 * cgroup is one of `jobs`; each has a record in its task storage, that is filled when a call begins and sent when it has
 * returned: arguments and texts are copied once, before the call.
 *
 * What the seccomp filter refuses has no sys_enter, only a sys_exit: so a result without a beginning was refused.
 *
 * Every thing that happens gets a number, whether there is room for it in the ring or not: what is missing was lost.
 */
#include "task.h"
#include "sandbox/shrike_sandbox.h"

char dual_license[] SEC("license") = "Dual BSD/GPL";

#define TEXT_ROOM (SANDBOX_TEXTS * (SANDBOX_TEXT_MAX + sizeof(struct sandbox_text)))
#define WORDS_MAX 128         /* of an argv */
#define WAKE_BYTES (256 << 10) /* so much may wait until the reader looks by itself */
#define SIGNAL_GROUP_EXIT 4
#define AT_MOST(n, max) ({ __u64 __n = (n); barrier_var(__n); __n > (max) ? (max) : __n; })

enum state {
	QUIET = 0, /* not yet the program: our own code between fork and exec */
	IDLE,
	ENTERED,
	FORGET, /* the next sys_exit belongs to no call of its own: a new thread's first, our own exec's */
};

struct thread {
	__u32 slot;
	__u32 state;
	__u32 late; /* which texts could not be read at the beginning */
	__u32 pad;
	struct sandbox_record record;
	char text[TEXT_ROOM + 2 * SANDBOX_TEXT_MAX]; /* the last part is never sent: room for the verifier's worst case */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

/* Cgroup id to slot. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SANDBOX_SLOTS);
	__type(key, __u64);
	__type(value, __u32);
} jobs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SANDBOX_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sandbox_slot);
} slots SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SANDBOX_SLOTS);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SANDBOX_NUMBERS);
	__type(key, __u32);
	__type(value, struct sandbox_call_plan);
} plans SEC(".maps");

/* For what is told beside calls; these never interrupt each other. */
struct event {
	struct sandbox_record record;
	char text[TEXT_ROOM + 2 * SANDBOX_TEXT_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event);
} events SEC(".maps");

static __always_inline void send(struct sandbox_record *r, __u32 slot, bool wake)
{
	struct sandbox_slot *s = bpf_map_lookup_elem(&slots, &slot);
	void *ring = bpf_map_lookup_elem(&rings, &slot);
	__u64 size = AT_MOST(r->size, sizeof(*r) + TEXT_ROOM);

	if (!s)
		return;
	r->seq = __sync_fetch_and_add(&s->seq, 1);
	if (!ring)
		return;
	wake |= bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > WAKE_BYTES;
	bpf_ringbuf_output(ring, r, size, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void name_task(struct sandbox_record *r, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	r->tid = task->thread_pid ? pid_in_own_namespace(task->thread_pid) : 0;
	r->pid = leader->thread_pid ? pid_in_own_namespace(leader->thread_pid) : 0;
}

static __always_inline void start_record(struct sandbox_record *r, enum sandbox_kind kind)
{
	__builtin_memset(r, 0, sizeof(*r));
	r->size = sizeof(*r);
	r->kind = kind;
	r->number = -1;
	r->time_ns = bpf_ktime_get_boot_ns();
}

static __always_inline struct event *begin_event(struct task_struct *task, enum sandbox_kind kind)
{
	__u32 zero = 0;
	struct event *e = bpf_map_lookup_elem(&events, &zero);

	if (e) {
		start_record(&e->record, kind);
		name_task(&e->record, task);
	}
	return e;
}

/* Where the next text goes; `text` is what stands behind the record. */
static __always_inline __u64 room_at(const struct sandbox_record *r)
{
	return AT_MOST(r->size - sizeof(*r), TEXT_ROOM - sizeof(struct sandbox_text));
}

static __always_inline void end_text(struct sandbox_record *r, char *text, __u64 at, __u32 length, __u8 kind)
{
	struct sandbox_text head = {.kind = kind, .length = length};

	*(struct sandbox_text *)(text + at) = head;
	r->size = sizeof(*r) + at + sizeof(head) + length;
	r->texts++;
}

struct words {
	char *text; /* where they go */
	__u64 user;
	__u32 used;
	__u32 fault;
	__u32 more;
};

static long add_word(__u32 index, struct words *w)
{
	__u64 pointer = 0, used;
	long n;

	if (bpf_probe_read_user(&pointer, 8, (const void *)(w->user + 8 * index))) {
		w->fault = 1;
		return 1;
	}
	if (!pointer)
		return 1;
	used = AT_MOST(w->used, SANDBOX_TEXT_MAX - 1);
	n = bpf_probe_read_user_str(w->text + used, SANDBOX_TEXT_MAX - used, (const void *)pointer);
	if (n < 0) {
		w->fault = 1;
		return 1;
	}
	w->used = used + n;
	if (w->used >= SANDBOX_TEXT_MAX || index == WORDS_MAX - 1) {
		w->more = 1;
		return 1;
	}
	return 0;
}

/* One text of a call. 1: it could not be read. A global function: the verifier looks at it once. */
__weak __noinline int read_text(__u32 which)
{
	struct thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
	struct sandbox_call_plan *plan;
	struct sandbox_text_plan *one;
	struct sandbox_record *r;
	__u32 number;
	__u64 user, at, length, most;
	char *to;
	long n;

	if (!t || which >= SANDBOX_TEXTS)
		return 0;
	r = &t->record;
	number = r->number;
	plan = bpf_map_lookup_elem(&plans, &number);
	if (!plan)
		return 0;
	one = which ? &plan->text[1] : &plan->text[0];
	if (one->argument > 5 || one->length_argument > 5)
		return 0;
	user = r->arg[one->argument];
	if (!user || one->how == SANDBOX_NOTHING)
		return 0;
	at = room_at(r);
	most = AT_MOST(one->most, SANDBOX_TEXT_MAX);
	to = t->text + at + sizeof(struct sandbox_text);
	if (one->how == SANDBOX_STRING) {
		n = bpf_probe_read_user_str(to, most, (const void *)user);
		if (n < 0)
			return 1;
		if (n == most)
			r->flags |= SANDBOX_F_CUT;
		end_text(r, t->text, at, n > 0 ? n - 1 : 0, one->kind);
	} else if (one->how == SANDBOX_BYTES) {
		length = r->arg[one->length_argument];
		if (length > most)
			r->flags |= SANDBOX_F_CUT;
		length = AT_MOST(length, most);
		length = AT_MOST(length, SANDBOX_TEXT_MAX);
		if (!length)
			return 0;
		if (bpf_probe_read_user(to, length, (const void *)user))
			return 1;
		end_text(r, t->text, at, length, one->kind);
	} else {
		struct words w = {.text = to, .user = user};

		bpf_loop(WORDS_MAX, add_word, &w, 0);
		if (w.fault && !w.used)
			return 1;
		if (w.fault)
			r->flags |= SANDBOX_F_MEMORY;
		if (w.more)
			r->flags |= SANDBOX_F_CUT;
		end_text(r, t->text, at, AT_MOST(w.used, SANDBOX_TEXT_MAX), one->kind);
	}
	return 0;
}

/* Fills the record with the call that the registers show. */
static __always_inline void begin_call(struct thread *t, struct task_struct *task, struct pt_regs *regs, __u32 number)
{
	struct sandbox_record *r = &t->record;

	start_record(r, SANDBOX_CALL);
	name_task(r, task);
	if (task->thread_info.status & TS_COMPAT) {
		r->abi = SANDBOX_I386;
		r->arg[0] = (__u32)regs->bx;
		r->arg[1] = (__u32)regs->cx;
		r->arg[2] = (__u32)regs->dx;
		r->arg[3] = (__u32)regs->si;
		r->arg[4] = (__u32)regs->di;
		r->arg[5] = (__u32)regs->bp;
	} else {
		if (number & X32_BIT) {
			r->abi = SANDBOX_X32;
			number &= ~X32_BIT;
		}
		r->arg[0] = regs->di;
		r->arg[1] = regs->si;
		r->arg[2] = regs->dx;
		r->arg[3] = regs->r10;
		r->arg[4] = regs->r8;
		r->arg[5] = regs->r9;
	}
	r->number = number;
	t->late = 0;
	if (r->abi != SANDBOX_X86_64 || number >= SANDBOX_NUMBERS)
		return;
	if (read_text(0))
		t->late |= 1;
	if (read_text(1))
		t->late |= 2;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_enter, struct pt_regs *regs, long id)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *t = bpf_task_storage_get(&threads, task, 0, 0);

	if (!t || t->state == QUIET)
		return 0;
	begin_call(t, task, regs, (__u32)id);
	t->state = ENTERED;
	return 0;
}

/* Texts whose memory was not there before the call; by now the kernel has read it too. */
static __always_inline void read_late(struct thread *t)
{
	if (t->late & 1 && read_text(0))
		t->record.flags |= SANDBOX_F_MEMORY;
	if (t->late & 2 && read_text(1))
		t->record.flags |= SANDBOX_F_MEMORY;
	t->record.flags |= SANDBOX_F_LATE;
	t->late = 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_exit, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	__u32 state;

	if (!t || t->state == QUIET)
		return 0;
	state = t->state;
	t->state = IDLE;
	if (state == FORGET)
		return 0;
	if (state == IDLE) {
		begin_call(t, task, regs, (__u32)regs->orig_ax);
		t->record.flags |= SANDBOX_F_DENIED;
	}
	if (t->late)
		read_late(t);
	t->record.result = t->record.abi == SANDBOX_I386 ? (__s32)result : result;
	send(&t->record, t->slot, state == IDLE);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct thread *from = bpf_task_storage_get(&threads, parent, 0, 0), *to;
	struct sandbox_slot *s;
	struct event *e;
	__u32 slot, *job;
	__u64 cgroup;

	if (from) {
		slot = from->slot;
	} else {
		cgroup = parent->cgroups->dfl_cgrp->kn->id;
		job = bpf_map_lookup_elem(&jobs, &cgroup);
		if (!job)
			return 0;
		slot = *job;
	}
	s = bpf_map_lookup_elem(&slots, &slot);
	if (!s)
		return 0;
	to = bpf_task_storage_get(&threads, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!to) {
		__sync_fetch_and_add(&s->untraced, 1);
		return 0;
	}
	to->slot = slot;
	to->state = from ? FORGET : QUIET;
	e = begin_event(child, SANDBOX_START);
	if (!e)
		return 0;
	if (child->tgid != child->pid) {
		e->record.arg[0] = e->record.pid;
	} else if (from) {
		struct task_struct *leader = parent->group_leader;

		e->record.arg[0] = leader->thread_pid ? pid_in_own_namespace(leader->thread_pid) : 0;
	}
	if (from && from->state == ENTERED && from->record.number == 56 /* clone */)
		e->record.arg[1] = from->record.arg[0];
	send(&e->record, slot, false);
	return 0;
}

/* The path of an executable, written from the end of a buffer towards its beginning. Rare, so by plain helpers. */
struct walk {
	char *text;
	struct dentry *dentry;
	struct mount *mount;
	__u32 at;
	__u32 done;
};

static long walk_step(__u32 index, struct walk *w)
{
	struct dentry *dentry = w->dentry, *parent = BPF_CORE_READ(dentry, d_parent);
	struct mount *mount = w->mount;
	struct dentry *root = BPF_CORE_READ(mount, mnt.mnt_root);
	__u32 length, at = w->at;

	if (dentry == root) {
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		if (above == mount) {
			w->done = 1;
			return 1;
		}
		w->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		w->mount = above;
		return 0;
	}
	length = BPF_CORE_READ(dentry, d_name.len) & 0xff;
	if (dentry == parent && !length)
		return 1;
	if (at < 258)
		return 1;
	at = (at - length) & (SANDBOX_TEXT_MAX - 1);
	barrier_var(at);
	if (bpf_probe_read_kernel(w->text + at, length, BPF_CORE_READ(dentry, d_name.name)))
		return 1;
	at = (at - 1) & (SANDBOX_TEXT_MAX - 1);
	barrier_var(at);
	w->text[at] = '/';
	w->at = at;
	/* A memfd: its own parent, and mounted nowhere. */
	if (dentry == parent) {
		w->done = 1;
		return 1;
	}
	w->dentry = parent;
	return 0;
}


SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	__u64 start, length, at;
	struct event *e;
	struct file *file;
	struct walk w;

	if (!t)
		return 0;
	/* Our own exec, that makes the program, is no call of the program's. */
	if (t->state == QUIET)
		t->state = FORGET;
	e = begin_event(task, SANDBOX_EXEC);
	if (!e)
		return 0;
	file = task->mm->exe_file;
	/* Into the part that is never sent, then to its place. */
	w.text = e->text + TEXT_ROOM;
	w.at = SANDBOX_TEXT_MAX - 1;
	w.done = 0;
	w.dentry = BPF_CORE_READ(file, f_path.dentry);
	w.mount = (void *)((__u64)BPF_CORE_READ(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt));
	bpf_loop(72, walk_step, &w, 0);
	if (!w.done)
		e->record.flags |= SANDBOX_F_CUT;
	at = AT_MOST(w.at, SANDBOX_TEXT_MAX - 1);
	length = SANDBOX_TEXT_MAX - 1 - at;
	length = AT_MOST(length, SANDBOX_TEXT_MAX - 1);
	bpf_probe_read_kernel(e->text + sizeof(struct sandbox_text), length, e->text + TEXT_ROOM + at);
	end_text(&e->record, e->text, 0, length, 5 /* TextKind::exe */);
	/* Arguments that nothing could write to yet. */
	start = task->mm->arg_start;
	length = task->mm->arg_end - start;
	if (length > SANDBOX_TEXT_MAX)
		e->record.flags |= SANDBOX_F_CUT;
	length = AT_MOST(length, SANDBOX_TEXT_MAX);
	at = room_at(&e->record);
	if (length && bpf_probe_read_user(e->text + at + sizeof(struct sandbox_text), length, (const void *)start)) {
		e->record.flags |= SANDBOX_F_MEMORY;
		length = 0;
	}
	end_text(&e->record, e->text, at, length, 4 /* TextKind::argv */);
	send(&e->record, t->slot, true);
	return 0;
}

/* What wait(2) will tell of it. */
static __always_inline __u32 wait_status(struct task_struct *task)
{
	struct signal_struct *signal = task->signal;

	if (signal && signal->flags & SIGNAL_GROUP_EXIT)
		return signal->group_exit_code;
	return task->exit_code;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_thread, struct task_struct *task)
{
	struct thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct event *e;
	__u32 last;

	if (!t)
		return 0;
	if (t->state == ENTERED) {
		t->record.flags |= SANDBOX_F_NO_RETURN;
		if (t->late)
			t->record.flags |= SANDBOX_F_MEMORY;
		send(&t->record, t->slot, false);
	}
	t->state = IDLE;
	/* Since 6.16 an argument says so. Before, two threads that end at once may both find the count at zero. */
	if (bpf_core_field_exists(struct trace_event_raw_sched_process_exit, group_dead))
		last = ((__u64 *)ctx)[1] & 1;
	else
		last = task->signal->live.counter == 0;
	e = begin_event(task, SANDBOX_EXIT);
	if (!e)
		return 0;
	e->record.arg[0] = wait_status(last ? task->group_leader : task);
	e->record.arg[1] = last;
	send(&e->record, t->slot, last);
	return 0;
}

struct kernel_siginfo {
	int si_signo, si_errno, si_code;
	union {
		struct {
			int _pid;
		} _kill;
	} _sifields;
} __kernel_type;

SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal, int signal, struct kernel_siginfo *info)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct event *e;
	int code = 0, pid = 0;

	if (!t || t->state == QUIET)
		return 0;
	e = begin_event(task, SANDBOX_SIGNAL);
	if (!e)
		return 0;
	e->record.arg[0] = signal;
	if ((__u64)info > 2) { /* SEND_SIG_NOINFO, SEND_SIG_PRIV */
		code = BPF_CORE_READ(info, si_code);
		/* SI_USER and SI_TKILL have a sender. */
		if (code == 0 || code == -6)
			pid = BPF_CORE_READ(info, _sifields._kill._pid);
	}
	e->record.arg[1] = pid;
	e->record.arg[2] = (__s64)code;
	send(&e->record, t->slot, false);
	return 0;
}
