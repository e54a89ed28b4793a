/* test_time_wait.c */
#include "synchronized.h"

static const struct synchronized time_wait = {rig_time_wait, RILL_TIME_WAIT, 2, 2, 0};
SYNCHRONIZED_TESTS(time_wait)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(time_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
