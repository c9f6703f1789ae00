/* SPDX-License-Identifier: MIT */
/* progress: one updating line on a terminal, plain lines elsewhere; stopping on SIGINT and SIGTERM. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"

static const char CLEAR_LINE[] = "\r\033[K";

/* A signal handler has no other way to tell: the one variable of the program. */
static volatile sig_atomic_t stop_wanted;

static void on_signal(int number) {
    (void)number;
    if (stop_wanted) _exit(RIN_EXIT_INTERRUPTED);
    stop_wanted = 1;
    static const char text[] = "\nrin: stopping after this step; once more to stop at once\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
}

static size_t terminal_width(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

/* Adds a field with two spaces before it if it fits; the fields come in the order of their use. */
static void add_field(char *line, size_t width, const char *field) {
    size_t used = strlen(line), gap = used ? 2 : 0;
    if (used + gap + strlen(field) >= width) return;
    memcpy(line + used, "  ", gap);
    memcpy(line + used + gap, field, strlen(field) + 1);
}

static void format_line(const rin_progress *p, bool training, char *line, size_t width) {
    char field[96], number[RIN_CLI_NUMBER];
    line[0] = '\0';
    snprintf(field, sizeof field, "%s %lld/%lld", training ? "step" : p->doing, (long long)p->done,
             (long long)p->total);
    add_field(line, width, field);
    if (training) {
        snprintf(field, sizeof field, "loss %.4g", p->loss);
        add_field(line, width, field);
    }
    if (p->images_per_second > 0) {
        snprintf(field, sizeof field, "%s images/s", rin_cli_short(p->images_per_second, number));
        add_field(line, width, field);
    }
    if (p->done < p->total) {
        snprintf(field, sizeof field, "ETA %s", rin_cli_seconds(p->eta, number));
        add_field(line, width, field);
    }
    if (p->memory_bytes > 0) add_field(line, width, rin_cli_bytes(p->memory_bytes, number));
    if (!training) return;
    snprintf(field, sizeof field, "rate %.3g", p->learning_rate);
    add_field(line, width, field);
    snprintf(field, sizeof field, "gradient %.3g", p->grad_norm);
    add_field(line, width, field);
    if (p->seconds > 0 && p->wait_seconds > 0.05 * p->seconds) {
        snprintf(field, sizeof field, "waiting for data %.0f%%", 100 * p->wait_seconds / p->seconds);
        add_field(line, width, field);
    }
}

/* Lines that stay: the steps of the log and checkpoints; of other work one every ten seconds. */
static bool is_due(const rin_cli_monitor *m, const rin_progress *p, bool training) {
    enum { INTERVAL = 10 };
    if (!training) return !m->terminal && (p->seconds - m->shown >= INTERVAL || (p->done == p->total && m->shown > 0));
    return p->done == p->total || p->saved || (!m->terminal && (p->done == 1 || p->done % m->every == 0));
}

static bool on_progress(void *user, const rin_progress *p) {
    enum { LONGEST = 512 };
    rin_cli_monitor *m = user;
    bool training = strcmp(p->doing, "train") == 0;
    char line[LONGEST];
    if (!m->doing || strcmp(m->doing, p->doing) != 0) m->shown = 0;
    m->doing = p->doing;
    const char *clear = m->terminal ? CLEAR_LINE : "", *saved = p->saved ? "  saved" : "";
    size_t width = m->terminal ? terminal_width() : LONGEST;
    width = width < LONGEST ? width : LONGEST;
    if (is_due(m, p, training)) {
        format_line(p, training, line, width > strlen(saved) ? width - strlen(saved) : 1);
        fprintf(stderr, "%s%s%s\n", clear, line, saved);
        m->shown = p->seconds;
    } else if (m->terminal && (p->seconds - m->shown >= 0.1 || p->done == p->total)) {
        format_line(p, training, line, width);
        fprintf(stderr, "%s%s", clear, line);
        m->shown = p->seconds;
    }
    if (p->sample_path) fprintf(stderr, "%ssamples: %s\n", clear, p->sample_path);
    fflush(stderr);
    return !stop_wanted;
}

/* One call to the stream a remark: loader threads may speak at the same time. */
static void on_log(void *user, rin_log_level level, const char *text) {
    const rin_cli_monitor *m = user;
    fprintf(stderr, "%srin: %s%s\n", m->terminal ? CLEAR_LINE : "", level == RIN_LOG_WARNING ? "warning: " : "", text);
}

rin_listener rin_cli_monitor_start(rin_cli_monitor *monitor, int64_t every) {
    const char *kind = getenv("TERM");
    *monitor = (rin_cli_monitor){.every = every > 0 ? every : 1};
    monitor->terminal = isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return (rin_listener){.on_progress = on_progress, .on_log = on_log, .user = monitor};
}

void rin_cli_monitor_end(const rin_cli_monitor *monitor) {
    if (monitor->terminal) fputs(CLEAR_LINE, stderr);
}
