// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pamsession CONFDIR SERVICE USER COMMAND [ARG]...: a login in small.
 *
 * Prints "open CODE MILLISECONDS", runs the command as the user if the
 * session was opened, prints "close CODE" and returns the command's status;
 * 100 if there was no session.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_appl.h>

#define NO_SESSION	100

static int no_talk(int n, const struct pam_message **msg,
		   struct pam_response **resp, void *data)
{
	(void)n;
	(void)msg;
	(void)resp;
	(void)data;
	return PAM_CONV_ERR;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int run(const char *user, char **command)
{
	const struct passwd *pw = getpwnam(user);
	int status;
	pid_t pid;

	pid = pw ? fork() : -1;
	if (pid < 0)
		return NO_SESSION;
	if (pid == 0) {
		if (initgroups(user, pw->pw_gid) == 0 &&
		    setgid(pw->pw_gid) == 0 && setuid(pw->pw_uid) == 0)
			execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return NO_SESSION;
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const struct pam_conv conv = { no_talk, NULL };
	int status = NO_SESSION;
	pam_handle_t *pamh;
	double start;
	int code;

	if (argc < 5) {
		fprintf(stderr,
			"usage: pamsession CONFDIR SERVICE USER COMMAND [ARG]...\n");
		return 2;
	}
	if (pam_start_confdir(argv[2], argv[3], &conv, argv[1], &pamh) !=
	    PAM_SUCCESS)
		return NO_SESSION;
	start = now_ms();
	code = pam_open_session(pamh, 0);
	printf("open %d %.1f\n", code, now_ms() - start);
	fflush(stdout);
	if (code == PAM_SUCCESS) {
		status = run(argv[3], argv + 4);
		printf("close %d\n", pam_close_session(pamh, 0));
	}
	pam_end(pamh, code);
	return status;
}
