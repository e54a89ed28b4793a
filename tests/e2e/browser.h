/* browser.h - a headless Chromium with one page, driven over its debugging pipe. */
#ifndef BROWSER_H
#define BROWSER_H

#include <stdbool.h>

/* Starts it with a new profile below the working directory, and loads the page. */
void browser_open(const char *url);
/* Runs JavaScript, whose value has to be a boolean; a script that throws fails the test. */
bool browser_says(const char *script);
/* Again and again until it says true, for at most ten seconds. */
bool browser_await(const char *script);
/* Key presses, by their names in KeyboardEvent ("Tab", "Enter", " ", "ArrowRight"). */
void browser_key(const char *key);
/* The size of the window and whether the system is dark. */
void browser_emulate(int width, int height, bool dark);
/* A PNG of what can be seen, if the variable SHOTS names a directory. */
void browser_shoot(const char *name);
/* What the page has complained of so far: exceptions, errors, what its policy forbade. */
int browser_complaints(void);
void browser_close(void);

#endif
