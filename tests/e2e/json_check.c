/* json_check.c - see json_check.h. */
#include "json_check.h"

#include <string.h>

static const char *json_value(const char *p, int depth);

static const char *json_blanks(const char *p) { return p + strspn(p, " \t\r\n"); }

static const char *json_text(const char *p)
{
    if (*p++ != '"')
        return NULL;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
            return NULL; /* the socket speaks ASCII */
        if (*p != '\\')
            continue;
        p++;
        if (*p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") >= 4)
            p += 4;
        else if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
            return NULL;
    }
    return p + 1;
}

/* No sign, fraction or exponent is needed here. */
static const char *json_digits(const char *p)
{
    size_t n = strspn(p, "0123456789");
    return n == 0 || (n > 1 && *p == '0') ? NULL : p + n;
}

static const char *json_members(const char *p, char end, int depth)
{
    p = json_blanks(p + 1);
    if (*p == end)
        return p + 1;
    for (;;) {
        if (end == '}') {
            p = json_text(json_blanks(p));
            if (p == NULL || *(p = json_blanks(p)) != ':')
                return NULL;
            p++;
        }
        p = json_value(p, depth + 1);
        if (p == NULL)
            return NULL;
        p = json_blanks(p);
        if (*p == end)
            return p + 1;
        if (*p++ != ',')
            return NULL;
    }
}

static const char *json_value(const char *p, int depth)
{
    static const char *const words[] = {"true", "false", "null"};
    p = json_blanks(p);
    if (depth > 8)
        return NULL;
    if (*p == '{' || *p == '[')
        return json_members(p, *p == '{' ? '}' : ']', depth);
    if (*p == '"')
        return json_text(p);
    for (int i = 0; i < 3; i++)
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    return json_digits(p);
}

bool is_json(const char *text)
{
    const char *end = *text == '{' ? json_value(text, 0) : NULL;
    return end != NULL && strcmp(end, "\n") == 0;
}
