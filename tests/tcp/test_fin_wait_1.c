/* test_fin_wait_1.c */
#include "synchronized.h"

static const struct synchronized fin_wait_1 = {rig_fin_wait_1, RILL_FIN_WAIT_1, 2, 1, ECONNRESET};
SYNCHRONIZED_TESTS(fin_wait_1)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(fin_wait_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
