/* test_close_wait.c */
#include "synchronized.h"

static const struct synchronized close_wait = {rig_close_wait, RILL_CLOSE_WAIT, 1, 2, EPIPE};
SYNCHRONIZED_TESTS(close_wait)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(close_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
