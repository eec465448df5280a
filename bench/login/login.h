/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions by PAM, each opened by a process of its own, as every login does it. */
#ifndef LOGIN_H
#define LOGIN_H

#include <security/pam_appl.h>
#include "measure.h"

static inline int no_talk(int n, const struct pam_message **message,
			  struct pam_response **response, void *data)
{
	(void)n;
	(void)message;
	(void)response;
	(void)data;
	return PAM_CONV_ERR;
}

/* returns how many instructions it took; what was made for it stays until exit */
static inline double open_session(const char *service, const char *user,
				  pam_handle_t **ret)
{
	static const struct pam_conv conversation = { no_talk, NULL };
	unsigned long start;
	int code;

	if (pam_start(service, user, &conversation, ret) != PAM_SUCCESS)
		errx(1, "%s: pam_start failed", service);
	start = __rdtsc();
	code = pam_open_session(*ret, 0);
	if (code != PAM_SUCCESS)
		errx(1, "%s: no session for %s: %s", service, user,
		     pam_strerror(*ret, code));
	return __rdtsc() - start;
}

static inline void send_number(int to, double number)
{
	if (write(to, &number, sizeof(number)) != sizeof(number))
		err(1, "write");
}

static inline double receive_number(int from)
{
	double number;

	if (read(from, &number, sizeof(number)) != sizeof(number))
		errx(1, "a login has failed");
	return number;
}

#endif /* LOGIN_H */
