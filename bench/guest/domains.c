// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Make domains, each held by a descriptor, and run a program while they are.
 *
 *	domains N PROGRAM...
 */
#include <sys/resource.h>
#include "domain.h"
#include "measure.h"
#include "memory.h"

static void close_again(void)
{
	close(create_domain());
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	double before;
	int n;

	if (argc < 3)
		errx(2, "usage: domains N PROGRAM...");
	n = atoi(argv[1]);
	limit.rlim_cur = n + 64;
	limit.rlim_max = n + 64;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "RLIMIT_NOFILE");
	/* The table of descriptors grows now and not among the domains. */
	if (dup2(STDIN_FILENO, n + 63) < 0 || close(n + 63))
		err(1, "dup2");

	before = kernel_memory();
	for (int i = 0; i < n; i++)
		create_domain();
	print_number("bytes", (kernel_memory() - before) / n);
	measure("create+close", 101, 1, close_again);
	run_program(argv + 2);
	return 0;
}
