/* The smallest program: what fork+exec+exit is measured with. Linked statically. */
int main(void)
{
	return 0;
}
