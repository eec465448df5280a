/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * What the BPF programs and user space agree on, beside yama_abi.h.
 *
 * None of it is of the kernel's interface: another kernel answers EINVAL to
 * the operation, and has none of the maps.
 */
#ifndef BPF_ABI_H
#define BPF_ABI_H

#include <stdint.h>

/*
 * A further operation of prctl(PR_PTRACE_SCOPE): key's first and second half,
 * flags.  As PR_PTRACE_SCOPE_JOIN, with -ENOENT for a key that opens nothing.
 */
#define PR_PTRACE_SCOPE_JOIN_KEY	0x100

/* Of the structures below: programs with another one cannot take maps over */
#define YS_BPF_LAYOUT		2

/* How deep domains nest: the length of the arrays in struct ys_bpf_domain */
#define YS_BPF_DEPTH		16

/* How far up an ancestor is looked for; who stands higher is none */
#define YS_BPF_ANCESTORS	128

/**
 * struct ys_bpf_domain - a domain, with those it is nested in
 * @chain:    id of each, the outermost first; the domain's own is the last
 * @owner:    the user namespace, as its inode, that each was made in
 * @view:     what each imposes, by the numbers of yama_abi.h
 * @scope:    the strictest of all
 * @max_view: the strictest of all
 * @depth:    how many there are; 0: no domain
 *
 * It is the value of a task and of a key alike.
 */
struct ys_bpf_domain {
	uint64_t chain[16];
	uint32_t owner[16];
	uint8_t view[16];
	uint8_t scope;
	uint8_t max_view;
	uint8_t depth;
	uint8_t unused[5];
};

/* What is read for each task that is in a domain; both numbers of the initial namespace */
struct ys_bpf_member {
	uint32_t tgid;
	uint32_t tid;
	struct ys_bpf_domain domain;
};

#endif /* BPF_ABI_H */
