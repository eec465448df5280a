// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Open many sessions, and run a program while they are.
 *
 *	holding N SERVICE USERS PROGRAM...
 *
 * They are those of user1, user2 and so on, in turn.
 */
#include "login.h"

/* A login waits for its end of file: it ends when we do. */
static int leash[2];
static int result[2];

static void log_in(const char *service, int number)
{
	pam_handle_t *pamh;
	char user[16];
	char c;

	close(leash[1]);
	snprintf(user, sizeof(user), "user%d", number + 1);
	send_number(result[1], open_session(service, user, &pamh));
	_exit(read(leash[0], &c, 1));
}

int main(int argc, char **argv)
{
	int n, users;

	if (argc < 5)
		errx(2, "usage: holding N SERVICE USERS PROGRAM...");
	n = atoi(argv[1]);
	users = atoi(argv[3]);
	if (pipe(leash) || pipe(result))
		err(1, "pipe");
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			log_in(argv[2], i % users);
		receive_number(result[0]);
	}
	run_program(argv + 4);
	close(leash[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}
