// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* Privilege and evasion: identities, namespaces, other processes' memory, the kernel itself, and signals. */
#include "entry.h"
#include "socket.h"

/* Whether this kernel can find a task by the number that a process has for it; set by the agent before load. */
#define LOOKUP_PID 1  /* numbers of the first pid namespace only (6.2) */
#define LOOKUP_VPID 2 /* of the caller's (6.14) */
const volatile __u32 task_lookup = 0;

struct cred___caps {
	struct kernel_cap cap_permitted, cap_inheritable;
} __kernel_type;

extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;
extern struct task_struct *bpf_task_from_vpid(__s32 vpid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;

static __always_inline struct scratch *privilege_begin(struct task_struct *task, const struct call *c, long ret,
						       enum shrike_kind kind)
{
	struct scratch *s;

	if (!result_wanted(kind, ret))
		return NULL;
	if (!within_budget(PRIVILEGE_ACCOUNT)) {
		count_lost(SHRIKE_CLASS_PRIVILEGE, SHRIKE_LOST_BUDGET);
		return NULL;
	}
	s = record_begin(CONTEXT_TASK, kind);
	if (!s)
		return NULL;
	record_task(&s->record, task);
	record_call(&s->record, c, ret);
	return s;
}

static __always_inline void privilege_finish(struct scratch *s)
{
	record_finish(s, SHRIKE_CLASS_PRIVILEGE, s->record.task.tgid);
}

/* The object's own path of an open file. */
static __always_inline void privilege_real_path(struct scratch *s, struct file *file)
{
	struct walk walk = {.start = PATH_END};
	__u32 key = CONTEXT_TASK;
	struct work *w = bpf_map_lookup_elem(&works, &key);

	if (!w || !file)
		return;
	walk.from = place_of_file(file);
	walk_path(INTO_REAL, &walk);
	if (walk.start < PATH_END)
		record_bytes(s, SHRIKE_S_REAL, w->real.text + walk.start, PATH_END - walk.start,
			     walk.cut ? SHRIKE_SPAN_TRUNCATED : 0);
	record_object(&s->record, LOAD(file, f_inode));
}

/* Calls whose arguments are numbers and say everything. */
SEC("tp_btf/sys_exit")
int BPF_PROG(exit_plain, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	enum shrike_kind kind;
	struct scratch *s;
	struct call c;

	if (!read_call(regs, true, &c))
		return 0;
	switch (c.id) {
	case SHRIKE_CALL_setns:
		kind = SHRIKE_SETNS;
		break;
	case SHRIKE_CALL_unshare:
		kind = SHRIKE_UNSHARE;
		break;
	case SHRIKE_CALL_userfaultfd:
		kind = SHRIKE_USERFAULTFD;
		break;
	case SHRIKE_CALL_capset:
		kind = SHRIKE_CAPSET;
		break;
	default:
		kind = SHRIKE_SETID;
	}
	s = privilege_begin(task, &c, call_result(&c, result), kind);
	if (!s)
		return 0;
	if (kind == SHRIKE_CAPSET) {
		/* Pointers say nothing: what the thread has now does. */
		const struct cred *cred = task->cred;

		bpf_core_read(&s->record.arg[0], 8, &cred->cap_effective);
		bpf_core_read(&s->record.arg[1], 8, &((struct cred___caps *)cred)->cap_permitted);
		bpf_core_read(&s->record.arg[2], 8, &((struct cred___caps *)cred)->cap_inheritable);
	}
	privilege_finish(s);
	return 0;
}

/* Writes who a process meant by `pid`: thread group and start time, 0 when that cannot be known. */
static __always_inline void privilege_target(struct shrike_record *r, __s32 pid)
{
	struct task_struct *target = NULL;

	if (task_lookup == LOOKUP_VPID)
		target = bpf_task_from_vpid(pid);
	else if (task_lookup == LOOKUP_PID && r->task.vpid == r->task.tgid)
		target = bpf_task_from_pid(pid);
	if (!target)
		return;
	r->arg[4] = target->tgid;
	r->arg[5] = target->group_leader->start_boottime;
	bpf_task_release(target);
}

/* Requests that only look at a tracee, or let it run on: a debugger makes one for every step. */
static __always_inline bool routine_request(__u64 request)
{
	switch (request) {
	case 1 ... 3:           /* PEEKTEXT, PEEKDATA, PEEKUSER */
	case 7:                 /* CONT */
	case 9:                 /* SINGLESTEP */
	case 12:                /* GETREGS */
	case 14:                /* GETFPREGS */
	case 18:                /* GETFPXREGS */
	case 24:                /* SYSCALL */
	case 31 ... 33:         /* SYSEMU, SYSEMU_SINGLESTEP, SINGLEBLOCK */
	case 0x4201 ... 0x4202: /* GETEVENTMSG, GETSIGINFO */
	case 0x4204:            /* GETREGSET */
	case 0x4207 ... 0x420a: /* INTERRUPT, LISTEN, PEEKSIGINFO, GETSIGMASK */
	case 0x420c ... 0x420f: /* SECCOMP_GET_FILTER, ..., GET_SYSCALL_INFO, GET_RSEQ_CONFIGURATION */
		return true;
	}
	return false;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_other_process, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	struct call c;
	__s32 pid;

	if (!read_call(regs, true, &c))
		return 0;
	if (c.id == SHRIKE_CALL_ptrace) {
		if (routine_request(c.arg[0]))
			return 0;
		s = privilege_begin(task, &c, call_result(&c, result), SHRIKE_PTRACE);
		if (!s)
			return 0;
		pid = c.arg[1];
		s->record.arg[4] = s->record.arg[5] = 0;
	} else {
		s = privilege_begin(task, &c, call_result(&c, result), SHRIKE_VM_ACCESS);
		if (!s)
			return 0;
		pid = c.arg[0];
		s->record.arg[1] = c.id == SHRIKE_CALL_process_vm_writev;
		s->record.arg[2] = s->record.arg[3] = s->record.arg[4] = s->record.arg[5] = 0;
	}
	privilege_target(&s->record, pid);
	privilege_finish(s);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_kernel_code, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	enum shrike_kind kind = SHRIKE_MODULE_LOAD;
	struct scratch *s;
	struct call c;

	if (!read_call(regs, true, &c))
		return 0;
	if (c.id == SHRIKE_CALL_delete_module)
		kind = SHRIKE_MODULE_UNLOAD;
	else if (c.id == SHRIKE_CALL_kexec_load || c.id == SHRIKE_CALL_kexec_file_load)
		kind = SHRIKE_KEXEC;
	s = privilege_begin(task, &c, call_result(&c, result), kind);
	if (!s)
		return 0;
	if (kind == SHRIKE_MODULE_UNLOAD)
		record_user_string(s, SHRIKE_S_PATH, c.arg[0], 64);
	else if (c.id == SHRIKE_CALL_finit_module)
		record_user_string(s, SHRIKE_S_PATH2, c.arg[1], 256);
	else if (c.id == SHRIKE_CALL_init_module)
		record_user_string(s, SHRIKE_S_PATH2, c.arg[2], 256);
	if (c.id == SHRIKE_CALL_finit_module || c.id == SHRIKE_CALL_kexec_file_load)
		privilege_real_path(s, file_of(task, c.arg[0]));
	privilege_finish(s);
	return 0;
}

#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define READ_IMPLIES_EXEC 0x0400000 /* of personality(2) */
#define IPC_SHMAT 21              /* of ipc(2) */
#define SHM_RDONLY 010000
#define SHM_EXEC 0100000

/* Shared memory that is attached, as a mapping: address, length (not known), protection, flags, no file. */
static __always_inline void as_mapping(struct call *c)
{
	__u32 flags = c->arg[2];

	c->arg[0] = c->id == SHRIKE_CALL_ipc ? 0 : c->arg[1];
	c->arg[1] = 0;
	c->arg[2] = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	c->arg[3] = flags;
	c->arg[4] = ~0ull;
	c->arg[5] = 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_memory, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	struct call c;
	long ret;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, result);
	if (c.id == SHRIKE_CALL_memfd_create || c.id == SHRIKE_CALL_memfd_secret) {
		s = privilege_begin(task, &c, ret, SHRIKE_MEMFD);
		if (!s)
			return 0;
		if (c.id == SHRIKE_CALL_memfd_create)
			record_user_string(s, SHRIKE_S_PATH, c.arg[0], 256);
		else
			s->record.arg[1] = c.arg[0];
		s->record.arg[0] = 0;
		if (ret >= 0)
			privilege_real_path(s, file_of(task, ret));
		privilege_finish(s);
		return 0;
	}
	if (c.id == SHRIKE_CALL_mmap_old) { /* one pointer to all six */
		__u32 arg[6];

		if (bpf_probe_read_user(arg, sizeof(arg), (const void *)c.arg[0]))
			return 0;
#pragma unroll
		for (int i = 0; i < 6; i++)
			c.arg[i] = arg[i];
	}
	if (c.id == SHRIKE_CALL_ipc && (c.arg[0] & 0xffff) != IPC_SHMAT)
		return 0;
	if (c.id == SHRIKE_CALL_shmat || c.id == SHRIKE_CALL_ipc)
		as_mapping(&c);
	/* What can be read can be run, where a process has asked for that. */
	if (c.arg[2] & PROT_READ && task->personality & READ_IMPLIES_EXEC)
		c.arg[2] |= PROT_EXEC;
	if ((c.arg[2] & (PROT_WRITE | PROT_EXEC)) != (PROT_WRITE | PROT_EXEC))
		return 0;
	/* An address in the upper half of a 32-bit process is not an error. */
	if (c.flags & SHRIKE_F_COMPAT32 && (__u32)result < (__u32)-4095)
		ret = (__u32)result;
	s = privilege_begin(task, &c, ret, SHRIKE_MAP_WX);
	if (!s)
		return 0;
	s->record.result = ret;
	if (c.id == SHRIKE_CALL_mprotect || c.id == SHRIKE_CALL_pkey_mprotect) {
		s->record.arg[3] = 0;
		s->record.arg[4] = ~0ull;
	} else {
		if (ret >= 0 && c.id != SHRIKE_CALL_ipc)
			s->record.arg[0] = ret;
		s->record.arg[4] = (__s64)(__s32)c.arg[4];
		privilege_real_path(s, file_of(task, c.arg[4]));
	}
	privilege_finish(s);
	return 0;
}

#define PR_SET_NAME 15
#define PR_SET_SECCOMP 22
#define PR_SET_SECUREBITS 28
#define PR_SET_MM 35
#define PR_SET_PTRACER 0x59616d61

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_prctl, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	struct call c;

	if (!read_call(regs, true, &c))
		return 0;
	if (c.id == SHRIKE_CALL_seccomp) {
		/* Shown as the prctl that does the same: mode 1 strict, 2 filter. Others only ask. */
		if (c.arg[0] > 1)
			return 0;
		c.arg[2] = c.arg[1];
		c.arg[1] = c.arg[0] + 1;
		c.arg[0] = PR_SET_SECCOMP;
	}
	if (c.arg[0] != PR_SET_NAME && c.arg[0] != PR_SET_SECCOMP && c.arg[0] != PR_SET_MM &&
	    c.arg[0] != PR_SET_SECUREBITS && c.arg[0] != PR_SET_PTRACER)
		return 0;
	s = privilege_begin(task, &c, call_result(&c, result), SHRIKE_PRCTL);
	if (!s)
		return 0;
	if (c.arg[0] == PR_SET_NAME) /* as the kernel took it over */
		record_kernel_string(s, SHRIKE_S_PATH, __builtin_preserve_access_index(&task->comm), 16);
	privilege_finish(s);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_keys, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	struct call c;

	if (!read_call(regs, true, &c))
		return 0;
	if (c.id == SHRIKE_CALL_perf_event_open) {
		__u32 head[4] = {}; /* type, size, config */

		s = privilege_begin(task, &c, call_result(&c, result), SHRIKE_PERF_EVENT);
		if (!s)
			return 0;
		bpf_probe_read_user(head, sizeof(head), (const void *)c.arg[0]);
		s->record.arg[0] = head[0];
		s->record.arg[1] = head[2] | (__u64)head[3] << 32;
		s->record.arg[2] = (__s64)(__s32)c.arg[1];
		s->record.arg[3] = (__s64)(__s32)c.arg[2];
		s->record.arg[4] = (__s64)(__s32)c.arg[3];
		s->record.arg[5] = c.arg[4];
	} else {
		s = privilege_begin(task, &c, call_result(&c, result), SHRIKE_KEYCTL);
		if (!s)
			return 0;
		if (c.id != SHRIKE_CALL_keyctl) { /* type, description */
			record_user_string(s, SHRIKE_S_PATH, c.arg[1], 256);
			record_user_string(s, SHRIKE_S_PATH2, c.arg[0], 32);
		}
	}
	privilege_finish(s);
	return 0;
}

/* A process that sends a signal to another one. What the kernel itself sends, and timers, are not meant. */
#define SI_USER 0
#define SI_TIMER -2
#define SI_SIGIO -5
#define SI_TKILL -6

struct kernel_siginfo {
	int si_code;
} __kernel_type;

/* Is the current task in a call that lets it choose si_code? Then a code that only the kernel uses is forged. */
static __always_inline bool chooses_code(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	long number = BPF_CORE_READ(regs, orig_ax) & ~(long)X32_BIT;

	if (task->thread_info.status & TS_COMPAT)
		return number == 178 || number == 335 || number == 424;
	return number == 129 || number == 297 || number == 424 || number == 524 || number == 536;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int signal, struct kernel_siginfo *info, struct task_struct *target, int group, int outcome)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct small_scratch *s;
	int code = SI_USER;

	if (!kind_wanted(SHRIKE_SIGNAL) || target->tgid == task->tgid || !reporting())
		return 0;
	/* SEND_SIG_NOINFO is 0, SEND_SIG_PRIV 1: from a user, from the kernel. */
	if ((__u64)info == 1)
		return 0;
	if ((__u64)info > 1)
		code = BPF_CORE_READ(info, si_code);
	if (code > 0 || (code <= SI_TIMER && code >= SI_SIGIO && !chooses_code(task)))
		return 0;
	count_run(SHRIKE_ON_SIGNAL);
	s = small_record_begin(CONTEXT_SIGNAL, SHRIKE_SIGNAL);
	if (!s)
		return 0;
	record_task(&s->record, task);
	s->record.arg[0] = signal;
	s->record.arg[1] = target->tgid;
	s->record.arg[2] = target->pid;
	s->record.arg[3] = (__s64)code;
	s->record.arg[4] = target->group_leader->start_boottime;
	small_record_finish(s, SHRIKE_CLASS_PRIVILEGE, s->record.task.tgid);
	return 0;
}
