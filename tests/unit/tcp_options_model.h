/* tcp_options_model.h - comparing decoded TCP options field by field. */
#ifndef TCP_OPTIONS_MODEL_H
#define TCP_OPTIONS_MODEL_H

#include "tcp_hdr.h"

static inline void assert_options(const struct tcp_options *opt, const struct tcp_options *expected)
{
    assert_int_equal(opt->has_mss, expected->has_mss);
    assert_int_equal(opt->mss, expected->mss);
    assert_int_equal(opt->has_wscale, expected->has_wscale);
    assert_int_equal(opt->wscale, expected->wscale);
    assert_int_equal(opt->has_sack_permitted, expected->has_sack_permitted);
    assert_int_equal(opt->has_ts, expected->has_ts);
    assert_int_equal(opt->tsval, expected->tsval);
    assert_int_equal(opt->tsecr, expected->tsecr);
    assert_int_equal(opt->sack_count, expected->sack_count);
    for (int i = 0; i < TCP_SACK_BLOCKS; i++) {
        assert_int_equal(opt->sack[i].left, expected->sack[i].left);
        assert_int_equal(opt->sack[i].right, expected->sack[i].right);
    }
}

#endif
