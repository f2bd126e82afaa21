/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Kernel records: what the BPF programs put into the rings and the agent's decoder takes out.
 * Plain C, no includes: BPF objects get the fixed-width types from bpf/kernel.h, user space
 * defines them before including this (agent/probe/record.h does).
 *
 * A record is a struct shrike_record, then the text its spans point at. Numbers are native
 * (little endian), padding is explicit and zero, times are CLOCK_BOOTTIME nanoseconds.
 */
#ifndef SHRIKE_EVENT_H
#define SHRIKE_EVENT_H

#define SHRIKE_RECORD_VERSION 1
#define SHRIKE_RECORD_MAX 16384 /* bytes, spans' text included */
#define SHRIKE_PATH_MAX 4096
#define SHRIKE_ARGV_MAX 4096
#define SHRIKE_SPANS 5

/* Values are part of the wire (common/wire/event.h has the same, checked at compile time). */
enum shrike_kind {
	SHRIKE_NONE = 0,
	/* process */
	SHRIKE_FORK = 1,
	SHRIKE_EXEC = 2,
	SHRIKE_EXEC_FAILED = 3,
	SHRIKE_EXIT = 4,
	SHRIKE_TASK = 5, /* a process that was there before us, from the task iterator */
	/* file */
	SHRIKE_OPEN = 16,
	SHRIKE_RENAME = 17,
	SHRIKE_UNLINK = 18,
	SHRIKE_LINK = 19,
	SHRIKE_SYMLINK = 20,
	SHRIKE_MKDIR = 21,
	SHRIKE_RMDIR = 22,
	SHRIKE_CHMOD = 23,
	SHRIKE_CHOWN = 24,
	SHRIKE_TRUNCATE = 25,
	SHRIKE_SETXATTR = 26,
	SHRIKE_MOUNT = 27,
	SHRIKE_UMOUNT = 28,
	SHRIKE_PIVOT_ROOT = 29,
	SHRIKE_CHROOT = 30,
	/* network */
	SHRIKE_SOCKET = 48,
	SHRIKE_BIND = 49,
	SHRIKE_LISTEN = 50,
	SHRIKE_ACCEPT = 51,
	SHRIKE_CONNECT = 52,
	SHRIKE_SENDTO = 53,
	SHRIKE_DUP = 54,
	SHRIKE_TCP_STATE = 55,
	/* privilege and evasion */
	SHRIKE_SETID = 80,
	SHRIKE_CAPSET = 81,
	SHRIKE_SETNS = 82,
	SHRIKE_UNSHARE = 83,
	SHRIKE_PTRACE = 84,
	SHRIKE_VM_ACCESS = 85,
	SHRIKE_BPF = 86,
	SHRIKE_PERF_EVENT = 87,
	SHRIKE_MODULE_LOAD = 88,
	SHRIKE_MODULE_UNLOAD = 89,
	SHRIKE_KEXEC = 90,
	SHRIKE_MEMFD = 91,
	SHRIKE_MAP_WX = 92,
	SHRIKE_USERFAULTFD = 93,
	SHRIKE_PRCTL = 94,
	SHRIKE_KEYCTL = 95,
	SHRIKE_SIGNAL = 96,
	SHRIKE_URING_SETUP = 97,
	SHRIKE_URING_OP = 98,
	/* integrity */
	SHRIKE_TOCTOU = 112, /* a user-memory argument differed between entry and exit; of addresses: socket.local as it was
			   at entry, .remote at exit, .family and .protocol their families */
	SHRIKE_SEQUENCE = 113, /* sequence scoring: bpf/sequence/shrike_sequence.h says what is in arg */
	SHRIKE_DENIED = 114,   /* refused, or would have been: bpf/deny */
	SHRIKE_KIND_MAX = 128
};

/* Who is counted when a reserve fails, and which ring it was for. */
enum shrike_class {
	SHRIKE_CLASS_LIFECYCLE = 0, /* fork, exec, exit: the reserved ring */
	SHRIKE_CLASS_PRIVILEGE = 1, /* privilege and integrity: the reserved ring */
	SHRIKE_CLASS_FILE = 2,      /* sharded rings */
	SHRIKE_CLASS_NETWORK = 3,   /* sharded rings */
	SHRIKE_CLASSES = 4
};

enum shrike_record_flag {
	SHRIKE_F_COMPAT32 = 1 << 0,   /* called through the 32-bit entry; syscall is the i386 number */
	SHRIKE_F_X32 = 1 << 1,        /* an x32 call; syscall has the x32 bit removed */
	SHRIKE_F_MEMFD = 1 << 2,      /* exec: the executable is a memfd */
	SHRIKE_F_UPPER = 1 << 3,      /* exec: the executable is in an overlay's upper layer */
	SHRIKE_F_DELETED = 1 << 4,    /* the object had no link left */
	SHRIKE_F_KTHREAD = 1 << 5,    /* the task is a kernel thread */
	SHRIKE_F_THREAD = 1 << 6,     /* fork: a thread, not a process; exit: not the last thread */
	SHRIKE_F_CORE = 1 << 7,       /* exit: dumped core */
	SHRIKE_F_URING = 1 << 8,      /* done on a process's behalf by io_uring */
	SHRIKE_F_CREATED = 1 << 9,    /* open: FMODE_CREATED, this call made the file */
	SHRIKE_F_INTERP = 1 << 10     /* exec: of a script, which is PATH; REAL and the object are its interpreter's */
};

enum shrike_span_flag {
	SHRIKE_SPAN_TRUNCATED = 1 << 0, /* there was more */
	SHRIKE_SPAN_FAULT = 1 << 1,     /* user memory could not be read */
	SHRIKE_SPAN_USER = 1 << 2       /* copied from user memory, not from a kernel object */
};

/* Which span holds what. A kind that has no such text leaves the span empty. */
enum shrike_span_index {
	SHRIKE_S_PATH = 0,   /* the path as given (first path of two-path calls; exec: filename; name for memfd, prctl, module) */
	SHRIKE_S_BASE = 1,   /* what a relative PATH is relative to: cwd or dirfd, absolute, from kernel objects; exec, task: the cwd */
	SHRIKE_S_REAL = 2,   /* the object's own path, from kernel objects; exec, task: of the executable; mount: file system type */
	SHRIKE_S_PATH2 = 3,  /* second path as given (rename, link, symlink: the new name; mount: the target); exec, task: argv, NUL between; setxattr: the attribute's name */
	SHRIKE_S_BASE2 = 4   /* base of PATH2; toctou: PATH as it was at exit; sockets (family AF_UNIX): path; task, fork: cgroup path is not here, user space reads it */
};

struct shrike_span {
	__u16 offset; /* from the start of the record */
	__u16 length; /* bytes, no NUL at the end */
	__u16 flags;  /* enum shrike_span_flag */
	__u16 pad;
};

/* The task at the moment of the event. Pids are those of the first pid namespace. */
struct shrike_task {
	__u32 tid;
	__u32 tgid;
	__u32 ppid;        /* thread group of the real parent */
	__u32 session;     /* pid of the session leader */
	__u64 start_ns;        /* of the thread group's leader */
	__u64 parent_start_ns; /* of the real parent's thread group */
	__u32 uid, gid, euid, egid, suid, sgid;
	__u64 cap_effective;
	__u32 loginuid;      /* ~0 when unset */
	__u32 audit_session; /* ~0 when unset */
	__u32 tty;           /* major << 20 | minor, 0 without */
	__u32 vpid;          /* tgid in its own pid namespace */
	__u64 cgroup_id;     /* of the v2 (default) hierarchy */
	__u32 ns_mnt, ns_pid, ns_net, ns_user, ns_uts, ns_ipc, ns_cgroup;
	__u32 exe_dev;       /* of the executable object: kernel's dev_t (major << 20 | minor) */
	__u64 exe_inode;
	char comm[16];
};

/* An inode, as the kernel has it. */
struct shrike_object {
	__u64 inode;
	__u64 ctime_ns;
	__u64 mtime_ns;
	__u32 device; /* kernel's dev_t */
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u32 links;
	__u32 fs_magic;
};

struct shrike_socket {
	__u8 local[16]; /* IPv4 in the first four bytes */
	__u8 remote[16];
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 local_port; /* host order */
	__u16 remote_port;
	__u16 state;     /* tcp_state: new state */
	__u16 old_state;
	__u16 pad;
};

struct shrike_record {
	__u32 size; /* of the whole record */
	__u16 kind; /* enum shrike_kind */
	__u16 flags;
	__u64 boot_ns;
	__s64 result;  /* system call's return value; exit: the wait status */
	__u32 cpu;
	__s32 syscall; /* number, -1 when the event is not a system call's */
	__u64 sequence; /* of this ring: counts reserves, also those that failed */
	/*
	 * Per kind:
	 *   fork: clone flags, child tgid, child tid, child start_ns, child vpid     (task: the parent)
	 *   exec: thread id before, -, argc; exit: lifetime_ns, exit code, signal
	 *   open: flags, mode, fd's O_ flags as the kernel has them (0 on failure), resolve (openat2), fd
	 *   open to setxattr, exec, task: the last is a mask of the sets of objects (shrike_filter.h) that the file, or the
	 *   executable, is in
	 *   link: flags; setxattr: flags; chmod: mode; chown: uid, gid; mount: flags; mkdir: mode; unlink: flags; rename: flags; truncate: length
	 *   socket: family, type, protocol, fd; bind, listen(backlog), accept, connect, sendto: fd, then call's own
	 *   dup: old fd, new fd; signal: signo, target tgid, target tid, si_code, target start_ns
	 *   setid: the call's arguments; capset: effective, permitted, inheritable set afterwards
	 *   ptrace: request, pid, addr, data, target tgid, target start_ns
	 *   vm_access: pid, 1 for write, -, -, target tgid, target start_ns (0 where a pid of the caller's namespace cannot
	 *   be looked up; pid is the caller's number)
	 *   bpf: cmd, object id (map create, prog load: the type), fd, kind of object (1 map, 2 program, 3 link, 4 BTF, 0 none),
	 *   1 when it is one of the agent's; PATH: name or pinned path
	 *   perf_event: type, config, pid, cpu, group fd, flags; map_wx: addr, length, prot, flags, fd (-1: none)
	 *   prctl: the call's arguments; seccomp() is shown as prctl(PR_SET_SECCOMP, mode, flags)
	 *   module_load: the call's arguments, PATH2: the module's options; keyctl: add_key, request_key: PATH: description,
	 *   PATH2: type
	 *   denied: the rule's number, what was tried (enum shrike_access, or SHRIKE_TRIED_*), 1 when it was refused and 0 when
	 *   it only would have been, open: its flags, -, sets of objects that the file, or the program, is in; REAL: its path
	 *   uring_setup: entries, flags, fd; uring_op: opcode, fd or dirfd, io_kiocb's flags, user_data
	 *   memfd: -, flags
	 *   otherwise: the call's arguments
	 */
	__u64 arg[6];
	struct shrike_task task;
	struct shrike_object object;
	struct shrike_socket socket;
	struct shrike_span span[SHRIKE_SPANS];
};

#endif
