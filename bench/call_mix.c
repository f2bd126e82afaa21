/*
 * What a system call costs when it is not always the same: ns per call of getppid alone, and of a loop of sixteen cheap
 * calls in an order of their own, so that sixteen 6-grams are looked up in turn. Prints "name ns" lines; each is the
 * median of ROUNDS batches, of the processor time used: the machine has other work.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 9

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
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
	printf("%s %.1f\n", name, samples[ROUNDS / 2]);
}

int main(void)
{
	static const long mix[16] = {SYS_getppid, SYS_getuid, SYS_getppid, SYS_getgid,  SYS_geteuid, SYS_getegid,
				     SYS_getppid, SYS_getpid, SYS_gettid,  SYS_getuid,  SYS_getgid,  SYS_getpid,
				     SYS_geteuid, SYS_gettid, SYS_getegid, SYS_getppid};
	double samples[ROUNDS];
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(1, &one); /* the second core; with one only, wherever it runs */
	(void)sched_setaffinity(0, sizeof one, &one);
	for (int round = 0; round < ROUNDS; ++round) {
		const int calls = 200000;
		const double start = now_ns();

		for (int i = 0; i < calls; ++i)
			syscall(SYS_getppid);
		samples[round] = (now_ns() - start) / calls;
	}
	report("getppid", samples);
	for (int round = 0; round < ROUNDS; ++round) {
		const int calls = 200000;
		const double start = now_ns();

		for (int i = 0; i < calls; ++i)
			syscall(mix[i % 16]);
		samples[round] = (now_ns() - start) / calls;
	}
	report("mix_of_16", samples);
	return 0;
}
