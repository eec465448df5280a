/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * The kernel interface of the Yama scope domain, and nothing else.
 *
 * Every user of these numbers, C or Python, takes them from here; a test
 * compares them with <linux/prctl.h> as the kernel series leaves it.
 */
#ifndef YAMA_ABI_H
#define YAMA_ABI_H

/* The version of the interface that has all of this, for PR_PTRACE_SCOPE_HAS */
#define YS_ABI				3

/* prctl(PR_PTRACE_SCOPE, op, ...): always five arguments, >= 0 is success */
#define PR_PTRACE_SCOPE			0x59616d73

#define PR_PTRACE_SCOPE_HAS		0	/* abi */
#define PR_PTRACE_SCOPE_ENTER		1	/* scope, view, flags */
#define PR_PTRACE_SCOPE_CREATE		2	/* scope, view, flags -> fd */
#define PR_PTRACE_SCOPE_JOIN		3	/* fd, flags */
#define PR_PTRACE_SCOPE_LEAVE		4	/* flags */
#define PR_PTRACE_SCOPE_CHECK		5	/* scope, view */
#define PR_PTRACE_SCOPE_OPEN		6	/* pidfd, flags -> fd */
#define PR_PTRACE_SCOPE_ALLOW		7	/* tracee's pidfd, tracer's or -1, flags */

#define PR_PTRACE_SCOPE_F_THREAD	1	/* ENTER, JOIN, LEAVE: this thread alone */
#define PR_PTRACE_SCOPE_F_TOPLEVEL	2	/* ENTER, CREATE: nested in nothing */
#define PR_PTRACE_SCOPE_F_OVERRIDE	4	/* ENTER, CREATE: in place of the sysctl */

/* scope: the numbers of /proc/sys/kernel/yama/ptrace_scope */
#define PR_PTRACE_SCOPE_CLASSIC		0
#define PR_PTRACE_SCOPE_RELATIONAL	1
#define PR_PTRACE_SCOPE_CAPABILITY	2
#define PR_PTRACE_SCOPE_NO_ATTACH	3

/* view: a higher number never shows more */
#define PR_PTRACE_VIEW_ALL		0
#define PR_PTRACE_VIEW_USER		1
#define PR_PTRACE_VIEW_DOMAIN		2
#define PR_PTRACE_VIEW_INFERIORS	3

#endif /* YAMA_ABI_H */
