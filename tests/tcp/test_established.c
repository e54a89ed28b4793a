/* test_established.c */
#include "synchronized.h"

static const struct synchronized established = {rig_established, RILL_ESTABLISHED, 1, 1, ECONNRESET};
SYNCHRONIZED_TESTS(established)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(established),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
