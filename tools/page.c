/* page.c - the page of the http service: three files of this directory, whose bytes the assembler puts into
 * the program.  Their paths count from the tree's root, where the compiler runs; the Makefile knows that this
 * object depends on them. */
#include "http.h"

#include <string.h>

#define EMBED(name, file)                                                                                    \
    __asm__(".section .rodata\n"                                                                             \
            ".global " #name "_begin\n.global " #name "_end\n" #name "_begin:\n.incbin \"" file "\"\n" #name \
            "_end:\n.byte 0\n.previous\n");                                                                  \
    extern const char name##_begin[], name##_end[]

EMBED(page_html, "tools/page.html");
EMBED(page_css, "tools/page.css");
EMBED(page_js, "tools/page.js");

static const struct page pages[] = {
    {"/", "text/html; charset=utf-8", page_html_begin, page_html_end},
    {"/page.css", "text/css; charset=utf-8", page_css_begin, page_css_end},
    {"/page.js", "text/javascript; charset=utf-8", page_js_begin, page_js_end},
};

const struct page *page_find(const char *path)
{
    size_t i = 0;
    while (i + 1 < sizeof pages / sizeof pages[0] && strcmp(pages[i].path, path) != 0)
        i++;
    return &pages[i];
}
