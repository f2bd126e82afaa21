/*
 * What a system call costs here: ns per call of getppid, of open+close of a file no rule names, and of
 * fork+exec+exit of a static program. Prints "name ns" lines; each is the lower quartile of ROUNDS short batches,
 * because what disturbs only adds.
 *
 * usage: calls [-r] FILE PROGRAM    (FILE to open; PROGRAM static, exits at once; -r: at real-time priority, which keeps
 * all others off this core)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 60

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *name, double *samples)
{
	qsort(samples, ROUNDS, sizeof *samples, ascending);
	printf("%s %.1f\n", name, samples[ROUNDS / 4]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	extern char **environ;
	double samples[ROUNDS];
	cpu_set_t one;

	if (argc == 4 && strcmp(argv[1], "-r") == 0) {
		const struct sched_param priority = {.sched_priority = 10};

		if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
			perror("real-time priority");
			return 1;
		}
		--argc;
		++argv;
	}
	if (argc != 3) {
		fprintf(stderr, "usage: calls [-r] FILE PROGRAM\n");
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET(1, &one); /* the second core; with one only, wherever it runs */
	(void)sched_setaffinity(0, sizeof one, &one);

	for (int round = 0; round < ROUNDS; ++round) {
		const int calls = 45000;
		const double start = now_ns();

		for (int i = 0; i < calls; ++i)
			syscall(SYS_getppid);
		samples[round] = (now_ns() - start) / calls;
	}
	report("getppid", samples);

	for (int round = 0; round < ROUNDS; ++round) {
		const int calls = 7500;
		const double start = now_ns();

		for (int i = 0; i < calls; ++i) {
			const int fd = open(argv[1], O_RDONLY);

			if (fd < 0) {
				perror(argv[1]);
				return 1;
			}
			close(fd);
		}
		samples[round] = (now_ns() - start) / calls;
	}
	report("open_close", samples);

	for (int round = 0; round < ROUNDS; ++round) {
		const int processes = 45;
		const double start = now_ns();

		for (int i = 0; i < processes; ++i) {
			char *arguments[] = {argv[2], NULL};
			int status;
			pid_t pid = fork();

			if (pid == 0) {
				execve(argv[2], arguments, environ);
				_exit(127);
			}
			if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
				fprintf(stderr, "%s: did not run\n", argv[2]);
				return 1;
			}
		}
		samples[round] = (now_ns() - start) / processes;
	}
	report("fork_exec_exit", samples);
	return 0;
}
