/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Count the instructions that something takes, and say so.
 *
 * Under QEMU's -icount the time stamp counter counts the instructions of the
 * guest, those of the kernel as well as ours.  A program here prints a line for
 * each thing that it has measured: a name, and one number for each sample.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define MAX_SAMPLES	1000

static double samples[MAX_SAMPLES];

static inline void print_samples(const char *name, int n)
{
	printf("%s", name);
	for (int i = 0; i < n; i++)
		printf(" %.2f", samples[i]);
	printf("\n");
	fflush(stdout);
}

static inline void print_number(const char *name, double number)
{
	printf("%s %.2f\n", name, number);
	fflush(stdout);
}

/*
 * Sample @operation @n times.  A short one is done @batch times in a sample, so
 * that the loop and the two readings of the counter weigh little.
 */
static inline void measure(const char *name, int n, int batch,
			   void (*operation)(void))
{
	operation();	/* what is filled the first time is filled now */
	for (int i = 0; i < n; i++) {
		unsigned long start = __rdtsc();

		for (int j = 0; j < batch; j++)
			operation();
		samples[i] = (double)(__rdtsc() - start) / batch;
	}
	print_samples(name, n);
}

/* run a program and wait for it; its failure is ours */
static inline void run_program(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execvp(argv[0], argv);
		err(1, "%s", argv[0]);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s: status 0x%x", argv[0], status);
}

static inline void fork_and_exit(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		err(1, "fork");
}

#endif /* MEASURE_H */
