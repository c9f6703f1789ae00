/* SPDX-License-Identifier: MIT */
/* screen: standard error without waiting: a stopped terminal or a reader that does not read holds nobody up. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

enum { MOST_KEPT = 64 << 10, LONGEST = 4096, AT_ONCE = 512 };

static const char CLEAR_LINE[] = "\r\033[K";

/* Of standard error a process has one. fd, polls and terminal are set before there are threads; the mutex guards what
 * follows it. */
static struct {
    int fd;
    bool polls;    /* fd may block: ask before each write */
    bool terminal; /* one that can clear a line */
    pthread_mutex_t mutex;
    size_t n_kept;
    long left_out; /* remarks that did not fit into kept */
    bool updating; /* the line under the cursor is one that the next replaces */
} screen = {.fd = STDERR_FILENO, .mutex = PTHREAD_MUTEX_INITIALIZER};

/* What is still to be written, [screen.n_kept]. */
static char kept[MOST_KEPT];

/*
 * The flag for not blocking belongs to a description, and other processes share ours: a terminal or a pipe is opened
 * once more. Where that cannot be, as with sockets, there is a poll before each small write.
 */
void rin_cli_screen_open(void) {
    struct stat info;
    const char *kind = getenv("TERM");
    screen.terminal = isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
    if (fstat(STDERR_FILENO, &info) != 0 || S_ISREG(info.st_mode)) return;
    int own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    screen.polls = own < 0;
    if (own >= 0) screen.fd = own;
}

bool rin_cli_screen_updates(void) {
    return screen.terminal;
}

size_t rin_cli_screen_width(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

/* How much of the text was written at once. What nobody can ever read counts as written. Also for signal handlers. */
static size_t write_some(const char *text, size_t n) {
    size_t done = 0;
    while (done < n) {
        size_t part = n - done;
        if (screen.polls) {
            struct pollfd room = {.fd = screen.fd, .events = POLLOUT};
            if (poll(&room, 1, 0) == 0) break;
            part = part < AT_ONCE ? part : AT_ONCE;
        }
        ssize_t written = write(screen.fd, text + done, part);
        if (written == 0 || (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))) break;
        if (written < 0 && errno != EINTR) return n;
        if (written > 0) done += (size_t)written;
    }
    return done;
}

void rin_cli_screen_interrupt(const char *text) {
    if (screen.terminal) (void)write_some(CLEAR_LINE, sizeof CLEAR_LINE - 1);
    (void)write_some(text, strlen(text));
    (void)write_some("\n", 1);
}

/* ---- kept lines; the caller holds the mutex ---- */

static void drain(void) {
    size_t done = write_some(kept, screen.n_kept);
    memmove(kept, kept + done, screen.n_kept - done);
    screen.n_kept -= done;
}

static void send_kept(void) {
    drain();
    if (screen.n_kept || !screen.left_out) return;
    screen.n_kept = (size_t)snprintf(kept, sizeof kept, "rin: %ld more remarks were left out\n", screen.left_out);
    screen.left_out = 0;
    drain();
}

static void keep(const char *line, size_t n) {
    if (screen.left_out || n > MOST_KEPT - screen.n_kept) {
        screen.left_out++;
        return;
    }
    memcpy(kept + screen.n_kept, line, n);
    screen.n_kept += n;
}

size_t rin_cli_character(const char *text) {
    const unsigned char *c = (const unsigned char *)text;
    if (c[0] < 0x80) return c[0] >= 0x20 && c[0] != 0x7F;
    if (c[0] < 0xC2 || c[0] > 0xF4) return 0;
    size_t n = c[0] >= 0xF0 ? 4 : c[0] >= 0xE0 ? 3 : 2;
    for (size_t i = 1; i < n; i++) {
        if ((c[i] & 0xC0) != 0x80) return 0;
    }
    switch (c[0]) {
    case 0xC2: return c[1] >= 0xA0 ? n : 0; /* below are control characters */
    case 0xE0: return c[1] >= 0xA0 ? n : 0; /* longer than need be */
    case 0xED: return c[1] < 0xA0 ? n : 0;  /* halves of pairs of UTF-16 */
    case 0xF0: return c[1] >= 0x90 ? n : 0; /* longer than need be */
    case 0xF4: return c[1] < 0x90 ? n : 0;  /* beyond the last character */
    default: return n;
    }
}

/* The whole line: what clears the place, the text without its control characters, the end. */
static size_t compose(rin_cli_line kind, const char *text, char line[LONGEST]) {
    enum { LONGEST_CHARACTER = 4, END = 1 };
    size_t n = 0;
    if (screen.updating || kind == RIN_CLI_UPDATE) {
        memcpy(line, CLEAR_LINE, sizeof CLEAR_LINE - 1);
        n = sizeof CLEAR_LINE - 1;
    }
    while (*text && n + LONGEST_CHARACTER + END <= LONGEST) {
        size_t bytes = rin_cli_character(text);
        if (bytes) memcpy(line + n, text, bytes);
        else line[n] = '?';
        n += bytes ? bytes : 1;
        text += bytes ? bytes : 1;
    }
    if (kind != RIN_CLI_UPDATE) line[n++] = '\n';
    return n;
}

/* ---- lines ---- */

void rin_cli_screen_put(rin_cli_line kind, const char *text) {
    char line[LONGEST];
    pthread_mutex_lock(&screen.mutex);
    size_t n = compose(kind, text, line);
    send_kept();
    size_t done = screen.n_kept ? 0 : write_some(line, n);
    /* Of a line that was begun the rest is kept, whatever its kind. */
    bool shown = done > 0 || kind == RIN_CLI_REMARK;
    if (shown && done < n) keep(line + done, n - done);
    if (shown) screen.updating = kind == RIN_CLI_UPDATE && *text;
    pthread_mutex_unlock(&screen.mutex);
}

void rin_cli_screen_clear(void) {
    pthread_mutex_lock(&screen.mutex);
    bool updating = screen.updating;
    pthread_mutex_unlock(&screen.mutex);
    if (updating) rin_cli_screen_put(RIN_CLI_UPDATE, "");
}

bool rin_cli_screen_flush(void) {
    pthread_mutex_lock(&screen.mutex);
    send_kept();
    bool all = screen.n_kept == 0;
    pthread_mutex_unlock(&screen.mutex);
    return all;
}

void rin_cli_screen_wait(void) {
    enum { TRIES = 50, NANOSECONDS = 20000000 };
    for (int i = 0; !rin_cli_screen_flush() && i < TRIES; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = NANOSECONDS}, NULL);
    }
}
