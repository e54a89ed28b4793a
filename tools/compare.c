/* compare.c */
#include "lesson.h"
int compare_main(const struct lesson_request *request)
{
    (void)request;
    return 1;
}
