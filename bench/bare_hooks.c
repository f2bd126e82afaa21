/* Attaches bare_hooks.bpf.o (its only argument), says "ready", and holds it until standard input ends. */
#include <bpf/libbpf.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;

	if (argc != 2) {
		fprintf(stderr, "usage: bare_hooks OBJECT\n");
		return 2;
	}
	object = bpf_object__open(argv[1]);
	if (object == NULL || bpf_object__load(object) != 0) {
		fprintf(stderr, "%s: does not load\n", argv[1]);
		return 1;
	}
	bpf_object__for_each_program(program, object) {
		if (bpf_program__attach(program) == NULL) {
			fprintf(stderr, "%s: does not attach\n", bpf_program__name(program));
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	return 0;
}
