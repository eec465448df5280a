// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What nesting costs: to enter one more domain, and to fork and exit there.
 *
 *	depth DEPTH
 */
#include <sys/mman.h>
#include "domain.h"
#include "measure.h"

#define ENTRIES	21

/* A domain cannot be left: each sample is a process of its own. */
static void measure_enter(double *shared)
{
	for (int i = 0; i < ENTRIES; i++) {
		pid_t pid = fork();

		if (!pid) {
			unsigned long start = __rdtsc();

			enter_domain();
			*shared = __rdtsc() - start;
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			err(1, "fork");
		samples[i] = *shared;
	}
	print_samples("enter", ENTRIES);
}

int main(int argc, char **argv)
{
	double *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		err(1, "mmap");
	if (argc != 2)
		errx(2, "usage: depth DEPTH");
	for (int i = 1; i < atoi(argv[1]); i++)
		enter_domain();
	measure_enter(shared);
	enter_domain();
	measure("fork+exit", 101, 1, fork_and_exit);
	return 0;
}
