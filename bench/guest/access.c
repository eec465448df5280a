// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a look at one process of another program costs, see crowd.c.
 *
 * get_robust_list(2) is the thinnest call round ptrace_may_access().
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "measure.h"

static struct target {
	pid_t pid;
	char path[64];
} visible, hidden, *target;

static bool has_access(void)
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
	if (!has_access())
		err(1, "get_robust_list");
}

static void access_hidden(void)
{
	if (has_access())
		errx(1, "access to the hidden process");
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

static void find(struct target *t, const char *variable)
{
	t->pid = atoi(getenv(variable));
	snprintf(t->path, sizeof(t->path), "/proc/%d/stat", t->pid);
}

int main(void)
{
	find(&visible, "VISIBLE");
	find(&hidden, "HIDDEN");

	target = &visible;
	measure("access-visible", 301, 50, access_visible);
	measure("stat-visible", 301, 20, stat_visible);
	target = &hidden;
	measure("access-hidden", 301, 50, access_hidden);
	measure("stat-hidden", 301, 20, stat_hidden);
	return 0;
}
