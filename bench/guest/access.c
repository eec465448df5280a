// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a look at one process of another program costs, see crowd.c.
 *
 * access-*	process_madvise(2) of a pidfd: ptrace_may_access(), no look-up
 * number-*	get_robust_list(2): a look-up by number, then ptrace_may_access()
 * stat-*	a look-up by name
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "measure.h"

static struct target {
	pid_t pid;
	int pidfd;
	char path[64];
} visible, hidden, *target;

/* To advise another process takes a capability, too: that is asked later. */
static bool may_access(void)
{
	struct iovec range = { .iov_base = NULL, .iov_len = 0 };

	if (syscall(SYS_process_madvise, target->pidfd, &range, 1, MADV_COLD, 0) >= 0)
		return true;
	return errno == EPERM;
}

static bool is_found(void)
{
	void *head;
	size_t length;

	return !syscall(SYS_get_robust_list, target->pid, &head, &length);
}

static bool is_there(void)
{
	struct stat st;

	return !stat(target->path, &st);
}

static void access_visible(void)
{
	if (!may_access())
		err(1, "process_madvise");
}

static void access_hidden(void)
{
	if (may_access() || errno != EACCES)
		err(1, "process_madvise of the hidden process");
}

static void number_visible(void)
{
	if (!is_found())
		err(1, "get_robust_list");
}

static void number_hidden(void)
{
	if (is_found())
		errx(1, "get_robust_list of the hidden process");
}

static void stat_visible(void)
{
	if (!is_there())
		err(1, "%s", target->path);
}

static void stat_hidden(void)
{
	if (is_there() || errno != ENOENT)
		err(1, "%s is not hidden", target->path);
}

static int number_in(const char *name, const char *suffix)
{
	char variable[16];
	const char *text;

	snprintf(variable, sizeof(variable), "%s%s", name, suffix);
	text = getenv(variable);
	if (!text)
		errx(2, "no $%s: run by crowd?", variable);
	return atoi(text);
}

static void find(struct target *t, const char *name)
{
	t->pid = number_in(name, "");
	t->pidfd = number_in(name, "_FD");
	snprintf(t->path, sizeof(t->path), "/proc/%d/stat", t->pid);
}

int main(void)
{
	find(&visible, "VISIBLE");
	find(&hidden, "HIDDEN");

	target = &visible;
	measure("access-visible", 301, 50, access_visible);
	measure("number-visible", 301, 50, number_visible);
	measure("stat-visible", 301, 20, stat_visible);
	target = &hidden;
	measure("access-hidden", 301, 50, access_hidden);
	measure("number-hidden", 301, 50, number_hidden);
	measure("stat-hidden", 301, 20, stat_hidden);
	return 0;
}
