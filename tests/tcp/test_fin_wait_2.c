/* test_fin_wait_2.c */
#include "synchronized.h"

static const struct synchronized fin_wait_2 = {rig_fin_wait_2, RILL_FIN_WAIT_2, 2, 1, ECONNRESET};
SYNCHRONIZED_TESTS(fin_wait_2)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(fin_wait_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
