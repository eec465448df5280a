// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a call takes that names a hidden process, and the same call with a number
 * that is free, see crowd.c.  For each call there are
 *
 * CALL-hidden	a hidden process
 * CALL-free	a number that is free, beside those that are taken
 * CALL-far	a number that is free, and so are all those around it
 *
 * and for names in /proc also
 *
 * CALL-known	a hidden process that somebody else has looked at: its name is cached
 *
 * All of them have to end in one way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "measure.h"

#define FAR	30000	/* as many digits as the others, see LAST_PID in steps.py */
#define SAMPLES	21
#define BATCH	128	/* one call in some allocates a page: so that each sample has some */

/* who is looked for, by number and by name */
static pid_t pid;
static char path[32];

static int file;	/* to be owned */

static long call_kill(void)
{
	return kill(pid, 0);
}

static long call_kill_group(void)
{
	return kill(-pid, 0);
}

static long call_tgkill(void)
{
	return syscall(SYS_tgkill, pid, pid, 0);
}

static long call_getpgid(void)
{
	return getpgid(pid);
}

static long call_getsid(void)
{
	return getsid(pid);
}

static long call_setpgid(void)
{
	return setpgid(pid, 0);
}

static long call_prlimit(void)
{
	struct rlimit limit;

	return syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, NULL, &limit);
}

static long call_sched_getscheduler(void)
{
	return sched_getscheduler(pid);
}

static long call_getpriority(void)
{
	return syscall(SYS_getpriority, PRIO_PROCESS, pid);
}

static long call_getpriority_group(void)
{
	return syscall(SYS_getpriority, PRIO_PGRP, pid);
}

static long call_ioprio_get(void)
{
	return syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, pid);
}

static long call_capget(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3, .pid = pid,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data);
}

static long call_get_robust_list(void)
{
	size_t length;
	void *head;

	return syscall(SYS_get_robust_list, pid, &head, &length);
}

static long call_process_vm_readv(void)
{
	char c;
	struct iovec range = { .iov_base = &c, .iov_len = 1 };

	return syscall(SYS_process_vm_readv, pid, &range, 1, &range, 1, 0);
}

/* may name who is hidden, a crash handler: a free number is no error either */
static long call_ptracer(void)
{
	return prctl(PR_SET_PTRACER, pid, 0, 0, 0);
}

static long call_futex(void)
{
	uint32_t word = pid;

	return syscall(SYS_futex, &word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0);
}

static long call_pidfd_open(void)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

static long call_setown(void)
{
	return fcntl(file, F_SETOWN, pid);
}

static long call_stat(void)
{
	struct stat st;

	return stat(path, &st);
}

static long call_open(void)
{
	return open(path, O_PATH | O_CLOEXEC);
}

static const struct call {
	const char *name;
	long (*call)(void);
} calls[] = {
	{ "kill", call_kill },
	{ "kill-group", call_kill_group },
	{ "tgkill", call_tgkill },
	{ "getpgid", call_getpgid },
	{ "getsid", call_getsid },
	{ "setpgid", call_setpgid },
	{ "prlimit", call_prlimit },
	{ "sched_getscheduler", call_sched_getscheduler },
	{ "getpriority", call_getpriority },
	{ "getpriority-group", call_getpriority_group },
	{ "ioprio_get", call_ioprio_get },
	{ "capget", call_capget },
	{ "get_robust_list", call_get_robust_list },
	{ "process_vm_readv", call_process_vm_readv },
	{ "pidfd_open", call_pidfd_open },
	{ "F_SETOWN", call_setown },
	{ "stat", call_stat },
	{ "open", call_open },
	{ "ptracer", call_ptracer },
	{ "futex", call_futex },
}, *current;

/* who is looked up by each call, and what that took */
static struct target {
	const char *name;
	pid_t pid;
	double samples[SAMPLES];
	int error;
} targets[] = {
	{ .name = "hidden" }, { .name = "free" }, { .name = "far", .pid = FAR },
	{ .name = "known" },	/* only by those calls that take a name */
};

static void sample(struct target *t, int i)
{
	unsigned long start;
	long result = 0;

	pid = t->pid;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	start = __rdtsc();
	for (int j = 0; j < BATCH; j++)
		result = current->call();
	t->samples[i] = (double)(__rdtsc() - start) / BATCH;
	t->error = result < 0 ? errno : 0;
}

/*
 * In turn, so that what changes meanwhile changes for all.  The first time is for
 * what is filled then.
 */
static void measure_call(void)
{
	bool by_name = current->call == call_stat || current->call == call_open;
	int n = by_name ? 4 : 3;
	char name[64];

	for (int i = -1; i < SAMPLES; i++)
		for (struct target *t = targets; t < targets + n; t++)
			sample(t, i < 0 ? 0 : i);
	for (struct target *t = targets; t < targets + n; t++) {
		if (t->error != targets[0].error)
			errx(1, "%s: a hidden number is not like a free one", current->name);
		snprintf(name, sizeof(name), "%s-%s", current->name, t->name);
		memcpy(samples, t->samples, sizeof(t->samples));
		print_samples(name, SAMPLES);
	}
}

static pid_t number_in(const char *name)
{
	const char *text = getenv(name);

	if (!text)
		errx(2, "no $%s: run by crowd?", name);
	return atoi(text);
}

int main(void)
{
	targets[0].pid = number_in("HIDDEN");
	targets[1].pid = number_in("FREE");
	targets[3].pid = number_in("KNOWN");
	file = open("/dev/null", O_RDONLY);
	if (file < 0)
		err(1, "/dev/null");
	for (current = calls; current < calls + sizeof(calls) / sizeof(calls[0]); current++)
		measure_call();
	return 0;
}
