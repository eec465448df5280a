// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The one call to the session service.
 *
 * sd_bus_call() and sd_bus_open_system() wait for the connection without a
 * limit: a stopped dbus-daemon, whose socket the kernel still accepts on,
 * would hold every login.  So the connection is driven from here, and one
 * deadline covers all of it.
 */
#include <errno.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "cleanup.h"
#include "module.h"

/* Not from the environment: an application need not have cleaned it */
#define BUS_ADDRESS	"unix:path=/run/dbus/system_bus_socket"

#define SERVICE_NAME	"org.yama.Session1"
#define SERVICE_PATH	"/org/yama/Session1"
#define SERVICE_IFACE	"org.yama.Session1.Manager"
#define ERROR_PREFIX	"org.yama.Session1.Error."

/* From connect to reply; with the fallback a login loses less than 1 s */
#define LIMIT_USEC	800000

#define REPLY		"sssuusahah"

struct answer {
	sd_bus_message *reply;
	bool done;
};

static void close_bus(sd_bus **bus)
{
	/* The variant that flushes would wait for a stopped daemon */
	if (*bus)
		sd_bus_close_unref(*bus);
}

static void unref_message(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}

static void unref_answer(struct answer *answer)
{
	sd_bus_message_unref(answer->reply);
}

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int on_reply(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct answer *answer = data;

	(void)error;
	answer->reply = sd_bus_message_ref(m);
	answer->done = true;
	return 0;
}

/* Until the bus knows us or, with @answer, until that is done */
static int drive(sd_bus *bus, const struct answer *answer, uint64_t deadline)
{
	for (;;) {
		uint64_t now;
		int r;

		r = answer ? answer->done : sd_bus_is_ready(bus);
		if (r)
			return r < 0 ? r : 0;
		now = now_usec();
		if (now >= deadline)
			return -ETIMEDOUT;
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, deadline - now);
		if (r < 0 && r != -EINTR)
			return r;
	}
}

static int connect_bus(uint64_t deadline, sd_bus **ret)
{
	__cleanup(close_bus) sd_bus *bus = NULL;
	int r;

	r = sd_bus_new(&bus);
	if (r < 0)
		return r;
	r = sd_bus_set_address(bus, BUS_ADDRESS);
	if (r < 0)
		return r;
	r = sd_bus_set_bus_client(bus, true);
	if (r < 0)
		return r;
	r = sd_bus_negotiate_fds(bus, true);
	if (r < 0)
		return r;
	r = sd_bus_start(bus);
	if (r < 0)
		return r;
	r = drive(bus, NULL, deadline);
	if (r < 0)
		return r;
	*ret = bus;
	bus = NULL;
	return 0;
}

/* The application may have closed 0 to 2 */
static int dup_above_2(int fd)
{
	int new_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return new_fd < 0 ? -errno : new_fd;
}

/* The kernel tells the service who made the pair: @theirs proves who calls */
static int make_lifetime(int *ret_ours, int *ret_theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*ret_theirs = fds[1];
	*ret_ours = dup_above_2(fds[0]);
	close_fd(&fds[0]);
	return *ret_ours < 0 ? *ret_ours : 0;
}

static int make_request(sd_bus *bus, const struct login *login,
			int *ret_lifetime, sd_bus_message **ret)
{
	__cleanup(unref_message) sd_bus_message *m = NULL;
	__cleanup(close_fd) int leader = -1;
	__cleanup(close_fd) int ours = -1;
	__cleanup(close_fd) int theirs = -1;
	int r;

	/* A bare pid could be another process by the time it is looked at */
	leader = pidfd_open(getpid(), 0);
	if (leader < 0)
		return -errno;
	r = make_lifetime(&ours, &theirs);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_call(bus, &m, SERVICE_NAME, SERVICE_PATH,
					   SERVICE_IFACE, "OpenSession");
	if (r < 0)
		return r;
	/* The start of the service might itself wait for a login */
	r = sd_bus_message_set_auto_start(m, false);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "hhussssu", leader, theirs,
				  (uint32_t)login->uid, login->user,
				  login->service, login->tty, login->rhost,
				  (uint32_t)0);
	if (r < 0)
		return r;
	*ret_lifetime = steal_fd(&ours);
	*ret = m;
	m = NULL;
	return 0;
}

/* The message owns the descriptors in it */
static int read_fd(sd_bus_message *m, int *ret)
{
	int fd, r, n;

	r = sd_bus_message_enter_container(m, 'a', "h");
	if (r < 0)
		return r;
	for (n = 0; (r = sd_bus_message_read(m, "h", &fd)) > 0; n++) {
		if (n)
			return -EBADMSG;
		*ret = dup_above_2(fd);
		if (*ret < 0)
			return *ret;
	}
	if (r < 0)
		return r;
	return sd_bus_message_exit_container(m);
}

static int find(const char *const *words, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], text) == 0)
			return (int)i;
	return -EBADMSG;
}

#define FIND(words, text) find(words, sizeof(words) / sizeof(words[0]), text)

static int read_words(struct plan *plan, const char *action,
		      const char *enforcer, const char *proc)
{
	static const char *const actions[] = {
		[ACTION_OPEN] = "open",
		[ACTION_STAY] = "stay",
	};
	static const char *const enforcers[] = {
		"",
		[YS_YAMA] = "yama",
		[YS_LANDLOCK] = "landlock",
		[YS_BPF] = "bpf",
	};
	static const char *const procs[] = {
		[PROC_PRIVATE] = "private",
		[PROC_PTRACEABLE] = "ptraceable",
		[PROC_HOST] = "host",
	};
	int a = FIND(actions, action);
	int e = FIND(enforcers, enforcer);
	int p = FIND(procs, proc);

	if (a < 0 || e < 0 || p < 0)
		return -EBADMSG;
	plan->action = (enum action)a;
	plan->enforcer = (enum ys_enforcer)e;
	plan->proc = (enum proc)p;
	return 0;
}

static int read_reply(sd_bus_message *m, struct plan *plan)
{
	const char *id, *action, *enforcer, *proc;
	uint32_t scope, view;
	int r;

	if (sd_bus_message_has_signature(m, REPLY) <= 0)
		return -EBADMSG;
	r = sd_bus_message_read(m, "sssuus", &id, &action, &enforcer, &scope,
				&view, &proc);
	if (r < 0)
		return r;
	if (strlen(id) > ID_MAX)
		return -EBADMSG;
	strcpy(plan->id, id);
	plan->scope = scope;
	plan->view = view;
	r = read_words(plan, action, enforcer, proc);
	if (r < 0)
		return r;
	r = read_fd(m, &plan->token);
	if (r < 0)
		return r;
	return read_fd(m, &plan->mount);
}

static int because(char *why, const char *what, int r)
{
	snprintf(why, WHY_MAX, "%s: %s", what, strerrordesc_np(-r));
	return r;
}

/* Errors for which the fallback would be a way round limit and policy */
static bool is_refusal(const char *name)
{
	return strcmp(name, ERROR_PREFIX "TooManySessions") == 0 ||
	       strcmp(name, ERROR_PREFIX "ManagerOutside") == 0;
}

/**
 * bus_open_session - have the service make a plan
 * @login: who logs in
 * @ret:   the plan, checked; untouched on failure
 * @why:   room for WHY_MAX bytes, set on failure
 *
 * The service compares the leader with the process that made the lifetime pair.
 *
 * Return: 0; -EUSERS: the service refuses this user; or another negative errno,
 * whatever was wrong with bus or service.
 */
int bus_open_session(const struct login *login, struct plan *ret, char *why)
{
	const uint64_t deadline = now_usec() + LIMIT_USEC;
	__cleanup(plan_release) struct plan plan = plan_none;
	__cleanup(close_bus) sd_bus *bus = NULL;
	__cleanup(unref_message) sd_bus_message *request = NULL;
	__cleanup(unref_answer) struct answer answer = { 0 };
	const sd_bus_error *error;
	int r;

	if (service_has_gone()) {
		snprintf(why, WHY_MAX, "it is not running");
		return -ESRCH;
	}
	r = connect_bus(deadline, &bus);
	if (r < 0)
		return because(why, "system bus", r);
	r = make_request(bus, login, &plan.lifetime, &request);
	if (r < 0)
		return because(why, "request", r);
	r = sd_bus_call_async(bus, NULL, request, on_reply, &answer,
			      LIMIT_USEC);
	if (r < 0)
		return because(why, "request", r);
	r = drive(bus, &answer, deadline);
	if (r < 0)
		return because(why, "reply", r);
	error = sd_bus_message_get_error(answer.reply);
	if (error) {
		snprintf(why, WHY_MAX, "%s: %s", error->name,
			 error->message ? error->message : "");
		return is_refusal(error->name) ? -EUSERS : -EREMOTEIO;
	}
	r = read_reply(answer.reply, &plan);
	if (r < 0)
		return because(why, "bad reply", r);
	r = plan_check(&plan, why);
	if (r < 0)
		return r;
	*ret = plan;
	ret->bus = bus;
	plan = plan_none;
	bus = NULL;
	return 0;
}
