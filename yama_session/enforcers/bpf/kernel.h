/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of the kernel's types as the programs read; libbpf finds where it is */
#ifndef KERNEL_H
#define KERNEL_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* Of headers that are not for programs */
#define EPERM			1
#define ENOENT			2
#define ESRCH			3
#define E2BIG			7
#define EAGAIN			11
#define ENOMEM			12
#define EACCES			13
#define EBUSY			16
#define EINVAL			22
#define ENODATA			61
#define EOPNOTSUPP		95

#define AF_NETLINK		16
#define NETLINK_ROUTE		0
#define NETLINK_CONNECTOR	11
#define NLA_TYPE_MASK		0x3fff
#define RTM_NEWLINK		16
#define RTM_SETLINK		19
#define RTM_NEWNSID		88
#define RTM_GETNSID		90
#define SIZE_OF_IFINFOMSG	16
#define SIZE_OF_RTGENMSG	4
#define IFLA_NET_NS_PID		19
#define NETNSA_PID		2
#define BPF_FS_MAGIC		0xcafe4a11
#define CGROUP_SUPER_MAGIC	0x27e0eb
#define CGROUP2_SUPER_MAGIC	0x63677270
#define PID_FS_MAGIC		0x50494446
#define PROC_SUPER_MAGIC	0x9fa0
#define MNT_DETACH		2
#define PTRACE_MODE_ATTACH	2
#define PR_SET_PTRACER		0x59616d61
#define PR_SCHED_CORE		62
#define PERF_FLAG_PID_CGROUP	4
#define PF_KTHREAD		0x00200000
#define SIGNAL_UNKILLABLE	0x40
#define SIGCONT			18
#define SIGSTOP			19
#define SIGTTOU			22
#define FMODE_WRITE		2
#define S_IFMT			00170000
#define S_IFCHR			0020000
#define TTY_MAJOR		4
#define FIRST_SERIAL		64
#define FIRST_PTS_MAJOR		136
#define LAST_PTS_MAJOR		143
#define MINOR_BITS		20
#define FSNOTIFY_OBJ_TYPE_INODE	0
#define F_SETFL			4
#define F_SETOWN		8
#define F_SETSIG		10
#define F_SETOWN_EX		15
#define O_ASYNC			020000
#define FIOASYNC		0x5452
#define FIOSETOWN		0x8901
#define SIOCSPGRP		0x8902
#define TIOCSPGRP		0x5410
#define TIOCSTI			0x5412
#define TIOCLINUX		0x541c
#define NS_GET_PID_FROM_PIDNS	0x8004b706
#define NS_GET_TGID_IN_PIDNS	0x8004b709
#define PFA_NO_NEW_PRIVS	(1UL << 0)
#define CAP_SYS_PTRACE		19
#define CAP_SYS_ADMIN		21
#define PROC_USER_INIT_INO	0xEFFFFFFDU

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct user_namespace {
	struct ns_common ns;
};

/* An array of two halves before 6.3: only where it begins is the same */
struct capabilities {
	__u64 all;
};

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid;
	kuid_t euid;
	struct capabilities cap_effective;
	struct user_namespace *user_ns;
};

typedef struct {
	int counter;
} atomic_t;

struct mm_struct {
	atomic_t mm_users;
};

struct tty_driver {
	unsigned int major;
	unsigned int minor_start;
};

struct tty_struct {
	struct tty_driver *driver;
	unsigned int index;
};

struct files_struct {
	atomic_t count;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[];
};

/* Of a process, its thread group, its group and its session */
enum pid_type {
	PIDTYPE_SID = 3,
	PIDTYPE_MAX,
};

struct signal_struct {
	int nr_threads;
	unsigned int flags;
	unsigned int is_child_subreaper : 1;
	struct pid *pids[PIDTYPE_MAX];
	struct tty_struct *tty;
};

/* On amd64: of a system call its number and arguments */
struct pt_regs {
	unsigned long bx;
	unsigned long r8;
	unsigned long cx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	unsigned int flags;
	unsigned int ptrace;
	int pid;
	int tgid;
	unsigned long atomic_flags;
	__u64 start_time;
	struct mm_struct *mm;
	struct files_struct *files;
	struct signal_struct *signal;
	struct task_struct *real_parent;
	struct task_struct *parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	const struct cred *cred;
	const struct cred *real_cred;
	struct css_set *cgroups;
};

struct dentry;

struct super_block {
	unsigned long s_magic;
	struct dentry *s_root;
};

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	unsigned int i_rdev;
	struct super_block *i_sb;
	unsigned long i_ino;
	void *i_private;
};

struct proc_inode {
	struct pid *pid;
	struct inode vfs_inode;
};

struct qstr {
	unsigned int len;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
	unsigned char d_iname[32];
};

/* From 6.13 on */
union shortname_store {
	unsigned char string[32];
};

struct dentry___shortname {
	union shortname_store d_shortname;
};

struct vfsmount {
	struct super_block *mnt_sb;
};

struct path {
	struct dentry *dentry;
};

struct file {
	unsigned int f_mode;
	struct inode *f_inode;
	struct path f_path;
};

/* Part of the file before 6.12, and then by itself */
struct fown_struct {
	struct file *file;
};

struct file___embedding {
	struct fown_struct f_owner;
};

struct sock {
	unsigned short sk_protocol;
};

struct sk_buff {
	unsigned int len;
	unsigned char *data;
};

struct nlmsghdr {
	unsigned int nlmsg_len;
	unsigned short nlmsg_type;
	unsigned short nlmsg_flags;
	unsigned int nlmsg_seq;
	unsigned int nlmsg_pid;
};

struct nlattr {
	unsigned short nla_len;
	unsigned short nla_type;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* From 6.2 on; a program asks whether they are there */
extern struct task_struct *bpf_task_from_pid(__s32 nr) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern void *bpf_rdonly_cast(void *object, __u32 type) __ksym __weak;

#endif /* KERNEL_H */
