// SPDX-License-Identifier: GPL-2.0-or-later
/* What everyday calls cost a task that looks at nobody but its own child. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include "measure.h"

static char path[64];

static void stat_file(void)
{
	struct stat st;

	if (stat(path, &st))
		err(1, "stat %s", path);
}

static void open_and_close(void)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || close(fd))
		err(1, "open %s", path);
}

static void kill_self(void)
{
	if (kill(getpid(), 0))
		err(1, "kill");
}

int main(void)
{
	pid_t child = fork();

	if (child < 0)
		err(1, "fork");
	if (!child)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/stat", child);

	measure("fork+exit", 301, 1, fork_and_exit);
	measure("stat", 301, 20, stat_file);
	measure("open+close", 301, 20, open_and_close);
	measure("kill", 301, 100, kill_self);

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
