/* said.h - runs plot, ladder and why on files of a directory of its own, and looks at what they say. */
#ifndef SAID_H
#define SAID_H

#include "cli.h"

#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/rill-plot-XXXXXX";

/* Of a file in the directory; stays valid. */
static inline const char *path(const char *name)
{
    static char text[8][100];
    for (size_t i = 0; i < COUNT_OF(text); i++) {
        if (text[i][0] == '\0')
            (void)snprintf(text[i], sizeof text[i], "%s/%s", directory, name);
        if (strcmp(text[i] + strlen(directory) + 1, name) == 0)
            return text[i];
    }
    fail_msg("too many files");
    return NULL;
}

static inline char *read_file(const char *name)
{
    struct stat info;
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &info), 0);
    char *text = calloc(1, (size_t)info.st_size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)info.st_size, file), info.st_size);
    assert_int_equal(fclose(file), 0);
    return text;
}

#define RUN(main, ...) run(main, (char *[]){"x", __VA_ARGS__, NULL})

/* Standard output goes to the file "out", standard error to "err". */
static inline int run(int (*command)(int, char **), char **argv)
{
    int argc = 0, kept[2], status;
    while (argv[argc] != NULL)
        argc++;
    for (int i = 0; i < 2; i++) {
        (void)fflush(i == 0 ? stdout : stderr);
        int to = open(path(i == 0 ? "out" : "err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(to >= 0);
        kept[i] = dup(1 + i);
        assert_int_equal(dup2(to, 1 + i), 1 + i);
        assert_int_equal(close(to), 0);
    }
    optind = 0;
    opterr = 0;
    status = command(argc, argv);
    for (int i = 0; i < 2; i++) {
        (void)fflush(i == 0 ? stdout : stderr);
        assert_int_equal(dup2(kept[i], 1 + i), 1 + i);
        assert_int_equal(close(kept[i]), 0);
    }
    return status;
}

/* Not with strstr: under the address sanitizer that measures the whole text each time. */
static inline size_t count(const char *text, const char *what)
{
    size_t n = 0, len = strlen(what);
    for (; *text != '\0'; text++)
        n += *text == *what && strncmp(text, what, len) == 0;
    return n;
}

/* How many lines have both. */
static inline size_t lines_with(const char *text, const char *a, const char *b)
{
    size_t n = 0;
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        char *line = strndup(text, (size_t)(end - text));
        n += strstr(line, a) != NULL && strstr(line, b) != NULL;
        free(line);
    }
    return n;
}

/* Runs a command on a trace that is given as text; the caller frees what it said. */
static inline char *said_of(int (*command)(int, char **), const char *lines)
{
    FILE *file = fopen(path("b.ndjson"), "w");
    assert_non_null(file);
    fprintf(file,
            "{\"t\":0,\"ev\":\"start\",\"version\":1}\n"
            "{\"t\":0,\"ev\":\"conn\",\"conn\":1,\"local\":\"10.77.0.2:7\",\"peer\":\"10.77.0.1:50000\"}\n%s",
            lines);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(RUN(command, (char *)path("b.ndjson")), 0);
    return read_file(path("out"));
}

/* Lines of a trace: at T seconds, with what else there is to say. */
#define SEG(t, dir, flags, seq, len, ack, more)                                                              \
    "{\"t\":" t ",\"ev\":\"" dir "\",\"conn\":1,\"flags\":\"" flags "\",\"seq\":" seq ",\"seq32\":" seq      \
    ",\"len\":" len ",\"ack\":" ack ",\"win\":1000,\"rel\":true" more "}\n"
#define AGAIN(why) ",\"again\":true,\"why\":\"" why "\",\"n\":1"
#define FATE(dir, fate, flags, seq, len)                                                                     \
    "{\"t\":0.1,\"ev\":\"link\",\"dir\":\"" dir "\",\"fate\":\"" fate "\",\"conn\":1,\"flags\":\"" flags     \
    "\",\"seq\":" seq ",\"seq32\":" seq ",\"len\":" len ",\"rel\":true}\n"

static inline int make_directory(void **state)
{
    (void)state;
    (void)unsetenv("COLUMNS");
    return mkdtemp(directory) == NULL;
}

static inline int remove_directory(void **state)
{
    static const char *const names[] = {"a.ndjson", "a.pcapng", "b.ndjson", "c", "x.svg", "out", "err"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)unlink(path(names[i]));
    return rmdir(directory);
}

#endif
