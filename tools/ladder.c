/* ladder.c - `rill ladder` (soon). */
#include "cli.h"
int ladder_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return CLI_FAILURE;
}
