/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of the kernel's types as the programs read; libbpf finds where it is */
#ifndef KERNEL_H
#define KERNEL_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Of headers that are not for programs */
#define EPERM			1
#define ENOENT			2
#define ESRCH			3
#define E2BIG			7
#define EAGAIN			11
#define ENOMEM			12
#define EBUSY			16
#define EINVAL			22
#define ENODATA			61
#define EOPNOTSUPP		95

#define AF_NETLINK		16
#define NETLINK_CONNECTOR	11
#define BPF_FS_MAGIC		0xcafe4a11
#define MNT_DETACH		2
#define PTRACE_MODE_ATTACH	2
#define PR_SET_PTRACER		0x59616d61
#define PF_KTHREAD		0x00200000
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
	struct capabilities cap_effective;
	struct user_namespace *user_ns;
};

typedef struct {
	int counter;
} atomic_t;

struct mm_struct {
	atomic_t mm_users;
};

struct signal_struct {
	int nr_threads;
};

struct pid {
	unsigned int level;
};

struct task_struct {
	unsigned int flags;
	unsigned int ptrace;
	int pid;
	int tgid;
	unsigned long atomic_flags;
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct task_struct *real_parent;
	struct task_struct *parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	const struct cred *cred;
	const struct cred *real_cred;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
};

struct vfsmount {
	struct super_block *mnt_sb;
};

struct dentry;
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif /* KERNEL_H */
