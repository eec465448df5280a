// SPDX-License-Identifier: GPL-2.0-or-later
/* One call of prctl(PR_PTRACE_SCOPE) each */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "bpf_abi.h"
#include "yama_native.h"

/* How often BPF programs are asked again that could not answer just now */
#define TRIES	200

/*
 * prctl() is variadic and the kernel looks at all five arguments: each is
 * passed at full width, so that none holds what a register happened to.
 */
static int domain_call(unsigned long op, unsigned long arg3,
		       unsigned long arg4, unsigned long arg5)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int ret, tries;

	for (tries = 0; tries < TRIES; tries++) {
		ret = prctl(PR_PTRACE_SCOPE, op, arg3, arg4, arg5);
		if (ret >= 0 || errno != EAGAIN)
			break;
		nanosleep(&pause, NULL);
	}
	return ret < 0 ? -errno : ret;
}

/*
 * To an older version the numbers of views mean other views: it is not asked.
 * That one answers -EOPNOTSUPP here, and a kernel without any -EINVAL.
 */
static int view_call(unsigned long op, unsigned int scope, unsigned int view,
		     unsigned int flags)
{
	int ret = ys_has(YS_ABI);

	return ret < 0 ? ret : domain_call(op, scope, view, flags);
}

int ys_has(unsigned int abi)
{
	return domain_call(PR_PTRACE_SCOPE_HAS, abi, 0, 0);
}

int ys_abi(void)
{
	int abi = YS_ABI;

	while (abi && ys_has(abi) < 0)
		abi--;
	return abi;
}

/*
 * A BPF program can answer HAS, but it cannot make a descriptor and says so.
 * The series looks at the arguments first, and refuses a level there is not.
 */
int ys_is_series(void)
{
	return ys_has(1) >= 0 &&
	       domain_call(PR_PTRACE_SCOPE_CREATE,
			   PR_PTRACE_SCOPE_NO_ATTACH + 1, 0, 0) == -EINVAL;
}

int ys_enter(unsigned int scope, unsigned int view, unsigned int flags)
{
	return view_call(PR_PTRACE_SCOPE_ENTER, scope, view, flags);
}

int ys_create(unsigned int scope, unsigned int view, unsigned int flags)
{
	return view_call(PR_PTRACE_SCOPE_CREATE, scope, view, flags);
}

int ys_join(int domain_fd, unsigned int flags)
{
	if (domain_fd < 0)
		return -EBADF;
	return domain_call(PR_PTRACE_SCOPE_JOIN, domain_fd, flags, 0);
}

int ys_join_key(uint64_t low, uint64_t high, unsigned int flags)
{
	int ret;

	/* Half a key is an argument, and there are two. */
	if (sizeof(unsigned long) < sizeof(uint64_t))
		return -EOPNOTSUPP;
	ret = domain_call(PR_PTRACE_SCOPE_JOIN_KEY, low, high, flags);
	if (ret == -EINVAL && !(flags & ~PR_PTRACE_SCOPE_F_THREAD))
		return -EOPNOTSUPP;	/* the operation is not known */
	return ret;
}

int ys_leave(unsigned int flags)
{
	return domain_call(PR_PTRACE_SCOPE_LEAVE, flags, 0, 0);
}

int ys_check(unsigned int scope, unsigned int view)
{
	return view_call(PR_PTRACE_SCOPE_CHECK, scope, view, 0);
}

int ys_open(int pidfd)
{
	if (pidfd < 0)
		return -EBADF;
	return domain_call(PR_PTRACE_SCOPE_OPEN, pidfd, 0, 0);
}

int ys_allow(int tracee_pidfd, int tracer_pidfd)
{
	if (tracee_pidfd < 0 || tracer_pidfd < -1)
		return -EBADF;
	return domain_call(PR_PTRACE_SCOPE_ALLOW, tracee_pidfd,
			   (unsigned long)tracer_pidfd, 0);
}
