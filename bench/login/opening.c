// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a session costs that PAM opens and closes again.
 *
 *	opening SERVICE USER
 *
 * All that runs on the machine meanwhile is counted: the daemons that a module
 * asks do their part of it.
 */
#include "login.h"

#define SAMPLES	21
/* What daemons do after a session's end belongs to no other session. */
#define SETTLED	500000	/* microseconds, which cost nothing while all sleep */

static double closing[SAMPLES];

static void log_in(const char *service, const char *user, int to)
{
	pam_handle_t *pamh;
	unsigned long start;

	send_number(to, open_session(service, user, &pamh));
	start = __rdtsc();
	if (pam_close_session(pamh, 0) != PAM_SUCCESS)
		errx(1, "%s: the session was not closed", service);
	send_number(to, __rdtsc() - start);
	_exit(0);
}

int main(int argc, char **argv)
{
	int result[2];

	if (argc != 3)
		errx(2, "usage: opening SERVICE USER");
	if (pipe(result))
		err(1, "pipe");
	/* The first one fills caches: the next overwrites it. */
	for (int i = -1; i < SAMPLES; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			log_in(argv[1], argv[2], result[1]);
		samples[i < 0 ? 0 : i] = receive_number(result[0]);
		closing[i < 0 ? 0 : i] = receive_number(result[0]);
		if (waitpid(pid, NULL, 0) != pid)
			err(1, "waitpid");
		usleep(SETTLED);
	}
	print_samples("open", SAMPLES);
	for (int i = 0; i < SAMPLES; i++)
		samples[i] = closing[i];
	print_samples("close", SAMPLES);
	return 0;
}
