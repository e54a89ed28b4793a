/* why.c - `rill why` (soon). */
#include "cli.h"
int why_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return CLI_FAILURE;
}
