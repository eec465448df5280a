// SPDX-License-Identifier: GPL-2.0-or-later
/* The landlock enforcer: a ruleset that consists of one scope */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "yama_native.h"

/*
 * The build machine's <linux/landlock.h> may be older than the kernel that
 * runs, so the little that is used stands here (see landlock(7)).
 */
#define RULESET_VERSION	(1U << 0)	/* LANDLOCK_CREATE_RULESET_VERSION */
#define SCOPE_SIGNAL	(1ULL << 1)	/* LANDLOCK_SCOPE_SIGNAL, ABI 6 */
#define SAME_EXEC_OFF	(1U << 0)	/* LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF */
#define LOG_FLAGS_ABI	7

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

int ys_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   RULESET_VERSION);

	return abi < 0 ? -errno : (int)abi;
}

int ys_landlock_create(void)
{
	/*
	 * No file right is handled: a ruleset that handles one forbids
	 * mount(2), and with it containers and user mounts in the session.
	 */
	const struct ruleset_attr attr = { .scoped = SCOPE_SIGNAL };
	int abi = ys_landlock_abi();
	long fd;

	if (abi < 0)
		return abi;
	if (abi < YS_LANDLOCK_MIN_ABI)
		return -EOPNOTSUPP;
	fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	return fd < 0 ? -errno : (int)fd;
}

/*
 * The program that is about to start a session goes on looking around, and
 * what it does not find is nothing for the audit log.
 */
int ys_landlock_restrict(int ruleset_fd)
{
	unsigned int flags = ys_landlock_abi() < LOG_FLAGS_ABI ? 0 :
								  SAME_EXEC_OFF;

	return syscall(SYS_landlock_restrict_self, ruleset_fd, flags) ? -errno :
									0;
}
