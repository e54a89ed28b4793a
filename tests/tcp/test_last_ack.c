/* test_last_ack.c */
#include "synchronized.h"

static const struct synchronized last_ack = {rig_last_ack, RILL_LAST_ACK, 2, 2, 0};
SYNCHRONIZED_TESTS(last_ack)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(last_ack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
