// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many bytes of kernel objects a process costs.
 *
 *	tasks N none|shared|own
 *
 * It is in no domain, in one with all the others, or in one of its own.
 */
#include <stdbool.h>
#include <string.h>
#include "domain.h"
#include "measure.h"
#include "memory.h"

static int leash[2];
static int ready[2];

static void idle(bool own_domain)
{
	char c = 0;

	close(leash[1]);
	if (own_domain)
		enter_domain();
	if (write(ready[1], &c, 1) != 1)
		err(1, "write");
	_exit(read(leash[0], &c, 1));
}

static void spawn(int n, bool own_domain)
{
	char c;

	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			idle(own_domain);
		if (read(ready[0], &c, 1) != 1)
			err(1, "read");
	}
}

int main(int argc, char **argv)
{
	double before;
	int n;

	if (argc != 3)
		errx(2, "usage: tasks N none|shared|own");
	n = atoi(argv[1]);
	if (pipe(leash) || pipe(ready))
		err(1, "pipe");
	if (!strcmp(argv[2], "shared"))
		enter_domain();

	before = kernel_memory();
	spawn(n, !strcmp(argv[2], "own"));
	print_number("bytes", (kernel_memory() - before) / n);

	close(leash[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}
