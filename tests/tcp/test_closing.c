/* test_closing.c */
#include "synchronized.h"

static const struct synchronized closing = {rig_closing, RILL_CLOSING, 2, 2, 0};
SYNCHRONIZED_TESTS(closing)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(closing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
