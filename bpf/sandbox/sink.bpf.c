// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * Brings whatever a sandbox connects to, or sends datagrams to, to the sockets of its sink: every address (they are all
 * local to its network namespace) and every port. Loopback and the sandbox's own address stay the program's. One of
 * these for each sandbox: its sockets are in the map.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/socket.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "sandbox/shrike_sandbox.h"

char dual_license[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define LOOPBACK_NET bpf_htonl(0x7f000000)
#define LOOPBACK_MASK bpf_htonl(0xff000000)
#define OWN_ADDRESS bpf_htonl(0x0a00020f) /* 10.0.2.15 */

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, SANDBOX_SINKS);
	__type(key, __u32);
	__type(value, __u64);
} sinks SEC(".maps");

static __always_inline int own(const struct bpf_sk_lookup *ctx)
{
	if (ctx->family == AF_INET)
		return (ctx->local_ip4 & LOOPBACK_MASK) == LOOPBACK_NET || ctx->local_ip4 == OWN_ADDRESS;
	return !ctx->local_ip6[0] && !ctx->local_ip6[1] && !ctx->local_ip6[2] && ctx->local_ip6[3] == bpf_htonl(1);
}

SEC("sk_lookup")
int to_sink(struct bpf_sk_lookup *ctx)
{
	__u32 key = ctx->family == AF_INET ? SANDBOX_TCP4 : SANDBOX_TCP6;
	struct bpf_sock *sink;

	if (own(ctx))
		return SK_PASS;
	if (ctx->protocol == IPPROTO_UDP)
		key = ctx->family == AF_INET ? SANDBOX_UDP4 : SANDBOX_UDP6;
	sink = bpf_map_lookup_elem(&sinks, &key);
	if (!sink)
		return SK_PASS;
	bpf_sk_assign(ctx, sink, 0);
	bpf_sk_release(sink);
	return SK_PASS;
}
