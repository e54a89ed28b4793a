/* http_request.h - one HTTP/1.1 request, taken apart where it lies. */
#ifndef RILL_HTTP_REQUEST_H
#define RILL_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes within the client's buffer; at == NULL: not there. */
struct span {
    const char *at;
    size_t len;
};
bool span_is(struct span span, const char *text);
/* Without regard to case. */
bool span_is_word(struct span span, const char *word);

enum http_method { METHOD_GET = 1, METHOD_HEAD = 2, METHOD_POST = 4, METHOD_OTHER = 8 };

struct http_request {
    enum http_method method;
    bool close;            /* HTTP/1.0, or `Connection: close` */
    bool expects_continue; /* and the body is not here yet */
    struct span authority; /* what the Host field, or an absolute target, says */
    struct span origin, content_type, body;
    char path[64]; /* decoded; of one that is longer, as much as fits */
    size_t bytes;  /* of all of it */
};

/* 0: it is whole; -1: more has to come; else the status code of what is wrong with it. */
int http_request_parse(const char *data, size_t len, struct http_request *request);

/* The arguments of a POST: a flat JSON object of these names. */
struct http_arguments {
    char dir[8], spec[3072];
    uint64_t bytes;
    bool on;
    bool has_dir, has_spec, has_bytes, has_on;
};
bool http_arguments_parse(struct span body, struct http_arguments *arguments);

#endif
