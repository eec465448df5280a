// SPDX-License-Identifier: GPL-2.0-or-later
/* What it costs to run a program from fork to exit; its output is dropped. */
#include <fcntl.h>
#include "measure.h"

static char **program;

static void run(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		execvp(program[0], program);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s failed", program[0]);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		errx(2, "usage: timed PROGRAM...");
	program = argv + 1;
	measure("run", 7, 1, run);
	return 0;
}
