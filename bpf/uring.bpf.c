// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * io_uring: a second way into the kernel that passes by every system call. Seen where an operation is taken from the
 * submission queue, after the kernel has made its own copy of it: paths and addresses are what will be used.
 */
#include "open.h"
#include "socket.h"

#define OP_SENDMSG 9
#define OP_CONNECT 16
#define OP_OPENAT 18
#define OP_SEND 26
#define OP_OPENAT2 28
#define OP_RENAMEAT 35
#define OP_UNLINKAT 36
#define OP_MKDIRAT 37
#define OP_SYMLINKAT 38
#define OP_LINKAT 39
#define OP_SOCKET 45
#define OP_SEND_ZC 47
#define OP_SENDMSG_ZC 48
#define OP_BIND 56
#define NR_openat 257
#define NR_openat2 437
#define FIXED_ALLOC ~0u /* IORING_FILE_INDEX_ALLOC */
#define FIXED_FILE 1 /* io_kiocb.flags: fd is an index into registered files */

struct io_cqe {
	__u64 user_data;
	__s32 res; /* when it is done */
	int fd;
} __kernel_type;
struct io_kiocb {
	struct file *file; /* in a union with the operation's own structure */
	__u8 opcode;
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
	void *async_data;
} __kernel_type;
struct io_kiocb___flags64 { /* since 6.9; 32 bits before */
	__u64 flags;
} __kernel_type;

struct filename {
	const char *name;
} __kernel_type;
struct io_open {
	int dfd;
	__u32 file_slot;
	struct filename *filename;
} __kernel_type;
struct io_unlink {
	int dfd;
	struct filename *filename;
} __kernel_type;
struct io_mkdir {
	int dfd;
	struct filename *filename;
} __kernel_type;
struct io_rename {
	int old_dfd, new_dfd;
	struct filename *oldpath, *newpath;
} __kernel_type;
struct io_link {
	int old_dfd, new_dfd;
	struct filename *oldpath, *newpath;
} __kernel_type;
struct io_connect {
	void *addr;
	int addr_len;
} __kernel_type;
struct io_bind { /* since 6.11 */
	int addr_len;
} __kernel_type;
struct io_socket {
	int domain, type, protocol;
} __kernel_type;
struct __kernel_sockaddr_storage {
	unsigned short ss_family;
} __kernel_type;
struct io_async_msghdr {
	struct __kernel_sockaddr_storage addr;
} __kernel_type;

/* Files that are only known to the ring: since 6.13 behind nodes, before in a table. */
#define FILE_BITS 7ull /* what the lowest bits of a file's address there are used for */
struct io_rsrc_node {
	unsigned long file_ptr;
} __kernel_type;
struct io_rsrc_data {
	unsigned int nr;
	struct io_rsrc_node **nodes;
} __kernel_type;
struct io_fixed_file {
	unsigned long file_ptr;
} __kernel_type;
struct io_file_table {
	struct io_rsrc_data data;
} __kernel_type;
struct io_file_table___old {
	struct io_fixed_file *files;
} __kernel_type;

struct io_ring_ctx {
	unsigned int flags;
	struct io_file_table file_table;
} __kernel_type;
struct io_ring_ctx___old {
	unsigned int nr_user_files;
	struct io_file_table___old file_table;
} __kernel_type;

/* Fields of the operation's own structure, which lies where io_kiocb.file does. */
#define OPERATION(request, type, field) BPF_CORE_READ((struct type *)(request), field)

static __always_inline void uring_filename(struct scratch *s, enum shrike_span_index index, struct filename *name)
{
	const char *text = BPF_CORE_READ(name, name);

	if (text)
		record_kernel_string(s, index, text, SHRIKE_PATH_MAX);
}

/* The path of a directory descriptor, when the path as given is relative. */
static __always_inline void uring_directory(struct scratch *s, struct task_struct *task, enum shrike_span_index path,
					     enum shrike_span_index base, int dirfd)
{
	__u32 key = CONTEXT_TASK, at = s->record.span[path].offset - sizeof(s->record);
	struct walk walk = {.start = PATH_END};
	struct work *w = bpf_map_lookup_elem(&works, &key);

	if (!w || at >= SCRATCH_TEXT || !s->record.span[path].length || s->text[at] == '/')
		return;
	walk.from = place_of_directory(task, dirfd);
	if (!walk.from.dentry)
		return;
	walk_path(INTO_FIRST, &walk);
	if (walk.start < PATH_END)
		record_bytes(s, base, w->path[0].text + walk.start, PATH_END - walk.start,
			     walk.cut ? SHRIKE_SPAN_TRUNCATED : 0);
}

static __always_inline void uring_paths(struct scratch *s, struct task_struct *task, struct io_kiocb *request, __u8 op)
{
	struct filename *first = NULL, *second = NULL;
	int dirfd = AT_FDCWD, dirfd2 = AT_FDCWD;

	switch (op) {
	case OP_OPENAT:
	case OP_OPENAT2:
		first = OPERATION(request, io_open, filename);
		dirfd = OPERATION(request, io_open, dfd);
		break;
	case OP_UNLINKAT:
		first = OPERATION(request, io_unlink, filename);
		dirfd = OPERATION(request, io_unlink, dfd);
		break;
	case OP_MKDIRAT:
		first = OPERATION(request, io_mkdir, filename);
		dirfd = OPERATION(request, io_mkdir, dfd);
		break;
	case OP_RENAMEAT:
		first = OPERATION(request, io_rename, oldpath);
		second = OPERATION(request, io_rename, newpath);
		dirfd = OPERATION(request, io_rename, old_dfd);
		dirfd2 = OPERATION(request, io_rename, new_dfd);
		break;
	case OP_SYMLINKAT:
	case OP_LINKAT:
		first = OPERATION(request, io_link, oldpath);
		second = OPERATION(request, io_link, newpath);
		dirfd = OPERATION(request, io_link, old_dfd);
		dirfd2 = OPERATION(request, io_link, new_dfd);
		break;
	default:
		return;
	}
	s->record.arg[1] = (__s64)dirfd;
	uring_filename(s, SHRIKE_S_PATH, first);
	/* What a symbolic link says is relative to the link, not to a directory of the call. */
	if (op != OP_SYMLINKAT)
		uring_directory(s, task, SHRIKE_S_PATH, SHRIKE_S_BASE, dirfd);
	if (second) {
		uring_filename(s, SHRIKE_S_PATH2, second);
		uring_directory(s, task, SHRIKE_S_PATH2, SHRIKE_S_BASE2, dirfd2);
	}
}

static __always_inline bool known_family(__u16 family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6;
}

static __always_inline void uring_network(struct scratch *s, struct task_struct *task, struct io_kiocb *request, __u8 op)
{
	struct shrike_socket *socket = &s->record.socket;
	struct address address = {};
	void *async = request->async_data;
	__u64 at = 0;
	__u32 length;
	struct sock *sk;

	if (op == OP_SOCKET) {
		socket->family = OPERATION(request, io_socket, domain);
		socket->type = OPERATION(request, io_socket, type) & 0xf;
		socket->protocol = OPERATION(request, io_socket, protocol);
		return;
	}
	if (op != OP_CONNECT && op != OP_BIND && op != OP_SEND && op != OP_SENDMSG && op != OP_SEND_ZC &&
	    op != OP_SENDMSG_ZC)
		return;
	if (!(s->record.arg[2] & FIXED_FILE)) {
		sk = socket_of_file(file_of(task, request->cqe.fd));
		if (sk)
			record_socket(&s->record, sk);
	}
	if (op != OP_CONNECT && op != OP_BIND)
		return;
	if (op == OP_BIND) {
		if (!bpf_core_type_exists(struct io_bind))
			return;
		barrier(); /* or clang looks for the field before it asks whether there is one */
		length = OPERATION(request, io_bind, addr_len);
	} else {
		length = OPERATION(request, io_connect, addr_len);
	}
	/*
	 * The kernel's copy is all of the operation's asynchronous data, or (6.10 to 6.17) somewhere inside of it, behind
	 * pointers and zeros that are no family that we know. Before 6.10 it is made later: then the caller's is read,
	 * which is what it will probably be.
	 */
	if (async) {
		at = (__u64)async;
		if (!read_address(&address, at, length, true) || !known_family(address.family)) {
			at += bpf_core_field_exists(struct io_async_msghdr, addr)
				      ? bpf_core_field_offset(struct io_async_msghdr, addr) : 0;
			if (!read_address(&address, at, length, true))
				return;
		}
	} else {
		at = (__u64)OPERATION(request, io_connect, addr);
		if (op != OP_CONNECT || !read_address(&address, at, length, false))
			return;
	}
	if (!known_family(address.family))
		return;
	record_address(socket, &address, op == OP_BIND);
	if (address.family == AF_UNIX)
		record_unix_path(s, at, length, async != NULL);
}

static __always_inline int submitted(struct io_kiocb *request)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	__u8 op;

	if (!kind_wanted(SHRIKE_URING_OP) || !reporting())
		return 0;
	count_run(SHRIKE_ON_URING);
	if (own())
		return 0;
	if (!within_budget(0)) {
		count_lost(SHRIKE_CLASS_FILE, SHRIKE_LOST_BUDGET);
		return 0;
	}
	s = record_begin(CONTEXT_TASK, SHRIKE_URING_OP);
	if (!s)
		return 0;
	op = request->opcode;
	record_task(&s->record, task);
	s->record.flags |= SHRIKE_F_URING;
	s->record.arg[0] = op;
	s->record.arg[1] = (__s64)request->cqe.fd;
	s->record.arg[2] = (__u32)BPF_CORE_READ((struct io_kiocb___flags64 *)request, flags);
	s->record.arg[3] = request->cqe.user_data;
	uring_paths(s, task, request, op);
	uring_network(s, task, request, op);
	/* A database submits a million of these a second: they must not push lifecycle records out of the reserved ring. */
	record_finish(s, SHRIKE_CLASS_FILE, s->record.task.tgid);
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(on_uring_submit, struct io_kiocb *request)
{
	return submitted(request);
}

/* Its name before 6.4. */
SEC("tp_btf/io_uring_submit_sqe")
int BPF_PROG(on_uring_submit_old, struct io_kiocb *request)
{
	return submitted(request);
}

/* The file that an open has put into the ring's own table, at `slot`. */
static __always_inline __u64 fixed_file(struct io_ring_ctx *ring, __u32 slot)
{
	struct io_ring_ctx___old *old = (void *)ring;

	if (bpf_core_field_exists(ring->file_table.data.nodes)) {
		struct io_rsrc_node **nodes = BPF_CORE_READ(ring, file_table.data.nodes);

		if (slot >= BPF_CORE_READ(ring, file_table.data.nr))
			return 0;
		return BPF_CORE_READ((struct io_rsrc_node *)number_at((__u64)(nodes + slot)), file_ptr) & ~FILE_BITS;
	}
	if (bpf_core_field_exists(old->file_table.files)) {
		struct io_fixed_file *files = BPF_CORE_READ(old, file_table.files);

		if (slot >= BPF_CORE_READ(old, nr_user_files))
			return 0;
		return number_at((__u64)(files + slot)) & ~FILE_BITS;
	}
	return 0;
}

/*
 * An open through io_uring is an open: judged by its file, when it is done, in a thread with the process's own
 * descriptors. The path as given is gone by then; a failed one is only seen as the operation it was.
 */
SEC("tp_btf/io_uring_complete")
int BPF_PROG(on_uring_complete, void *ring, void *done)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct io_kiocb *request = CAST(struct io_kiocb, (__u64)done);
	struct call c = {.number = NR_openat, .flags = SHRIKE_F_URING};
	struct walk *real;
	struct open_how how = {};
	__u32 access, wanted, slot;
	struct file *file;
	struct work *w;
	__s32 result;
	__u64 fixed;
	__u8 op;

	if (!done || !kind_wanted(SHRIKE_OPEN))
		return 0;
	op = LOAD(request, opcode);
	if ((op != OP_OPENAT && op != OP_OPENAT2) || !reporting())
		return 0;
	count_run(SHRIKE_ON_URING);
	result = LOAD(request, cqe.res);
	if (result < 0 || own())
		return 0;
	slot = OPERATION(done, io_open, file_slot);
	if (slot) {
		struct io_ring_ctx *of = LOAD(request, ctx);

		/* Its own choice of slot, or one that was free: then the result is which. */
		fixed = fixed_file(of, slot == FIXED_ALLOC ? (__u32)result : slot - 1);
		file = fixed ? CAST(struct file, fixed) : NULL;
	} else {
		file = file_of(task, result);
	}
	w = working_room();
	if (!file || !w)
		return 0;
	how.flags = LOAD(file, f_flags);
	access = open_access(&how, file);
	wanted = filter.any_path & access;
	wanted |= named_access(file, access);
	real = fresh_walk(&w->object, access);
	real->from = place_of_file(file);
	walk_path(INTO_REAL, real);
	wanted |= (real->name_access | (real->cut ? ~0u : 0)) & access;
	if (!wanted && filter.prefix_access)
		wanted = prefix_access(w->real.text, real->start, walk_length(real), real->first, access);
	if (!wanted)
		return 0;
	if (op == OP_OPENAT2)
		c.number = NR_openat2;
	record_open(task, &c, slot ? 0 : result, w, false, file, &how);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_uring_setup, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	struct file *file;
	struct call c;
	__u32 flags = 0;
	long ret;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, result);
	if (!result_wanted(SHRIKE_URING_SETUP, ret))
		return 0;
	s = record_begin(CONTEXT_TASK, SHRIKE_URING_SETUP);
	if (!s)
		return 0;
	record_task(&s->record, task);
	record_call(&s->record, &c, ret);
	file = file_of(task, ret);
	if (file) {
		struct io_ring_ctx *ring = (void *)LOAD(file, private_data);

		flags = BPF_CORE_READ(ring, flags);
	} else {
		bpf_probe_read_user(&flags, sizeof(flags), (const void *)(c.arg[1] + 8)); /* io_uring_params.flags */
	}
	s->record.arg[1] = flags;
	s->record.arg[2] = (__s64)(ret >= 0 ? ret : -1);
	record_finish(s, SHRIKE_CLASS_PRIVILEGE, s->record.task.tgid);
	return 0;
}
